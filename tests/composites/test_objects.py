"""Objects: where they stand, how far away, and in which order."""

from dataclasses import replace

import torch

from depthmask.composites.geometry import half_sides, identity
from depthmask.composites.objects import Objects, draw_object, draw_objects
from depthmask.composites.pools import Pools
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import ORIGINAL, Recipe
from depthmask.composites.scene import Scene

COUNT = 400
SIZE = (120, 160)


def flat_scene() -> Scene:
    """A grey wall at inverse depth 0.5."""
    picture, ratio = (torch.full((1, 1, *SIZE), 0.5).expand(COUNT, n, *SIZE) for n in (3, 1))
    still = identity(COUNT, torch.device("cpu"))
    return Scene((picture,), picture, ratio, ratio, torch.zeros_like(ratio), (still,))


def draw(pools: Pools, recipe: Recipe, *, mirrored: torch.Tensor | None = None) -> Objects:
    numbers = torch.arange(COUNT)
    return draw_object(
        pools.foregrounds,
        numbers % 6,
        RandomStreams(0, numbers),
        flat_scene(),
        recipe,
        active=torch.ones(COUNT, dtype=torch.bool),
        mirrored=mirrored,
    )


def test_objects_are_painted_from_far_to_near(pools: Pools) -> None:
    recipe = replace(Recipe(), crowd=1.0)
    objects = draw_objects(
        pools.foregrounds, RandomStreams(0, torch.arange(COUNT)), flat_scene(), recipe
    )
    assert (objects.ratio.diff(dim=1) >= 0).all() and objects.ratio.diff(dim=1).max() > 1


def test_what_stands_outside_of_the_frame_is_nearer_than_its_edge(pools: Pools) -> None:
    objects = draw(pools, replace(ORIGINAL, leaves_frame=1.0, smallest=0.9, largest=0.9))
    spot = objects.ground_point / torch.tensor(half_sides(SIZE))
    outside = (spot[:, 0].abs() > 1) | (spot[:, 1] > 1)
    assert 0.1 < outside.float().mean() < 0.9
    torch.testing.assert_close(objects.ratio[~outside], torch.full_like(spot[~outside, 0], 0.5))
    nearer = objects.ratio[outside] - 0.5
    assert nearer.min() >= 0 and nearer.max() < 4.001 and nearer.median() > 0.5


def test_up_to_a_third_of_an_object_leaves_the_frame(pools: Pools) -> None:
    for probability, expected in ((0.0, 0.0), (1.0, 1 / 3)):
        objects = draw(pools, replace(ORIGINAL, leaves_frame=probability))
        for axis, half in enumerate(half_sides(SIZE)):
            extent = objects.to_frame[:, axis, axis].abs()
            beyond = objects.to_frame[:, axis, 2].abs() + extent - half
            share = (beyond / (2 * extent)).clamp_min(0).max().item()
            assert expected - 0.06 < share < expected + 1e-5


def test_half_of_the_objects_are_mirrored_unless_it_is_told(pools: Pools) -> None:
    drawn = draw(pools, ORIGINAL).to_frame[:, 0, 0] < 0
    assert 0.4 < drawn.float().mean() < 0.6
    told = torch.arange(COUNT) % 3 == 0
    assert torch.equal(draw(pools, ORIGINAL, mirrored=told).to_frame[:, 0, 0] < 0, told)
