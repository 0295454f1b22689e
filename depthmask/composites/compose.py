"""Composites: a background, an image of it with objects in it, and the truth about both.

All of it is batched tensor code that runs on the training device. Each sample has a random stream
of its own (`RandomStreams`), so sample number i is the same on any machine and in any batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from depthmask.composites.camera import photograph
from depthmask.composites.geometry import Size
from depthmask.composites.objects import MAX_OBJECTS, Appearance, draw_objects
from depthmask.composites.paint import paint
from depthmask.composites.plate import closest_plate
from depthmask.composites.pools import Pools
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import Recipe
from depthmask.composites.scene import draw_light, draw_scene
from depthmask.depth import depth_from_ratio


@dataclass(frozen=True)
class Batch:
    """Samples with their truth, all float32 of (B, C, H, W)."""

    background: Tensor  # C = 3, RGB, 0 to 1
    image: Tensor  # C = 3, RGB, 0 to 1
    true_mask: Tensor  # C = 1, coverage, 0 to 1
    true_depth: Tensor  # C = 1, depth of the image in (0, 1], see `depthmask.depth`

    def split(self, size: int) -> list["Batch"]:
        """Parts of so many samples, which share the memory."""
        parts = (value.split(size) for value in vars(self).values())
        return [Batch(*part) for part in zip(*parts, strict=True)]


@torch.no_grad()
def compose(
    pools: Pools,
    numbers: Tensor,
    *,
    size: Size,
    seed: int = 0,
    recipe: Recipe | None = None,
) -> Batch:
    """Makes the samples with the given numbers.

    Args:
        pools: Cut-outs and backgrounds, on the device to work on.
        numbers: (B,) int64 on the same device, the samples' numbers.
        size: Height and width in pixels.
        seed: Selects a family of samples.
        recipe: What happens how often; None stands for `Recipe()`.
    """
    recipe = recipe or Recipe()
    rng = RandomStreams(seed, numbers)
    changes = ~rng.chance(recipe.perfect)
    scene = draw_scene(pools.backgrounds, rng, size, recipe, changes)
    objects = draw_objects(pools.foregrounds, rng, scene, recipe)
    appearance = Appearance.draw(rng, recipe)
    for slot in range(MAX_OBJECTS):
        rows = objects.active[:, slot].nonzero()[:, 0]
        if len(rows):
            chosen = objects.take(rows, torch.full_like(rows, slot))
            paint(scene, pools.foregrounds, rows, chosen, appearance.take(rows))
    image, photos = scene.image, [*scene.photos]
    if scene.daylight:
        image, *photos = (
            one * light for one, light in zip((image, *photos), scene.daylight, strict=True)
        )
    if recipe.lamp or recipe.sunbeam:
        image = image * draw_light(rng, size, recipe, changes)
    background = closest_plate(photos, image)
    if recipe.lens:
        background, image = photograph(background, image, rng, recipe.lens, changes)
    return Batch(
        background=background.clamp(0, 1),
        image=image.clamp(0, 1),
        true_mask=scene.mask.clamp(0, 1),
        true_depth=depth_from_ratio(scene.ratio),
    )
