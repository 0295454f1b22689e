"""Makes composites of one background: one cut-out each, at a random place inside the frame."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from depthmask.composites.geometry import identity, transform
from depthmask.composites.objects import Appearance, Objects, draw_object
from depthmask.composites.paint import paint
from depthmask.composites.pools import Pool
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import ORIGINAL
from depthmask.composites.scene import Scene

_MARGIN_PIXELS = 4  # around an object, for its soft edge and for rounding


@dataclass(frozen=True)
class Backdrop:
    """A background as the composites show it, with its depth."""

    pixels: Tensor  # (S, S, 3) uint8
    ratio: Tensor  # (S, S), inverse depth in units of the scene's range


@dataclass(frozen=True)
class Placed:
    """Composites of one background, (B, ...)."""

    image: Tensor  # (B, S, S, 3) uint8
    mask: Tensor  # (B, S, S) uint8, alpha
    ratio: Tensor  # (B, S, S), inverse depth in units of the scene's range
    box: Tensor  # (B, 4), the object's centre x and y, width and height in pixels


@torch.no_grad()
def place(
    pool: Pool,
    backdrop: Backdrop,
    numbers: Tensor,
    cutouts: Tensor,
    mirrored: Tensor,
    *,
    seed: int,
    scale: float,
) -> Placed:
    """Places cut-outs on one background.

    Only the part of the frame around an object is painted: at scale 0.5, a quarter of the frame.

    Args:
        pool: The cut-outs.
        backdrop: The background.
        numbers: (B,) int64, the samples' numbers, from which the objects' places follow.
        cutouts: (B,) int64, the cut-out of each sample.
        mirrored: (B,) bool, whether it is mirrored.
        seed: Another seed gives other places.
        scale: An object's longest side in sides of the frame, up to 1.
    """
    recipe = replace(ORIGINAL, smallest=scale, largest=scale)
    rng, count, side = RandomStreams(seed, numbers), len(numbers), len(backdrop.pixels)
    colours = backdrop.pixels.permute(2, 0, 1).float() / 255
    everywhere = backdrop.ratio.expand(count, 1, side, side)
    frame = _scene(colours.expand(count, 3, side, side), everywhere)
    active = torch.ones_like(mirrored)
    objects = draw_object(pool, cutouts, rng, frame, recipe, active=active, mirrored=mirrored)
    box = _box(objects.to_frame, side)
    reach = min(side, round(scale * side) + _MARGIN_PIXELS)
    corner = (box[:, :2] - reach / 2).round().long().clamp(0, side - reach)
    part = _scene(_cut(colours, corner, reach), _cut(backdrop.ratio[None], corner, reach))
    appearance = Appearance.draw(rng, recipe)
    paint(part, pool, torch.arange(count), _seen_in(objects, corner, reach, side), appearance)

    image = backdrop.pixels.repeat(count, 1, 1, 1)
    mask = torch.zeros(count, side, side, dtype=torch.uint8)
    ratio = backdrop.ratio.repeat(count, 1, 1)
    painted = (part.image.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    covered = (part.mask[:, 0].clamp(0, 1) * 255).round().to(torch.uint8)
    for number, (x, y) in enumerate(corner.tolist()):
        window = (number, slice(y, y + reach), slice(x, x + reach))
        image[window] = painted[number]
        mask[window] = covered[number]
        ratio[window] = part.ratio[number, 0]
    return Placed(image, mask, ratio, box)


def _scene(image: Tensor, ratio: Tensor) -> Scene:
    """A scene before the object enters. Only its image and ratio are used."""
    still = identity(len(image), image.device)
    mask = torch.zeros_like(ratio)
    return Scene((image,), image, ratio, empty_ratio=ratio, mask=mask, motions=(still,))


def _box(place: Tensor, side: int) -> Tensor:
    """The box of upright cut-outs, (B, 4): centre x and y, width and height in pixels."""
    centre = (place[:, :2, 2] + 1) * (side / 2)
    extent = torch.stack((place[:, 0, 0].abs(), place[:, 1, 1].abs()), dim=1) * side
    return torch.cat((centre, extent), dim=1)


def _cut(picture: Tensor, corner: Tensor, reach: int) -> Tensor:
    """Cuts windows out of (C, S, S): (B, C, reach, reach), each from its corner's x and y."""
    return torch.stack([picture[:, y : y + reach, x : x + reach] for x, y in corner.tolist()])


def _seen_in(objects: Objects, corner: Tensor, reach: int, side: int) -> Objects:
    """The same objects in the frame units of their windows."""
    middle = (corner + reach / 2) * (2 / side) - 1
    zoom = torch.full_like(middle[:, 0], side / reach)
    x, y = middle.unbind(-1)
    into = transform((zoom, 0.0, -zoom * x), (0.0, zoom, -zoom * y))
    return replace(objects, to_frame=into @ objects.to_frame)
