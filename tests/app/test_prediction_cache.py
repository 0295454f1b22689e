"""The shelf: the last pairs, within its room and its time."""

import threading
import time

import numpy as np
import pytest

from depthmask.app.prediction_cache import Seen, Shelf
from depthmask.inference.predictor import Prediction


def seen(side: int = 10) -> Seen:
    values = np.zeros((side, side), np.float32)
    return Seen(
        np.zeros((side, side, 3), np.uint8), Prediction(values, values, 0), (side, side), ()
    )


def test_size_counts_all_arrays() -> None:
    assert seen(10).size == 100 * (3 + 4 + 4)


def test_what_was_put_there_is_handed_out_again() -> None:
    shelf, one = Shelf(), seen()
    shelf.put("a", one)
    assert shelf.get("a") is one
    assert shelf.get("b") is None


def test_the_oldest_makes_room() -> None:
    shelf = Shelf(room=2 * seen().size)
    for key in "ab":
        shelf.put(key, seen())
    shelf.get("a")
    shelf.put("c", seen())
    assert shelf.get("b") is None
    assert shelf.get("a") is not None and shelf.get("c") is not None


def test_the_newest_stays_even_without_room() -> None:
    shelf = Shelf(room=1)
    shelf.put("a", seen())
    shelf.put("b", seen())
    assert len(shelf) == 1 and shelf.get("b") is not None


def test_what_nobody_asks_for_is_dropped() -> None:
    shelf = Shelf(keep_s=0.01)
    shelf.put("a", seen())
    time.sleep(0.05)
    assert shelf.get("a") is None
    assert len(shelf) == 0


def test_one_timer_watches_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(threading.Timer):
        def start(self) -> None:
            started.append(self)

    started: list[threading.Timer] = []
    monkeypatch.setattr(threading, "Timer", Counted)
    shelf = Shelf()
    shelf.put("a", seen())
    for _ in range(20):
        shelf.get("a")
    assert len(started) == 1


def test_what_is_left_alone_goes_by_itself() -> None:
    shelf = Shelf(keep_s=0.01)
    for key in "abc":
        shelf.put(key, seen())
    deadline = time.monotonic() + 10
    while len(shelf) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(shelf) == 0


def test_a_pair_that_many_ask_for_is_made_once() -> None:
    shelf, made, together = Shelf(), [], threading.Barrier(4)

    def make() -> Seen:
        made.append(1)
        time.sleep(0.05)
        return seen()

    def ask() -> None:
        together.wait()
        assert shelf.get_or_make("a", make) is shelf.get("a")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert shelf.get_or_make("b", lambda: None) is None and len(shelf) == 1
