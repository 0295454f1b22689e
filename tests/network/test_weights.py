"""The shipped weights: whole, described, and as good as their card says on the examples."""

import hashlib

import pytest

from benchmarks.examples import EXAMPLES, predict_example, score
from depthmask.inference.predictor import Predictor
from depthmask.network.checkpoint import WEIGHTS, load_checkpoint
from depthmask.pictures import read_picture

FOLDER = WEIGHTS.parent


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(device="cpu")


def card_figures() -> dict[str, tuple[float, float]]:
    """IoU and RMSE of each example, from the model card's table."""
    rows = [line.split("|") for line in (FOLDER / "README.md").read_text().splitlines()]
    found = {
        cells[1].strip(" `"): (float(cells[2]), float(cells[3]))
        for cells in rows
        if len(cells) == 5 and (EXAMPLES / cells[1].strip(" `")).is_dir() and cells[1].strip()
    }
    assert len(found) == len([path for path in EXAMPLES.iterdir() if path.is_dir()])
    return found


def test_every_file_has_its_checksum() -> None:
    rows = [line.split() for line in (FOLDER / "SHA256SUMS").read_text().splitlines()]
    listed = {name: digest for digest, name in rows}
    kinds = (".safetensors", ".onnx", ".xml", ".bin")
    shipped = {path.name: path for path in FOLDER.iterdir() if path.suffix in kinds}
    assert listed.keys() == shipped.keys()
    for name, path in shipped.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == listed[name]


def test_they_describe_themselves() -> None:
    for path in FOLDER.glob("*.safetensors"):
        model, info = load_checkpoint(path)
        assert sum(parameter.numel() for parameter in model.parameters()) == 1_769_306
        assert info.samples > 0 and info.metrics["iou"] > 0.5
        assert info.training["phases"]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()))
def test_examples_score_what_the_card_says(predictor: Predictor, name: str) -> None:
    scores = score(predict_example(predictor, EXAMPLES / name), EXAMPLES / name)
    iou, rmse = card_figures()[name]
    # bfloat16, where the CPU has it, moves the third decimal.
    assert scores["iou"] == pytest.approx(iou, abs=0.01)
    assert scores["rmse"] == pytest.approx(rmse, abs=0.01)


def test_an_empty_scene_stays_empty(predictor: Predictor) -> None:
    folder = EXAMPLES / "empty"
    background = read_picture(folder / "background.jpg")
    for image in (background, read_picture(folder / "image.jpg")):
        mask = predictor.predict(background, image).mask
        assert (mask > 0.5).mean() <= 0.001
