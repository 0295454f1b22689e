"""The predictor takes any two photos, keeps the image's size, and refuses the rest clearly."""

import json
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from depthmask.backends import graph_of, select
from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend
from depthmask.backends.pytorch import TorchBackend
from depthmask.errors import CheckpointError
from depthmask.inference import predictor as predictor_module
from depthmask.inference.predictor import Predictor, network_size, resolution_for
from depthmask.network.checkpoint import WEIGHTS
from depthmask.network.device import has_fast_bfloat16
from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import crop_to_aspect, resize
from tests.conftest import FakeBackend, Pair
from tests.inference.test_registration import moved, scene


@pytest.fixture(scope="module", params=["torch", "openvino"])
def predictor(exported_checkpoint: Path, request: pytest.FixtureRequest) -> Predictor:
    return Predictor(exported_checkpoint, device="cpu", backend=request.param)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("image", [(1, 1), (60, 80), (1, 500), (3000, 2), (97, 33)])
@pytest.mark.parametrize("background", [(1, 1), (60, 80), (2, 300)])
def test_any_sizes_give_maps_of_the_images_size(
    predictor: Predictor, background: tuple[int, int], image: tuple[int, int]
) -> None:
    prediction = predictor.predict(noise(*background), noise(*image))
    for values in (prediction.mask, prediction.depth):
        assert values.shape == image and values.dtype == np.float32
        assert values.min() >= 0 and values.max() <= 1
    assert prediction.depth.min() > 0
    assert prediction.seconds > 0


@pytest.mark.parametrize("size", [(60, 80), (300, 400)])
def test_a_first_look_has_a_preview_of_what_is_finished_later(
    predictor: Predictor, size: tuple[int, int]
) -> None:
    background, image = noise(*size), noise(size[0] + 1, size[1])
    look = predictor.look(background, image)
    preview = look.preview(30, 40)
    assert preview.mask.shape == preview.depth.shape == (30, 40)
    assert preview.mask.min() >= 0 and preview.mask.max() <= 1 and preview.depth.min() > 0
    finished, whole = predictor.finish(look), predictor.predict(background, image)
    assert np.array_equal(finished.mask, whole.mask)
    assert np.array_equal(finished.depth, whole.depth)
    assert finished.background is not None and finished.background.shape == image.shape
    assert finished.seconds > preview.seconds > 0 and preview.pair == finished.pair
    expected = resize(finished.mask, 30, 40)
    assert np.abs(preview.mask - expected).mean() < 0.1


@pytest.mark.parametrize("size", [50, 64])  # 64 is what the network sees: nothing is resized
def test_strided_and_read_only_arrays_are_taken(predictor: Predictor, size: int) -> None:
    background, image = noise(size, size), noise(size, size)
    expected = predictor.predict(background, image)
    frozen = background.copy()
    frozen.flags.writeable = False
    reversed_twice = image[..., ::-1].copy()[..., ::-1]
    for same in (frozen, np.asfortranarray(background)):
        assert np.array_equal(predictor.predict(same, reversed_twice).mask, expected.mask)


def test_inputs_are_not_changed(predictor: Predictor, pair: Pair) -> None:
    background, image = pair.background.copy(), pair.image.copy()
    predictor.predict(background, image)
    assert np.array_equal(background, pair.background) and np.array_equal(image, pair.image)


def test_threads_may_share_a_predictor(predictor: Predictor, pair: Pair) -> None:
    expected = predictor.predict(pair.background, pair.image)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(predictor.predict, pair.background, pair.image) for _ in range(8)]
        for job in jobs:
            assert np.allclose(job.result().mask, expected.mask, atol=1e-5)


def test_which_picture_is_which_matters(predictor: Predictor, pair: Pair) -> None:
    there = predictor.predict(pair.background, pair.image)
    back = predictor.predict(pair.image, pair.background)
    assert not np.allclose(there.mask, back.mask)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "not float32 of shape"),
        (np.zeros((4, 4), np.uint8), r"not uint8 of shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (None, "not NoneType"),
    ],
)
def test_bad_arrays_are_refused(predictor: Predictor, picture: np.ndarray, message: str) -> None:
    good = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="background.*" + message):
        predictor.predict(picture, good)
    with pytest.raises(ValueError, match="image.*" + message):
        predictor.predict(good, picture)


