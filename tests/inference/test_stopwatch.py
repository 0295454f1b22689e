"""A stopwatch tells the stages of a prediction apart."""

from pathlib import Path

from depthmask.inference.predictor import Predictor
from depthmask.inference.stopwatch import Stopwatch
from depthmask.pictures import Map, Picture
from tests.conftest import FakeBackend, Pair


def test_laps_of_one_stage_add_up() -> None:
    times = iter([0.0, 1.0, 3.0, 7.0])
    watch = Stopwatch(lambda: next(times))
    for stage in ("first", "second", "first"):
        watch.lap(stage)
    assert watch.seconds == {"first": 5, "second": 2}


def test_the_stages_of_a_prediction_are_told_apart(tiny_checkpoint: Path, pair: Pair) -> None:
    ticks = 0

    def clock() -> float:
        return ticks

    class Slow(FakeBackend):
        def run(self, background: Picture, image: Picture) -> dict[str, Map]:
            nonlocal ticks
            ticks += 1
            return super().run(background, image)

    watch = Stopwatch(clock)
    Predictor(tiny_checkpoint, backend=Slow()).predict(pair.background, pair.image, stopwatch=watch)
    assert list(watch.seconds) == [
        "register",
        "light",
        "network",
        "quality",
        "background",
        "second look",
        "refine",
    ]
    assert watch.seconds["network"] >= 1 and sum(watch.seconds.values()) == ticks
