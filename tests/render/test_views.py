"""Pictures of maps: fixed scales, exact ends."""

import tracemalloc

import numpy as np

from depthmask.render.views import (
    DARK_GREY,
    FALSE_COLOUR,
    LIGHT_GREY,
    MISSED_COLOUR,
    at_most,
    checkerboard,
    colour_depth,
    cutout,
    fill,
    lay_over,
    mask_errors,
    spread,
)


def brightness(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float) @ [0.2126, 0.7152, 0.0722]


def test_near_is_bright_and_far_is_dark() -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None]
    coloured = colour_depth(ramp)
    assert coloured.shape == (1, 64, 3) and coloured.dtype == np.uint8
    assert (np.diff(brightness(coloured)[0]) < 0).all()
    warm = coloured[0, 16].astype(int)
    assert warm[0] > warm[2]  # red above blue


def test_the_scale_of_depth_is_fixed() -> None:
    alone = colour_depth(np.full((1, 1), 0.6, np.float32))
    beside = colour_depth(np.array([[0.6, 0.1, 1.0]], np.float32))
    assert (alone[0, 0] == beside[0, 0]).all()


def test_a_shadow_under_a_cutout_is_black() -> None:
    image = np.full((1, 3, 3), 200, np.uint8)
    mask = np.array([[1.0, 0.5, 0.0]], np.float32)
    cut = cutout(image, mask, np.full((1, 3), 0.4, np.float32))[0]
    # over a backdrop, this is the image by half, and a third of the rest is dark
    assert cut.tolist() == [[200, 200, 200, 255], [143, 143, 143, 178], [0, 0, 0, 102]]


def test_a_cutout_lies_over_a_backdrop() -> None:
    image = np.full((1, 3, 3), 200, np.uint8)
    cut = cutout(image, np.array([[0, 0.5, 1]], np.float32))
    assert cut[0, :, 3].tolist() == [0, 128, 255]
    laid = lay_over(cut, np.zeros((1, 3, 3), np.uint8))
    assert laid[0, :, 0].tolist() == [0, 100, 200]


def test_the_checkerboard() -> None:
    board = checkerboard(5, 7, tile=2)
    assert board.shape == (5, 7, 3)
    assert (board[:2, :2] == LIGHT_GREY).all() and (board[:2, 2:4] == DARK_GREY).all()
    assert (board[2:4, 2:4] == LIGHT_GREY).all()


def test_errors_of_a_mask_have_a_colour_each() -> None:
    image = np.full((1, 4, 3), 90, np.uint8)
    pred = np.array([[True, True, False, False]])
    true = np.array([[True, False, True, False]])
    shown = mask_errors(image, pred, true)[0]
    assert shown[1].tolist() == list(FALSE_COLOUR)
    assert shown[2].tolist() == list(MISSED_COLOUR)
    assert shown[0].min() > 150 and shown[3].max() < 100


def test_unknown_pixels_take_the_nearest_value() -> None:
    values = np.array([[1, 0, 0, 0, 5]], np.float32)
    known = np.array([[True, False, False, False, True]])
    assert spread(values, known)[0, [0, 1, 3, 4]].tolist() == [1, 1, 5, 5]
    assert spread(values, np.zeros_like(known)) is values


def test_shrinking_and_filling() -> None:
    picture = np.zeros((30, 60, 3), np.uint8)
    picture[:, 20:40] = 200
    assert at_most(picture, 100) is picture
    assert at_most(picture, 30).shape == (15, 30, 3)
    assert at_most(np.zeros((1, 4000), np.float32), 1000).shape == (1, 1000)
    filled = fill(picture, 10, 10)
    assert filled.shape == (10, 10, 3)
    assert filled[5, 5, 0] == 200, "the middle of the picture is kept"
    assert fill(picture, 90, 60).shape == (90, 60, 3)


def test_a_strip_is_cropped_before_it_is_enlarged() -> None:
    tracemalloc.start()
    filled = fill(np.full((1, 4000, 3), 7, np.uint8), 300, 400)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert filled.shape == (300, 400, 3) and (filled == 7).all()
    assert most < 20 * filled.nbytes
