"""How long each stage of a prediction takes."""

import time
from collections.abc import Callable


class Stopwatch:
    """Adds up the time of each stage, from the end of the stage before.

    Args:
        clock: Returns seconds. `time.process_time` counts those of the processor.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = {}  # of each stage, in the order of their first laps
        self._clock = clock
        self._last = clock()

    @property
    def milliseconds(self) -> dict[str, float]:
        """Of each stage, as `seconds`."""
        return {stage: 1000 * seconds for stage, seconds in self.seconds.items()}

    def lap(self, stage: str) -> None:
        """Ends a stage, and begins the next; a stage may come several times."""
        now = self._clock()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now
