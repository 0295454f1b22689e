"""Looking again later, even if nobody comes any more."""

import threading
from collections.abc import Callable


class Watch:
    """Sweeps once something is due, by one timer however often it is set.

    Args:
        sweep: Throws away what is due.
        wait_s: Seconds until something may be; None where there is nothing to wait for.
    """

    def __init__(self, sweep: Callable[[], None], wait_s: Callable[[], float | None]) -> None:
        self._sweep, self._wait_s = sweep, wait_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def set(self) -> None:
        """Begins to wait, unless it does already or there is nothing to wait for."""
        with self._lock:
            wait_s = self._wait_s()
            if self._timer is None and wait_s is not None:
                self._timer = threading.Timer(wait_s, self._look)
                self._timer.daemon = True
                self._timer.start()

    def _look(self) -> None:
        self._timer = None
        self._sweep()
        self.set()
