"""Packed pictures on the training device, split between training and validation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.data.near_duplicates import descriptor, group_near_duplicates, on_grey
from depthmask.data.packfile import PackedPictures, in_parts, read_pack
from depthmask.data.split import is_held_out, shot_name
from depthmask.errors import CheckpointError
from depthmask.network.checkpoint import CheckpointInfo
from depthmask.schema import SchemaError, Within, from_plain

HELD_OUT_SHARE = 0.08  # default share of the shots kept for validation

_MAX_REPETITION = 4.0  # of a picture, in mean frequencies
_MIN_LEVEL_SIDE = 32  # of the smallest level of a pyramid, in pixels


@dataclass(frozen=True)
class Pool:
    """Pictures to draw from, as a pyramid of squares.

    Attributes:
        levels: (N, C, S, S) uint8, each level half the size of the one before. Cut-outs are RGBA
            with colours premultiplied by alpha, so that filtering mixes in no outside colour.
        aspect: (N,), width / height of the pictures that were squashed to squares.
        members: (M,) int64, the pictures that may be drawn.
        cumulative: (M,), running sum of the members' probabilities.
        labels: (N, L, L) uint8, see `bytes_from_ratio`; backgrounds only.
        contrast: (N, 1, s, s) uint8, of the smallest level's size: standard deviation of brightness
            around each pixel of it, in levels; backgrounds only.
        ground_point: (N, 2), lowest point of the object, texture units; cut-outs only.
        cut_at_bottom: (N,) bool, whether the picture's lower edge cuts the object; cut-outs only.
    """

    levels: tuple[Tensor, ...]
    aspect: Tensor
    members: Tensor
    cumulative: Tensor
    labels: Tensor | None = None
    contrast: Tensor | None = None
    ground_point: Tensor | None = None
    cut_at_bottom: Tensor | None = None

    def pick(self, uniform: Tensor) -> Tensor:
        """Turns (B,) uniform numbers from [0, 1) into (B,) picture numbers."""
        position = torch.searchsorted(self.cumulative, uniform, right=True)
        return self.members[position.clamp_max(len(self.members) - 1)]


@dataclass(frozen=True)
class _Split:
    """How a training divided its pictures, as its checkpoint tells."""

    shared_pictures: Annotated[int, Within(0, 10**9)] = 0
    held_out: Annotated[float, Within(0, 1)] = HELD_OUT_SHARE


@dataclass(frozen=True)
class Pools:
    """What composites are made of."""

    foregrounds: Pool
    backgrounds: Pool


def load_pools(path: Path, device: torch.device, *, held_out: float) -> tuple[Pools, Pools]:
    """Reads a packed file and splits it by shot.

    Args:
        path: A file made by `python -m depthmask pack`.
        device: Where to keep the pictures.
        held_out: Share of the shots kept for validation, 0 to 1.

    Returns:
        The pools for training and for validation. They share memory, but no shot.

    Raises:
        PackError: See `read_pack`.
    """
    train, validation = {}, {}
    for name, pictures in read_pack(path).items():
        pool = _build_pool(pictures, device)
        for_validation = _find_held_out(pictures, held_out)
        train[name] = _with_members(pool, pictures.names, [not held for held in for_validation])
        validation[name] = _with_members(pool, pictures.names, for_validation)
    return Pools(**train), Pools(**validation)


def load_shared_pools(path: Path, device: torch.device, *, pictures: int) -> Pools:
    """Reads some pictures of a packed file, to train and to validate on the same ones.

    Scores on them do not tell how good a network is on other pictures. The original project worked
    like this, with 100 pictures of each kind.

    Args:
        path: A file made by `python -m depthmask pack`.
        device: Where to keep the pictures.
        pictures: How many cut-outs and how many backgrounds, evenly from all of them. Each has the
            same probability.

    Raises:
        PackError: See `read_pack`.
    """
    pools = {}
    for name, packed in read_pack(path).items():
        size = min(pictures, len(packed.names))
        pools[name] = replace(
            _build_pool(packed, device),
            members=torch.arange(size, device=device) * len(packed.names) // size,
            cumulative=torch.arange(1, size + 1, device=device) / size,
        )
    return Pools(**pools)


def load_checkpoint_pools(
    path: Path, info: CheckpointInfo, device: torch.device
) -> tuple[Pools, Pools]:
    """Reads the pictures that a checkpoint was trained on, and those it is to be scored on.

    Raises:
        CheckpointError: The checkpoint tells of its training what cannot be.
        PackError: See `read_pack`.
    """
    try:
        told = {name: info.training[name] for name in vars(_Split()) if name in info.training}
        split = from_plain(told, _Split)
    except SchemaError as error:
        raise CheckpointError(
            f"The description of the checkpoint's training is damaged ({error}); use another."
        ) from error
    if split.shared_pictures:
        pools = load_shared_pools(path, device, pictures=split.shared_pictures)
        return pools, pools
    return load_pools(path, device, held_out=split.held_out)


def balanced_weights(names: Sequence[str]) -> Tensor:
    """How often pictures are drawn, (N,) float64, so that neither large nor small sources prevail.

    A source has the square root of its size as its weight, and so has a shot within its source. No
    picture is drawn more than `_MAX_REPETITION` times as often as the mean.

    Args:
        names: Stems of the files, see `shot_name`.
    """
    shots = [shot_name(name) for name in names]
    sources = [name.split("_")[0] for name in names]
    source_sizes, shot_sizes = Counter(sources), Counter(shots)
    of_source = dict(zip(shots, sources, strict=True))
    shot_sums = dict.fromkeys(sources, 0.0)  # of the weights of a source's shots
    for shot, size in shot_sizes.items():
        shot_sums[of_source[shot]] += size**0.5
    weights = torch.tensor(
        [
            source_sizes[source] ** 0.5 / shot_sums[source] * shot_sizes[shot] ** -0.5
            for shot, source in zip(shots, sources, strict=True)
        ],
        dtype=torch.float64,
    )
    return weights.clamp_max(_MAX_REPETITION * weights.mean())


def find_ground_points(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Finds where objects stand.

    Args:
        alpha: (N, S, S) uint8.

    Returns:
        `Pool.ground_point` and `Pool.cut_at_bottom`.
    """
    side = alpha.shape[-1]
    opaque = alpha > 127
    rows = opaque.any(dim=2)
    lowest = side - 1 - rows.flip(1).int().argmax(dim=1)  # (N,)
    # The mean over the lowest 16th: the lowest row alone may be the tip of one shoe.
    in_band = torch.arange(side) > (lowest - side // 16)[:, None]
    band = (opaque & in_band[:, :, None]).sum(dim=1).float()  # (N, S)
    columns = torch.linspace(-1, 1, side)
    middle = (band * columns).sum(dim=1) / band.sum(dim=1).clamp_min(1)
    bottom = (lowest + 0.5) / side * 2 - 1
    share_of_row = opaque[torch.arange(len(alpha)), lowest].float().mean(dim=1)
    return torch.stack((middle, bottom), dim=1), share_of_row > 0.45


def _find_held_out(pictures: PackedPictures, share: float) -> list[bool]:
    """Chooses pictures for validation by name, but no near-duplicate of one for training."""
    squares = pictures.pixels.permute(0, 2, 3, 1).numpy()
    opaque = (on_grey(square) if square.shape[-1] == 4 else square for square in squares)
    groups = group_near_duplicates(pictures.names, [descriptor(square) for square in opaque])
    for_training = {
        number
        for number, name in zip(groups, pictures.names, strict=True)
        if not is_held_out(name, share)
    }
    return [number not in for_training for number in groups]


def _build_pool(pictures: PackedPictures, device: torch.device) -> Pool:
    """Builds a pool without members."""
    pixels, labels = pictures.pixels, pictures.labels
    ground_point = cut_at_bottom = None
    if pixels.shape[1] == 4:
        ground_point, cut_at_bottom = (t.to(device) for t in find_ground_points(pixels[:, 3]))
        pixels = _premultiplied(pixels)
    levels = [pixels]
    while levels[-1].shape[-1] > _MIN_LEVEL_SIDE:
        levels.append(in_parts(_halved, levels[-1]))
    return Pool(
        levels=tuple(level.to(device) for level in levels),
        aspect=pictures.aspect.to(device),
        members=torch.empty(0, dtype=torch.int64),
        cumulative=torch.empty(0),
        labels=None if labels is None else labels.to(device),
        contrast=None if labels is None else _contrast(pixels, levels[-1].shape[-1]).to(device),
        ground_point=ground_point,
        cut_at_bottom=cut_at_bottom,
    )


def _with_members(pool: Pool, names: Sequence[str], wanted: Sequence[bool]) -> Pool:
    """Gives a pool its members, see `balanced_weights`."""
    members = [number for number, is_wanted in enumerate(wanted) if is_wanted]
    if not members:
        members = list(range(len(names)))  # too few pictures to split
    weights = balanced_weights([names[number] for number in members])
    cumulative = (weights.cumsum(0) / weights.sum()).float()
    device = pool.aspect.device
    return replace(
        pool,
        members=torch.tensor(members, device=device),
        cumulative=cumulative.to(device),
    )


def _premultiplied(pixels: Tensor) -> Tensor:
    def multiply(part: Tensor) -> Tensor:
        colour, alpha = part[:, :3].float(), part[:, 3:]
        return torch.cat(((colour * alpha / 255).round().to(torch.uint8), alpha), dim=1)

    return in_parts(multiply, pixels)


def _halved(pixels: Tensor) -> Tensor:
    return F.avg_pool2d(pixels.float(), 2).round().to(torch.uint8)


def _contrast(pixels: Tensor, side: int) -> Tensor:
    """Standard deviation of brightness in the squares of a side x side grid, (N, 1, side, side)."""

    def deviation(part: Tensor) -> Tensor:
        grey = part[:, :3].float().mean(dim=1, keepdim=True)
        width = grey.shape[-1] // side
        mean, mean_square = F.avg_pool2d(grey, width), F.avg_pool2d(grey**2, width)
        return (mean_square - mean**2).clamp_min(0).sqrt().round().to(torch.uint8)

    return in_parts(deviation, pixels)
