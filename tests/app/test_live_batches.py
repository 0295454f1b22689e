"""Pairs of several visitors: those that wait together run as one batch, and nobody is left out."""

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from depthmask.app.live.batches import MAX_BATCH, Batches
from depthmask.backends.base import LockedBackend
from depthmask.errors import BackendError
from depthmask.pictures import Map, Picture

WAIT_S = 60


class Gated(LockedBackend):
    """Answers each pair with its image's first level; the first batch waits to be let through."""

    name, precision, device, resolution = "gated", "fp32", "cpu", 64

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.entered, self.open = threading.Event(), threading.Event()
        self.batches: list[tuple[int, tuple[str, ...]]] = []
        self._broken = broken

    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        return self._run_tasks(backgrounds, images, ("mask", "depth"))

    def _run_tasks(
        self, backgrounds: Picture, images: Picture, tasks: Sequence[str]
    ) -> dict[str, Map]:
        self.batches.append((len(images), tuple(tasks)))
        self.entered.set()
        assert self.open.wait(WAIT_S)
        if self._broken:
            raise BackendError("no memory")
        maps = images[..., 0].astype(np.float32)
        return dict.fromkeys(tasks, maps)


class Visitors:
    """Threads that each ask for a pair of their own."""

    def __init__(self, backend: Gated) -> None:
        self._backend, self._batches = backend, Batches(backend)
        self._threads: list[threading.Thread] = []
        self.found: dict[int, float] = {}
        self.failed: list[str] = []

    def ask(self, number: int, *, side: int = 32, tasks: Sequence[str] = ("mask",)) -> None:
        before = len(self._batches)
        thread = threading.Thread(target=self._ask, args=(number, side, tasks))
        self._threads.append(thread)
        thread.start()
        if number:  # the first one runs at once
            while len(self._batches) == before:
                time.sleep(0.001)
        else:
            assert self._backend.entered.wait(WAIT_S)

    def _ask(self, number: int, side: int, tasks: Sequence[str]) -> None:
        picture = np.full((side, side, 3), number, np.uint8)
        try:
            maps = self._batches.see(picture, picture, tasks)
        except BackendError as error:
            self.failed.append(str(error))
            return
        assert set(maps) == set(tasks) and maps["mask"].shape == (side, side)
        self.found[number] = float(maps["mask"][0, 0])

    def finish(self) -> None:
        self._backend.open.set()
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()


def test_pairs_that_wait_run_as_one_batch_and_everybody_gets_their_own() -> None:
    backend = Gated()
    visitors = Visitors(backend)
    for number in range(5):
        visitors.ask(number)
    visitors.finish()
    assert backend.batches == [(1, ("mask",)), (4, ("mask",))]
    assert visitors.found == {number: number for number in range(5)}


def test_pairs_of_other_sizes_or_tasks_run_apart_the_oldest_first() -> None:
    backend = Gated()
    visitors = Visitors(backend)
    visitors.ask(0)
    visitors.ask(1, tasks=("mask", "depth"))
    visitors.ask(2, side=64)
    visitors.ask(3, tasks=("mask", "depth"))
    visitors.ask(4, side=64)
    visitors.finish()
    assert backend.batches == [(1, ("mask",)), (2, ("mask", "depth")), (2, ("mask",))]
    assert len(visitors.found) == 5


def test_a_batch_has_a_largest_size() -> None:
    backend = Gated()
    visitors = Visitors(backend)
    for number in range(MAX_BATCH + 3):
        visitors.ask(number)
    visitors.finish()
    assert [count for count, _ in backend.batches] == [1, MAX_BATCH, 2]
    assert len(visitors.found) == MAX_BATCH + 3


def test_a_failure_is_told_to_all_of_a_batch_and_the_next_one_runs() -> None:
    backend = Gated(broken=True)
    visitors = Visitors(backend)
    for number in range(3):
        visitors.ask(number)
    visitors.finish()
    assert visitors.failed == ["no memory"] * 3
    nothing = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(BackendError):
        Batches(backend).see(nothing, nothing, ("mask",))
