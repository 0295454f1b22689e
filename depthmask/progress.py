"""A line now and then that says how far a long command has come."""

import time
from collections.abc import Callable

INTERVAL_S = 5.0


class Progress:
    """Tells how many of something are made, how many a second, and the time left.

    Args:
        total: How many there will be; None: that is not known.
        what: The things, in the plural.
        tell: Gets each line.
        before: So many were there already.
    """

    def __init__(
        self, total: int | None, what: str, tell: Callable[[str], None], *, before: int = 0
    ) -> None:
        self.made = before
        self._total, self._what, self._tell, self._before = total, what, tell, before
        self._start = self._told = time.monotonic()

    @property
    def rate(self) -> float:
        """So many were made a second."""
        seconds = max(time.monotonic() - self._start, 1e-6)
        return (self.made - self._before) / seconds

    def add(self, count: int = 1) -> None:
        """Counts some more; tells every few seconds, and at the end."""
        self.made += count
        now, ended = time.monotonic(), self.made == self._total
        if now - self._told < INTERVAL_S and not ended:
            return
        self._told = now
        rate = self.rate
        speed = f"{rate:.{int(rate < 10)}f}/s"
        if self._total is None:
            self._tell(f"{self.made:,} {self._what}, {speed}")
            return
        left = max(0, self._total - self.made) / max(rate, 1e-6)
        self._tell(
            f"{self.made:,} of {max(self._total, self.made):,} {self._what}, {speed}, "
            f"{int(left // 60)} min {int(left % 60)} s left"
        )
