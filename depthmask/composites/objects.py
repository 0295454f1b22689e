"""What enters the scene: which cut-outs, where they stand, and what they look like."""

import math
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.composites.geometry import Size, half_sides, transform
from depthmask.composites.pools import Pool
from depthmask.composites.random_streams import Draws
from depthmask.composites.recipe import Recipe
from depthmask.composites.scene import Scene

SLOTS = 5  # objects a sample can hold


@dataclass(frozen=True)
class Objects:
    """The objects of a batch, one row per sample and slot; `take` selects rows."""

    number: Tensor  # (...,) int64, cut-out
    place: Tensor  # (..., 3, 3), transform from cut-out to frame
    foot: Tensor  # (..., 2), where it stands, in frame units
    visible_to: Tensor  # (...,), the cut-out's y below which something hides it; 1 = nothing
    ratio: Tensor  # (...,), its inverse depth in units of the scene's range
    before: Tensor  # (...,) bool, stands in both pictures
    unseen: Tensor  # (...,) bool, only its shadow falls into the scene
    active: Tensor  # (...,) bool

    def take(self, *rows: Tensor) -> Self:
        return type(self)(**{name: value[rows] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Appearance:
    """What objects look like and what they do to the light; one row per sample."""

    gain: Tensor  # (B, 3)
    camouflage: Tensor  # (B,), 0 = own colours, 1 = the background's mean
    shadow: Tensor  # (B,), how much light a shadow takes; 0 = none
    tint: Tensor  # (B, 3), the shadow's colour cast
    lean: Tensor  # (B, 2), where the shadow of a point 1 above the foot falls: right, up
    on_wall: Tensor  # (B,) bool, the shadow falls on a wall behind
    beyond: Tensor  # (B,), how far behind, 1 = close
    softness: Tensor  # (B,), levels of blur
    contact: Tensor  # (B,), darkness right under the object
    mirror: Tensor  # (B,), strength of the floor's reflection
    lattice: Tensor  # (B, 2, 2), bars of each of two directions: cycles along the cut-out's x and y
    filled: Tensor  # (B,), share of a cycle that a bar takes; 1 = nothing but bar
    streak: Tensor  # (B, 2), how far objects move while the shutter is open, in frame units

    @classmethod
    def draw(cls, draws: Draws, recipe: Recipe) -> Self:
        natural = recipe.lens is not None
        brightness = torch.where(
            draws.chance(recipe.dark), draws.log_uniform(0.15, 0.6), draws.log_uniform(0.6, 1.3)
        )
        gain = brightness[:, None] * (1 + draws.signed(0.08, each=3))
        later = draws.branch(1)
        bars = later.chance(recipe.lattice)
        up = draws.log_uniform(0.12, 0.7) * torch.where(draws.chance(0.75), 1.0, -1.0)
        return cls(
            gain=gain if natural else torch.ones_like(gain),
            camouflage=draws.uniform(0.3, 0.9) * draws.chance(recipe.camouflage),
            shadow=draws.uniform(0.15, recipe.darkest) * draws.chance(recipe.shadow),
            tint=1 + draws.signed(0.12, each=3),
            lean=torch.stack((draws.signed(1.4), up), dim=1),
            on_wall=draws.chance(0.3),
            beyond=later.log_uniform(1.0, recipe.wall),
            softness=draws.uniform(0.0, 3.5) * draws.chance(0.55),
            contact=draws.uniform(0.2, 0.8) * draws.chance(0.6 * recipe.shadow),
            mirror=draws.uniform(0.08, 0.35) * draws.chance(recipe.reflection),
            lattice=_draw_lattice(later),
            filled=torch.where(bars, later.uniform(0.2, 0.6), 1.0),
            streak=draws.signed(0.1, each=2) * draws.chance(recipe.motion_blur)[:, None],
        )

    def take(self, rows: Tensor) -> Self:
        return type(self)(**{name: value[rows] for name, value in vars(self).items()})


def _draw_lattice(draws: Draws) -> Tensor:
    """Cycles of bars in two directions, one of them often absent, (B, 2, 2)."""
    angle = draws.uniform(0, math.pi)
    angles = torch.stack((angle, angle + draws.uniform(0.8, math.pi / 2)), dim=1)
    cycles = torch.stack((draws.log_uniform(2.0, 7.0), draws.log_uniform(1.5, 7.0)), dim=1)
    cycles[:, 1] *= draws.chance(0.5)
    return torch.stack((angles.cos(), angles.sin()), dim=-1) * cycles[..., None]


def draw_objects(pool: Pool, draws: Draws, scene: Scene, recipe: Recipe) -> Objects:
    """Chooses cut-outs and where they stand, ordered from far to near."""
    several = draws.uniform()
    count = 1 + (several < recipe.several).long() + (several < recipe.several / 3).long()
    count = torch.where(draws.chance(recipe.crowd), 4 + draws.chance(0.5).long(), count)
    count = torch.where(draws.chance(recipe.empty), 0, count)
    slots: list[Objects] = []
    for slot in range(SLOTS):
        number = pool.pick(draws.uniform())
        slots.append(draw_object(pool, number, draws, scene, recipe, active=slot < count))
    objects = Objects(
        **{name: torch.stack([vars(s)[name] for s in slots], dim=1) for name in vars(slots[0])}
    )
    order = objects.ratio.argsort(dim=1)
    return objects.take(torch.arange(len(order), device=order.device)[:, None], order)


def draw_object(
    pool: Pool,
    number: Tensor,
    draws: Draws,
    scene: Scene,
    recipe: Recipe,
    *,
    active: Tensor,
    mirrored: Tensor | None = None,
) -> Objects:
    """Chooses where the cut-outs with these numbers, (B,), stand: one row per sample.

    Args:
        active: (B,) bool, whether the object is there.
        mirrored: (B,) bool, whether left and right are swapped; drawn, if None.
    """
    assert pool.foot is not None and pool.trunk is not None, "cut-outs know where they stand"
    size = scene.size
    place = _draw_place(draws, pool.aspect[number], pool.trunk[number], size, recipe, mirrored)
    hidden = draws.chance(recipe.behind_something)
    visible_to = torch.where(hidden, draws.uniform(-0.3, 0.8), 1.0)
    foot_x, foot_y = pool.foot[number].unbind(-1)
    local = torch.stack((foot_x, torch.minimum(foot_y, visible_to), torch.ones_like(foot_x)), 1)
    foot = (place @ local[..., None])[:, :2, 0]
    return Objects(
        number=number,
        place=place,
        foot=foot,
        visible_to=visible_to,
        ratio=_draw_ratio(draws, foot, scene),
        before=draws.chance(recipe.present_before),
        unseen=draws.chance(recipe.unseen),
        active=active,
    )


def _draw_place(
    draws: Draws,
    aspect: Tensor,
    trunk: Tensor,
    size: Size,
    recipe: Recipe,
    mirrored: Tensor | None,
) -> Tensor:
    """Where an object stands and how large: a transform from cut-out to frame."""
    half_width, half_height = half_sides(size)
    aspect = aspect * draws.uniform(0.9, 1.1) if recipe.lens else aspect
    longest = draws.log_uniform(recipe.smallest, recipe.largest)
    width = longest * aspect.clamp_max(1)
    height = longest / aspect.clamp_min(1)

    # Cut by the lower edge: `visible` of the frame's height shows `shown` of the object's.
    is_trunk = trunk & draws.chance(0.85 if recipe.cut_by_frame else 0.0)
    is_cut = is_trunk | ((aspect < 0.75) & draws.chance(recipe.cut_by_frame))
    shown = torch.where(is_trunk, draws.uniform(0.8, 1.0), draws.uniform(0.3, 0.65))
    visible = draws.uniform(0.3, 1.0)
    cut_height = visible * half_height / shown
    width = torch.where(is_cut, cut_height * aspect, width)
    height = torch.where(is_cut, cut_height, height)

    beyond = draws.chance(recipe.leaves_frame) * 2 / 3
    room_x = (half_width - width).abs() + width * beyond
    room_y = (half_height - height).abs() + height * beyond
    centre_x = draws.signed(1.0) * room_x
    centre_y = torch.where(
        is_cut, half_height * (1 - 2 * visible) + height, draws.signed(1.0) * room_y
    )
    turned = draws.chance(0.2 if recipe.lens else 0.0) & ~is_cut
    angle = draws.signed(math.radians(25)) * turned
    cos, sin = angle.cos(), angle.sin()
    by_chance = draws.chance(0.5)
    flip = torch.where(by_chance if mirrored is None else mirrored, -1.0, 1.0)
    return transform(
        (cos * width * flip, -sin * height, centre_x),
        (sin * width * flip, cos * height, centre_y),
    )


def _draw_ratio(draws: Draws, foot: Tensor, scene: Scene) -> Tensor:
    """The inverse depth at which an object stands, (B,), in units of the scene's range.

    It is that of the surface under its foot. If the foot is out of the frame, the object stands
    nearer than the surface at the frame's edge, by up to 4.
    """
    spot = foot / torch.tensor(half_sides(scene.size), device=foot.device)
    inside = spot.clamp(-0.98, 0.98)[:, None, None]
    contact = F.grid_sample(scene.behind, inside, align_corners=False).flatten()
    outside = (spot[:, 0].abs() > 1) | (spot[:, 1] > 1)
    return contact + 4 * draws.uniform() ** 2 * outside
