"""Truth that cannot belong to its picture is questioned; metres are brought to relative depth."""

import numpy as np
import pytest

from depthmask.evaluation.sequences import score_prediction
from depthmask.evaluation.truth import (
    EMPTY,
    FULL,
    INVERTED,
    OPPOSITE_DEPTH,
    UNKNOWN_DEPTH,
    UNRELATED,
    UNRELATED_DEPTH,
    depth_doubts,
    mask_doubts,
    relative_depth,
)
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Map, Picture, TrueDepth

SIDE = 60


def found() -> Map:
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[10:40, 10:40] = 1
    return mask


def labels(rows: slice, columns: slice) -> Picture:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[rows, columns] = 255
    return values


HERE = labels(slice(12, 38), slice(8, 40))


@pytest.mark.parametrize(
    ("true", "doubts"),
    [
        (HERE, ()),
        (255 - HERE, (INVERTED,)),
        (np.zeros_like(HERE), (EMPTY,)),
        (np.full_like(HERE, 255), (FULL,)),
        (np.where(HERE > 0, np.uint8(255), np.uint8(170)), (FULL,)),
        (labels(slice(45, 60), slice(30, 60)), (UNRELATED,)),
        (np.full_like(HERE, 170), ()),
    ],
)
def test_a_mask_is_questioned(true: Picture, doubts: tuple[str, ...]) -> None:
    assert mask_doubts(found(), true) == doubts


def test_an_empty_scene_may_have_an_empty_mask() -> None:
    assert mask_doubts(np.zeros((SIDE, SIDE), np.float32), np.zeros_like(HERE)) == ()
    assert mask_doubts(np.zeros((SIDE, SIDE), np.float32), HERE) == (), "the prediction errs"


def ramp() -> Map:
    return np.linspace(0.3, 1, SIDE, dtype=np.float32)[None].repeat(SIDE, axis=0)


def test_a_depth_is_questioned() -> None:
    assert depth_doubts(ramp(), TrueDepth(ramp() ** 2)) == ()
    assert depth_doubts(ramp(), TrueDepth(1.2 - ramp())) == (OPPOSITE_DEPTH,)
    assert depth_doubts(ramp(), TrueDepth(1.2 - ramp(), in_metres=True)) == (UNRELATED_DEPTH,)
    assert depth_doubts(ramp(), TrueDepth(np.zeros_like(ramp()))) == (UNKNOWN_DEPTH,)
    assert depth_doubts(ramp(), TrueDepth(np.full_like(ramp(), 0.5))) == ()


def test_metres_are_fitted_to_the_prediction() -> None:
    metres = 1 / (0.2 + 0.7 * (1 / ramp() - 1))
    metres[0] = 0
    true = TrueDepth(metres.astype(np.float32), in_metres=True)
    relative = relative_depth(true, ramp())
    assert not relative[0].any()
    assert np.abs(relative[1:] - ramp()[1:]).max() < 1e-4
    scores = score_prediction(Prediction(found(), ramp(), 0), true_depth=true)
    assert scores["rmse"] < 1e-4 and scores["abs_rel"] < 1e-3
    assert set(scores) == {"rmse", "abs_rel", "delta1", "rmse_m"}
