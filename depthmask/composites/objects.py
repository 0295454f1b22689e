"""What enters the scene: which cut-outs, where they stand, and what they look like."""

import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.composites.geometry import Size, half_sides, transform
from depthmask.composites.pools import Pool
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import Recipe
from depthmask.composites.scene import Scene

MAX_OBJECTS = 5  # in one sample


@dataclass(frozen=True)
class Objects:
    """The objects of a batch: (B,) or (B, MAX_OBJECTS) of them, here written as (...)."""

    cutout: Tensor  # (...,) int64, which cut-out of the pool
    to_frame: Tensor  # (..., 3, 3), transform from cut-out to frame
    ground_point: Tensor  # (..., 2), where it stands, in frame units
    hidden_below: Tensor  # (...,), the cut-out's y below which something hides it; 1 = nothing
    ratio: Tensor  # (...,), inverse depth in units of the scene's range
    in_both: Tensor  # (...,) bool, stands in both photos
    unseen: Tensor  # (...,) bool, only its shadow is in the image
    active: Tensor  # (...,) bool, is there at all

    def take(self, *rows: Tensor) -> Self:
        """Selects objects by one index tensor per dimension."""
        return type(self)(**{name: value[rows] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Appearance:
    """What objects look like and what they do to the light: one row per sample."""

    gain: Tensor  # (B, 3)
    camouflage: Tensor  # (B,), 0 = own colours, 1 = the background's mean colour
    shadow: Tensor  # (B,), share of the light that a shadow takes
    shadow_tint: Tensor  # (B, 3), factors of that share by channel
    shadow_offset: Tensor  # (B, 2), where the shadow of a point at height 1 falls: right, up
    on_wall: Tensor  # (B,) bool, the shadow falls on a wall behind
    wall_distance: Tensor  # (B,), 1 = close
    shadow_blur: Tensor  # (B,), in levels of the pyramid
    contact_shadow: Tensor  # (B,), share of the light that is missing where an object stands
    reflection: Tensor  # (B,), share of the light that the floor mirrors
    lattice: Tensor  # (B, 2, 2), cycles of two sets of bars along the cut-out's x and y
    bar_width: Tensor  # (B,), share of a cycle; 1 = nothing but bar
    streak: Tensor  # (B, 2), motion during the exposure, in frame units

    @classmethod
    def draw(cls, rng: RandomStreams, recipe: Recipe) -> Self:
        """Draws the appearance of the objects of each sample."""
        by_camera = recipe.lens is not None
        brightness = torch.where(
            rng.chance(recipe.dark), rng.log_uniform(0.15, 0.6), rng.log_uniform(0.6, 1.3)
        )
        gain = brightness[:, None] * (1 + rng.symmetric(0.08, each=3))
        later = rng.spawn(1)
        has_bars = later.chance(recipe.lattice)
        up = rng.log_uniform(0.12, 0.7) * torch.where(rng.chance(0.75), 1.0, -1.0)
        return cls(
            gain=gain if by_camera else torch.ones_like(gain),
            camouflage=rng.uniform(0.3, 0.9) * rng.chance(recipe.camouflage),
            shadow=rng.uniform(0.15, recipe.darkest) * rng.chance(recipe.shadow),
            shadow_tint=1 + rng.symmetric(0.12, each=3),
            shadow_offset=torch.stack((rng.symmetric(1.4), up), dim=1),
            on_wall=rng.chance(0.3),
            wall_distance=later.log_uniform(1.0, recipe.wall),
            shadow_blur=rng.uniform(0.0, 3.5) * rng.chance(0.55),
            contact_shadow=rng.uniform(0.2, 0.8) * rng.chance(0.6 * recipe.shadow),
            reflection=rng.uniform(0.08, 0.35) * rng.chance(recipe.reflection),
            lattice=_draw_lattice(later),
            bar_width=torch.where(has_bars, later.uniform(0.2, 0.6), 1.0),
            streak=rng.symmetric(0.1, each=2) * rng.chance(recipe.motion_blur)[:, None],
        )

    def take(self, rows: Tensor) -> Self:
        """Selects samples."""
        return type(self)(**{name: value[rows] for name, value in vars(self).items()})


def draw_objects(pool: Pool, rng: RandomStreams, scene: Scene, recipe: Recipe) -> Objects:
    """Draws the objects of each sample, (B, MAX_OBJECTS), ordered from far to near."""
    several = rng.uniform()
    count = 1 + (several < recipe.several).long() + (several < recipe.several / 3).long()
    count = torch.where(rng.chance(recipe.crowd), 4 + rng.chance(0.5).long(), count)
    count = torch.where(rng.chance(recipe.empty), 0, count)
    slots: list[Objects] = []
    for slot in range(MAX_OBJECTS):
        cutout = pool.pick(rng.uniform())
        slots.append(draw_object(pool, cutout, rng, scene, recipe, active=slot < count))
    objects = Objects(
        **{name: torch.stack([vars(s)[name] for s in slots], dim=1) for name in vars(slots[0])}
    )
    order = objects.ratio.argsort(dim=1)
    return objects.take(torch.arange(len(order), device=order.device)[:, None], order)


def draw_object(
    pool: Pool,
    cutout: Tensor,
    rng: RandomStreams,
    scene: Scene,
    recipe: Recipe,
    *,
    active: Tensor,
    mirrored: Tensor | None = None,
) -> Objects:
    """Draws where one object of each sample stands.

    Args:
        pool: The cut-outs.
        cutout: (B,) int64, which of them.
        rng: A random stream for each sample.
        scene: Where the object stands.
        recipe: What happens how often.
        active: (B,) bool, whether the object is there at all.
        mirrored: (B,) bool, whether left and right are swapped; None draws it.
    """
    assert pool.ground_point is not None and pool.cut_at_bottom is not None, "pool of cut-outs"
    to_frame = _draw_placement(
        rng, pool.aspect[cutout], pool.cut_at_bottom[cutout], scene.size, recipe, mirrored
    )
    is_hidden = rng.chance(recipe.behind_something)
    hidden_below = torch.where(is_hidden, rng.uniform(-0.3, 0.8), 1.0)
    x, y = pool.ground_point[cutout].unbind(-1)
    lowest = torch.stack((x, torch.minimum(y, hidden_below), torch.ones_like(x)), dim=1)
    ground_point = (to_frame @ lowest[..., None])[:, :2, 0]
    return Objects(
        cutout=cutout,
        to_frame=to_frame,
        ground_point=ground_point,
        hidden_below=hidden_below,
        ratio=_draw_ratio(rng, ground_point, scene),
        in_both=rng.chance(recipe.present_before),
        unseen=rng.chance(recipe.unseen),
        active=active,
    )


def _draw_lattice(rng: RandomStreams) -> Tensor:
    """Draws two sets of bars, (B, 2, 2); half of the samples have one set only."""
    angle = rng.uniform(0, math.pi)
    angles = torch.stack((angle, angle + rng.uniform(0.8, math.pi / 2)), dim=1)
    cycles = torch.stack((rng.log_uniform(2.0, 7.0), rng.log_uniform(1.5, 7.0)), dim=1)
    cycles[:, 1] *= rng.chance(0.5)
    return torch.stack((angles.cos(), angles.sin()), dim=-1) * cycles[..., None]


def _draw_placement(
    rng: RandomStreams,
    aspect: Tensor,
    cut_at_bottom: Tensor,
    size: Size,
    recipe: Recipe,
    mirrored: Tensor | None,
) -> Tensor:
    """Draws position, size and angle of an object: a transform from cut-out to frame."""
    half_width, half_height = half_sides(size)
    aspect = aspect * rng.uniform(0.9, 1.1) if recipe.lens else aspect
    longest = rng.log_uniform(recipe.smallest, recipe.largest)
    width = longest * aspect.clamp_max(1)
    height = longest / aspect.clamp_min(1)

    # Cut by the lower edge: `visible` of the frame's height shows `shown` of the object's.
    was_cut = cut_at_bottom & rng.chance(0.85 if recipe.cut_by_frame else 0.0)
    is_cut = was_cut | ((aspect < 0.75) & rng.chance(recipe.cut_by_frame))
    shown = torch.where(was_cut, rng.uniform(0.8, 1.0), rng.uniform(0.3, 0.65))
    visible = rng.uniform(0.3, 1.0)
    cut_height = visible * half_height / shown
    width = torch.where(is_cut, cut_height * aspect, width)
    height = torch.where(is_cut, cut_height, height)

    outside = rng.chance(recipe.leaves_frame) * 2 / 3  # in half widths and heights: a third
    room_x = (half_width - width).abs() + width * outside
    room_y = (half_height - height).abs() + height * outside
    centre_x = rng.symmetric(1.0) * room_x
    centre_y = torch.where(
        is_cut, half_height * (1 - 2 * visible) + height, rng.symmetric(1.0) * room_y
    )
    is_turned = rng.chance(0.2 if recipe.lens else 0.0) & ~is_cut
    angle = rng.symmetric(math.radians(25)) * is_turned
    cos, sin = angle.cos(), angle.sin()
    drawn = rng.chance(0.5)
    flip = torch.where(drawn if mirrored is None else mirrored, -1.0, 1.0)
    return transform(
        (cos * width * flip, -sin * height, centre_x),
        (sin * width * flip, cos * height, centre_y),
    )


def _draw_ratio(rng: RandomStreams, ground_point: Tensor, scene: Scene) -> Tensor:
    """Draws the inverse depth of an object, (B,), in units of the scene's range.

    It is that of the surface on which the object stands. If the ground point is outside of the
    frame, the object is nearer than the surface at the frame's edge, by up to 4.
    """
    spot = ground_point / torch.tensor(half_sides(scene.size), device=ground_point.device)
    inside = spot.clamp(-0.98, 0.98)[:, None, None]
    surface = F.grid_sample(scene.empty_ratio, inside, align_corners=False).flatten()
    is_outside = (spot[:, 0].abs() > 1) | (spot[:, 1] > 1)
    return surface + 4 * rng.uniform() ** 2 * is_outside
