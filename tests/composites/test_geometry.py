"""Geometry: transforms and texture lookup."""

import torch

from depthmask.composites.geometry import (
    floor_projection,
    frame_grid,
    identity,
    sample_texture,
    translation,
)

CPU = torch.device("cpu")


def apply(matrix: torch.Tensor, x: float, y: float) -> list[float]:
    return [round(v, 4) for v in (matrix[0] @ torch.tensor([x, y, 1.0])).tolist()]


def test_a_shadow_on_the_floor_leads_back_to_what_casts_it() -> None:
    foot = torch.tensor([[0.2, 0.6]])
    cast = floor_projection(foot, torch.tensor([0.5]), torch.tensor([0.25]))
    assert apply(cast, 0.2, 0.6) == [0.2, 0.6, 1.0], "the foot stays"
    # a point 0.4 above the foot: its shadow falls 0.4 * 0.5 to the right and 0.4 * 0.25 up
    assert apply(cast, 0.2 + 0.2, 0.6 - 0.1) == [0.2, 0.2, 1.0]
    mirror = floor_projection(foot, torch.tensor([0.0]), torch.tensor([-1.0]))
    assert apply(mirror, 0.3, 0.8) == [0.3, 0.4, 1.0]
    assert apply(translation(torch.tensor([0.3]), torch.tensor([-0.1])), 0.3, -0.1) == [0, 0, 1]


def test_the_grid_spans_the_frame() -> None:
    grid = frame_grid(identity(1, CPU), (2, 8))[0]
    assert grid.shape == (2, 8, 2)
    torch.testing.assert_close(grid[0, 0], torch.tensor([-1.75, -0.25]))
    torch.testing.assert_close(grid[-1, -1], torch.tensor([1.75, 0.25]))


def test_blur_takes_a_coarser_level() -> None:
    levels = [torch.full((1, 1, side, side), value) for side, value in ((64, 0), (32, 1), (16, 2))]
    levels = [level.to(torch.uint8) for level in levels]
    grid = frame_grid(identity(3, CPU), (64, 64)) * 0.9
    found = sample_texture(levels, torch.zeros(3).long(), grid, blur=torch.tensor([0.0, 1.0, 9.0]))
    assert [one.round().unique().tolist() for one in found] == [[0.0], [1.0], [2.0]]
    small = sample_texture(levels, torch.zeros(3).long(), frame_grid(identity(3, CPU), (32, 32)))
    assert small.round().unique().tolist() == [1.0], "a level with pixels as large as the frame's"


def test_outside_of_a_texture_is_nothing_or_its_reflection() -> None:
    levels = [torch.full((1, 1, 32, 32), 8, dtype=torch.uint8)]
    grid = frame_grid(identity(1, CPU), (32, 32)) * 3
    zeros, reflected = (
        sample_texture(levels, torch.zeros(1).long(), grid, outside=outside)
        for outside in ("zeros", "reflection")
    )
    assert zeros[0, 0, 0, 0] == 0 and zeros[0, 0, 16, 16] > 7.99
    assert (reflected - 8).abs().max() < 1e-4
