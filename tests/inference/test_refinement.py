"""Full resolution: steeper edges in the same place, depth with a step on them, no halo."""

import tracemalloc

import cv2
import numpy as np
import pytest

from depthmask.inference import refinement
from depthmask.inference.refinement import enlarge_mask, refine_depth, steepen, unmix
from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import enlarge

BLUE = np.array((30, 60, 200), np.float32)


def wall(height: int, width: int, seed: int = 0) -> Picture:
    """A textured, warm background."""
    coarse = np.random.default_rng(seed).uniform(-25, 25, (height // 8 + 2, width // 8 + 2))
    texture = np.asarray(cv2.resize(coarse, (width, height)))[..., None]
    return np.clip(texture + np.array((190, 150, 90)), 0, 255).astype(np.uint8)


def ball_with_hair(side: int) -> Map:
    """Soft coverage: a ball, and hairs of two pixels that stand off it."""
    canvas = np.zeros((side, side), np.uint8)
    middle = (side // 2, side // 2)
    cv2.circle(canvas, middle, side // 4, 255, -1, cv2.LINE_AA)
    for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
        tip = side * (0.5 + 0.29 * np.array((np.cos(angle), np.sin(angle))))
        cv2.line(canvas, middle, (int(tip[0]), int(tip[1])), 255, 2, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(canvas, (3, 3), 0), np.float32) / np.float32(255)


def blend(background: Picture, alpha: Map, seed: int = 1) -> Picture:
    noise = np.random.default_rng(seed).normal(0, 2, background.shape)
    image = background + alpha[..., None] * (BLUE - background) + noise
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def as_the_network_sees(alpha: Map, side: int = 128) -> Map:
    small = cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.5), np.float32)


def refine_mask(mask: Map, height: int, width: int) -> Map:
    return steepen(enlarge_mask(mask, height, width))


def test_a_refined_edge_is_nearer_to_the_truth_and_in_the_same_place() -> None:
    true = ball_with_hair(800)
    low = as_the_network_sees(true)
    plain, refined = enlarge(low, 800, 800), refine_mask(low, 800, 800)
    assert np.array_equal(refined > 0.5, plain > 0.5)
    edge = (plain > 0.02) & (plain < 0.98)
    before, after = (np.abs(pred - true)[edge].mean() for pred in (plain, refined))
    assert after < 0.9 * before


def test_empty_stays_empty_and_full_stays_full() -> None:
    for value, refined in ((0.03, 0), (0.97, 1)):
        low = np.full((96, 128), value, np.float32)
        assert (refine_mask(low, 500, 700) == refined).all()


def test_an_image_smaller_than_the_mask_averages_it() -> None:
    low = np.zeros((64, 64), np.float32)
    low[:, 32:] = 1
    low[:, 31] = 1  # half of what the smaller image has there
    refined = refine_mask(low, 32, 32)
    assert refined[:, 15] == pytest.approx(0.5) and refined[:, 14].max() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (1, 900), (900, 1), (2, 3000), (33, 2000)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    background = np.full((*size, 3), 90, np.uint8)
    image = background.copy()
    image[:, size[1] // 2 :] = 220
    low = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(32, axis=0)
    mask = refine_mask(low, *size)
    depth = refine_depth(low, low, mask)
    for result in (mask, depth):
        assert result.shape == size and result.dtype == np.float32
        assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1
    assert unmix(image, background, mask).shape == image.shape


def test_colours_are_unmixed() -> None:
    true = ball_with_hair(400)
    background = wall(400, 400)
    image = np.rint(background + true[..., None] * (BLUE - background)).astype(np.uint8)
    colours = unmix(image, background, true)
    covered = true > 0.05
    assert np.abs(colours[covered] - BLUE).max() <= 12
    assert np.abs(colours[true > 0.5] - BLUE).max() <= 2
    assert np.array_equal(colours[true == 0], image[true == 0])
    assert np.array_equal(colours[true == 1], image[true == 1])


def test_parts_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    true = ball_with_hair(400)
    background = wall(400, 400)
    image = blend(background, true)
    whole = unmix(image, background, true)
    monkeypatch.setattr(refinement, "UNMIXED_PIXELS", 37)
    assert np.array_equal(unmix(image, background, true), whole)


def test_a_cutout_has_no_halo_on_another_background() -> None:
    true = ball_with_hair(400)
    background = wall(400, 400)
    image = blend(background, true)
    black = true[..., None]
    wanted = BLUE * black
    plain, clean = (
        np.abs(black * colours - wanted)[(true > 0) & (true < 1)].mean()
        for colours in (image, unmix(image, background, true))
    )
    assert clean < plain / 5


def test_the_step_of_depth_lies_on_the_border_of_the_mask() -> None:
    mask = np.zeros((300, 400), np.float32)
    mask[100:, 203:] = 1
    low_mask = as_the_network_sees(mask, 64)
    depth = 0.9 - 0.6 * low_mask
    refined = refine_depth(depth, low_mask, mask)
    assert refined[mask == 1].max() < 0.45  # no ramp on either side
    assert refined[mask == 0].min() > 0.75


def test_half_covered_pixels_are_where_the_mask_says() -> None:
    mask = np.zeros((300, 400), np.float32)
    mask[:, 200:] = 1
    mask[:, 199], mask[:, 200] = 0.45, 0.55
    low_mask = as_the_network_sees(mask, 64)
    refined = refine_depth(0.9 - 0.6 * low_mask, low_mask, mask)
    assert refined[:, 199].min() > 0.75 and refined[:, 200].max() < 0.45


def test_depth_without_foreground_is_enlarged() -> None:
    depth = np.linspace(0.3, 1, 32, dtype=np.float32)[None].repeat(32, axis=0)
    nothing = np.zeros((32, 32), np.float32)
    refined = refine_depth(depth, nothing, np.zeros((200, 200), np.float32))
    assert np.abs(refined - enlarge(depth, 200, 200)).max() < 1e-6


@pytest.mark.slow
def test_twelve_megapixels_fit_into_little_memory() -> None:
    height, width = 3000, 4000
    small = ball_with_hair(800)
    true = np.asarray(cv2.resize(small, (width, height)))
    background = np.asarray(cv2.resize(wall(750, 1000), (width, height)), np.uint8)
    image = np.where(true[..., None] > 0.5, np.array((30, 60, 200), np.uint8), background)
    low = as_the_network_sees(small)
    tracemalloc.start()  # counts numpy's arrays, OpenCV's results among them
    mask = refine_mask(low, height, width)
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.reset_peak()
    unmix(image, background, mask)
    assert tracemalloc.get_traced_memory()[1] < 250e6
    tracemalloc.stop()
    assert ((mask > 0.5) == (true > 0.5)).mean() > 0.995
