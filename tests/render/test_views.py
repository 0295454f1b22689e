"""Pictures of maps: fixed scales, exact ends."""

import tracemalloc

import numpy as np

from depthmask.render.views import (
    DARK_GREY,
    FALSE_COLOUR,
    FARTHER_COLOUR,
    LIGHT_GREY,
    MAX_DEPTH_ERROR,
    MISSED_COLOUR,
    NEARER_COLOUR,
    NO_ERROR_GREY,
    at_most,
    blur_by_depth,
    checkerboard,
    colour_depth,
    cutout,
    depth_errors,
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


def test_errors_of_depth_tell_near_from_far() -> None:
    far = MAX_DEPTH_ERROR
    shown = depth_errors(np.array([[-far, 0, far, 9 * far]], np.float32))[0]
    assert shown[0].tolist() == list(NEARER_COLOUR)
    assert shown[1].tolist() == [NO_ERROR_GREY] * 3
    assert shown[2].tolist() == shown[3].tolist() == list(FARTHER_COLOUR)


def test_blur_spares_the_foreground_and_leaves_no_halo() -> None:
    background = np.zeros((60, 80, 3), np.uint8)
    background[:, ::4] = 200
    image = background.copy()
    image[20:40, 20:40] = (255, 0, 0)
    mask = np.zeros((60, 80), np.float32)
    mask[20:40, 20:40] = 1
    depth = np.where(mask > 0, np.float32(0.35), np.float32(0.9))
    blurred = blur_by_depth(image, mask, depth, background=background, strength=1)
    assert (blurred[20:40, 20:40] == image[20:40, 20:40]).all()
    assert blurred[:, 60:].std() < 0.5 * image[:, 60:].std()
    assert abs(blurred[15, :, 0].astype(int) - blurred[15, :, 1]).max() == 0  # no red beside it
    same = blur_by_depth(image, mask, depth, strength=0)
    assert (same == image).all()


def test_blur_focuses_on_the_middle_of_the_foreground() -> None:
    """Its nearest and its farthest parts do not move the focus."""
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)
    mask, depth = np.zeros((60, 90), np.float32), np.full((60, 90), 0.5, np.float32)
    mask[:, :30] = 1
    depth[:, 60:] = 0.9
    depth[:10, :30], depth[50:, :30] = 0.15, 0.9
    blurred = blur_by_depth(image, mask, depth, strength=1)
    assert (blurred[:, 35:55] == image[:, 35:55]).all()
    assert blurred[:, 65:].std() < 0.7 * image[:, 65:].std()


def test_an_empty_scene_is_blurred_behind_what_is_near() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    depth = np.full((40, 60), 0.9, np.float32)
    depth[:, :30] = 0.4
    blurred = blur_by_depth(image, np.zeros_like(depth), depth, strength=1)
    assert (blurred[:, :25] == image[:, :25]).all()
    assert blurred[:, 35:].std() < image[:, 35:].std()


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
