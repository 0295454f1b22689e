"""What the benchmark of matching does to backgrounds, and that it counts as it says."""

import numpy as np
import pytest

from benchmarks.photo_pairs import CHANGES, Sample, measure, read_examples, show_orders
from depthmask.inference.background import Background
from depthmask.inference.light import match_light
from depthmask.inference.predictor import Prediction, Predictor
from depthmask.inference.registration import register
from depthmask.pictures import Picture


@pytest.fixture(scope="module")
def desk() -> Sample:
    return next(sample for sample in read_examples() if sample.true.mean() > 0.05)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_gives_a_picture_and_changes_it(desk: Sample, name: str) -> None:
    changed = CHANGES[name](desk.background)
    assert changed.shape == desk.background.shape and changed.dtype == np.uint8
    assert (name == "as taken") == np.array_equal(changed, desk.background)


@pytest.mark.parametrize(("name", "share"), [("moved 1 %", 0.01), ("moved 3 %", 0.03)])
def test_a_movement_is_as_long_as_its_name_says(desk: Sample, name: str, share: float) -> None:
    found = register(CHANGES[name](desk.background), desk.background)
    assert found.accepted
    # the turn moves the corners, so the mean is a little more than the shift
    assert found.shift / np.hypot(*desk.image.shape[:2]) == pytest.approx(share, rel=0.15)


def test_a_stop_is_a_stop(desk: Sample) -> None:
    found = match_light(CHANGES["-1 stop"](desk.background), desk.background)
    assert found.stops == pytest.approx(1, abs=0.05)


class Truthful(Predictor):
    """Knows the truth of the pairs in their right order; else it sees nothing."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample

    def predict(self, background: Background, image: Picture, **_: object) -> Prediction:
        right = np.array_equal(image, self.sample.image)
        mask = self.sample.true.astype(np.float32) * right
        return Prediction(mask, np.full_like(mask, 0.5), 0.0)


def test_the_truth_scores_one_and_is_never_called_swapped(desk: Sample) -> None:
    predictor = Truthful(desk)
    assert measure(predictor, [desk], CHANGES["noise"], ["neither"]) == ["1.000 / 1.000"]
    assert show_orders(predictor, [desk]) == "1 pairs | 0.0% | 0.0%"
