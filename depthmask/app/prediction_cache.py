"""Recent predictions, kept in memory so that a view or a download need not predict again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

from depthmask.pictures import Picture

if TYPE_CHECKING:
    from depthmask.inference.background import Background
    from depthmask.inference.predictor import FirstLook, Prediction

MAX_CACHE_BYTES = 2**28  # a pair of 12 megapixels takes 170 MB
PAIR_LIFETIME_S = 3600.0  # after its last use
SWEEP_DELAY_S = 1.0  # added to the time of a sweep, so that the pair's lifetime is over by then


class EmptyScene(NamedTuple):
    """The background as it was read, or learned from several photos."""

    paths: tuple[str | None, ...]  # of the photos
    background: "Background"
    size: tuple[int, int]  # (h, w) of the first photo, as read
    notes: tuple[str, ...]  # sentences on how the photos were read


class PredictedPair(NamedTuple):
    """A pair of photos and its prediction."""

    image: Picture  # (H, W, 3)
    prediction: "Prediction"
    background_size: tuple[int, int]  # (h, w) of the photo, as read
    notes: tuple[str, ...]  # sentences on how the photos were read
    learned: EmptyScene | None = None  # of several photos, so that it is not learned again
    look: "FirstLook | None" = None  # the prediction is a small preview of what comes of it

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        found = self.prediction
        empty = self.learned.background if self.learned else None
        arrays = (self.image, found.mask, found.depth, found.background)
        arrays += getattr(empty, "candidates", ())
        known = sum(array.nbytes for array in arrays if array is not None)
        return known + (self.look.size if self.look else 0)


class Sweeper:
    """Sweeps later, even if nobody visits the page any more. It has one timer at most.

    Args:
        sweep: Removes what has expired.
        wait_s: Seconds until something may expire; None if there is nothing to wait for.
    """

    def __init__(self, sweep: Callable[[], None], wait_s: Callable[[], float | None]) -> None:
        self._sweep, self._wait_s = sweep, wait_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def schedule(self) -> None:
        """Starts the timer, unless it runs already or there is nothing to wait for."""
        with self._lock:
            wait_s = self._wait_s()
            if self._timer is None and wait_s is not None:
                self._timer = threading.Timer(wait_s, self._run)
                self._timer.daemon = True
                self._timer.start()

    def _run(self) -> None:
        self._timer = None
        self._sweep()
        self.schedule()


class PredictionCache:
    """The pairs that were used last, as many as fit, each until its lifetime is over.

    Args:
        max_bytes: Limit of all pairs together; the newest stays even if it exceeds it.
        lifetime_s: Seconds after its last use at which a pair is dropped.
    """

    def __init__(
        self, *, max_bytes: int = MAX_CACHE_BYTES, lifetime_s: float = PAIR_LIFETIME_S
    ) -> None:
        self._max_bytes, self._lifetime_s = max_bytes, lifetime_s
        self._pairs: OrderedDict[Hashable, tuple[float, PredictedPair]] = OrderedDict()
        self._lock = threading.Lock()
        self._making: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()
        self._sweeper = Sweeper(self.drop_expired, self._wait_s)

    def get(self, key: Hashable) -> PredictedPair | None:
        """Returns a pair, which becomes the newest; None if it is not here."""
        self.drop_expired()
        with self._lock:
            if key not in self._pairs:
                return None
            pair = self._pairs.pop(key)[1]
            self._pairs[key] = time.monotonic(), pair
        self._sweeper.schedule()
        return pair

    def get_or_make(
        self, key: Hashable, make: Callable[[], PredictedPair | None]
    ) -> PredictedPair | None:
        """Returns a pair, which is made if it is not here; one that is being made is waited for.

        Args:
            key: Of the pair.
            make: Makes the pair; None if that is not possible, and then nothing is kept.
        """
        pair = self.get(key)
        if pair is not None:
            return pair
        with self._lock:  # it is forgotten when the last of those that make or wait has gone
            making = self._making.setdefault(key, threading.Lock())
        with making:
            pair = self.get(key)  # another thread may have made it meanwhile
            if pair is None:
                pair = make()
                if pair is not None:
                    self.put(key, pair)
        return pair

    def empty_scene(self, paths: tuple[str | None, ...]) -> EmptyScene | None:
        """What was learned from these photos, if it is still here."""
        self.drop_expired()
        with self._lock:
            learned = [pair.learned for _, pair in self._pairs.values() if pair.learned]
        return next((scene for scene in learned if scene.paths == paths), None)

    def put(self, key: Hashable, pair: PredictedPair) -> None:
        """Keeps a pair, and drops the oldest pairs that no longer fit."""
        with self._lock:
            self._pairs.pop(key, None)
            self._pairs[key] = time.monotonic(), pair
            while len(self._pairs) > 1 and self._bytes() > self._max_bytes:
                self._pairs.popitem(last=False)
        self._sweeper.schedule()

    def pop(self, key: Hashable) -> PredictedPair | None:
        """Takes a pair out; None if it is not here."""
        with self._lock:
            return self._pairs.pop(key, (0.0, None))[1]

    def drop_expired(self) -> None:
        """Drops the pairs whose lifetime is over."""
        oldest = time.monotonic() - self._lifetime_s
        with self._lock:
            for key in [key for key, (used, _) in self._pairs.items() if used < oldest]:
                del self._pairs[key]

    def __len__(self) -> int:
        return len(self._pairs)

    def _bytes(self) -> int:
        return sum(pair.size for _, pair in self._pairs.values())

    def _wait_s(self) -> float | None:
        """Seconds until the oldest pair expires."""
        with self._lock:
            if not self._pairs:
                return None
            oldest = min(used for used, _ in self._pairs.values())
        return max(oldest + self._lifetime_s - time.monotonic(), 0) + SWEEP_DELAY_S
