"""What the background does not show is not foreground, unless it goes on from foreground."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from depthmask.inference.predictor import Predictor
from depthmask.inference.unknown_area import keep_joined
from depthmask.pictures import Map, Mask, Picture
from tests.conftest import FakeBackend
from tests.inference.test_registration import scene

HEIGHT, WIDTH = 240, 320
EDGE = 40  # pixels at each side that the background does not show


class Difference(FakeBackend):
    """Stands in for the network: whatever differs is foreground."""

    def run(self, background: Picture, image: Picture) -> dict[str, Map]:
        difference = np.abs(image.astype(np.float32) - background).max(axis=2)
        mask = (cv2.blur(difference, (3, 3)) > 30).astype(np.float32)
        return {"mask": mask, "depth": np.full_like(mask, 0.5)}


@pytest.fixture
def predictor(tiny_checkpoint: Path) -> Predictor:
    return Predictor(tiny_checkpoint, backend=Difference(), resolution=256)


def with_object(left: int, right: int) -> tuple[Picture, Mask]:
    """A scene in front of which there is a block of one colour, and its mask."""
    image, mask = scene() // 2, np.zeros((HEIGHT, WIDTH), bool)
    mask[70:170, left:right] = True
    image[mask] = (250, 240, 30)
    return image, mask


def narrow() -> Picture:
    """The empty scene without its left and right edge."""
    return np.ascontiguousarray(scene()[:, EDGE:-EDGE] // 2)


def test_strips_that_the_background_does_not_show_are_unknown(predictor: Predictor) -> None:
    image, mask = with_object(120, 200)
    found = predictor.predict(narrow(), image)
    assert found.unknown is not None and found.pair is not None
    assert found.pair.covered == pytest.approx(1 - 2 * EDGE / WIDTH, abs=0.01)
    assert found.unknown[:, :EDGE].all() and found.unknown[:, -EDGE:].all()
    assert not found.unknown[:, EDGE:-EDGE].any()
    assert not (found.mask[found.unknown] > 0.5).any()
    assert (found.mask > 0.5)[mask].mean() > 0.9


def test_an_object_goes_on_into_the_unknown_area(predictor: Predictor) -> None:
    image, mask = with_object(10, 120)
    found = predictor.predict(narrow(), image)
    assert found.unknown is not None
    inside = (found.mask > 0.5)[found.unknown]
    assert inside[mask[found.unknown]].mean() > 0.8
    assert inside[~mask[found.unknown]].mean() < 0.1


def test_an_object_in_the_unknown_area_alone_cannot_be_told(predictor: Predictor) -> None:
    image, _ = with_object(2, EDGE - 10)
    found = predictor.predict(narrow(), image)
    assert not (found.mask[:, : EDGE - 2] > 0.5).any()


def test_a_background_that_shows_everything_leaves_nothing_unknown(predictor: Predictor) -> None:
    image, _ = with_object(120, 200)
    larger = np.asarray(cv2.resize(scene() // 2, (2 * WIDTH, 2 * HEIGHT)), dtype=np.uint8)
    for background in (scene() // 2, larger):
        found = predictor.predict(background, image)
        assert found.unknown is None and found.pair is not None and found.pair.covered == 1


@pytest.mark.parametrize("align", [True, False])
def test_bars_of_either_photo_are_unknown(predictor: Predictor, align: bool) -> None:
    image, mask = with_object(120, 200)
    barred = [picture.copy() for picture in (scene() // 2, image)]
    for picture in barred:
        picture[:, :EDGE] = picture[:, -EDGE:] = 0
    pairs = ((barred[0], image, 0.75), (scene() // 2, barred[1], 1), (barred[0], barred[1], 1))
    for background, pictured, covered in pairs:
        found = predictor.predict(background, pictured, align=align)
        assert found.unknown is not None and found.pair is not None
        assert found.pair.covered == pytest.approx(covered, abs=0.01)
        assert found.unknown.mean() == pytest.approx(0.25, abs=0.01)
        assert (found.mask > 0.5)[mask].mean() > 0.9
        assert not (found.mask[found.unknown] > 0.5).any()


def test_known_pixels_stay_as_they_are_and_the_result_repeats() -> None:
    rng = np.random.default_rng(0)
    image, _ = with_object(10, 120)
    unknown = np.zeros((HEIGHT, WIDTH), bool)
    unknown[:, :EDGE] = True
    mask = rng.random((HEIGHT, WIDTH)).astype(np.float32)
    before = mask.copy()
    found = keep_joined(mask, unknown, image)
    assert np.array_equal(found[~unknown], before[~unknown]) and np.array_equal(mask, before)
    assert np.array_equal(keep_joined(mask, unknown, image), found)
    for level in (0, 1):  # nothing, and everything
        keep_joined(np.full_like(mask, level), unknown, image)
        keep_joined(mask, np.ones_like(unknown), image)
