"""Near and far things that move differently are brought together; an object that enters is not."""

import cv2
import numpy as np
import pytest

from depthmask.inference.parallax import enlarge_flow, find_parallax, follow
from depthmask.inference.registration import register, warp
from tests.inference.test_registration import HEIGHT, WIDTH, scene, with_block


def two_planes() -> tuple[np.ndarray, np.ndarray]:
    """A near board before a far wall, from two places: the wall moves by 4, the board by 12."""
    wall, board = scene(seed=6), scene(100, 140, seed=7)
    views = []
    for shift, near in ((0, 0), (4, 12)):
        view = np.roll(wall, shift, axis=1)
        view[100:200, 80 + near : 220 + near] = board
        views.append(view)
    return views[0], views[1]


def test_a_near_board_is_found_where_it_stood() -> None:
    background, image = two_planes()
    found = register(background, image)
    assert found.accepted and found.flow is not None
    aligned = warp(background, found, HEIGHT, WIDTH)
    board = np.s_[110:190, 105:220]
    assert np.abs(aligned[board].astype(int) - image[board]).mean() < 12
    assert np.abs(background[board].astype(int) - image[board]).mean() > 25


def test_what_enters_is_no_parallax() -> None:
    image, _ = with_block(scene())
    grey = [np.asarray(picture.mean(axis=2), dtype=np.uint8) for picture in (scene(), image)]
    assert find_parallax(grey[0], grey[1], np.ones(grey[0].shape, dtype=bool)) is None


def test_an_object_that_resembles_the_scene_beside_it_is_no_parallax() -> None:
    """Flow finds each strip beside where it stands; from there, the flow does not lead back."""
    background = np.asarray(scene(seed=3).mean(axis=2), dtype=np.uint8)
    image = background.copy()
    for left in (30, 130, 230):
        image[20:220, left + 26 : left + 50] = background[20:220, left : left + 24]
    assert find_parallax(background, image, np.ones(image.shape, dtype=bool)) is None


def test_flow_is_not_computed_where_little_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2.DISOpticalFlow, "create", lambda _: pytest.fail("computed"))
    background = np.asarray(scene().mean(axis=2), dtype=np.uint8)
    image = background.copy()
    image[100:115, 100:115] = 255
    assert find_parallax(background, image, np.ones(image.shape, dtype=bool)) is None


def test_tiny_pictures_have_none() -> None:
    plane = np.zeros((5, 90), np.uint8)
    assert find_parallax(plane, plane, np.ones(plane.shape, dtype=bool)) is None


def test_flow_points_from_the_image_to_the_background() -> None:
    picture = scene()
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[..., 0] = 3
    assert np.array_equal(follow(picture, flow)[:, :-3], picture[:, 3:])
    grown = enlarge_flow(flow, 2 * HEIGHT, 3 * WIDTH)
    assert grown.shape == (2 * HEIGHT, 3 * WIDTH, 2)
    assert np.allclose(grown[..., 0], 9) and np.allclose(grown[..., 1], 0)
    assert enlarge_flow(flow, HEIGHT, WIDTH) is flow
