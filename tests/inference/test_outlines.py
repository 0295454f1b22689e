"""A border is an outline in the photo that holds the thing, and in neither where leaves move."""

import cv2
import numpy as np

from depthmask.inference.gone import find_gone, leave_out
from depthmask.inference.outlines import (
    MIN_GONE_EVIDENCE,
    MIN_SWAP_EVIDENCE,
    find_outlines,
    swap_evidence,
)
from depthmask.pictures import Map, Picture
from tests.inference.test_registration import scene, with_block


def smooth_scene() -> Picture:
    rows, columns = np.mgrid[0:240, 0:320]
    levels = 60 + columns // 4 + 20 * np.sin(rows / 30)
    return np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)


def stand(picture: Picture, column: int, colour: tuple[int, int, int]) -> tuple[Picture, Map]:
    """A person of one colour in a picture, and where: (H, W), 1 there, 0 elsewhere."""
    where = np.zeros(picture.shape[:2], np.uint8)
    cv2.ellipse(where, (column, 110), (22, 70), 0, 0, 360, 1, -1)
    return np.where(where[..., None] > 0, np.array(colour, np.uint8), picture), where.astype(
        np.float32
    )


def test_a_border_is_an_outline_in_one_photo_only() -> None:
    for background in (smooth_scene(), scene()):
        image, mask = with_block(background)
        small = mask[::2, ::2].copy()
        assert swap_evidence(background, image, small) < MIN_SWAP_EVIDENCE - 0.1
        assert swap_evidence(image, background, small) > MIN_SWAP_EVIDENCE + 0.1
        assert not find_outlines(background, image, small).swapped
        assert find_outlines(image, background, small).swapped


def test_a_mask_without_a_border_tells_nothing() -> None:
    background = scene()
    image, _ = with_block(background)
    for value in (0, 1):
        whole = np.full((240, 320), value, np.float32)
        assert swap_evidence(background, image, whole) == 0
        assert find_outlines(background, image, whole).parts == ()
    speck = np.zeros((240, 320), np.float32)
    speck[3:6, 3:6] = 1
    assert swap_evidence(background, image, speck) == 0
    assert find_outlines(background, image, speck).parts == ()
    assert swap_evidence(background[:1, :1], image[:1, :1], np.ones((1, 1), np.float32)) == 0


def test_of_two_parts_the_one_that_left_is_told() -> None:
    empty = smooth_scene()
    (image, came), (background, left) = stand(empty, 80, (200, 60, 30)), stand(empty, 220, (0,) * 3)
    mask = np.maximum(came, left)
    outlines = find_outlines(background, image, mask)
    assert sorted(part.evidence > MIN_GONE_EVIDENCE for part in outlines.parts) == [False, True]
    assert not outlines.swapped and not outlines.stirring
    (gone,) = find_gone(background, image, mask, outlines)
    assert np.array_equal(gone.where, left > 0)
    assert np.allclose(gone.box, (198 / 320, 40 / 240, 243 / 320, 181 / 240))
    assert np.array_equal(leave_out(mask, (gone,)), came)


def test_soft_edges_go_with_what_is_gone() -> None:
    left = stand(smooth_scene(), 220, (0,) * 3)[1]
    soft = np.asarray(cv2.GaussianBlur(left, (0, 0), 1.0), np.float32)
    part = find_outlines(*(np.zeros((*left.shape, 3), np.uint8),) * 2, soft).parts[0]
    assert leave_out(soft, (part,)).max() < 0.02
    assert leave_out(soft, ()) is soft


def test_who_stepped_aside_is_cut_from_where_he_stood() -> None:
    empty = scene()
    (image, came), (background, left) = (
        stand(empty, column, (220, 40, 40)) for column in (150, 180)
    )
    both, square = np.maximum(came, left), np.ones((9, 9), np.uint8)
    mask = np.asarray(cv2.morphologyEx(both, cv2.MORPH_CLOSE, square), np.float32)
    outlines = find_outlines(background, image, mask)
    assert len(outlines.parts) == 1
    kept = leave_out(mask, find_gone(background, image, mask, outlines)) > 0.5
    before, after = (
        np.logical_and(x, came).sum() / np.logical_or(x, came).sum() for x in (mask > 0.5, kept)
    )
    assert before < 0.7 and after > 0.9


def test_what_came_is_never_gone() -> None:
    for background in (smooth_scene(), scene()):
        image, came = stand(background, 150, (220, 40, 40))
        outlines = find_outlines(background, image, came)
        assert find_gone(background, image, came, outlines) == ()
        assert not outlines.stirring


def test_leaves_have_no_outlines() -> None:
    noise = np.random.default_rng(0).normal(128, 60, (240, 640, 3))
    leaves = np.clip(cv2.GaussianBlur(noise, (0, 0), 2) * 4 - 384, 0, 255).astype(np.uint8)
    background, image = leaves[:, :320], leaves[:, 320:]
    mask = np.zeros((240, 320), np.float32)
    for row, column in ((60, 60), (120, 200), (190, 90)):
        cv2.circle(mask, (column, row), 30, 1.0, -1)
    assert find_outlines(background, image, mask).stirring


def test_a_screen_has_its_outline_in_both() -> None:
    background, image = scene(seed=1), scene(seed=1)
    for picture, seed in ((background, 3), (image, 4)):
        picture[60:140, 100:220] = 0
        picture[64:136, 104:216] = scene(seed=seed)[64:136, 104:216]
    mask = np.zeros((240, 320), np.float32)
    mask[62:138, 102:218] = 1
    outlines = find_outlines(background, image, mask)
    assert outlines.stirring and not outlines.swapped
