"""The files of a scene: what the browser unpacks is what was predicted."""

import json
import zlib
from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from depthmask.app.photos import scene as scene_module
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.scene import (
    DEPTH_STEPS,
    PREVIEW_SIDE,
    UNKNOWN,
    first_scene,
    pack_planes,
    write_rest,
    write_scene,
)
from depthmask.app.prediction_cache import PredictedPair
from depthmask.inference.predictor import Prediction
from tests.conftest import HEIGHT, WIDTH, Pair

Plane = npt.NDArray[np.int64]


@pytest.fixture
def analysis(pair: Pair) -> Analysis:
    mask = np.roll(pair.true_mask, 1, axis=1).astype(np.float32)
    mask[30, 20] = 0.25
    found = Prediction(mask, pair.true_depth, 0.1, background=pair.background)
    predicted = PredictedPair(pair.image, found, (HEIGHT, WIDTH), ())
    error = np.full_like(found.depth, 0.125)
    error[0, 0] = np.nan
    return Analysis("", predicted=predicted, true_mask=pair.true_mask, depth_error=error, iou=0.9)


def unpack(content: bytes, kinds: list[int], width: int, height: int) -> list[Plane]:
    """The planes of a file, of 1 or 2 bytes a value, as the browser unpacks them."""
    values, found = np.frombuffer(zlib.decompress(content), np.uint8), []
    for kind in kinds:
        size = width * height
        part, values = values[: kind * size].astype(np.int64), values[kind * size :]
        if kind == 2:
            folded = 256 * part[:size] + part[size:]
            part = (folded >> 1) ^ -(folded & 1)
        change = part.reshape(height, width)
        found.append(change.cumsum(axis=0).cumsum(axis=1) % 256**kind)
    assert not len(values)
    return found


def read_maps(scene: dict[str, Any]) -> dict[str, Plane]:
    """The planes of a scene by their names."""
    kinds = [2 if name in ("depth", "error") else 1 for name in scene["planes"]]
    content = Path(scene["folder"], scene["files"]["maps"]).read_bytes()
    return dict(zip(scene["planes"], unpack(content, kinds, *scene["pixels"]), strict=True))


@pytest.mark.parametrize("level", [1, 9])
def test_planes_are_packed_without_loss(level: int) -> None:
    random = np.random.default_rng(3)
    small = random.integers(0, 256, (7, 5)).astype(np.uint8)
    wide = random.integers(0, 2**16, (7, 5)).astype(np.uint16)
    found = unpack(pack_planes([small, wide, small], level=level), [1, 2, 1], 5, 7)
    assert all((one == other).all() for one, other in zip(found, (small, wide, small), strict=True))


def test_the_files_hold_mask_truth_depth_and_error(analysis: Analysis, tmp_path: Path) -> None:
    scene = write_scene(analysis, name="bear", words={"iou": "good"}, folder=tmp_path)
    assert json.loads(json.dumps(scene)) == scene
    named = {*scene["files"].values(), *scene["rest"]["files"].values()}
    assert {path.name for path in tmp_path.iterdir()} == named
    assert set(scene["rest"]["files"]) == {"background", "foreground", "relief"}
    maps = read_maps(scene)
    mask, truth = maps["alpha"], maps["truth"]
    assert mask[30, 20] == 64 and mask[40, 40] == 255 and mask[0, 0] == 0
    assert truth[40, 40] == 255 and truth[0, 0] == 0
    assert analysis.predicted is not None
    depth = maps["depth"] / DEPTH_STEPS
    assert abs(depth - analysis.predicted.prediction.depth).max() <= 0.5 / DEPTH_STEPS + 1e-6
    error = maps["error"]
    assert error[0, 0] == 0, "not known"
    assert abs(2 * error[5, 5] / DEPTH_STEPS - 1 - 0.125) < 1e-3
    assert scene["figures"]["iou"] == {"value": 0.9, "words": "good"}
    assert scene["figures"]["rmse"]["value"] is None
    assert scene["truth"] == {"mask": True, "depth": True}


