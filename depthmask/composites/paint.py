"""Painting an object into a scene: its colours, its shadow, its mask and its depth."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.composites.geometry import (
    Size,
    floor_projection,
    frame_grid,
    sample_texture,
    translation,
)
from depthmask.composites.objects import Appearance, Objects
from depthmask.composites.pools import Pool
from depthmask.composites.scene import Scene

_WALL_OFFSET = (0.12, -0.1)  # shift of a shadow on a close wall: factors of right and |up|
_CONTACT_HEIGHT = 0.1  # height of a contact shadow in heights of its object
_CONTACT_BLUR = 2.5  # in levels of the pyramid
_EXPOSURE_MOMENTS = (-0.5, -0.25, 0.25, 0.5)  # beside the middle, in exposure times
_MAX_SHARE_IN_FRONT = 0.03  # of what an object hides, may be nearer than it: errors of labels
_MAX_LOOKUP_SIDE = 32  # of the map on which that is looked up, in pixels
_RELIEF = 0.06  # how much nearer an object's middle is than its outline, at ratio 0.7


def paint(
    scene: Scene, pool: Pool, samples: Tensor, objects: Objects, appearance: Appearance
) -> None:
    """Paints one object into each of some samples, with its shadow, mask and depth.

    Args:
        scene: Is changed in place.
        pool: The cut-outs.
        samples: (B,) int64, rows of `scene`, each once.
        objects: (B,), one object a row.
        appearance: (B,), what it looks like.
    """
    to_cutout = torch.linalg.inv(objects.to_frame)
    image = scene.image[samples]
    layer = _render_object(pool, objects, appearance, to_cutout, scene.size)
    layer = _adjust_colours(layer, image, appearance)
    alpha = layer[:, 3:]
    lit = _cast_shadows(image, pool, objects, appearance, to_cutout)
    lit = _reflect(lit, pool, objects, appearance, to_cutout)
    scene.image[samples] = lit * (1 - alpha) + layer[:, :3]
    enters = ~objects.in_both[:, None, None, None]
    scene.mask[samples] = scene.mask[samples] * (1 - alpha) + alpha * enters
    ratio = _object_ratio(objects, alpha, scene.empty_ratio[samples])
    scene.ratio[samples] = torch.where(alpha > 0.5, ratio, scene.ratio[samples])
    rows = objects.in_both.nonzero()[:, 0]
    if len(rows):
        _paint_photos(scene, pool, samples[rows], objects.take(rows), appearance.take(rows))


def _paint_photos(
    scene: Scene, pool: Pool, samples: Tensor, objects: Objects, appearance: Appearance
) -> None:
    """Paints objects that stand in both into the empty scene's photos, as their camera saw them."""
    for photo, motion in zip(scene.photos, scene.motions, strict=True):
        to_cutout = torch.linalg.inv(objects.to_frame) @ motion[samples]
        background = photo[samples]
        layer = _render_object(pool, objects, appearance, to_cutout, scene.size)
        layer = _adjust_colours(layer, background, appearance)
        photo[samples] = background * (1 - layer[:, 3:]) + layer[:, :3]


def _render_object(
    pool: Pool, objects: Objects, appearance: Appearance, to_cutout: Tensor, size: Size
) -> Tensor:
    """Renders objects alone: premultiplied RGBA, (B, 4, H, W), 0 to 1, blurred by motion."""
    layer = _render_moment(pool, objects, appearance, frame_grid(to_cutout, size))
    rows = appearance.streak.any(dim=1).nonzero()[:, 0]
    if len(rows):
        moving, blurred = objects.take(rows), appearance.take(rows)
        total = layer[rows]
        for moment in _EXPOSURE_MOMENTS:
            shifted = to_cutout[rows] @ translation(*(moment * blurred.streak).unbind(-1))
            total = total + _render_moment(pool, moving, blurred, frame_grid(shifted, size))
        layer = layer.index_copy(0, rows, total / (1 + len(_EXPOSURE_MOMENTS)))
    return layer * ~objects.unseen[:, None, None, None]


def _render_moment(pool: Pool, objects: Objects, appearance: Appearance, grid: Tensor) -> Tensor:
    """Renders objects at one moment of the exposure, and what hides their lower part."""
    layer = _sample_cutout(pool, objects, appearance, grid)
    # The edge of what hides them is one pixel of the frame wide.
    pixel = (grid[:, 1:, :, 1] - grid[:, :-1, :, 1]).abs().mean(dim=(1, 2)).clamp_min(1e-4)
    limit = torch.where(objects.hidden_below < 1, objects.hidden_below, 2.0)
    above = (limit[:, None, None] - grid[..., 1]) / pixel[:, None, None]
    return layer * above.clamp(0, 1)[:, None]


def _sample_cutout(
    pool: Pool,
    objects: Objects,
    appearance: Appearance,
    grid: Tensor,
    *,
    blur: Tensor | float = 0.0,
) -> Tensor:
    """Looks cut-outs up: premultiplied RGBA, (B, 4, H, W), 0 to 1; see `sample_texture`."""
    layer = sample_texture(pool.levels, objects.cutout, grid, blur=blur) / 255
    rows = (appearance.bar_width < 1).nonzero()[:, 0]
    if not len(rows):
        return layer
    blurs = torch.as_tensor(blur, device=grid.device).expand(len(grid))
    bars = _bar_coverage(appearance.take(rows), grid[rows], blurs[rows])
    return layer.index_copy(0, rows, layer[rows] * bars)


