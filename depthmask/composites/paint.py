"""Painting an object into a scene: its light, its shadow, its mask and its depth."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.composites.geometry import Size, floor_projection, frame_grid, sample, translation
from depthmask.composites.objects import Appearance, Objects
from depthmask.composites.pools import Pool
from depthmask.composites.scene import Scene

_HIDDEN_SIDE = 32  # side of the map on which an object's nearest hidden background is looked up
_WALL_SHIFT = (0.12, -0.1)  # how far a shadow on a wall falls aside, for a lean of 1
_CONTACT_HEIGHT, _CONTACT_BLUR = 0.1, 2.5  # of the dark spot right under an object
_SHUTTER = (-0.5, -0.25, 0.25, 0.5)  # moments beside the middle, in exposure times
_NEARER = 0.03  # share of what an object hides that may be nearer than it: errors of labels
_RELIEF = 0.06  # how much nearer than its outline an object's middle is


def paint(scene: Scene, pool: Pool, samples: Tensor, objects: Objects, looks: Appearance) -> None:
    """Paints one object into each of the given samples, with its shadow and its depth."""
    to_cutout = torch.linalg.inv(objects.place)
    image = scene.image[samples]
    layer = _look_at(pool, objects, looks, to_cutout, scene.size)
    layer = _colour(layer, image, looks)
    alpha = layer[:, 3:]
    lit = _cast_shadow(image, pool, objects, looks, to_cutout)
    lit = _mirror(lit, pool, objects, looks, to_cutout)
    scene.image[samples] = lit * (1 - alpha) + layer[:, :3]
    enters = ~objects.before[:, None, None, None]
    scene.mask[samples] = scene.mask[samples] * (1 - alpha) + alpha * enters
    scene.ratio[samples] = torch.where(
        alpha > 0.5, _object_ratio(objects, alpha, scene.behind[samples]), scene.ratio[samples]
    )
    rows = objects.before.nonzero()[:, 0]
    if len(rows):
        _paint_before(scene, pool, samples[rows], objects.take(rows), looks.take(rows))


def _paint_before(
    scene: Scene, pool: Pool, samples: Tensor, objects: Objects, looks: Appearance
) -> None:
    """Paints what stood there before into the background photo, from where that was taken."""
    view = torch.linalg.inv(objects.place) @ scene.motion[samples]
    plate = scene.plate[samples]
    layer = _colour(_look_at(pool, objects, looks, view, scene.size), plate, looks)
    scene.plate[samples] = plate * (1 - layer[:, 3:]) + layer[:, :3]


def _look_at(
    pool: Pool, objects: Objects, looks: Appearance, to_cutout: Tensor, size: Size
) -> Tensor:
    """The object alone, (B, 4, H, W) in [0, 1], premultiplied; blurred where it moves."""
    layer = _look_once(pool, objects, looks, frame_grid(to_cutout, size))
    rows = looks.streak.any(dim=1).nonzero()[:, 0]
    if len(rows):
        moving, moved, streak = objects.take(rows), looks.take(rows), looks.streak[rows]
        total = layer[rows]
        for part in _SHUTTER:
            shifted = to_cutout[rows] @ translation(*(part * streak).unbind(-1))
            total = total + _look_once(pool, moving, moved, frame_grid(shifted, size))
        layer = layer.index_copy(0, rows, total / (1 + len(_SHUTTER)))
    return layer * ~objects.unseen[:, None, None, None]


def _look_once(pool: Pool, objects: Objects, looks: Appearance, view: Tensor) -> Tensor:
    layer = _cutout(pool, objects, looks, view)
    # One pixel of the frame softens the edge that hides the lower part.
    pixel = (view[:, 1:, :, 1] - view[:, :-1, :, 1]).abs().mean(dim=(1, 2)).clamp_min(1e-4)
    limit = torch.where(objects.visible_to < 1, objects.visible_to, 2.0)
    above = (limit[:, None, None] - view[..., 1]) / pixel[:, None, None]
    return layer * above.clamp(0, 1)[:, None]


def _cutout(
    pool: Pool, objects: Objects, looks: Appearance, view: Tensor, *, blur: Tensor | float = 0.0
) -> Tensor:
    """The cut-outs as they are looked at, (B, 4, H, W) in [0, 1], premultiplied; see `sample`."""
    layer = sample(pool.levels, objects.number, view, blur=blur) / 255
    rows = (looks.filled < 1).nonzero()[:, 0]
    if not len(rows):
        return layer
    blurs = torch.as_tensor(blur, device=view.device).expand(len(view))
    bars = _bars(looks.take(rows), view[rows], blurs[rows])
    return layer.index_copy(0, rows, layer[rows] * bars)


def _bars(looks: Appearance, view: Tensor, blur: Tensor) -> Tensor:
    """How much of each pixel the bars of a lattice take, (B, 1, H, W) in [0, 1]."""
    cycle = torch.einsum("bhwc,bdc->bdhw", view, looks.lattice)
    # how much of a cycle a pixel sees, which softens the edges of bars
    across = cycle.diff(dim=3).abs().amax(dim=(2, 3)) + cycle.diff(dim=2).abs().amax(dim=(2, 3))
    seen = across * 2 ** blur[:, None] + 1e-4
    filled = looks.filled[:, None, None, None]
    off = (cycle % 1 - 0.5).abs() - filled / 2
    bars = (0.5 - off / seen[:, :, None, None]).clamp(0, 1)
    present = looks.lattice.abs().sum(dim=2) > 0
    return (bars * present[:, :, None, None]).amax(dim=1, keepdim=True)


def _colour(layer: Tensor, image: Tensor, looks: Appearance) -> Tensor:
    """Gives the object its own exposure, and sometimes the colours of what it hides."""
    colour, alpha = layer[:, :3] * looks.gain[:, :, None, None], layer[:, 3:]
    area = alpha.sum(dim=(2, 3), keepdim=True).clamp_min(1e-3)
    own = colour.sum(dim=(2, 3), keepdim=True) / area
    hidden = (image * alpha).sum(dim=(2, 3), keepdim=True) / area
    blended = colour + alpha * (hidden - own) * looks.camouflage[:, None, None, None]
    return torch.cat((torch.minimum(blended.clamp_min(0), alpha), alpha), dim=1)


def _cast_shadow(
    image: Tensor, pool: Pool, objects: Objects, looks: Appearance, to_cutout: Tensor
) -> Tensor:
    """Darkens what lies in the objects' shadows: one cast by the light, one where they stand."""
    if not (looks.shadow.any() or looks.contact.any()):
        return image
    right, up = looks.lean.unbind(-1)
    on_floor = floor_projection(objects.foot, right, up)
    on_wall = translation(
        right * looks.beyond * _WALL_SHIFT[0], up.abs() * looks.beyond * _WALL_SHIFT[1]
    )
    projection = torch.where(looks.on_wall[:, None, None], on_wall, on_floor)
    cast = _shade(image, pool, objects, looks, to_cutout @ projection, looks.softness)
    flat = floor_projection(
        objects.foot, torch.zeros_like(up), torch.full_like(up, _CONTACT_HEIGHT)
    )
    under = _shade(image, pool, objects, looks, to_cutout @ flat, _CONTACT_BLUR)
    taken = looks.shadow[:, None, None, None] * cast * looks.tint[:, :, None, None]
    return image * (1 - taken.clamp(0, 0.9)) * (1 - looks.contact[:, None, None, None] * under)