def test_where_the_truth_is_not_known_it_is_unknown(analysis: Analysis, tmp_path: Path) -> None:
    known = np.ones((HEIGHT, WIDTH), bool)
    known[2, 3] = False
    scene = write_scene(replace(analysis, mask_known=known), folder=tmp_path)
    truth = read_maps(scene)["truth"]
    assert truth[2, 3] == UNKNOWN and np.unique(truth).tolist() == [0, UNKNOWN, 255]


def test_the_relief_has_the_foreground_before_the_scene(analysis: Analysis, tmp_path: Path) -> None:
    rest = write_scene(analysis, folder=tmp_path)["rest"]
    content = (tmp_path / rest["files"]["relief"]).read_bytes()
    near, far = unpack(content, [2, 2], *rest["grid"])
    assert near[40, 40] < far[40, 40]


def test_a_scene_without_truth_or_background_has_fewer_files(
    analysis: Analysis, tmp_path: Path
) -> None:
    predicted = analysis.predicted
    assert predicted is not None
    bare = predicted._replace(prediction=replace(predicted.prediction, background=None))
    scene = write_scene(Analysis("", predicted=bare), folder=tmp_path)
    assert set(scene["rest"]["files"]) == {"foreground", "relief"}
    assert scene["planes"] == ["alpha", "depth"]
    assert scene["truth"] == {"mask": False, "depth": False}


def test_the_first_picture_is_small(analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_module, "FIRST_SIDE", WIDTH // 2)
    scene = first_scene(analysis, name="bear")
    assert json.loads(json.dumps(scene)) == scene
    first = scene["first"]
    assert first["pixels"] == [WIDTH // 2, HEIGHT // 2] and scene["pixels"] == [WIDTH, HEIGHT]
    assert scene["planes"] == ["alpha", "depth", "truth", "error"]
    alpha = unpack(b64decode(first["maps"]), [1, 2, 1, 2], *first["pixels"])[0]
    assert alpha[20, 20] == 255 and alpha[0, 0] == 0
    with Image.open(BytesIO(b64decode(first["image"]))) as image:
        assert image.size == (WIDTH // 2, HEIGHT // 2)
    assert "image" not in first_scene(analysis, with_image=False)["first"]


def test_the_rest_has_all_files_of_the_scene(analysis: Analysis, tmp_path: Path) -> None:
    files = set(write_rest(analysis, folder=tmp_path)["files"])
    assert files == {"maps", "image", "relief", "background", "foreground"}


def test_large_pictures_are_shrunk_for_the_screen(tmp_path: Path) -> None:
    mask = np.zeros((10, 4 * PREVIEW_SIDE), np.float32)
    picture = np.zeros((*mask.shape, 3), np.uint8)
    predicted = PredictedPair(picture, Prediction(mask, mask + 1, 0), (9, 9), ())
    scene = write_scene(Analysis("", predicted=predicted, true_mask=mask > 1), folder=tmp_path)
    assert scene["size"] == [4 * PREVIEW_SIDE, 10] and scene["pixels"] == [PREVIEW_SIDE, 2]
    assert all(plane.shape == (2, PREVIEW_SIDE) for plane in read_maps(scene).values())
    with Image.open(tmp_path / scene["files"]["image"]) as image:
        assert image.size == (PREVIEW_SIDE, 2)


def test_nothing_predicted_is_no_scene() -> None:
    with pytest.raises(ValueError, match="no prediction"):
        write_scene(Analysis("Drop a pair."))


@pytest.mark.parametrize("columns", [0, 30])
def test_the_unknown_area_is_sent_unless_it_hardly_shows(
    analysis: Analysis, tmp_path: Path, columns: int
) -> None:
    assert analysis.predicted is not None
    unknown = np.zeros((HEIGHT, WIDTH), bool)
    unknown[0, 0] = unknown[:, WIDTH - columns :] = True
    found = replace(analysis.predicted.prediction, unknown=unknown)
    shown = replace(analysis, predicted=analysis.predicted._replace(prediction=found))
    scene = write_scene(shown, folder=tmp_path)
    maps = read_maps(scene)
    assert ("unknown" in maps) == (columns > 0)
    if columns:
        assert np.array_equal(maps["unknown"] > 127, unknown)
