"""The empty scene: which background, which part of it, and from where each picture is taken."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.composites.geometry import Size, frame_grid, half_sides, identity, sample, transform
from depthmask.composites.pools import Pool
from depthmask.composites.random_streams import Draws
from depthmask.composites.recipe import Recipe
from depthmask.data.packfile import ratio_from_bytes
from depthmask.depth import scene_range


@dataclass
class Scene:
    """The state of the pictures while objects are painted into them, far to near."""

    plate: Tensor  # (B, 3, H, W) in [0, 1], what the background photo shows
    image: Tensor  # (B, 3, H, W) in [0, 1]
    ratio: Tensor  # (B, 1, H, W), inverse depth of the image in units of the scene's range
    behind: Tensor  # (B, 1, H, W), the same of the empty scene
    mask: Tensor  # (B, 1, H, W) in [0, 1]
    motion: Tensor  # (B, 3, 3), from positions in the plate to positions in the image

    @property
    def size(self) -> Size:
        return self.image.shape[-2], self.image.shape[-1]


def draw_scene(pool: Pool, draws: Draws, size: Size, recipe: Recipe, changes: Tensor) -> Scene:
    """Chooses backgrounds and crops, and sees each from where the two pictures are taken.

    Where `changes`, (B,) bool, is false, both are taken from the same place, and nothing stirs.
    """
    assert pool.labels is not None, "backgrounds come with labels"
    number = pool.pick(draws.uniform())
    view = _draw_view(draws, pool.aspect[number], size, recipe)
    motion = _draw_motion(draws, recipe, changes)
    image_view, plate_view = frame_grid(view, size), frame_grid(view @ motion, size)
    label = ratio_from_bytes(
        sample((pool.labels[:, None],), number, image_view, outside="reflection")
    )
    low, span = scene_range(label)
    ratio = (label - low[:, None, None, None]) / span[:, None, None, None]
    # Near things move more than far ones when the camera is displaced.
    shift = draws.signed(0.012, each=2) * (draws.chance(recipe.parallax) & changes)[:, None]
    plate_view = plate_view + (ratio.movedim(1, -1) - 0.5) * shift[:, None, None]
    if recipe.leaves:
        plate_view = plate_view + _draw_stir(draws, size, recipe.leaves, changes)
    image, plate = (
        sample(pool.levels, number, seen, outside="reflection") / 255
        for seen in (image_view, plate_view)
    )
    return Scene(plate, image, ratio, behind=ratio, mask=torch.zeros_like(ratio), motion=motion)


def draw_light(draws: Draws, size: Size, recipe: Recipe, changes: Tensor) -> Tensor:
    """How the light over the scene changes between the shots, (B, 1, H, W), 1 = not at all.

    A lamp changes it smoothly; a sunbeam through a window falls on a parallelogram.
    """
    strength = draws.uniform(0.1, 0.45) * (draws.chance(recipe.lamp) & changes)
    lamp = _smooth_noise(draws, 1, 3, size) * strength[:, None, None, None]
    strength = draws.uniform(-0.5, 0.8) * (draws.chance(recipe.sunbeam) & changes)
    places = frame_grid(identity(len(strength), strength.device), size)
    sharpness = draws.log_uniform(5, 80)[:, None, None]
    beam = strength[:, None, None]
    for _ in range(2):  # a strip, and another across it
        angle, middle, half_width = (
            draws.uniform(0, math.pi),
            draws.signed(1),
            draws.log_uniform(0.1, 0.8),
        )
        normal = torch.stack((angle.cos(), angle.sin()), dim=1)
        distance = (places * normal[:, None, None]).sum(dim=-1) - middle[:, None, None]
        beam = beam * ((half_width[:, None, None] - distance.abs()) * sharpness).sigmoid()
    return lamp.exp() * (1 + beam[:, None])


def _draw_view(draws: Draws, aspect: Tensor, size: Size, recipe: Recipe) -> Tensor:
    """Which part of the background the frame shows: a transform from frame to picture."""
    half_width, half_height = half_sides(size)
    extent_x, extent_y = aspect.sqrt(), aspect.rsqrt()
    scale = torch.minimum(extent_x / half_width, extent_y / half_height)
    scale = scale * draws.uniform(recipe.crop, 1.0)
    centre_x = draws.signed(1.0) * (extent_x - scale * half_width)
    centre_y = draws.signed(1.0) * (extent_y - scale * half_height)
    flip = torch.where(draws.chance(0.5), -1.0, 1.0)
    roll = draws.signed(math.radians(recipe.roll))
    cos, sin = scale * roll.cos(), scale * roll.sin()
    return transform(
        (flip * cos / extent_x, -flip * sin / extent_x, centre_x / extent_x),
        (sin / extent_y, cos / extent_y, centre_y / extent_y),
    )


def _draw_motion(draws: Draws, recipe: Recipe, changes: Tensor) -> Tensor:
    """How the camera moved between the shots: up to 1 % of shift and zoom, half a degree."""
    moves = (draws.chance(recipe.moves) & changes).float() * draws.uniform()
    shift = draws.signed(0.02, each=2) * moves[:, None]  # a frame is 2 wide
    angle = draws.signed(math.radians(0.6)) * moves
    zoom = 1 + draws.signed(0.01) * moves
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    return transform((cos, -sin, shift[:, 0]), (sin, cos, shift[:, 1]))


def _draw_stir(draws: Draws, size: Size, probability: float, changes: Tensor) -> Tensor:
    """How far leaves and curtains stir in a part of the scene: (B, H, W, 2), textures span 2."""
    reach = draws.log_uniform(0.004, 0.025) * (draws.chance(probability) & changes)
    part = ((_smooth_noise(draws, 1, 3, size) - 0.3) * 6).sigmoid()
    stir = _smooth_noise(draws, 2, 12, size) * part * reach[:, None, None, None]
    return stir.movedim(1, -1)


def _smooth_noise(draws: Draws, channels: int, side: int, size: Size) -> Tensor:
    """Noise of (B, channels, H, W) that varies over distances of 1 / side of the frame."""
    noise = draws.noise(channels, side, side)
    return F.interpolate(noise, size, mode="bilinear", align_corners=True)
