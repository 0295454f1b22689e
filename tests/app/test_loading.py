"""A predictor that is still loading: pairs wait for it, and errors are handed on."""

import threading

import numpy as np
import pytest

from depthmask.app import loading
from depthmask.app.loading import LoadingPredictor
from depthmask.errors import CheckpointError
from depthmask.inference.predictor import Prediction
from tests.app.pages import Fake

GREY = np.full((8, 8, 3), 90, np.uint8)


def test_a_pair_that_comes_early_waits() -> None:
    waiting = LoadingPredictor(Fake)
    answers: list[Prediction] = []
    asker = threading.Thread(target=lambda: answers.append(waiting.predict(GREY, GREY)))
    asker.start()
    assert not answers
    waiting.load()
    asker.join(30)
    assert answers[0].mask.shape == (8, 8)


def test_loading_runs_the_network_once() -> None:
    fake = Fake()
    LoadingPredictor(lambda: fake).load()
    assert len(fake.pairs) == 1


def test_what_keeps_it_from_loading_is_raised() -> None:
    def make() -> Fake:
        raise ValueError("no weights")

    with pytest.raises(ValueError, match="no weights"):
        LoadingPredictor(make).load()


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LOAD_LIMIT_S", 0.01)
    with pytest.raises(CheckpointError, match="could not be loaded"):
        LoadingPredictor(Fake).predict(GREY, GREY)
