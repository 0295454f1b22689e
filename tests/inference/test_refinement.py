"""Full resolution: edges as the photos show them, nothing out of nothing, no halo, no seams."""

import tracemalloc

import cv2
import numpy as np
import pytest

from depthmask.inference.refinement import refine_depth, refine_mask, sample, unmix
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


def test_edges_and_hair_come_back() -> None:
    true = ball_with_hair(800)
    background = wall(800, 800)
    low = as_the_network_sees(true)
    plain = enlarge(low, 800, 800)
    refined = refine_mask(low, background, blend(background, true))
    edge = (plain > 0.02) & (plain < 0.98)
    before, after = (np.abs(pred - true)[edge].mean() for pred in (plain, refined))
    assert after < 0.05 and after < before / 4
    hair = (true > 0.9) & (plain < 0.4)  # the network has lost it
    assert hair.sum() > 500
    assert refined[hair].mean() > 0.8


def test_a_shadow_is_not_foreground() -> None:
    true = ball_with_hair(800)
    background = wall(800, 800)
    shadow = np.roll(np.asarray(cv2.GaussianBlur(true, (0, 0), 6)), 40, axis=1) * 0.4
    shaded = (background * (1 - shadow[..., None])).astype(np.uint8)
    refined = refine_mask(as_the_network_sees(true), background, blend(shaded, true))
    assert (refined > 0.5)[(shadow > 0.1) & (true == 0)].mean() < 0.02


def test_where_the_photos_agree_the_network_is_asked() -> None:
    """Foreground of the background's own colours: nothing to be seen, so nothing may vanish."""
    background = wall(600, 600)
    low = np.zeros((100, 100), np.float32)
    low[30:70, 30:70] = 1
    refined = refine_mask(low, background, background)
    assert refined[240:360, 240:360].min() == 1


def test_empty_stays_empty() -> None:
    background = wall(500, 700)
    image = wall(500, 700, seed=5)  # differs everywhere
    nothing = np.full((96, 128), 0.03, np.float32)
    assert refine_mask(nothing, background, image).max() == 0


def test_nothing_appears_far_from_the_networks_border() -> None:
    background, image = wall(640, 640), wall(640, 640, seed=5)
    low = np.zeros((128, 128), np.float32)
    low[40:60, 40:60] = 1
    refined = refine_mask(low, background, image)
    reach = 5 * 3 + 8  # two of its pixels and a half, and the filter's window in the image's
    refined[200 - reach : 300 + reach, 200 - reach : 300 + reach] = 0
    assert refined.max() == 0


def test_an_image_no_larger_than_the_mask_keeps_the_networks_word() -> None:
    low = as_the_network_sees(ball_with_hair(400), 128)
    background = wall(128, 128)
    assert np.array_equal(refine_mask(low, background, background), low)


def test_the_size_of_tiles_does_not_show() -> None:
    true = ball_with_hair(1700)[:1300]
    background = wall(1300, 1700)
    image = blend(background, true)
    low = np.asarray(cv2.resize(as_the_network_sees(true), (128, 96)), np.float32)
    whole = refine_mask(low, background, image, tile=4096)
    for tile in (100, 250):
        assert np.abs(whole - refine_mask(low, background, image, tile=tile)).max() < 2e-3


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (1, 900), (900, 1), (2, 3000), (33, 2000)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    background = np.full((*size, 3), 90, np.uint8)
    image = background.copy()
    image[:, size[1] // 2 :] = 220
    low = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(32, axis=0)
    mask = refine_mask(low, background, image)
    depth = refine_depth(low, low, mask)
    for result in (mask, depth):
        assert result.shape == size and result.dtype == np.float32
        assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1
    assert unmix(image, background, mask).shape == image.shape


def test_parts_are_sampled_as_the_whole_is_enlarged() -> None:
    small = np.random.default_rng(0).random((13, 17), np.float32)
    large = enlarge(small, 200, 310)
    part = (slice(50, 120), slice(0, 310))
    assert np.abs(sample(small, (200, 310), part) - large[part]).max() < 1e-5


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
    mask = refine_mask(low, background, image)
    assert tracemalloc.get_traced_memory()[1] < 150e6
    tracemalloc.reset_peak()
    unmix(image, background, mask)
    assert tracemalloc.get_traced_memory()[1] < 250e6
    tracemalloc.stop()
    assert ((mask > 0.5) == (true > 0.5)).mean() > 0.995
