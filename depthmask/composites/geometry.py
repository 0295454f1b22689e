"""Positions in pictures, transforms between them, and texture lookup; all of it in batches.

Frame units: x points right and y down from the frame's centre, scaled so that the frame's area is
4. A square frame spans [-1, 1] in x and y. Texture units: a texture spans [-1, 1] in x and y,
whatever its shape. A transform is a (B, 3, 3) matrix that acts on (x, y, 1).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]  # height and width in pixels


def transform(first: Sequence[Tensor | float], second: Sequence[Tensor | float]) -> Tensor:
    """Builds a transform from its two upper rows.

    Entries are (B,) or numbers; at least one is (B,).
    """
    entries = [*first, *second, 0.0, 0.0, 1.0]
    like = next(entry for entry in entries if isinstance(entry, Tensor))
    filled = [e if isinstance(e, Tensor) else torch.full_like(like, e) for e in entries]
    return torch.stack(filled, dim=1).view(-1, 3, 3)


def identity(count: int, device: torch.device) -> Tensor:
    """Returns the transform that changes nothing, (count, 3, 3)."""
    return torch.eye(3, device=device).expand(count, 3, 3)


def half_sides(size: Size) -> tuple[float, float]:
    """Returns half the frame's width and height in frame units."""
    height, width = size
    return math.sqrt(width / height), math.sqrt(height / width)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Returns the transform from a moved picture to the original.

    Args:
        x: (B,), how far the picture was moved to the right.
        y: (B,), how far it was moved down.
    """
    return transform((torch.ones_like(x), 0.0, -x), (0.0, 1.0, -y))


def floor_projection(ground_point: Tensor, right: Tensor, up: Tensor) -> Tensor:
    """Returns the transform from a shadow on the floor to the upright object that casts it.

    Args:
        ground_point: (B, 2), where the object stands.
        right: (B,), how far right of it the shadow of a point at height 1 falls.
        up: (B,), how far up that falls, not 0; negative is towards the viewer. With right = 0 and
            up = -1 the shadow is the object's mirror image.
    """
    x, y = ground_point.unbind(-1)
    slant = right / up
    # The shift to the right grows with the distance from y alone: x does not enter.
    return transform((torch.ones_like(x), slant, -slant * y), (0.0, 1 / up, y - y / up))


def frame_grid(to_texture: Tensor, size: Size) -> Tensor:
    """Returns the texture position of each pixel of the frame, (B, H, W, 2).

    Args:
        to_texture: Transform from frame units to texture units.
        size: The frame's height and width in pixels.
    """
    height, width = size
    half_width, half_height = half_sides(size)
    # one pass over the pixels, where `affine_grid` multiplies matrices
    x, y = (_centres(count, to_texture.device) for count in (width, height))
    right, down, origin = to_texture[:, :2].unbind(-1)  # (B, 2) each
    across = x[:, None] * (right * half_width)[:, None, None]  # (B, 1, W, 2)
    along = y[:, None, None] * (down * half_height)[:, None, None] + origin[:, None, None]
    return across + along


def _centres(count: int, device: torch.device) -> Tensor:
    """Centres of so many pixels side by side in [-1, 1]."""
    return (torch.arange(count, device=device) * 2 + 1) / count - 1


def sample_texture(
    levels: Sequence[Tensor],
    numbers: Tensor,
    grid: Tensor,
    *,
    blur: Tensor | float = 0.0,
    outside: str = "zeros",
) -> Tensor:
    """Looks textures up at the positions of a grid.

    Args:
        levels: A pyramid of (N, C, S, S) uint8, each level half the size of the one before.
        numbers: (B,), which texture for each sample.
        grid: (B, H, W, 2), positions in texture units.
        blur: (B,) or a number, how many levels coarser than needed.
        outside: What lies beyond the texture: "reflection" or "zeros".

    Returns:
        (B, C, H, W) float, 0 to 255.
    """
    chosen = (_needed_level(levels, grid) + blur + 0.4).floor().long().clamp(0, len(levels) - 1)
    result = grid.new_empty(len(numbers), levels[0].shape[1], *grid.shape[1:3])
    for number, level in enumerate(levels):
        rows = (chosen == number).nonzero()[:, 0]
        if len(rows):
            texture = level[numbers[rows]].float()
            result[rows] = F.grid_sample(
                texture, grid[rows], padding_mode=outside, align_corners=False
            )
    return result


def _needed_level(levels: Sequence[Tensor], grid: Tensor) -> Tensor:
    """Returns the level, (B,), whose pixels are about as large as those of the frame."""
    side = levels[0].shape[-1]
    height, width = grid.shape[1:3]
    corner, right, down = grid[:, 0, 0], grid[:, 0, -1], grid[:, -1, 0]
    across, along = (right - corner) / max(width - 1, 1), (down - corner) / max(height - 1, 1)
    area = (across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]).abs() * (side / 2) ** 2
    return 0.5 * area.clamp_min(1e-6).log2()
