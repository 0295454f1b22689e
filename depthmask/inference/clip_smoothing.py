"""Mask and depth of a clip, smoothed over time where the picture does not change.

Each pixel is a mean over the frames before and after. A frame counts by how little the pixel
has changed from it, so that moving objects leave no trail, are not late, and cast no ghost ahead.
Something may come or go whose colour is that of what is behind it: the mask changes then for good,
and the picture does not. So frames whose mask is quite another count only if those on the other
side of the frame agree with them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np

from depthmask.inference.clip import Seen
from depthmask.inference.smoothing import motion
from depthmask.pictures import Map

T = TypeVar("T")

REACH = 3  # frames before and after that count
DECAY = 0.7  # of a frame's weight, from one to the next
# by which masks on one side alone may differ, to count wholly or not at all
FULL, NONE = 0.25, 0.75


@dataclass
class Smoother(Generic[T]):
    """Takes frames one by one, and gives each back when those after it are known.

    What comes with a frame is given back with it. With a reach of 0 nothing is smoothed.
    """

    reach: int = REACH
    _near: list[tuple[T, Seen]] = field(default_factory=list)
    _next: int = 0  # of those near, to be given back

    def add(self, item: T, seen: Seen) -> Iterator[tuple[T, Seen]]:
        """Takes a frame; gives back at most one."""
        self._near.append((item, seen))
        if len(self._near) - self._next > self.reach:
            yield self._smoothed()
        if self._next > self.reach:
            del self._near[0]
            self._next -= 1

    def flush(self) -> Iterator[tuple[T, Seen]]:
        """Gives back what is left, as before a cut."""
        while self._next < len(self._near):
            yield self._smoothed()
        self._near, self._next = [], 0

    def _smoothed(self) -> tuple[T, Seen]:
        at = self._next
        self._next += 1
        item, now = self._near[at]
        total = np.ones_like(now.mask)
        mask, depth = now.mask.copy(), None if now.depth is None else now.depth.copy()
        near = [seen for _, seen in self._near]
        before = _weighted(now, near[max(0, at - self.reach) : at][::-1])
        after = _weighted(now, near[at + 1 : at + 1 + self.reach])
        for side, beyond in ((before, _change(now, after)), (after, _change(now, before))):
            for weight, other in side:
                share = weight * _trust(other.mask - now.mask, beyond)
                total += share
                mask += share * other.mask
                if depth is not None and other.depth is not None:
                    depth += share * other.depth
        depth = None if depth is None else depth / total
        return item, replace(now, mask=mask / total, depth=depth)


def _weighted(now: Seen, others: Sequence[Seen]) -> list[tuple[Map, Seen]]:
    """The frames on one side, the next first, each weighted by how little the picture changed."""
    return [
        (np.asarray(DECAY**distance * (1 - motion(other.small, now.small))), other)
        for distance, other in enumerate(others, 1)
    ]


def _change(now: Seen, side: Sequence[tuple[Map, Seen]]) -> Map:
    """By how much the mask is another on one side, in the mean; 0 where no frame counts."""
    total, change = np.full_like(now.mask, 1e-6), np.zeros_like(now.mask)
    for weight, other in side:
        total += weight
        change += weight * (other.mask - now.mask)
    return np.asarray(change / total)


def _trust(change: Map, beyond: Map) -> Map:
    """How much a frame counts whose mask is another, by the change on the other side, too."""
    common = np.where(change * beyond > 0, np.minimum(abs(change), abs(beyond)), 0)
    alone = abs(change) - common
    return np.asarray(1 - np.clip((alone - FULL) / (NONE - FULL), 0, 1), np.float32)
