"""The depth convention, on numbers that can be checked by hand."""

import numpy as np
import pytest
import torch

from depthmask.depth import (
    MIN_RANGE,
    align_inverse_depth,
    depth_from_ratio,
    inverse_from_depth,
    scene_range,
)


def test_the_scene_fills_a_third_to_one() -> None:
    inverse = torch.linspace(3, 7, 10_001)[None]
    low, span = scene_range(inverse)
    depth = depth_from_ratio((inverse - low) / span)
    assert depth.max() == 1
    assert depth[0, 9800] == pytest.approx(1 / 3, abs=1e-3)
    assert 0 < depth.min() < 1 / 3


def test_scale_and_shift_of_the_labels_do_not_matter() -> None:
    inverse = torch.rand(2, 50, 40)
    results = []
    for scaled in (inverse, 5 * inverse + 2):
        low, span = scene_range(scaled)
        results.append(depth_from_ratio((scaled - low[:, None, None]) / span[:, None, None]))
    torch.testing.assert_close(*results)


def test_a_nearer_object_never_saturates() -> None:
    depth = depth_from_ratio(torch.tensor([1.0, 5.0, 50.0, 5000.0]))
    assert (depth.diff() < 0).all()
    assert (depth > 0).all()


def test_the_noise_of_a_flat_wall_is_not_stretched() -> None:
    inverse = 1 + 1e-4 * torch.rand(1, 1000)
    low, span = scene_range(inverse)
    assert span.item() == pytest.approx(MIN_RANGE)
    assert depth_from_ratio((inverse - low) / span).min() > 0.99


def test_inverse_depth_undoes_depth() -> None:
    ratio = torch.tensor([0.0, 0.5, 4.0])
    found = inverse_from_depth(depth_from_ratio(ratio).numpy())
    assert found == pytest.approx(2 * ratio.numpy(), abs=1e-6)
    assert np.isfinite(inverse_from_depth(np.zeros(1, np.float32))).all()


def random_inverse() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1.1, (5, 7)).astype(np.float32)


def test_alignment_finds_scale_and_shift() -> None:
    true = random_inverse()
    assert align_inverse_depth(3 * true + 100, true) == pytest.approx(true, abs=1e-4)


def test_alignment_fits_valid_pixels_only() -> None:
    true = random_inverse()
    pred, valid = 2 * true, np.ones((5, 7), bool)
    pred[0, 0], valid[0, 0] = 1000, False
    aligned = align_inverse_depth(pred, true, valid)
    assert aligned[valid] == pytest.approx(true[valid], abs=1e-6)
    assert np.isnan(align_inverse_depth(pred, true, valid & False)).all()


def test_alignment_of_a_flat_prediction_is_the_mean() -> None:
    aligned = align_inverse_depth(np.ones((1, 2)), np.array([[0.2, 0.4]]))
    assert aligned == pytest.approx(np.array([[0.3, 0.3]]))
