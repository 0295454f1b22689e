"""A predictor that is still loading: pairs wait for it, and errors are handed on."""

import threading

import numpy as np
import pytest

from depthmask.app import loading as standby
from depthmask.app.loading import Standby
from depthmask.inference.predictor import Prediction
from tests.app.pages import Fake

GREY = np.full((8, 8, 3), 90, np.uint8)


def test_a_pair_that_comes_early_waits() -> None:
    waiting = Standby(Fake)
    answers: list[Prediction] = []
    asker = threading.Thread(target=lambda: answers.append(waiting.predict(GREY, GREY)))
    asker.start()
    assert not answers
    waiting.load()
    asker.join(30)
    assert answers[0].mask.shape == (8, 8)


def test_loading_runs_the_network_once() -> None:
    fake = Fake()
    Standby(lambda: fake).load()
    assert len(fake.pairs) == 1


def test_what_keeps_it_from_loading_is_raised() -> None:
    def make() -> Fake:
        raise ValueError("no weights")

    with pytest.raises(ValueError, match="no weights"):
        Standby(make).load()


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "LIMIT_S", 0.01)
    with pytest.raises(RuntimeError, match="could not be loaded"):
        Standby(Fake).predict(GREY, GREY)
