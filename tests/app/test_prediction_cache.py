"""The cache keeps the last pairs, within its size and its time."""

import threading
import time

import numpy as np
import pytest

from depthmask.app.prediction_cache import PredictedPair, PredictionCache
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
