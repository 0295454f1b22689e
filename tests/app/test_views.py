"""The views: every one draws, at the size of a screen, what its legend says."""

from dataclasses import replace

import numpy as np
import pytest

from depthmask.app.photos import views
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.views import DEPTH_VIEWS, MASK_VIEWS, MODEL, SLIDER, Choices, ScreenPair
from depthmask.app.prediction_cache import PredictedPair
from depthmask.inference.predictor import Prediction
from depthmask.render import views as render
from depthmask.render.views import MAX_DEPTH_ERROR, MISSED_COLOUR
from tests.conftest import HEIGHT, WIDTH, Pair

ALL = {**MASK_VIEWS, **DEPTH_VIEWS}


@pytest.fixture
def analysis(pair: Pair) -> Analysis:
    mask = np.roll(pair.true_mask, 1, axis=1).astype(np.float32)
    mask[30, 20] = 0.25
    found = Prediction(mask, pair.true_depth + np.float32(0.1), 0.1, background=pair.background)
    predicted = PredictedPair(pair.image, found, (HEIGHT, WIDTH), ())
    error = found.depth - pair.true_depth
    return Analysis("", predicted=predicted, true_mask=pair.true_mask, depth_error=error)


@pytest.fixture
def scene(analysis: Analysis) -> ScreenPair:
    assert analysis.predicted is not None
    return ScreenPair(analysis, analysis.predicted)


def draw(name: str, scene: ScreenPair, choices: Choices | None = None) -> np.ndarray:
    drawn = ALL[name].draw(scene, choices or Choices())
    assert isinstance(drawn, np.ndarray)
    return drawn


@pytest.mark.parametrize("name", [name for name in ALL if name not in (SLIDER, MODEL)])
def test_every_view_draws_a_picture(scene: ScreenPair, name: str) -> None:
    drawn = draw(name, scene)
    assert drawn.shape[:2] == (HEIGHT, WIDTH)
    assert drawn.dtype == np.uint8
    assert drawn.std() > 5, "there is something to see"


def test_the_mask_is_hard_and_its_alpha_soft(scene: ScreenPair) -> None:
    assert set(np.unique(draw("mask", scene))) == {0, 255}
    assert draw("alpha", scene)[30, 20] == 64


def test_the_cutout_lies_on_a_checkerboard(scene: ScreenPair, pair: Pair) -> None:
    drawn = draw("cutout", scene)
    assert (drawn[40, 40] == pair.image[40, 40]).all()
    assert set(np.unique(drawn[:15])) == {render.LIGHT_GREY, render.DARK_GREY}


def test_before_and_after_are_of_one_size(scene: ScreenPair) -> None:
    drawn = ALL[SLIDER].draw(scene, Choices())
    assert isinstance(drawn, tuple)
    assert drawn[0].shape == drawn[1].shape


def test_the_backdrop_is_a_colour_or_a_picture(scene: ScreenPair, pair: Pair) -> None:
    drawn = draw("backdrop", scene, Choices(colour="rgba(10.2, 20, 30, 1)"))
    assert drawn[5, 5].tolist() == [10, 20, 30]
    assert (drawn[40, 40] == pair.image[40, 40]).all()
    picture = np.full((7, 30, 3), 77, np.uint8)
    assert (draw("backdrop", scene, Choices(backdrop=picture))[5, 5] == 77).all()


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("#0a141e", (10, 20, 30)),
        ("rgb(10, 20, 30)", (10, 20, 30)),
        ("rgba(10.4, 19.6, 999, 0.5)", (10, 20, 255)),
        (f"rgb({'9' * 400}, 1, 1)", (255, 1, 1)),
        ("nonsense", views.parse_colour(views.COLOUR)),
    ],
)
def test_colours_come_in_several_writings(text: str, colour: tuple[int, int, int]) -> None:
    assert views.parse_colour(text) == colour


def test_errors_need_the_truth(analysis: Analysis, scene: ScreenPair) -> None:
    assert draw("mask-errors", scene)[40, 30].tolist() == list(MISSED_COLOUR)
    tenth = draw("depth-errors", scene)
    assert (tenth[..., 0] > tenth[..., 2]).all(), "too far is orange"
    assert MAX_DEPTH_ERROR > 0.1
    without = replace(analysis, true_mask=None, depth_error=None)
    assert without.predicted is not None
    scene = ScreenPair(without, without.predicted)
    for name in ("mask-errors", "depth-errors"):
        assert ALL[name].draw(scene, Choices()) is None
        assert "Add the true" in ALL[name].needs


def test_large_pictures_are_shrunk_for_the_screen() -> None:
    mask = np.zeros((10, 4 * views.PREVIEW_SIDE), np.float32)
    predicted = PredictedPair(
        np.zeros((*mask.shape, 3), np.uint8), Prediction(mask, mask + 1, 0), (9, 9), ()
    )
    scene = ScreenPair(
        Analysis("", predicted=predicted, true_mask=mask > 1, depth_error=mask), predicted
    )
    for array in (scene.image, scene.mask, scene.depth, scene.true_mask, scene.depth_error):
        assert array is not None and array.shape[:2] == (2, views.PREVIEW_SIDE)
