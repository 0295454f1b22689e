"""Mask and depth of a clip, smoothed over time where the picture does not change.

Each pixel is a mean over the frames before and after. A frame counts by how little the pixel
has changed from it, so that moving objects leave no trail, are not late, and cast no ghost ahead.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np

from depthmask.inference.clip import Seen
from depthmask.inference.live_session import motion
from depthmask.pictures import Map

T = TypeVar("T")

REACH = 3  # frames before and after that count
DECAY = 0.7  # of a frame's weight, from one to the next


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
        first = max(0, at - self.reach)
        for place, (_, other) in enumerate(self._near[first : at + self.reach + 1], first):
            if place == at:
                continue
            weight: Map = DECAY ** abs(place - at) * (1 - motion(other.small, now.small))
            total += weight
            mask += weight * other.mask
            if depth is not None and other.depth is not None:
                depth += weight * other.depth
        depth = None if depth is None else depth / total
        return item, replace(now, mask=mask / total, depth=depth)
