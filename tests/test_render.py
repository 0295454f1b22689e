"""Pictures of maps: fixed scales, exact ends."""

import numpy as np

from depthmask import render


def brightness(picture: np.ndarray) -> np.ndarray:
    return picture.astype(float) @ [0.2126, 0.7152, 0.0722]


def test_near_is_bright_and_far_is_dark() -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None]
    coloured = render.colour_depth(ramp)
    assert coloured.shape == (1, 64, 3) and coloured.dtype == np.uint8
    assert (np.diff(brightness(coloured)[0]) < 0).all()
    warm = coloured[0, 16].astype(int)
    assert warm[0] > warm[2]  # red above blue


def test_the_scale_of_depth_is_fixed() -> None:
    alone = render.colour_depth(np.full((1, 1), 0.6, np.float32))
    beside = render.colour_depth(np.array([[0.6, 0.1, 1.0]], np.float32))
    assert (alone[0, 0] == beside[0, 0]).all()


def test_the_legend_shows_the_colours_and_words() -> None:
    legend = render.depth_legend(200, 40)
    assert legend.shape == (40, 200, 3)
    assert (legend[0, 0] == render.colour_depth(np.zeros((1, 1), np.float32))[0, 0]).all()
    assert (legend[0, -1] == render.colour_depth(np.ones((1, 1), np.float32))[0, 0]).all()
    assert (legend[20:, :60] < 128).any() and (legend[20:, 140:] < 128).any()


def test_an_overlay_changes_the_foreground_only() -> None:
    image = np.full((1, 2, 3), 100, np.uint8)
    tinted = render.overlay(image, np.array([[0, 1]], np.float32), strength=1)
    assert tinted[0].tolist() == [[100, 100, 100], list(render.TINT)]


def test_a_cutout_lies_over_a_backdrop() -> None:
    image = np.full((1, 3, 3), 200, np.uint8)
    cutout = render.cutout(image, np.array([[0, 0.5, 1]], np.float32))
    assert cutout[0, :, 3].tolist() == [0, 128, 255]
    laid = render.lay_over(cutout, np.zeros((1, 3, 3), np.uint8))
    assert laid[0, :, 0].tolist() == [0, 100, 200]


def test_the_checkerboard() -> None:
    board = render.checkerboard(5, 7, tile=2)
    assert board.shape == (5, 7, 3)
    assert (board[:2, :2] == render.LIGHT).all() and (board[:2, 2:4] == render.DARK).all()
    assert (board[2:4, 2:4] == render.LIGHT).all()
