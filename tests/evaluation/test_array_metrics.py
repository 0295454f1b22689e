"""Metrics of arrays, worked out by hand, and that those of tensors say the same."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from depthmask.evaluation import array_metrics, metrics


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("name", ["mask_iou", "depth_rmse"])
def test_arrays_and_tensors_have_the_same_metrics(name: str, share: float) -> None:
    random = np.random.default_rng(0)
    pred, true = random.uniform(0.1, 1, (2, 30, 40)).astype(np.float32)
    valid = random.uniform(size=(30, 40)) < share
    of_arrays: Callable[..., float] = getattr(array_metrics, name)
    of_tensors: Callable[..., torch.Tensor] = getattr(metrics, name)
    tensors = [torch.from_numpy(x)[None] for x in (pred, true, valid)]
    assert of_arrays(pred, true) == pytest.approx(of_tensors(*tensors[:2]).item(), rel=1e-5)
    expected = of_tensors(*tensors).item()
    assert of_arrays(pred, true, valid) == pytest.approx(expected, rel=1e-5, nan_ok=True)
    assert math.isnan(expected) == (share == 0 and name != "mask_iou")


def test_masks_may_be_truth_values() -> None:
    there, empty = np.eye(4, dtype=bool), np.zeros((4, 4), bool)
    assert array_metrics.mask_iou(there.astype(np.float32), there) == 1
    assert array_metrics.mask_iou(empty, empty) == 1
    assert array_metrics.mask_iou(empty, there) == 0


def test_f_measure_weighs_precision_and_recall() -> None:
    true = np.zeros((10, 10), np.float32)
    true[:4] = 1
    pred = np.zeros((10, 10), np.float32)
    pred[2:4] = pred[8, :5] = 0.6  # precision 20 / 25, recall 20 / 40
    expected = 1.3 * 0.8 * 0.5 / (0.3 * 0.8 + 0.5)
    assert array_metrics.f_measure(pred, true) == pytest.approx(expected)
    assert array_metrics.f_measure(true, true) == 1
    assert array_metrics.f_measure(1 - true, true) == 0
    assert math.isnan(array_metrics.f_measure(pred, 0 * true)), "no foreground, no recall"


def test_abs_rel_and_delta() -> None:
    true, pred = np.array([[1.0, 2.0, 4.0, 4.0]]), np.array([[1.0, 3.0, 4.4, 3.0]])
    assert array_metrics.abs_rel(pred, true) == pytest.approx((0 + 0.5 + 0.1 + 0.25) / 4)
    assert array_metrics.delta(pred, true) == 0.5
    assert array_metrics.delta(pred, true, power=2) == 1, "1.5 and 4/3 are below 1.5625"
    twice = np.array([[2.0]]), np.array([[1.0]])
    shares = [array_metrics.delta(*twice, power=power) for power in (2, 3, 4)]
    assert shares == [0, 0, 1], "1.25 to the power of 3 is 1.95, of 4 is 2.44"
    assert array_metrics.delta(pred, true, true > 1, power=1) == pytest.approx(1 / 3)
    assert array_metrics.delta(true, pred) == 0.5, "it does not matter which is larger"


def test_structural_similarity_of_flat_pictures() -> None:
    """Without structure only the means count: (2 a b + 0.01²) / (a² + b² + 0.01²)."""
    high, low = np.full((20, 30), 0.9, np.float32), np.full((20, 30), 0.5, np.float32)
    expected = (2 * 0.9 * 0.5 + 1e-4) / (0.9**2 + 0.5**2 + 1e-4)
    assert array_metrics.structural_similarity(high, low) == pytest.approx(expected, abs=1e-6)


def test_structural_similarity_of_textures() -> None:
    """The values are those of torchmetrics 1.9.0 in float64."""
    rows, columns = np.mgrid[:24, :32]
    true = (0.5 + 0.3 * np.sin(rows / 2) * np.cos(columns / 3)).astype(np.float32)
    pred = (0.8 * true + 0.1 + 0.05 * ((rows + columns) % 2)).astype(np.float32)
    assert array_metrics.structural_similarity(true, true) == pytest.approx(1)
    assert array_metrics.structural_similarity(pred, true) == pytest.approx(0.94073926)
    assert array_metrics.structural_similarity(1 - true, true) == pytest.approx(-0.83267425)
    assert array_metrics.structural_similarity(pred[:3, :4], true[:3, :4]) < 1, "any size"