def _bar_coverage(appearance: Appearance, grid: Tensor, blur: Tensor) -> Tensor:
    """Computes the share of each pixel that the bars of a lattice cover, (B, 1, H, W)."""
    cycle = torch.einsum("bhwc,bdc->bdhw", grid, appearance.lattice)
    # The share of a cycle that one pixel sees softens the edges of the bars.
    across = cycle.diff(dim=3).abs().amax(dim=(2, 3)) + cycle.diff(dim=2).abs().amax(dim=(2, 3))
    seen = across * 2 ** blur[:, None] + 1e-4
    width = appearance.bar_width[:, None, None, None]
    outside = (cycle % 1 - 0.5).abs() - width / 2
    bars = (0.5 - outside / seen[:, :, None, None]).clamp(0, 1)
    present = appearance.lattice.abs().sum(dim=2) > 0
    return (bars * present[:, :, None, None]).amax(dim=1, keepdim=True)


def _adjust_colours(layer: Tensor, image: Tensor, appearance: Appearance) -> Tensor:
    """Gives objects their own exposure, and some of them the colours of what they hide."""
    colour, alpha = layer[:, :3] * appearance.gain[:, :, None, None], layer[:, 3:]
    area = alpha.sum(dim=(2, 3), keepdim=True).clamp_min(1e-3)
    own = colour.sum(dim=(2, 3), keepdim=True) / area
    hidden = (image * alpha).sum(dim=(2, 3), keepdim=True) / area
    blended = colour + alpha * (hidden - own) * appearance.camouflage[:, None, None, None]
    return torch.cat((torch.minimum(blended.clamp_min(0), alpha), alpha), dim=1)


def _cast_shadows(
    image: Tensor, pool: Pool, objects: Objects, appearance: Appearance, to_cutout: Tensor
) -> Tensor:
    """Darkens the shadow that each object casts and the contact shadow where it stands."""
    if not (appearance.shadow.any() or appearance.contact_shadow.any()):
        return image
    right, up = appearance.shadow_offset.unbind(-1)
    on_floor = floor_projection(objects.ground_point, right, up)
    on_wall = translation(
        right * appearance.wall_distance * _WALL_OFFSET[0],
        up.abs() * appearance.wall_distance * _WALL_OFFSET[1],
    )
    projection = torch.where(appearance.on_wall[:, None, None], on_wall, on_floor)
    contact = floor_projection(
        objects.ground_point, torch.zeros_like(up), torch.full_like(up, _CONTACT_HEIGHT)
    )

    def covered(projection: Tensor, blur: Tensor | float) -> Tensor:
        grid = frame_grid(to_cutout @ projection, (image.shape[-2], image.shape[-1]))
        return _sample_cutout(pool, objects, appearance, grid, blur=blur)[:, 3:]

    cast = appearance.shadow[:, None, None, None] * covered(projection, appearance.shadow_blur)
    cast = (cast * appearance.shadow_tint[:, :, None, None]).clamp(0, 0.9)
    dark = appearance.contact_shadow[:, None, None, None] * covered(contact, _CONTACT_BLUR)
    return image * (1 - cast) * (1 - dark)


def _reflect(
    image: Tensor, pool: Pool, objects: Objects, appearance: Appearance, to_cutout: Tensor
) -> Tensor:
    """Adds the objects' mirror images where the floor is polished."""
    rows = (appearance.reflection > 0).nonzero()[:, 0]
    if not len(rows):
        return image
    strength = appearance.reflection[rows]
    flip = floor_projection(
        objects.ground_point[rows], torch.zeros_like(strength), torch.full_like(strength, -1.0)
    )
    grid = frame_grid(to_cutout[rows] @ flip, (image.shape[-2], image.shape[-1]))
    layer = _sample_cutout(pool, objects.take(rows), appearance.take(rows), grid, blur=1.0)
    layer = layer * strength[:, None, None, None]
    return image.index_copy(0, rows, image[rows] * (1 - layer[:, 3:]) + layer[:, :3])


def _object_ratio(objects: Objects, alpha: Tensor, empty_ratio: Tensor) -> Tensor:
    """Computes the objects' inverse depth with some relief, (B, 1, H, W).

    An object is no farther than what it hides, but for the nearest `_MAX_SHARE_IN_FRONT` of that.
    """
    size = (min(_MAX_LOOKUP_SIDE, alpha.shape[-2]), min(_MAX_LOOKUP_SIDE, alpha.shape[-1]))
    covers = F.interpolate(alpha, size).flatten(1) > 0.5
    hidden = F.interpolate(empty_ratio, size).flatten(1).masked_fill(~covers, -math.inf)
    rank = (covers.sum(dim=1, keepdim=True) * _MAX_SHARE_IN_FRONT).long()
    limit = hidden.sort(dim=1, descending=True).values.gather(1, rank)[:, 0]
    ratio = torch.maximum(objects.ratio, limit)[:, None, None, None]
    coarse = F.adaptive_avg_pool2d(alpha, 12)
    relief = F.interpolate(coarse, alpha.shape[-2:], mode="bilinear", align_corners=False)
    return ratio + _RELIEF * (0.3 + ratio.clamp_min(0)) * relief
