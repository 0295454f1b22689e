"""The depth convention, on numbers that can be checked by hand."""

import pytest
import torch

from depthmask.depth import FLOOR, depth_from_ratio, inverse_from_depth, scene_range


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
    assert span.item() == pytest.approx(FLOOR)
    assert depth_from_ratio((inverse - low) / span).min() > 0.99


def test_inverse_depth_undoes_depth() -> None:
    ratio = torch.tensor([0.0, 0.5, 4.0])
    torch.testing.assert_close(inverse_from_depth(depth_from_ratio(ratio)), 2 * ratio)
    assert inverse_from_depth(torch.zeros(1)).isfinite().all()
