"""Errors of alpha worked out by hand."""

import math

import numpy as np
import pytest

from depthmask.evaluation.matting import (
    absolute_error,
    connectivity_error,
    depth_edge_recall,
    gradient_error,
    squared_error,
    sum_of_differences,
    unknown_band,
)


def square(side: int = 40) -> np.ndarray:
    mask = np.zeros((side, side), np.float32)
    mask[10:30, 10:30] = 1
    return mask


def test_differences() -> None:
    true, pred = square(), square()
    pred[:10] += 0.5
    assert absolute_error(pred, true) == pytest.approx(0.5 * 400 / 1600)
    assert squared_error(pred, true) == pytest.approx(0.25 * 400 / 1600)
    assert sum_of_differences(pred, true) == pytest.approx(0.2)
    below = np.ones((40, 40), bool)
    below[:10] = False
    assert absolute_error(pred, true, below) == 0
    assert sum_of_differences(pred, true, below) == 0
    assert math.isnan(absolute_error(pred, true, below & False))


def test_unknown_band_lies_around_the_border() -> None:
    band = unknown_band(square())
    assert band[9, 20] and band[10, 20] and not band[20, 20] and not band[5, 20]
    assert not unknown_band(np.zeros((40, 40), np.float32)).any()


def test_unknown_band_holds_what_is_partly_covered() -> None:
    veil = np.full((40, 40), 0.5, np.float32)  # no border anywhere
    assert unknown_band(veil).all()
    assert not unknown_band(veil + 0.5).any()


def test_an_island_is_not_connected() -> None:
    true, pred = square(), square()
    assert connectivity_error(pred, true) == 0
    pred[34:38, 34:38] = 1  # 16 pixels apart from the object
    assert connectivity_error(pred, true) == pytest.approx(16 / 1600)
    touching = square()
    touching[30:32, 10:18] = 0.1  # less than the gap that counts
    assert connectivity_error(touching, true) == 0


def test_what_was_apart_at_a_low_level_stays_apart() -> None:
    true = np.zeros((40, 40), np.float32)
    true[20:38, 5:35] = 0.45  # the largest area up to level 0.4
    true[2:12, 5:20] = 0.7  # 150 pixels, alone above it
    pred = np.where(true == 0.7, 0.6, true).astype(np.float32)
    assert connectivity_error(pred, true) == pytest.approx(0.1 * 150 / 1600, abs=1e-6)


def test_steps_of_depth_at_the_border() -> None:
    mask = square()
    true = 0.9 - 0.5 * mask
    assert depth_edge_recall(true, true, mask) == 1
    assert depth_edge_recall(np.full_like(true, 0.9), true, mask) == 0
    half = true.copy()
    half[:, :20] = 0.9
    assert 0.35 < depth_edge_recall(half, true, mask) < 0.65
    assert math.isnan(depth_edge_recall(true, np.full_like(true, 0.5), mask))
    for share, found in ((0.55, 1), (0.45, 0)):  # of the true step, half is enough
        assert depth_edge_recall(0.9 - share * 0.5 * mask, true, mask) == found


def test_the_gradient_error_tells_a_blurred_edge_from_a_sharp_one() -> None:
    line = np.arange(40, dtype=np.float32)
    edge = np.tile((line >= 20).astype(np.float32), (30, 1))
    ramp = np.tile(((line - 14) / 12).clip(0, 1), (30, 1))
    error = gradient_error(ramp, edge)
    assert gradient_error(edge, edge) == 0
    assert gradient_error(ramp.T, edge.T) == pytest.approx(error)
    # a step has the Gaussian itself for a gradient; a flat mask has none
    height = np.exp(-((line - 19.5) ** 2) / (2 * 1.4**2)) / (1.4 * math.sqrt(2 * math.pi))
    flat = gradient_error(np.zeros_like(edge), edge)
    assert flat == pytest.approx((height**2).sum() / 40, rel=0.02)
    assert math.isnan(gradient_error(ramp, edge, np.zeros((30, 40), bool)))