def _shade(
    image: Tensor,
    pool: Pool,
    objects: Objects,
    looks: Appearance,
    to_cutout: Tensor,
    blur: Tensor | float,
) -> Tensor:
    """The object's alpha as its shadow shows it, (B, 1, H, W) in [0, 1]."""
    view = frame_grid(to_cutout, (image.shape[-2], image.shape[-1]))
    return _cutout(pool, objects, looks, view, blur=blur)[:, 3:]


def _mirror(
    image: Tensor, pool: Pool, objects: Objects, looks: Appearance, to_cutout: Tensor
) -> Tensor:
    """Lets the floor mirror the objects, where it is polished."""
    rows = (looks.mirror > 0).nonzero()[:, 0]
    if not len(rows):
        return image
    strength = looks.mirror[rows]
    flip = floor_projection(
        objects.foot[rows], torch.zeros_like(strength), torch.full_like(strength, -1.0)
    )
    view = frame_grid(to_cutout[rows] @ flip, (image.shape[-2], image.shape[-1]))
    layer = _cutout(pool, objects.take(rows), looks.take(rows), view, blur=1.0)
    layer = layer * strength[:, None, None, None]
    return image.index_copy(0, rows, image[rows] * (1 - layer[:, 3:]) + layer[:, :3])


def _object_ratio(objects: Objects, alpha: Tensor, behind: Tensor) -> Tensor:
    """The object's inverse depth (B, 1, H, W), no farther than what it hides, with some relief."""
    shape = (min(_HIDDEN_SIDE, alpha.shape[-2]), min(_HIDDEN_SIDE, alpha.shape[-1]))
    covers = F.interpolate(alpha, shape).flatten(1) > 0.5
    hidden = F.interpolate(behind, shape).flatten(1).masked_fill(~covers, -math.inf)
    farther = (covers.sum(dim=1, keepdim=True) * _NEARER).long()
    limit = hidden.sort(dim=1, descending=True).values.gather(1, farther)[:, 0]
    ratio = torch.maximum(objects.ratio, limit)[:, None, None, None]
    coarse = F.adaptive_avg_pool2d(alpha, 12)
    relief = F.interpolate(coarse, alpha.shape[-2:], mode="bilinear", align_corners=False)
    return ratio + _RELIEF * (0.3 + ratio.clamp_min(0)) * relief
