"""The cache keeps the last pairs, within its size and its time."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from depthmask.app.prediction_cache import PredictedPair, PredictionCache, Sweeper
from depthmask.inference.predictor import Prediction


def predicted(side: int = 10) -> PredictedPair:
    values = np.zeros((side, side), np.float32)
    return PredictedPair(
        np.zeros((side, side, 3), np.uint8), Prediction(values, values, 0), (side, side), ()
    )


def test_size_counts_all_arrays() -> None:
    assert predicted(10).size == 100 * (3 + 4 + 4)


def test_what_was_put_there_is_handed_out_again() -> None:
    cache, one = PredictionCache(), predicted()
    cache.put("a", one)
    assert cache.get("a") is one
    assert cache.get("b") is None


def test_the_oldest_makes_room() -> None:
    cache = PredictionCache(max_bytes=2 * predicted().size)
    for key in "ab":
        cache.put(key, predicted())
    cache.get("a")
    cache.put("c", predicted())
    assert cache.get("b") is None
    assert cache.get("a") is not None and cache.get("c") is not None


def test_the_newest_stays_even_without_room() -> None:
    cache = PredictionCache(max_bytes=1)
    cache.put("a", predicted())
    cache.put("b", predicted())
    assert len(cache) == 1 and cache.get("b") is not None


def test_what_nobody_asks_for_is_dropped() -> None:
    cache = PredictionCache(lifetime_s=0.01)
    cache.put("a", predicted())
    time.sleep(0.05)
    assert cache.get("a") is None
    assert len(cache) == 0


def test_use_extends_the_life_of_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("depthmask.app.prediction_cache.time", clock)
    cache = PredictionCache(lifetime_s=100)
    cache.put("a", predicted())
    for moment in (90.0, 180.0):
        now = moment
        assert cache.get("a") is not None
    now = 281.0
    assert cache.get("a") is None


def test_a_sweeper_goes_on_while_there_is_something_to_wait_for() -> None:
    waits, swept = iter([0.0, 0.0, None]), []
    done = threading.Event()

    def wait_s() -> float | None:
        wait = next(waits)
        if wait is None:
            done.set()
        return wait

    Sweeper(lambda: swept.append(1), wait_s).schedule()
    assert done.wait(30)
    assert len(swept) == 2


def test_one_timer_watches_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(threading.Timer):
        def start(self) -> None:
            started.append(self)

    started: list[threading.Timer] = []
    monkeypatch.setattr(threading, "Timer", Counted)
    cache = PredictionCache()
    cache.put("a", predicted())
    for _ in range(20):
        cache.get("a")
    assert len(started) == 1


def test_what_is_left_alone_goes_by_itself() -> None:
    cache = PredictionCache(lifetime_s=0.01)
    for key in "abc":
        cache.put(key, predicted())
    deadline = time.monotonic() + 10
    while len(cache) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(cache) == 0


def test_a_pair_that_many_ask_for_is_made_once() -> None:
    cache, made, together = PredictionCache(), [], threading.Barrier(4)

    def make() -> PredictedPair:
        made.append(1)
        time.sleep(0.05)
        return predicted()

    def ask() -> None:
        together.wait()
        assert cache.get_or_make("a", make) is cache.get("a")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert cache.get_or_make("b", lambda: None) is None and len(cache) == 1
