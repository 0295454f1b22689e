"""What moves in the empty scene, and where."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.training_kernels import WAITS, OperationCount
from depthmask.composites.compose import compose
from depthmask.composites.geometry import frame_grid, identity
from depthmask.composites.movement import Movement
from depthmask.composites.plate import closest_plate
from depthmask.composites.pools import Pools, load_pools
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import ORIGINAL, Recipe, with_plates
from depthmask.data.packfile import write_pack
from tests.data import packs

CPU = torch.device("cpu")
COUNT, SIZE = 64, (48, 64)


@pytest.fixture(scope="module")
def foliage(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    """Scenes whose left half is a plain wall, and whose right half is foliage."""
    pictures = packs.make_pictures()
    scenes = pictures["backgrounds"].pixels
    dice = torch.Generator().manual_seed(0)
    scenes[:] = 120
    right = scenes[..., packs.SIDE // 2 :]
    right[:] = torch.randint(40, 200, right.shape, generator=dice)
    path: Path = tmp_path_factory.mktemp("pack") / "pack.safetensors"
    write_pack(path, pictures, step=8)
    return load_pools(path, CPU, held_out=0.0)[0]


def draw(pools: Pools, recipe: Recipe, *, changes: bool = True) -> tuple[Movement, RandomStreams]:
    rng = RandomStreams(0, torch.arange(COUNT))
    number = torch.arange(COUNT) % len(packs.SCENES)
    view, changing = identity(COUNT, CPU), torch.full((COUNT,), changes)
    return Movement.draw(pools.backgrounds, number, view, rng, SIZE, recipe, changing), rng


def halves(values: torch.Tensor) -> tuple[float, float]:
    """Means over the plain half and over the foliage; (..., W)."""
    middle = values.shape[-1] // 2
    return values[..., :middle].float().mean().item(), values[..., middle:].float().mean().item()


@pytest.mark.parametrize("kind", ["sway", "dynamic_texture", "screen", "clouds"])
def test_each_photo_shows_another_moment(foliage: Pools, kind: str) -> None:
    shares: dict[str, Any] = {kind: 1.0}
    movement, rng = draw(foliage, replace(ORIGINAL, **shares))
    for name, drawn in (
        ("displacement", movement.displacement),
        ("glow", movement.glow),
        ("daylight", movement.daylight),
    ):
        first, second = drawn(rng), drawn(rng)
        moved = (first != second).flatten(1).any(dim=1).float().mean()
        expected = {
            "displacement": {"sway", "dynamic_texture", "screen"},
            "glow": {"screen"},
            "daylight": {"clouds"},
        }
        assert (moved > 0.2) == (kind in expected[name])


def test_nothing_moves_in_a_perfect_pair(foliage: Pools) -> None:
    movement, rng = draw(foliage, Recipe(), changes=False)
    assert movement.displacement(rng).abs().max() == 0
    assert (movement.glow(rng) == 1).all() and (movement.daylight(rng) == 1).all()


def test_what_sways_is_anywhere_but_rather_where_texture_is(foliage: Pools) -> None:
    movement, _ = draw(foliage, replace(ORIGINAL, sway=1.0))
    plain, leafy = halves(movement.region)
    assert 0.1 < plain < 0.7 * leafy


def test_a_texture_shows_another_part_of_itself(foliage: Pools) -> None:
    movement, _ = draw(foliage, replace(ORIGINAL, dynamic_texture=1.0))
    plain, leafy = halves(movement.texture)
    assert 50 * plain < leafy and leafy > 0.02
    to_the_right = movement.texture_offset[:, 0, None, None]
    there = frame_grid(identity(COUNT, CPU), SIZE)[..., 0] + to_the_right
    assert (there[movement.texture] > 0).float().mean() > 0.95, "it is foliage there, too"


def test_a_screen_that_flickers_shows_the_same(foliage: Pools) -> None:
    movement, rng = draw(foliage, replace(ORIGINAL, screen=1.0))
    moved = movement.displacement(rng).flatten(1).abs().amax(dim=1) > 0
    assert not moved[movement.flickers].any()
    assert moved[~movement.flickers].float().mean() > 0.4


def test_clouds_take_light(foliage: Pools) -> None:
    movement, rng = draw(foliage, replace(ORIGINAL, clouds=1.0))
    light = movement.daylight(rng)
    assert light.max() <= 1 and 0.3 < light.min() < 0.6


def test_a_texture_that_moves_is_background(foliage: Pools) -> None:
    recipe = replace(ORIGINAL, sway=1.0)
    still, moving = (
        compose(foliage, torch.arange(COUNT), size=SIZE, recipe=one) for one in (ORIGINAL, recipe)
    )
    assert torch.equal(still.true_mask, moving.true_mask) and still.true_mask.max() == 1
    assert torch.equal(still.true_depth, moving.true_depth)
    differs = (moving.image - moving.background).abs().amax(dim=1, keepdim=True)
    assert differs[moving.true_mask == 0].mean() > 0.015, "0 in the other"


def test_a_plate_is_closer_than_one_photo(foliage: Pools) -> None:
    recipe = replace(ORIGINAL, empty=1.0, sway=1.0)
    one, plate = (
        compose(foliage, torch.arange(COUNT), size=SIZE, recipe=recipe)
        for recipe in (recipe, replace(recipe, photos=4))
    )
    differs = [(batch.image - batch.background).abs().mean() for batch in (one, plate)]
    assert differs[1] < 0.85 * differs[0]
    assert with_plates(Recipe()).photos > 1


def test_a_gpu_need_not_wait(foliage: Pools) -> None:
    draw(foliage, Recipe())  # what is made once
    with OperationCount() as made:
        movement, rng = draw(foliage, Recipe())
        movement.displacement(rng)
        closest_plate([movement.glow(rng), movement.glow(rng)], movement.glow(rng))
    assert not [name for name in made.counts if name in WAITS]
