"""The network serves all live visitors: pairs that wait meanwhile are run as one batch."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depthmask.backends import BatchBackend
from depthmask.pictures import Map, Picture

MAX_BATCH = 8  # pairs


@dataclass(eq=False)
class _Pair:
    background: Picture
    image: Picture
    tasks: tuple[str, ...]
    maps: dict[str, Map] | None = None
    error: Exception | None = None

    @property
    def kind(self) -> object:
        """Pairs of one kind can be run together."""
        return self.image.shape, self.tasks

    @property
    def is_done(self) -> bool:
        return self.maps is not None or self.error is not None


class Batches:
    """Runs pairs for any number of threads, those that wait together as one batch.

    Nobody waits for others to come. While a batch runs, pairs collect; then the one that has waited
    longest is next, with all others of its kind.

    Args:
        backend: What runs the network.
    """

    def __init__(self, backend: BatchBackend) -> None:
        self._backend = backend
        self._waiting: list[_Pair] = []
        self._running = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many pairs wait."""
        return len(self._waiting)

    def see(self, background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
        """Predicts the maps of a pair, each (h, w); see `BatchBackend.run_batch`."""
        pair = _Pair(background, image, tuple(tasks))
        with self._changed:
            self._waiting.append(pair)
        while batch := self._next_batch(pair):
            self._run(batch)
        if pair.error is not None:
            raise pair.error
        assert pair.maps is not None
        return pair.maps

    def _next_batch(self, pair: _Pair) -> list[_Pair]:
        """Waits until it is this thread's turn to run a batch: [] once its own pair is done."""
        with self._changed:
            self._changed.wait_for(lambda: pair.is_done or not self._running)
            if pair.is_done:
                return []
            kind = self._waiting[0].kind
            batch = [each for each in self._waiting if each.kind == kind][:MAX_BATCH]
            self._waiting = [each for each in self._waiting if each not in batch]
            self._running = True
            return batch

    def _run(self, batch: list[_Pair]) -> None:
        try:
            maps = self._backend.run_batch(
                np.stack([pair.background for pair in batch]),
                np.stack([pair.image for pair in batch]),
                tasks=batch[0].tasks,
            )
            for place, pair in enumerate(batch):
                pair.maps = {task: values[place] for task, values in maps.items()}
        except Exception as error:  # every one of their visitors is told
            for pair in batch:
                pair.error = error
        finally:
            with self._changed:
                self._running = False
                self._changed.notify_all()
