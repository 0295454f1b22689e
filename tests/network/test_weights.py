"""The shipped weights: whole, described, and as good on the examples as they are said to be."""

import hashlib

import pytest

from benchmarks.examples import predict_example, score_example
from depthmask.files import EXAMPLES
from depthmask.inference.predictor import Predictor
from depthmask.network.architecture import MODELS
from depthmask.network.checkpoint import SHIPPED, WEIGHTS, load_checkpoint
from depthmask.pictures import read_picture

FOLDER = WEIGHTS.parent
# IoU of the mask and RMSE of depth, by `python -m benchmarks.examples` in float32, as in the cards.
FIGURES = {
    "main": {
        "astronaut": (0.994, 0.134),
        "bicycle": (0.552, 0.141),
        "desk": (0.972, 0.129),
        "doorstep": (0.970, 0.107),
        "empty": (1.000, 0.278),
        "teddy": (0.851, 0.229),
    },
    "fast": {
        "astronaut": (0.992, 0.136),
        "bicycle": (0.466, 0.190),
        "desk": (0.930, 0.118),
        "doorstep": (0.947, 0.104),
        "empty": (1.000, 0.272),
        "teddy": (0.857, 0.225),
    },
}
PARAMETERS = {"main": 1_769_306, "fast": 656_308}


@pytest.fixture(scope="module", params=SHIPPED)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def predictor(model: str) -> Predictor:
    # plain PyTorch computes the same on every machine; int8 is judged when it is exported
    return Predictor(SHIPPED[model], backend="torch", device="cpu")


def test_every_file_has_its_checksum() -> None:
    rows = [line.split() for line in (FOLDER / "SHA256SUMS").read_text().splitlines()]
    listed = {name: digest for digest, name in rows}
    kinds = (".safetensors", ".onnx", ".xml", ".bin")
    shipped = {path.name: path for path in FOLDER.iterdir() if path.suffix in kinds}
    assert listed.keys() == shipped.keys()
    for name, path in shipped.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]
    # git on Windows would change the ends of lines
    assert "weights/*.xml -text" in (FOLDER.parent / ".gitattributes").read_text().splitlines()


def test_they_describe_themselves() -> None:
    assert set(FOLDER.glob("*.safetensors")) == set(SHIPPED.values())
    for name, path in SHIPPED.items():
        model, info = load_checkpoint(path)
        assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]
        assert (info.stages, info.stride) == MODELS[name]
        assert info.samples > 0 and info.metrics["iou"] > 0.5
        assert info.training["phases"]


def test_every_example_has_its_figures() -> None:
    examples = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert all(figures.keys() == examples for figures in FIGURES.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES["main"])
def test_examples_score_as_measured(predictor: Predictor, model: str, name: str) -> None:
    scores = score_example(predict_example(predictor, EXAMPLES / name), EXAMPLES / name)
    iou, rmse = FIGURES[model][name]
    assert scores["iou"] == pytest.approx(iou, abs=0.01)
    assert scores["rmse"] == pytest.approx(rmse, abs=0.01)


def test_an_empty_scene_stays_empty(predictor: Predictor) -> None:
    folder = EXAMPLES / "empty"
    background = read_picture(folder / "background.jpg")
    for image in (background, read_picture(folder / "image.jpg")):
        mask = predictor.predict(background, image).mask
        assert (mask > 0.5).mean() <= 0.001
