"""The empty scene: which background, which part of it, and from where each photo is taken."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from depthmask.composites.geometry import (
    Size,
    frame_grid,
    half_sides,
    identity,
    sample_texture,
    transform,
)
from depthmask.composites.movement import Movement, smooth_noise
from depthmask.composites.pools import Pool
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import Recipe
from depthmask.data.packfile import ratio_from_bytes
from depthmask.depth import scene_range


@dataclass
class Scene:
    """The photos and the truth of a batch, into which objects are painted from far to near."""

    photos: tuple[Tensor, ...]  # of the empty scene, (B, 3, H, W) each, RGB, 0 to 1
    image: Tensor  # (B, 3, H, W), RGB, 0 to 1
    ratio: Tensor  # (B, 1, H, W), inverse depth of the image in units of the scene's range
    empty_ratio: Tensor  # (B, 1, H, W), the same without the objects
    mask: Tensor  # (B, 1, H, W), 0 to 1
    motions: tuple[Tensor, ...]  # (B, 3, 3), transforms from each photo to the image, frame units
    daylight: tuple[Tensor, ...] = ()  # of the image and each photo, (B, 1, H, W), factors

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.image.shape[-2], self.image.shape[-1]


def draw_scene(
    pool: Pool, rng: RandomStreams, size: Size, recipe: Recipe, changes: Tensor
) -> Scene:
    """Chooses a background and a part of it for each sample, and takes both photos of it.

    Args:
        pool: The backgrounds.
        rng: A random stream for each sample.
        size: Height and width in pixels.
        recipe: What happens how often.
        changes: (B,) bool. Where it is false, both photos are the same.
    """
    assert pool.labels is not None, "backgrounds have labels"
    number = pool.pick(rng.uniform())
    view = _draw_view(rng, pool.aspect[number], size, recipe)
    motion = _draw_motion(rng, rng.chance(recipe.moves) & changes)
    image_grid = frame_grid(view, size)
    label = ratio_from_bytes(
        sample_texture((pool.labels[:, None],), number, image_grid, outside="reflection")
    )
    low, span = scene_range(label)
    ratio = (label - low[:, None, None, None]) / span[:, None, None, None]
    # A camera that is displaced moves near things more than far ones.
    shift = rng.symmetric(0.012, each=2) * (rng.chance(recipe.parallax) & changes)[:, None]
    parallax = (ratio.movedim(1, -1) - 0.5) * shift[:, None, None]
    later = rng.spawn(2)
    shakes = later.chance(recipe.jitter) & changes
    motions = tuple(motion @ _draw_motion(later, shakes, scale=2.0) for _ in range(recipe.photos))
    grids = [image_grid, *(frame_grid(view @ one, size) + parallax for one in motions)]
    daylight: tuple[Tensor, ...] = ()
    movement = None
    if recipe.moving:
        movement = Movement.draw(pool, number, view, later, size, recipe, changes)
        grids = [grid + movement.displacement(later) for grid in grids]
    image, *photos = (
        sample_texture(pool.levels, number, grid, outside="reflection") / 255 for grid in grids
    )
    if movement:
        image, *photos = (one * movement.glow(later) for one in (image, *photos))
        daylight = tuple(movement.daylight(later) for _ in grids)
    mask = torch.zeros_like(ratio)
    return Scene(tuple(photos), image, ratio, ratio, mask, motions, daylight)


def draw_light(rng: RandomStreams, size: Size, recipe: Recipe, changes: Tensor) -> Tensor:
    """Draws how the light changes between the photos: factors, (B, 1, H, W), 1 = not at all.

    A lamp changes it smoothly. A sunbeam through a window falls on a parallelogram.
    """
    strength = rng.uniform(0.1, 0.45) * (rng.chance(recipe.lamp) & changes)
    lamp = smooth_noise(rng, 1, 3, size) * strength[:, None, None, None]
    strength = rng.uniform(-0.5, 0.8) * (rng.chance(recipe.sunbeam) & changes)
    positions = frame_grid(identity(len(strength), strength.device), size)
    sharpness = rng.log_uniform(5, 80)[:, None, None]
    beam = strength[:, None, None]
    for _ in range(2):  # a parallelogram is where two strips cross
        angle, middle = rng.uniform(0, math.pi), rng.symmetric(1)
        half_width = rng.log_uniform(0.1, 0.8)
        normal = torch.stack((angle.cos(), angle.sin()), dim=1)
        distance = (positions * normal[:, None, None]).sum(dim=-1) - middle[:, None, None]
        beam = beam * ((half_width[:, None, None] - distance.abs()) * sharpness).sigmoid()
    return lamp.exp() * (1 + beam[:, None])


def _draw_view(rng: RandomStreams, aspect: Tensor, size: Size, recipe: Recipe) -> Tensor:
    """Draws the part of the background that the frame shows: transform from frame to texture."""
    half_width, half_height = half_sides(size)
    extent_x, extent_y = aspect.sqrt(), aspect.rsqrt()
    scale = torch.minimum(extent_x / half_width, extent_y / half_height)
    scale = scale * rng.uniform(recipe.crop, 1.0)
    centre_x = rng.symmetric(1.0) * (extent_x - scale * half_width)
    centre_y = rng.symmetric(1.0) * (extent_y - scale * half_height)
    flip = torch.where(rng.chance(0.5), -1.0, 1.0)
    roll = rng.symmetric(math.radians(recipe.roll))
    cos, sin = scale * roll.cos(), scale * roll.sin()
    return transform(
        (flip * cos / extent_x, -flip * sin / extent_x, centre_x / extent_x),
        (sin / extent_y, cos / extent_y, centre_y / extent_y),
    )


def _draw_motion(rng: RandomStreams, moves: Tensor, *, scale: float = 1.0) -> Tensor:
    """Draws a motion of the camera: shift and zoom up to 1 %, turn up to 0.6°, or `scale` times."""
    strength = moves.float() * rng.uniform() * scale
    shift = rng.symmetric(0.02, each=2) * strength[:, None]  # a square frame is 2 wide
    angle = rng.symmetric(math.radians(0.6)) * strength
    zoom = 1 + rng.symmetric(0.01) * strength
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    return transform((cos, -sin, shift[:, 0]), (sin, cos, shift[:, 1]))
