"""The files of a scene: what the browser unpacks is what was predicted."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.scene import DEPTH_STEPS, PREVIEW_SIDE, UNKNOWN, write_scene
from depthmask.app.prediction_cache import PredictedPair
from depthmask.inference.predictor import Prediction
from tests.conftest import HEIGHT, WIDTH, Pair


@pytest.fixture
def analysis(pair: Pair) -> Analysis:
    mask = np.roll(pair.true_mask, 1, axis=1).astype(np.float32)
    mask[30, 20] = 0.25
    found = Prediction(mask, pair.true_depth, 0.1, background=pair.background)
    predicted = PredictedPair(pair.image, found, (HEIGHT, WIDTH), ())
    error = np.full_like(found.depth, 0.125)
    error[0, 0] = np.nan
    return Analysis("", predicted=predicted, true_mask=pair.true_mask, depth_error=error, iou=0.9)


def planes(folder: Path, name: str, count: int) -> npt.NDArray[np.int64]:
    """The planes of a file, (count, H, W)."""
    stacked = cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED)
    assert stacked is not None and stacked.dtype == np.uint8 and stacked.ndim == 2
    return stacked.reshape(count, -1, stacked.shape[1]).astype(np.int64)


def test_the_files_hold_mask_truth_depth_and_error(analysis: Analysis, tmp_path: Path) -> None:
    scene = write_scene(analysis, name="bear", words={"iou": "good"}, folder=tmp_path)
    assert json.loads(json.dumps(scene)) == scene
    assert {path.name for path in tmp_path.iterdir()} == set(scene["files"].values())
    mask, truth, shadow = planes(tmp_path, scene["files"]["maps"], 3)
    assert mask[30, 20] == 64 and mask[40, 40] == 255 and mask[0, 0] == 0
    assert truth[40, 40] == 255 and truth[0, 0] == 0
    assert shadow.max() == 0
    high, low = planes(tmp_path, scene["files"]["depth"], 2)
    depth = (256 * high + low) / DEPTH_STEPS
    assert analysis.predicted is not None
    assert abs(depth - analysis.predicted.prediction.depth).max() <= 0.5 / DEPTH_STEPS + 1e-6
    high, low = planes(tmp_path, scene["files"]["error"], 2)
    error = 256 * high + low
    assert error[0, 0] == 0, "not known"
    assert abs(2 * error[5, 5] / DEPTH_STEPS - 1 - 0.125) < 1e-3
    assert scene["figures"]["iou"] == {"value": 0.9, "words": "good"}
    assert scene["figures"]["rmse"]["value"] is None
    assert scene["truth"] == {"mask": True, "depth": True}


def test_the_relief_has_the_foreground_before_the_scene(analysis: Analysis, tmp_path: Path) -> None:
    scene = write_scene(analysis, folder=tmp_path)
    near_high, near_low, far_high, far_low = planes(tmp_path, scene["files"]["relief"], 4)
    near, far = 256 * near_high + near_low, 256 * far_high + far_low
    assert near[40, 40] < far[40, 40]


def test_a_scene_without_truth_or_background_has_fewer_files(
    analysis: Analysis, tmp_path: Path
) -> None:
    predicted = analysis.predicted
    assert predicted is not None
    bare = predicted._replace(prediction=replace(predicted.prediction, background=None))
    alone = Analysis("", predicted=bare)
    scene = write_scene(alone, folder=tmp_path)
    assert not {"background", "error"} & set(scene["files"])
    assert (planes(tmp_path, scene["files"]["maps"], 3)[1] == UNKNOWN).all()
    assert scene["truth"] == {"mask": False, "depth": False}


def test_large_pictures_are_shrunk_for_the_screen(tmp_path: Path) -> None:
    mask = np.zeros((10, 4 * PREVIEW_SIDE), np.float32)
    picture = np.zeros((*mask.shape, 3), np.uint8)
    predicted = PredictedPair(picture, Prediction(mask, mask + 1, 0), (9, 9), ())
    scene = write_scene(Analysis("", predicted=predicted, true_mask=mask > 1), folder=tmp_path)
    assert scene["size"] == [4 * PREVIEW_SIDE, 10]
    for name, count in (("maps", 3), ("depth", 2)):
        assert planes(tmp_path, scene["files"][name], count).shape[1:] == (2, PREVIEW_SIDE)


def test_nothing_predicted_is_no_scene() -> None:
    with pytest.raises(ValueError, match="no prediction"):
        write_scene(Analysis("Drop a pair."))
