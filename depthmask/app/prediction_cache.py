"""What was predicted a while ago, so that a view or a download need not predict again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, NamedTuple

from depthmask.app.watch import Watch
from depthmask.pictures import Picture

if TYPE_CHECKING:
    from depthmask.inference.predictor import Prediction

ROOM = 2**30  # bytes; a pair of 12 megapixels takes 170 MB
KEEP_S = 3600  # what nobody asked for is dropped after an hour
_LATE_S = 1  # looked for so much later, so that the age has passed


class Seen(NamedTuple):
    """A pair that was read and predicted."""

    image: Picture  # (H, W, 3)
    prediction: "Prediction"
    background_size: tuple[int, int]  # (h, w) of the photo, as read
    notes: tuple[str, ...]  # sentences on how the photos were read

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        found = self.prediction
        arrays = (self.image, found.mask, found.depth, found.background)
        return sum(array.nbytes for array in arrays if array is not None)


class Shelf:
    """The last pairs, as many as there is room for, each an hour from its last use.

    Args:
        room: Bytes all of them may take; the newest stays even if it takes more.
        keep_s: Seconds after its last use at which a pair is dropped.
    """

    def __init__(self, *, room: int = ROOM, keep_s: float = KEEP_S) -> None:
        self._room, self._keep_s = room, keep_s
        self._pairs: OrderedDict[Hashable, tuple[float, Seen]] = OrderedDict()
        self._lock, self._making = threading.Lock(), threading.Lock()
        self._watch = Watch(self.drop_old, self._wait_s)

    def get(self, key: Hashable) -> Seen | None:
        """Hands out a pair; it stays on the shelf, as the newest."""
        self.drop_old()
        with self._lock:
            if key not in self._pairs:
                return None
            seen = self._pairs.pop(key)[1]
            self._pairs[key] = time.monotonic(), seen
        self._watch.set()
        return seen

    def get_or_make(self, key: Hashable, make: Callable[[], Seen | None]) -> Seen | None:
        """Hands out a pair, made first where it is not there: one at a time, and each once.

        Args:
            key: Of the pair.
            make: Makes it; None where that is not possible, and nothing is kept then.
        """
        seen = self.get(key)
        if seen is not None:
            return seen
        with self._making:
            seen = self.get(key)  # who held the lock may have made it
            if seen is None:
                seen = make()
            if seen is not None:
                self.put(key, seen)
        return seen

    def put(self, key: Hashable, seen: Seen) -> None:
        """Keeps a pair, and drops the oldest that there is no room for."""
        with self._lock:
            self._pairs.pop(key, None)
            self._pairs[key] = time.monotonic(), seen
            while len(self._pairs) > 1 and self._taken() > self._room:
                self._pairs.popitem(last=False)
        self._watch.set()

    def drop_old(self) -> None:
        """Drops what nobody has asked for in `keep_s` seconds."""
        oldest = time.monotonic() - self._keep_s
        with self._lock:
            for key in [key for key, (used, _) in self._pairs.items() if used < oldest]:
                del self._pairs[key]

    def __len__(self) -> int:
        return len(self._pairs)

    def _taken(self) -> int:
        return sum(seen.size for _, seen in self._pairs.values())

    def _wait_s(self) -> float | None:
        """Seconds until the oldest pair may go."""
        with self._lock:
            if not self._pairs:
                return None
            oldest = min(used for used, _ in self._pairs.values())
        return max(oldest + self._keep_s - time.monotonic(), 0) + _LATE_S