def test_the_pair_is_reported(predictor: Predictor, pair: Pair) -> None:
    prediction = predictor.predict(pair.background, pair.image)
    assert prediction.pair is not None and prediction.background is not None
    assert prediction.background.shape == pair.image.shape
    summary = prediction.pair.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["sentence"] == prediction.pair.quality.sentence
    same = predictor.predict(pair.image, pair.image).pair
    assert same is not None and same.quality.verdict == "same"


def test_a_background_is_moved_and_lit_as_the_image(predictor: Predictor) -> None:
    image = scene()
    background = (moved(image, 8) * 0.8).astype(np.uint8)
    inside = np.s_[20:-20, 20:-20]

    def error(**steps: Any) -> float:
        found = predictor.predict(background, image, **steps)
        assert found.background is not None and found.pair is not None
        assert found.pair.registration.accepted == steps.get("align", True)
        assert found.pair.light.accepted == steps.get("light", True)
        return float(np.abs(found.background[inside].astype(int) - image[inside]).mean())

    assert error() < 3
    assert error(align=False) > 10 and error(light=False) > 10


def test_the_network_runs_again_where_its_mask_corrects_the_light(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    def fake_run(background: Picture, image: Picture) -> dict[str, Map]:
        runs.append(float(background.mean()))
        height, width = image.shape[:2]
        mask = np.zeros((height, width), np.float32)
        mask[:, : width * 2 // 3] = 1
        return {"mask": mask, "depth": mask}

    monkeypatch.setattr(predictor.backend, "run", fake_run)
    background = np.full((64, 96, 3), 100, np.uint8)
    image = background.copy()
    predictor.predict(background, image)
    assert len(runs) == 1
    image[:, :64] = 160  # two thirds say that the light has changed, and are foreground
    found = predictor.predict(background, image).pair
    assert found is not None and abs(found.light.stops) < 0.01
    assert len(runs) == 3 and runs[1] > 150 and runs[2] < 101


def test_resolution_and_device_are_checked(tiny_checkpoint: Path) -> None:
    assert Predictor(tiny_checkpoint).resolution == 64
    assert Predictor(tiny_checkpoint, resolution=96).resolution == 96
    for resolution in (0, 31, -5, 5000):
        with pytest.raises(ValueError, match=f"not {resolution}"):
            Predictor(tiny_checkpoint, resolution=resolution)
    for device in ("toaster", "cuda:99", "meta", "cpu:1", ""):
        with pytest.raises(ValueError, match=f"no device {device!r}"):
            Predictor(tiny_checkpoint, device=device)


def test_backends_are_chosen_and_told(
    exported_checkpoint: Path,
    tiny_checkpoint: Path,
    pair: Pair,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(select, "has_gpu", lambda: False)
    assert Predictor(exported_checkpoint).backend.name == "openvino"
    assert caplog.messages == []
    assert Predictor(tiny_checkpoint).backend.name == "torch"  # it has no graph
    (line,) = caplog.messages
    assert line.startswith("openvino is passed over for torch")
    predictor = Predictor(tiny_checkpoint, backend=FakeBackend())
    found = predictor.predict(pair.background, pair.image, light=False).mask > 0.5
    assert (found == pair.true_mask).mean() > 0.9 and predictor.device == "cpu"
    with pytest.raises(ValueError, match="no backend 'abacus'"):
        Predictor(tiny_checkpoint, backend="abacus")


def test_all_backends_predict_the_same(exported_checkpoint: Path, pair: Pair) -> None:
    first, *others = (
        Predictor(exported_checkpoint, device="cpu", backend=backend).predict(
            pair.background, pair.image
        )
        for backend in (
            TorchBackend(exported_checkpoint, device="cpu", precision="fp32"),
            OpenVINOBackend(graph_of(exported_checkpoint), precision="fp32"),
            OnnxRuntimeBackend(graph_of(exported_checkpoint)),
        )
    )
    for other in others:
        assert np.abs(other.mask - first.mask).max() < 1e-3
        assert np.abs(other.depth - first.depth).max() < 1e-3


def test_fast_are_weights_of_their_own(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = tmp_path / "fast.safetensors"
    fast.write_bytes(tiny_checkpoint.read_bytes())
    monkeypatch.setattr(predictor_module, "SHIPPED", {"main": tiny_checkpoint, "fast": fast})
    made: list[Path] = []

    def make(name: str, *, checkpoint: Path, **rest: object) -> FakeBackend:
        made.append(checkpoint)
        return FakeBackend()

    monkeypatch.setattr(predictor_module, "make_backend", make)
    found = [
        Predictor(checkpoint, quality=quality).resolution
        for checkpoint in (None, tiny_checkpoint)
        for quality in ("fast", "balanced")
    ]
    assert made == [fast, tiny_checkpoint, tiny_checkpoint, tiny_checkpoint]
    assert found == [64, 64, 37, 64], "with weights of one's own, fast is a lower resolution"


def test_a_quality_is_a_resolution(tiny_checkpoint: Path) -> None:
    sides = [
        Predictor(tiny_checkpoint, quality=quality).resolution
        for quality in ("fast", "balanced", "best")
    ]
    assert sides == sorted(set(sides)) and sides[1] == Predictor(tiny_checkpoint).resolution == 64
    assert Predictor(tiny_checkpoint, quality="fast", resolution=96).resolution == 96
    with pytest.raises(ValueError, match="no quality 'superb'; use one of: fast, balanced, best"):
        Predictor(tiny_checkpoint, quality="superb")
    assert resolution_for("fast", 32) == 32  # never less than the network halves


def test_unfit_checkpoints_are_refused(
    make_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="predicts mask from 1"):
        Predictor(make_checkpoint(("mask",), 3))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        Predictor(tmp_path / "missing.safetensors")


@pytest.mark.parametrize(
    ("shape", "resolution", "expected"),
    [
        ((100, 100), 224, (224, 224)),
        ((480, 640), 224, (192, 256)),
        ((1920, 1080), 224, (288, 160)),
        ((1, 1), 32, (32, 32)),
        ((1, 100_000), 224, (32, 1568)),
        ((100_000, 1), 224, (1568, 32)),
    ],
)
def test_the_size_the_network_sees(
    shape: tuple[int, int], resolution: int, expected: tuple[int, int]
) -> None:
    assert network_size(*shape, resolution) == expected


def test_the_size_keeps_to_its_budget() -> None:
    for aspect in np.geomspace(0.01, 100, 60):
        height, width = network_size(round(1000 * aspect), 1000, 224)
        assert height % 32 == 0 and width % 32 == 0
        assert 0.6 < height * width / 224**2 < 1.4


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [
        ((60, 80), (60, 80), (60, 80)),
        ((60, 80), (120, 160), (60, 80)),
        ((60, 80), (10, 10), (60, 60)),
        ((60, 80), (100, 10), (60, 6)),
        ((1, 1), (3, 900), (1, 1)),
        ((2, 2), (1, 900), (1, 2)),
    ],
)
def test_a_background_is_cropped_to_the_images_aspect(
    shape: tuple[int, int], target: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert crop_to_aspect(noise(*shape), *target).shape[:2] == expected


def test_the_crop_is_centred() -> None:
    picture = noise(60, 80)
    assert np.array_equal(crop_to_aspect(picture, 1, 1), picture[:, 10:70])
    assert np.array_equal(crop_to_aspect(picture, 30, 80), picture[15:45])


def test_shrinking_averages_and_growing_interpolates() -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2 * np.float32(1)
    assert np.allclose(resize(checks, 8, 8), 0.5)
    grown = resize(np.array([[0, 1]], np.float32), 1, 8)
    assert (np.diff(grown[0]) >= 0).all() and 0 < grown[0, 3] < 1


@pytest.mark.parametrize("shipped", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_bfloat16_changes_little(tiny_checkpoint: Path, pair: Pair, shipped: bool) -> None:
    checkpoint = WEIGHTS if shipped else tiny_checkpoint
    coarse, exact = (
        Predictor(
            checkpoint, backend=TorchBackend(checkpoint, device="cpu", precision=precision)
        ).predict(pair.background, pair.image)
        for precision in ("bf16", "fp32")
    )
    assert (coarse.mask > 0.5).any() == (exact.mask > 0.5).any()
    assert ((coarse.mask > 0.5) != (exact.mask > 0.5)).mean() < 0.005
    assert np.abs(coarse.mask - exact.mask).mean() < 0.005
    assert 0 < np.abs(coarse.depth - exact.depth).max() < 0.03


def test_bfloat16_is_for_cpus_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert has_fast_bfloat16(cpu)
    assert not has_fast_bfloat16(torch.device("cuda"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert not has_fast_bfloat16(cpu)
