"""Packed pictures on the training device, split between training and validation."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.data.near_duplicates import group, on_grey, thumbnail
from depthmask.data.packfile import Kind, read_pack
from depthmask.data.split import is_held_out
from depthmask.network.checkpoint import CheckpointInfo

HELD_OUT = 0.08  # share of the shots kept for validation, unless a run says otherwise

_SMALLEST = 32  # side of the smallest level of a pyramid, in pixels


@dataclass(frozen=True)
class Pool:
    """Pictures to draw from, as a pyramid of squares.

    Attributes:
        levels: (N, C, S, S) uint8, each level half the size of the one before. Cut-outs are RGBA
            with colours premultiplied by alpha, so that filtering mixes no outside colour in.
        aspect: (N,), width / height of the pictures that were squashed to squares.
        members: (M,) int64, the pictures that belong to this side of the split.
        cumulative: (M,), running sum of the members' probabilities.
        labels: (N, L, L) uint8, r of the depth convention; backgrounds only.
        foot: (N, 2), lowest point of the object, x and y in [-1, 1]; cut-outs only.
        trunk: (N,) bool, whether the lower edge cuts the object off; cut-outs only.
    """

    levels: tuple[Tensor, ...]
    aspect: Tensor
    members: Tensor
    cumulative: Tensor
    labels: Tensor | None = None
    foot: Tensor | None = None
    trunk: Tensor | None = None

    def pick(self, uniform: Tensor) -> Tensor:
        """Turns (B,) uniform numbers into (B,) picture numbers."""
        place = torch.searchsorted(self.cumulative, uniform, right=True)
        return self.members[place.clamp_max(len(self.members) - 1)]


@dataclass(frozen=True)
class Pools:
    """What composites are made of."""

    foregrounds: Pool
    backgrounds: Pool


def load_pools(path: Path, device: torch.device, *, held_out: float) -> tuple[Pools, Pools]:
    """Reads a packed file and splits it by shot, before any compositing.

    Args:
        path: A file made by `python -m depthmask pack`.
        device: Where the pictures shall live.
        held_out: Share of the shots kept for validation, 0 to 1.

    Returns:
        The pools for training and for validation; they share memory, but no shot.

    Raises:
        PackError: See `read_pack`.
    """
    kinds = read_pack(path)
    whole = {name: _build_pool(kind, device) for name, kind in kinds.items()}
    sides = {name: _find_held_out(kind, held_out) for name, kind in kinds.items()}

    def side(kept_back: bool) -> Pools:
        return Pools(
            **{
                name: _with_members(
                    whole[name],
                    kind.names,
                    [is_back == kept_back for is_back in sides[name]],
                )
                for name, kind in kinds.items()
            }
        )

    return side(False), side(True)


def load_shared_pools(path: Path, device: torch.device, *, pictures: int) -> Pools:
    """Reads some pictures of a packed file, to train and to validate on the same.

    That tells nothing of other pictures. It is what the original project did, with 100 of each.

    Args:
        path: As for `load_pools`.
        device: Likewise.
        pictures: How many of each kind, evenly from the whole; all, if there are fewer. Each is
            as likely as any other.

    Raises:
        PackError: See `read_pack`.
    """
    found = {}
    for name, kind in read_pack(path).items():
        count = min(pictures, len(kind.names))
        found[name] = replace(
            _build_pool(kind, device),
            members=torch.arange(count, device=device) * len(kind.names) // count,
            cumulative=torch.arange(1, count + 1, device=device) / count,
        )
    return Pools(**found)


def _find_held_out(kind: Kind, share: float) -> list[bool]:
    """Chooses pictures by name; one that shows the same as a picture for training goes there."""
    squares = kind.pixels.permute(0, 2, 3, 1).numpy()
    flat = (on_grey(square) if square.shape[-1] == 4 else square for square in squares)
    groups = group(kind.names, [thumbnail(picture) for picture in flat])
    trained = {
        number
        for number, name in zip(groups, kind.names, strict=True)
        if not is_held_out(name, share)
    }
    return [number not in trained for number in groups]


def _build_pool(kind: Kind, device: torch.device) -> Pool:
    pixels = kind.pixels
    is_cutout = pixels.shape[1] == 4
    foot = trunk = None
    if is_cutout:
        foot, trunk = find_foot(pixels[:, 3])
        pixels = _premultiplied(pixels)
    levels = [pixels]
    while levels[-1].shape[-1] > _SMALLEST:
        levels.append(_in_parts(_halved, levels[-1]))
    return Pool(
        levels=tuple(level.to(device) for level in levels),
        aspect=kind.aspect.to(device),
        members=torch.empty(0, dtype=torch.int64),
        cumulative=torch.empty(0),
        labels=None if kind.labels is None else kind.labels.to(device),
        foot=None if foot is None else foot.to(device),
        trunk=None if trunk is None else trunk.to(device),
    )


def _with_members(pool: Pool, names: Sequence[str], wanted: Sequence[bool]) -> Pool:
    """Gives a pool its side of the split, sources weighted by the square root of their size."""
    members = [number for number, is_wanted in enumerate(wanted) if is_wanted]
    if not members:
        members = list(range(len(names)))  # too few pictures to split: a toy set
    sources = [names[number].split("_")[0] for number in members]
    sizes = Counter(sources)
    weights = torch.tensor([sizes[source] ** -0.5 for source in sources], dtype=torch.float64)
    cumulative = (weights.cumsum(0) / weights.sum()).float()
    device = pool.aspect.device
    return replace(
        pool,
        members=torch.tensor(members, device=device),
        cumulative=cumulative.to(device),
    )


def find_foot(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Finds where objects stand; see `Pool.foot` and `Pool.trunk`. alpha: (N, S, S) uint8."""
    side = alpha.shape[-1]
    opaque = alpha > 127
    rows = opaque.any(dim=2)
    lowest = side - 1 - rows.flip(1).int().argmax(dim=1)  # (N,)
    # A band above the lowest row: one row alone is one shoe's tip.
    below = torch.arange(side) > (lowest - side // 16)[:, None]
    band = (opaque & below[:, :, None]).sum(dim=1).float()  # (N, S)
    columns = torch.linspace(-1, 1, side)
    middle = (band * columns).sum(dim=1) / band.sum(dim=1).clamp_min(1)
    last_row = opaque[torch.arange(len(alpha)), lowest].float().mean(dim=1)
    return torch.stack((middle, (lowest + 0.5) / side * 2 - 1), dim=1), last_row > 0.45


def _premultiplied(pixels: Tensor) -> Tensor:
    def multiply(part: Tensor) -> Tensor:
        colour, alpha = part[:, :3].float(), part[:, 3:]
        return torch.cat(((colour * alpha / 255).round().to(torch.uint8), alpha), dim=1)

    return _in_parts(multiply, pixels)


def _halved(pixels: Tensor) -> Tensor:
    return F.avg_pool2d(pixels.float(), 2).round().to(torch.uint8)


def _in_parts(function: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
    """Applies a function to some pictures at a time: as floats, all at once are gigabytes."""
    return torch.cat([function(part) for part in pixels.split(64)])


def load_sides(data: Path, info: CheckpointInfo, device: torch.device) -> tuple[Pools, Pools]:
    """The pictures that a checkpoint was trained on, and those to score it on."""
    shared = int(str(info.training.get("shared_pictures", 0)))
    if shared:
        pools = load_shared_pools(data, device, pictures=shared)
        return pools, pools
    held_out = float(str(info.training.get("held_out", HELD_OUT)))
    return load_pools(data, device, held_out=held_out)
