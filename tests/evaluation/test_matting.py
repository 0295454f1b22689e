"""Errors of alpha worked out by hand."""

import pytest
import torch

from depthmask.evaluation.matting import (
    absolute_error,
    connectivity_error,
    depth_edge_recall,
    squared_error,
    sum_of_differences,
    unknown_band,
)


def square(side: int = 40) -> torch.Tensor:
    mask = torch.zeros(1, side, side)
    mask[:, 10:30, 10:30] = 1
    return mask


def test_differences() -> None:
    true, pred = square(), square()
    pred[:, :10] += 0.5
    assert absolute_error(pred, true).item() == pytest.approx(0.5 * 400 / 1600)
    assert squared_error(pred, true).item() == pytest.approx(0.25 * 400 / 1600)
    assert sum_of_differences(pred, true).item() == pytest.approx(0.2)
    below = torch.ones(1, 40, 40, dtype=torch.bool)
    below[:, :10] = False
    assert absolute_error(pred, true, below).item() == 0
    assert sum_of_differences(pred, true, below).item() == 0
    assert absolute_error(pred, true, ~(below | True)).isnan().all()


def test_unknown_band_lies_around_the_border() -> None:
    band = unknown_band(square())[0]
    assert band[9, 20] and band[10, 20] and not band[20, 20] and not band[5, 20]
    assert not unknown_band(torch.zeros(1, 40, 40)).any()


def test_an_island_is_not_connected() -> None:
    true, pred = square(), square()
    assert connectivity_error(pred, true).item() == 0
    pred[:, 34:38, 34:38] = 1  # 16 pixels apart from the object
    assert connectivity_error(pred, true).item() == pytest.approx(16 / 1600)
    touching = square()
    touching[:, 30:32, 10:18] = 0.1  # fainter than what is seen
    assert connectivity_error(touching, true).item() == 0


def test_steps_of_depth_at_the_border() -> None:
    mask = square()
    true = 0.9 - 0.5 * mask
    assert depth_edge_recall(true, true, mask).item() == 1
    assert depth_edge_recall(torch.full_like(true, 0.9), true, mask).item() == 0
    half = true.clone()
    half[:, :, :20] = 0.9
    assert 0.35 < depth_edge_recall(half, true, mask).item() < 0.65
    assert depth_edge_recall(true, torch.full_like(true, 0.5), mask).isnan().all()
