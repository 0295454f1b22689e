"""Pictures that are nearly the same: copies, mirror images, frames of one shot."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from depthmask.data.split import shot_name

_SIDE = 16  # of a descriptor, in pixels
# Correlation from which on two descriptors show the same. Among 948 pictures of rooms and people,
# copies had 0.986 and more, all others 0.875 and less.
_MIN_CORRELATION = 0.92
_MIN_CONTRAST = 4.0  # standard deviation in grey levels; a plain surface has less
_BACKDROP = 127  # grey level behind cut-outs
_ROWS_AT_A_TIME = 512  # descriptors compared with all others; bounds the memory

Descriptor = NDArray[np.float32]  # (16, 16, 3)


def descriptor(picture: NDArray[np.uint8]) -> Descriptor:
    """Reduces a picture, (H, W, 3) uint8, to a small one of norm 1 that light does not change."""
    planes = torch.tensor(picture).permute(2, 0, 1).float()
    small = F.adaptive_avg_pool2d(planes, _SIDE).permute(1, 2, 0).numpy()
    centred = small - small.mean()
    if centred.std() < _MIN_CONTRAST:
        centred = small  # without their mean, plain surfaces of all colours would be the same
    return np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), dtype=np.float32)


def on_grey(cutout: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lays a cut-out, (H, W, 4), on middle grey, so that it can be compared: (H, W, 3)."""
    alpha = cutout[..., 3:].astype(np.float32) / 255
    return np.asarray(cutout[..., :3] * alpha + _BACKDROP * (1 - alpha)).astype(np.uint8)


def group_near_duplicates(names: Sequence[str], descriptors: Sequence[Descriptor]) -> list[int]:
    """Puts near-duplicates into one group, and all frames of one shot.

    Args:
        names: Stems of the pictures' files, see `shot_name`.
        descriptors: One for each picture.

    Returns:
        For each picture the index of its group's first member.
    """
    parents = list(range(len(names)))
    first_of_shot: dict[str, int] = {}
    for number, name in enumerate(names):
        _join(parents, number, first_of_shot.setdefault(shot_name(name), number))
    for one, other in _similar_pairs(descriptors):
        _join(parents, one, other)
    return [_root(parents, number) for number in range(len(names))]


def _similar_pairs(descriptors: Sequence[Descriptor]) -> list[tuple[int, int]]:
    if not descriptors:
        return []
    stacked = np.stack(descriptors)
    upright, mirrored = (x.reshape(len(stacked), -1) for x in (stacked, stacked[:, :, ::-1]))
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(stacked), _ROWS_AT_A_TIME):
        part = upright[start : start + _ROWS_AT_A_TIME]
        correlation = np.maximum(part @ upright.T, part @ mirrored.T)
        rows, columns = np.nonzero(correlation >= _MIN_CORRELATION)
        pairs += [(start + int(r), int(c)) for r, c in zip(rows, columns, strict=True)]
    return pairs


def _root(parents: list[int], number: int) -> int:
    """Finds the first member of a group, and shortens the way to it (union-find)."""
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _join(parents: list[int], one: int, other: int) -> None:
    low, high = sorted((_root(parents, one), _root(parents, other)))
    parents[high] = low
