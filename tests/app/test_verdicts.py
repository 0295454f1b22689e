"""The words beside the figures."""

from typing import Any

import numpy as np
import pytest

from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.verdicts import words
from depthmask.app.prediction_cache import PredictedPair
from depthmask.inference.predictor import Prediction

SIDE = 100


def analysis(mask: Any, true: Any, **changes: Any) -> Analysis:
    found = Prediction(mask.astype(np.float32), np.full((SIDE, SIDE), 0.5, np.float32), 0)
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    predicted = PredictedPair(image, found, (SIDE, SIDE), ())
    iou = (mask & true).sum() / max((mask | true).sum(), 1) if (mask | true).any() else 1.0
    return Analysis("", predicted=predicted, true_mask=true, iou=iou, **changes)


def box(left: int, right: int) -> Any:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[20:80, left:right] = True
    return mask


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (box(20, 80), "excellent"),
        (box(20, 86), "good: it takes 10% too much"),
        (box(20, 71), "good: it misses 15%"),
        (box(26, 87), "fair: it misses 10% and takes 12% too much"),
        (box(60, 80), "poor: it misses 67%"),
    ],
)
def test_the_error_that_prevails_is_told(found: Any, said: str) -> None:
    assert words(analysis(found, box(20, 80))) == {"iou": said}


def test_what_is_unknown_is_no_error() -> None:
    known = ~box(80, 100)
    assert words(analysis(box(20, 100), box(20, 80), mask_known=known))["iou"].endswith("fair")


def test_an_empty_scene_has_its_own_words() -> None:
    nothing = box(0, 0)
    assert words(analysis(nothing, nothing)) == {"iou": "excellent: nothing is there"}
    assert "something was found" in words(analysis(box(0, 50), nothing))["iou"]


@pytest.mark.parametrize(
    ("error", "said"),
    [(0.01, "excellent"), (0.1, "good: mostly too far"), (-0.3, "poor: mostly too near")],
)
def test_depth_is_told_by_its_error(error: float, said: str) -> None:
    errors = np.full((SIDE, SIDE), error, np.float32)
    errors[0] = np.nan
    result = analysis(box(0, 9), box(0, 9), depth_error=errors, rmse=abs(error))
    assert words(result)["rmse"] == said


def test_a_shadow_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from depthmask.inference import shadow

    def cast(image: Any, background: Any, mask: Any) -> Any:
        return box(80, 100).astype(np.float32) * 0.5

    monkeypatch.setattr(shadow, "cast_shadow", cast)
    result = analysis(box(20, 86), box(20, 80))
    assert result.predicted is not None
    found = replace(result.predicted.prediction, background=result.predicted.image)
    result = replace(result, predicted=result.predicted._replace(prediction=found))
    assert words(result)["iou"] == "good: it takes 10% too much, mostly the shadow"


def test_without_truth_there_are_no_words() -> None:
    assert words(Analysis("")) == {}
