"""The scores of arrays are those that `depthmask.evaluation.metrics` has for batches of tensors."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from depthmask import depth
from depthmask.evaluation import array_metrics as scores
from depthmask.evaluation import metrics


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("name", ["mask_iou", "depth_rmse", "abs_rel", "delta1"])
def test_scores_are_those_of_the_metrics(name: str, share: float) -> None:
    random = np.random.default_rng(0)
    pred, true = random.uniform(0.1, 1, (2, 30, 40)).astype(np.float32)
    valid = random.uniform(size=(30, 40)) < share
    score: Callable[..., float] = getattr(scores, name)
    metric: Callable[..., torch.Tensor] = getattr(metrics, name)
    batches = [torch.from_numpy(x)[None] for x in (pred, true, valid)]
    assert score(pred, true) == pytest.approx(metric(*batches[:2]).item(), rel=1e-5)
    expected = metric(*batches).item()
    assert score(pred, true, valid) == pytest.approx(expected, rel=1e-5, nan_ok=True)
    assert math.isnan(expected) == (share == 0 and name != "mask_iou")


def test_masks_may_be_truth_values() -> None:
    there, empty = np.eye(4, dtype=bool), np.zeros((4, 4), bool)
    assert scores.mask_iou(there.astype(np.float32), there) == 1
    assert scores.mask_iou(empty, empty) == 1
    assert scores.mask_iou(empty, there) == 0


def test_alignment_is_that_of_the_metrics() -> None:
    random = np.random.default_rng(1)
    pred, true = random.uniform(0.1, 1, (2, 30, 40)).astype(np.float32)
    valid = random.uniform(size=(30, 40)) < 0.5
    tensors = [torch.from_numpy(x)[None] for x in (pred, true, valid)]
    aligned = depth.align_inverse_depth(pred, true, valid)
    assert np.allclose(aligned, metrics.align_inverse_depth(*tensors)[0], rtol=1e-9)
    flat = depth.align_inverse_depth(np.ones_like(true), true)
    assert np.allclose(flat, true.mean(dtype=np.float64))


def test_inverse_depth_is_that_of_the_convention() -> None:
    values = np.array([0, 1e-9, 0.2, 1], np.float32)
    expected = depth.inverse_from_depth(torch.from_numpy(values)).numpy()
    assert np.allclose(depth.inverse_from_depth_array(values), expected)


def test_constants_are_those_of_the_metrics() -> None:
    assert (scores.THRESHOLD, scores.DELTA1) == (metrics.THRESHOLD, metrics.DELTA1)
