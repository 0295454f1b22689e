"""Who is served next: every visitor holds one place, and places are served in turn.

Gradio's own queue gives a visitor a place for each request, and refuses everybody once it is full.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from anyio.to_thread import run_sync

MAX_AT_ONCE = 2  # the photos of one visitor are decoded while those of another are predicted
MAX_REQUESTS = 100  # that run or wait for a turn; as many more may stand in Gradio's own queue
TELL_S = 1.0  # between two reports to a visitor who waits
SMOOTHING = 0.2  # weight of the last request in the mean time of a request

T = TypeVar("T")


@dataclass(eq=False)
class Place:
    """One request of one visitor."""

    visitor: str
    number: int = 0  # of the visitor's requests; those with a higher one are newer
    replaced: bool = False  # by a newer request of the same visitor: it is not served any more
    started: float | None = None  # by time.monotonic(); None while it waits
    wake: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Wait:
    """What a visitor who waits is told."""

    place: int  # 1 is the next to be served
    places: int  # of all who wait
    seconds: float | None  # until the result; None before the first request is done


class FairQueue:
    """Serves visitors in the order of their arrival, a few at once, and each with one request.

    All methods have to be called on one event loop.

    Args:
        at_once: How many visitors are served at a time.
    """

    def __init__(self, *, at_once: int = MAX_AT_ONCE) -> None:
        self._at_once = at_once
        self._waiting: list[Place] = []
        self._served: list[Place] = []
        self._mean_s: float | None = None

    def join(self, visitor: str, *, number: int = 0, replace: bool = True) -> Place:
        """Takes a place.

        Args:
            visitor: Whoever has the same name shares one turn.
            number: Of the request. One that arrives after a newer one is replaced at once.
            replace: The request takes the place of one that waits for the same visitor. Otherwise
                it waits until that is served, and then goes to the end.
        """
        place = Place(visitor, number)
        older = [other for other in self._waiting if other.visitor == visitor]
        if replace and any(other.number > number for other in older):
            place.replaced = True
            return place
        if replace and older:
            self._waiting[self._waiting.index(older[0])] = place
            for other in older:
                other.replaced = True
                other.wake.set()
            self._waiting = [other for other in self._waiting if not other.replaced]
        else:
            self._waiting.append(place)
        self._serve_next()
        return place

    async def wait(self, place: Place) -> AsyncGenerator[Wait]:
        """Ends when it is the place's turn, or when it is replaced; reports every `TELL_S`."""
        while not (place.replaced or place.started):
            try:
                await asyncio.wait_for(place.wake.wait(), TELL_S)
            except TimeoutError:
                if place in self._waiting:  # its turn may have come in this moment
                    yield self._report(place)

    async def run(self, visitor: str, work: Callable[..., T], *values: object) -> T:
        """Waits for a turn, and returns `work(*values)`, which runs in a thread."""
        place = self.join(visitor, replace=False)
        try:
            async for _ in self.wait(place):
                pass
            return await run_sync(partial(work, *values))
        finally:
            self.leave(place)

    def leave(self, place: Place) -> None:
        """Gives a place back, after its request or at any time before."""
        if place in self._waiting:
            self._waiting.remove(place)
        if place in self._served and place.started is not None:
            self._served.remove(place)
            took = time.monotonic() - place.started
            mean = took if self._mean_s is None else self._mean_s
            self._mean_s = mean + SMOOTHING * (took - mean)
            # whatever else the visitor wants goes behind the others
            self._waiting.sort(key=lambda other: other.visitor == place.visitor)
        self._serve_next()

    def __len__(self) -> int:
        """How many places are taken."""
        return len(self._waiting) + len(self._served)

    def _serve_next(self) -> None:
        for place in list(self._waiting):
            if len(self._served) >= self._at_once:
                return
            if all(other.visitor != place.visitor for other in self._served):
                self._start(place)

    def _start(self, place: Place) -> None:
        self._waiting.remove(place)
        self._served.append(place)
        place.started = time.monotonic()
        place.wake.set()

    def _report(self, place: Place) -> Wait:
        number = self._waiting.index(place) + 1
        # those before it, itself, and those who are served now and take half as long on average
        turns = number + len(self._served) / 2
        seconds = None if self._mean_s is None else self._mean_s * turns / self._at_once
        return Wait(number, len(self._waiting), seconds)
