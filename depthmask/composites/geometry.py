"""Where things are, and looking textures up there; all of it batched.

Positions are in frame units: x right and y down from the centre, scaled so that the frame's area
is 4. A square frame spans [-1, 1] both ways. Textures span [-1, 1] whatever their shape. A
transform is a (B, 3, 3) matrix that acts on (x, y, 1).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]  # height and width in pixels


def transform(first: Sequence[Tensor | float], second: Sequence[Tensor | float]) -> Tensor:
    """Builds (B, 3, 3) from the two upper rows; entries are (B,) or numbers, one at least (B,)."""
    entries = [*first, *second, 0.0, 0.0, 1.0]
    like = next(entry for entry in entries if isinstance(entry, Tensor))
    filled = [e if isinstance(e, Tensor) else torch.full_like(like, e) for e in entries]
    return torch.stack(filled, dim=1).view(-1, 3, 3)


def identity(count: int, device: torch.device) -> Tensor:
    """The transform that changes nothing, (count, 3, 3)."""
    return torch.eye(3, device=device).expand(count, 3, 3)


def half_sides(size: Size) -> tuple[float, float]:
    """Half the frame's width and height in frame units."""
    height, width = size
    return math.sqrt(width / height), math.sqrt(height / width)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """From a place to the one that is moved onto it by x right and y down."""
    return transform((torch.ones_like(x), 0.0, -x), (0.0, 1.0, -y))


def floor_projection(foot: Tensor, right: Tensor, up: Tensor) -> Tensor:
    """From a place on the floor to the point of the upright object whose shadow falls there.

    Args:
        foot: (B, 2), where the object stands.
        right: (B,), how far right the shadow of a point 1 above the foot falls.
        up: (B,), how far up, not 0; below 0 is towards the viewer. With right = 0 and up = -1 the
            shadow is the object's mirror image.
    """
    x, y = foot.unbind(-1)
    slant = right / up
    # x does not enter: what slants is the way from the foot's height.
    return transform((torch.ones_like(x), slant, -slant * y), (0.0, 1 / up, y - y / up))


def frame_grid(to_texture: Tensor, size: Size) -> Tensor:
    """Where each pixel of the frame looks, (B, H, W, 2), for a transform from frame to texture."""
    scale = torch.tensor([*half_sides(size), 1.0], device=to_texture.device)
    theta = (to_texture * scale)[:, :2]
    return F.affine_grid(theta, [len(theta), 1, *size], align_corners=False)


def level_of(levels: Sequence[Tensor], view: Tensor) -> Tensor:
    """The pyramid's level (B,) at which a texture pixel is about as large as one of the frame."""
    side = levels[0].shape[-1]
    height, width = view.shape[1:3]
    corner, right, down = view[:, 0, 0], view[:, 0, -1], view[:, -1, 0]
    across, along = (right - corner) / max(width - 1, 1), (down - corner) / max(height - 1, 1)
    area = (across[:, 0] * along[:, 1] - across[:, 1] * along[:, 0]).abs() * (side / 2) ** 2
    return 0.5 * area.clamp_min(1e-6).log2()


def sample(
    levels: Sequence[Tensor],
    numbers: Tensor,
    view: Tensor,
    *,
    blur: Tensor | float = 0.0,
    outside: str = "zeros",
) -> Tensor:
    """Looks textures up, as floats of the same scale: (B, C, H, W), 0 to 255.

    Args:
        levels: A pyramid of (N, C, S, S) uint8, each level half the size of the one before.
        numbers: (B,), which textures.
        view: (B, H, W, 2), where to look.
        blur: (B,) or a number, how many levels coarser than needed.
        outside: What lies beyond the texture: "reflection" or "zeros".
    """
    chosen = (level_of(levels, view) + blur + 0.4).floor().long().clamp(0, len(levels) - 1)
    result = view.new_empty(len(numbers), levels[0].shape[1], *view.shape[1:3])
    for number, level in enumerate(levels):
        rows = (chosen == number).nonzero()[:, 0]
        if len(rows):
            texture = level[numbers[rows]].float()
            result[rows] = F.grid_sample(
                texture, view[rows], padding_mode=outside, align_corners=False
            )
    return result
