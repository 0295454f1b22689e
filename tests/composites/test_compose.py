"""Composites: reproducible, and true to their own truth."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from depthmask.composites.compose import Batch, compose
from depthmask.composites.geometry import frame_grid, identity
from depthmask.composites.objects import Appearance, draw_objects
from depthmask.composites.paint import paint
from depthmask.composites.pools import Pools, load_pools
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import ORIGINAL, Lens, Recipe, with_plates
from depthmask.composites.scene import draw_scene
from depthmask.data.packfile import write_pack
from tests.data import packs

CPU = torch.device("cpu")
SIZE = (48, 64)


def make(pools: Pools, count: int, recipe: Recipe | None = None, start: int = 0) -> Batch:
    return compose(pools, torch.arange(start, start + count), size=SIZE, recipe=recipe)


def test_shapes_and_ranges(pools: Pools) -> None:
    batch = make(pools, 40)
    for name, channels in (("background", 3), ("image", 3), ("true_mask", 1), ("true_depth", 1)):
        tensor = getattr(batch, name)
        assert tensor.shape == (40, channels, *SIZE) and tensor.dtype == torch.float32
        assert tensor.min() >= 0 and tensor.max() <= 1 and tensor.isfinite().all()
    assert batch.true_depth.min() > 0


@pytest.mark.parametrize("recipe", [Recipe(), with_plates(Recipe())], ids=["photo", "plate"])
def test_a_sample_is_the_same_in_any_batch(pools: Pools, recipe: Recipe) -> None:
    together, alone = make(pools, 12, recipe), make(pools, 1, recipe, start=7)
    for name, tensor in vars(together).items():
        torch.testing.assert_close(tensor[7:8], vars(alone)[name], rtol=0, atol=1e-6)


def test_seeds_make_other_samples(pools: Pools) -> None:
    numbers = torch.arange(4)
    first = compose(pools, numbers, size=SIZE, seed=0)
    second = compose(pools, numbers, size=SIZE, seed=1)
    assert (first.image - second.image).abs().mean(dim=(1, 2, 3)).min() > 0.01


def test_some_scenes_stay_empty(pools: Pools) -> None:
    batch = compose(pools, torch.arange(300), size=(24, 32))
    nothing = batch.true_mask.amax(dim=(1, 2, 3)) == 0
    # 8 % by design; with objects that stood there before, or behind the frame, a few more.
    assert 0.06 < nothing.float().mean() < 0.2


def test_the_mask_covers_what_changed_and_nothing_else(pools: Pools) -> None:
    batch = make(pools, 32, ORIGINAL)
    changed = (batch.image - batch.background).abs().amax(dim=1, keepdim=True) > 0.39
    mask = batch.true_mask > 0.5
    assert (changed & mask).sum() / (changed | mask).sum() > 0.95


def test_the_original_protocol_fills_up_to_a_quarter(pools: Pools) -> None:
    share = (make(pools, 200, ORIGINAL).true_mask > 0.5).float().mean(dim=(1, 2, 3))
    assert share.min() > 0.02, "wholly inside the frame"
    assert share.max() <= 0.26, "half the frame's side at most"


def test_shadows_are_not_foreground(pools: Pools) -> None:
    shaded = make(pools, 24, replace(ORIGINAL, shadow=1.0))
    plain = make(pools, 24, ORIGINAL)
    assert torch.equal(shaded.true_mask, plain.true_mask)
    outside = plain.true_mask < 0.01
    darker = (plain.image - shaded.image).amax(dim=1, keepdim=True)
    assert ((darker > 0.1) & outside).float().mean() > 0.01
    assert (shaded.image - plain.image)[outside.expand_as(plain.image)].max() < 1e-5


def test_between_the_bars_of_an_object_lies_the_scene(pools: Pools) -> None:
    whole = make(pools, 24, ORIGINAL)
    barred = make(pools, 24, replace(ORIGINAL, lattice=1.0))
    assert (barred.true_mask <= whole.true_mask + 1e-6).all()
    left = barred.true_mask.mean(dim=(1, 2, 3)) / whole.true_mask.mean(dim=(1, 2, 3))
    assert left.min() > 0.15 and left.max() < 0.9
    between = (barred.true_mask < 0.01).expand_as(barred.image)
    assert (barred.image - barred.background)[between].abs().max() < 0.01


def test_an_object_of_bars_casts_their_shadow(pools: Pools) -> None:
    recipe = replace(ORIGINAL, lattice=1.0, unseen=1.0)
    shades = {}
    for name, chosen in (("bars", recipe), ("whole", replace(recipe, lattice=0.0))):
        shaded, lit = make(pools, 24, replace(chosen, shadow=1.0)), make(pools, 24, chosen)
        shades[name] = lit.image.mean(dim=1) - shaded.image.mean(dim=1)
    assert (shades["bars"] <= shades["whole"] + 1e-5).all()
    assert 0.15 < shades["bars"].sum() / shades["whole"].sum() < 0.8


def test_shadows_fall_on_walls_that_are_farther(pools: Pools) -> None:
    recipe = replace(ORIGINAL, shadow=1.0, unseen=1.0)
    close, far = (make(pools, 48, replace(recipe, wall=wall)) for wall in (1.0, 4.0))
    moved = (close.image - far.image).abs().amax(dim=(1, 2, 3)) > 0.05
    assert 0.1 < moved.float().mean() < 0.6, "some shadows fall on walls, the others on the floor"


def test_objects_are_not_farther_than_what_they_hide(pools: Pools) -> None:
    recipe = replace(Recipe(), empty=0.0, present_before=0.0, lens=None)
    batch, empty = make(pools, 64, recipe), make(pools, 64, replace(recipe, empty=1.0))
    inside = batch.true_mask > 0.9
    nearer = batch.true_depth <= empty.true_depth + 1e-4
    # The nearest tenth of what is hidden may be nearer than the object.
    assert nearer[inside].float().mean() > 0.88
    outside = batch.true_mask < 0.01
    torch.testing.assert_close(batch.true_depth[outside], empty.true_depth[outside])


def test_nothing_that_enters_rescales_the_scene(pools: Pools) -> None:
    depth = make(pools, 32, replace(Recipe(), empty=1.0)).true_depth.flatten(1)
    ordered = depth.sort(dim=1).values
    at_98 = ordered[:, round(0.02 * (ordered.shape[1] - 1))]
    torch.testing.assert_close(at_98, torch.full_like(at_98, 1 / 3), atol=0.03, rtol=0)
    assert (ordered[:, -1] == 1).all()


def test_what_stood_there_before_is_background(pools: Pools) -> None:
    recipe = replace(ORIGINAL, present_before=1.0)
    batch = make(pools, 16, recipe)
    assert batch.true_mask.max() == 0
    assert (batch.image - batch.background).abs().mean() < 0.01
    red = batch.image[:, 0] - batch.image[:, 2]
    assert (red.amax(dim=(1, 2)) > 0.3).float().mean() > 0.9, "the objects are there"


def test_the_camera_changes_between_the_shots(pools: Pools) -> None:
    batch = make(pools, 64, replace(Recipe(), empty=1.0))
    difference = (batch.image - batch.background).abs().mean(dim=(1, 2, 3))
    assert difference.median() > 0.01
    assert difference.max() < 0.4


@pytest.mark.parametrize("size", [(16, 16), (36, 64), (64, 36), (50, 30)])
def test_other_sizes(pools: Pools, size: tuple[int, int]) -> None:
    batch = compose(pools, torch.arange(4), size=size)
    assert batch.image.shape == (4, 3, *size)


def test_in_a_perfect_pair_only_what_enters_differs(pools: Pools) -> None:
    recipe = replace(Recipe(), perfect=1.0, shadow=0.0, reflection=0.0, present_before=0.0)
    batch = make(pools, 48, recipe)
    outside = (batch.true_mask == 0).expand_as(batch.image)
    assert outside.float().mean() > 0.5
    assert torch.equal(batch.image[outside], batch.background[outside])


@pytest.mark.parametrize(
    "recipe",
    [replace(ORIGINAL, sunbeam=1.0), replace(ORIGINAL, lamp=1.0), replace(ORIGINAL, jitter=1.0)],
    ids=["sunbeam", "lamp", "jitter"],
)
def test_a_scene_that_changes_stays_empty(pools: Pools, recipe: Recipe) -> None:
    batch = make(pools, 32, replace(recipe, empty=1.0))
    assert batch.true_mask.max() == 0
    difference = (batch.image - batch.background).abs().amax(dim=(1, 2, 3))
    assert (difference > 0.01).float().mean() > 0.6


def test_the_shadow_of_something_unseen_is_background(pools: Pools) -> None:
    batch = make(pools, 24, replace(ORIGINAL, shadow=1.0, unseen=1.0))
    assert batch.true_mask.max() == 0
    darker = (batch.background - batch.image).amax(dim=(1, 2, 3))
    assert (darker > 0.1).float().mean() > 0.7


def test_what_moves_is_blurred_along_its_way(pools: Pools) -> None:
    sharp = make(pools, 32, ORIGINAL).true_mask
    blurred = make(pools, 32, replace(ORIGINAL, motion_blur=1.0)).true_mask

    def between(mask: torch.Tensor) -> float:
        return ((mask > 0.1) & (mask < 0.9)).float().mean().item()

    assert between(blurred) > 1.5 * between(sharp)
    torch.testing.assert_close(blurred.sum(), sharp.sum(), rtol=0.05, atol=0)


def test_a_crowd_has_up_to_five(pools: Pools) -> None:
    small = replace(ORIGINAL, smallest=0.2, largest=0.2)
    one, crowd = (make(pools, 64, replace(small, crowd=share)).true_mask for share in (0.0, 1.0))
    assert 2.5 < crowd.sum() / one.sum() < 5


def test_an_object_darkens_the_floor_where_it_stands(pools: Pools) -> None:
    mask = make(pools, 64, ORIGINAL).true_mask[:, 0]
    unseen = replace(ORIGINAL, unseen=1.0)  # the objects' own pixels hide no shadow
    faint = replace(unseen, shadow=1.0, darkest=0.15)  # what the light casts takes 17 % at most
    shaded, plain = make(pools, 64, faint), make(pools, 64, unseen)
    dark = shaded.image.mean(dim=1) < 0.8 * plain.image.mean(dim=1)
    touching = dark.any(dim=(1, 2))
    assert 0.4 < touching.float().mean() < 0.75, "contact shadows, in 60 % of the samples"
    rows = torch.arange(SIZE[0])[:, None].expand(SIZE)
    for sample in touching.nonzero()[:, 0].tolist():
        covered = rows[mask[sample] > 0.5]
        middle, ground_point = (covered.min() + covered.max()) / 2, covered.max()
        found = rows[dark[sample]]
        assert found.min() > middle and abs(found.max() - ground_point) <= 4, (
            "at the lower end alone"
        )


def test_the_middle_of_an_object_is_nearer_than_its_outline(pools: Pools) -> None:
    batch = make(pools, 32, ORIGINAL)
    inside = batch.true_mask > 0.99
    depth = batch.true_depth
    covered = torch.nn.functional.avg_pool2d(batch.true_mask, 9, 1, 4)
    for sample in range(len(depth)):
        own, around = depth[sample][inside[sample]], covered[sample][inside[sample]]
        middle, outline = around >= around.quantile(0.9), around <= around.quantile(0.1)
        assert own[middle].mean() < own[outline].mean()


def test_the_floor_mirrors_objects_below_them(pools: Pools) -> None:
    plain, polished = (make(pools, 48, replace(ORIGINAL, reflection=p)) for p in (0.0, 1.0))
    changed = (plain.image - polished.image).abs().amax(dim=1) > 0.02
    changed &= plain.true_mask[:, 0] == 0
    rows = torch.arange(SIZE[0])[:, None].expand(SIZE)
    found = changed.any(dim=(1, 2)).nonzero()[:, 0].tolist()
    assert len(found) > 24
    for sample in found:
        foot = rows[plain.true_mask[sample, 0] > 0.5].max()
        assert rows[changed[sample]].min() > foot - 4, "a blurred mirror image begins at the foot"


def test_camouflage_brings_objects_nearer_to_the_colours_behind(pools: Pools) -> None:
    plain, hidden = (make(pools, 24, replace(ORIGINAL, camouflage=p)) for p in (0.0, 1.0))
    inside = plain.true_mask > 0.9
    for sample in range(24):
        one, other = (
            (batch.image - batch.background)[sample].mean(dim=0)[inside[sample, 0]].mean().abs()
            for batch in (plain, hidden)
        )
        assert other < 0.75 * one + 0.01


def test_the_lower_part_may_be_hidden(pools: Pools) -> None:
    whole, partly = (make(pools, 32, replace(ORIGINAL, behind_something=p)) for p in (0.0, 1.0))
    assert (partly.true_mask <= whole.true_mask + 1e-6).all()
    left = partly.true_mask.sum(dim=(1, 2, 3)) / whole.true_mask.sum(dim=(1, 2, 3))
    assert left.min() > 0.2 and 0.4 < left.mean() < 0.9
    rows = torch.arange(SIZE[0])[:, None].expand(SIZE)
    for sample in range(32):
        seen = partly.true_mask[sample, 0] > 0.5
        lost = (whole.true_mask[sample, 0] > 0.5) & ~seen
        assert rows[lost].amin(dim=0) >= rows[seen].max() if lost.any() else left[sample] > 0.9


def test_dark_objects_are_darker(pools: Pools) -> None:
    perfect = Lens(**dict.fromkeys(vars(Lens()), 0.0))
    light, dark = (make(pools, 24, replace(ORIGINAL, lens=perfect, dark=p)) for p in (0.0, 1.0))
    inside = (light.true_mask > 0.9).expand_as(light.image)
    for sample in range(24):
        one, other = (batch.image[sample][inside[sample]].mean() for batch in (light, dark))
        assert other < one


def test_the_lower_edge_cuts_tall_objects(pools: Pools) -> None:
    inside, cut = (make(pools, 64, replace(ORIGINAL, cut_by_frame=p)) for p in (0.0, 1.0))
    touches = [(b.true_mask[:, 0, -1] > 0.5).any(dim=1).float().mean() for b in (inside, cut)]
    assert touches[0] < 0.1
    assert 0.6 < touches[1] < 0.9, "two of three discs, and 85 % of the boxes"


def test_an_object_of_the_same_colour_cannot_be_seen(tmp_path: Path) -> None:
    pictures = packs.make_pictures()
    for part in pictures.values():
        part.pixels[:, :3] = 200
    write_pack(tmp_path / "pack", pictures, step=8)
    batch = make(load_pools(tmp_path / "pack", CPU, held_out=0.0)[0], 8, ORIGINAL)
    assert batch.true_mask.amax(dim=(1, 2, 3)).min() > 0.9
    assert (batch.image - 200 / 255).abs().max() < 0.02, "not even its edges"


def test_a_camera_moves_all_of_the_scene(pools: Pools) -> None:
    rng, changes = RandomStreams(0, torch.arange(16)), torch.ones(16, dtype=torch.bool)
    recipe = replace(ORIGINAL, moves=1.0, present_before=1.0)
    scene = draw_scene(pools.backgrounds, rng, (96, 96), recipe, changes)
    differs = (scene.image - scene.photos[0]).abs().mean(dim=(1, 2, 3))
    assert (differs > 0.002).float().mean() > 0.5
    objects = draw_objects(pools.foregrounds, rng, scene, recipe)
    appearance = Appearance.draw(rng, recipe)
    first = objects.take(torch.arange(16), objects.active.int().argmax(dim=1))
    paint(scene, pools.foregrounds, torch.arange(16), first, appearance)

    def centres(picture: torch.Tensor) -> torch.Tensor:
        """Centres of the red objects in frame units, (B, 3)."""
        weight = ((picture[:, 0] - picture[:, 2]) / 0.3).clamp(0, 1)[..., None]
        grid = frame_grid(identity(16, CPU), (96, 96))
        found = (grid * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))
        return torch.cat((found, torch.ones(16, 1)), dim=1)

    before, after = centres(scene.photos[0]), centres(scene.image)
    expected = (scene.motions[0] @ before[..., None])[..., 0]
    assert (after - before).abs().max() > 0.01
    torch.testing.assert_close(after, expected, atol=0.006, rtol=0)


def test_a_displaced_camera_moves_near_and_far_things_apart(pools: Pools) -> None:
    batch = make(pools, 48, replace(ORIGINAL, empty=1.0, parallax=1.0))
    difference = (batch.image - batch.background).abs().mean(dim=(0, 1, 3))  # by row
    far, middle, near = difference[:6].mean(), difference[21:27].mean(), difference[-6:].mean()
    assert middle < 0.5 * far and middle < 0.5 * near
