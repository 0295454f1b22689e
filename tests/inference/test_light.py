"""Gain and colour balance are found from what has not changed, and applied within bounds."""

import numpy as np
import pytest

from depthmask.inference.light import (
    NO_GAIN,
    NOT_MATCHED,
    TOO_BRIGHT_OR_DARK,
    TOO_TINTED,
    LightMatch,
    apply_light,
    light_copy,
    match_light,
)
from depthmask.pictures import Picture
from tests.inference.test_registration import scene, with_block


def expose(picture: Picture, *stops: float) -> Picture:
    """What the camera would have recorded with more light, in stops for each channel."""
    return apply_light(picture, LightMatch(np.exp2(np.array(stops)), 0.0, True, ""))


@pytest.mark.parametrize("stops", [-1.0, -0.3, 0.5, 1.0])
def test_an_exposure_is_found(stops: float) -> None:
    background = (scene() * 0.6).astype(np.uint8)
    match = match_light(background, expose(background, stops, stops, stops))
    assert match.accepted and match.reason == ""
    assert match.stops == pytest.approx(stops, abs=0.05)
    assert match.gain == pytest.approx([2**stops] * 3, rel=0.05)


def test_white_balance_is_found() -> None:
    match = match_light(scene(), expose(scene(), 0.2, 0.0, -0.2))
    assert np.log2(match.gain) == pytest.approx([0.2, 0.0, -0.2], abs=0.05)


def test_applying_it_gives_the_image() -> None:
    background = (scene() * 0.6).astype(np.uint8)
    image = expose(background, 0.7, 0.5, 0.6)
    matched = apply_light(background, match_light(background, image))
    assert np.abs(matched.astype(int) - image).mean() < 2


def test_a_large_object_does_not_count() -> None:
    background = scene()
    image = expose(background, -0.5, -0.5, -0.5)
    image[:, 140:] = (200, 150, 30)  # more than half of the picture
    mask = np.zeros(image.shape[:2], np.float32)
    mask[:, 140:] = 1
    for foreground in (None, mask):
        match = match_light(background, image, foreground=foreground)
        assert match.stops == pytest.approx(-0.5, abs=0.05)


def test_copies_match_as_the_pictures_do() -> None:
    background = (scene() * 0.6).astype(np.uint8)
    image = expose(background, 0.4, 0.5, 0.6)
    copies = light_copy(background), light_copy(image)
    assert copies[0].shape == (120, 160, 3) and light_copy(copies[0]) is copies[0]
    assert np.array_equal(match_light(*copies).gain, match_light(background, image).gain)


def test_nothing_to_do() -> None:
    image, _ = with_block(scene())
    match = match_light(scene(), image)
    assert not match.accepted and match.reason == "" and match.stops == pytest.approx(0, abs=0.02)
    background = scene()
    assert apply_light(background, match) is background
    assert apply_light(background, NOT_MATCHED) is background


@pytest.mark.parametrize(
    ("background", "image"),
    [
        (np.zeros((50, 60, 3), np.uint8), scene(50, 60)),
        (scene(1, 1), scene(1, 1, seed=4)),
        (np.full((50, 60, 3), 255, np.uint8), np.full((50, 60, 3), 255, np.uint8)),
        (scene(seed=1), scene(seed=2)),
        (np.full((50, 60, 3), 25, np.uint8), np.full((50, 60, 3), 240, np.uint8)),
    ],
)
def test_what_cannot_be_matched_is_left_with_a_reason(background: Picture, image: Picture) -> None:
    match = match_light(background, image)
    assert not match.accepted and match.reason
    assert np.array_equal(match.gain, np.ones(3))


def test_a_strong_tint_needs_sure_evidence() -> None:
    """A light bulb turns daylight's colours by 2 stops; an object may seem to, in a few pixels."""
    background = (scene() * 0.7).astype(np.uint8)
    image = expose(background, 0.5, 0.0, -0.5)
    found = match_light(background, image)
    assert found.accepted and found.tint == pytest.approx(1.0, abs=0.1)
    image[:, 80:] = scene(seed=4)[:, 80:]  # three quarters of the picture
    found = match_light(background, image)
    assert not found.accepted and found.reason == NO_GAIN
    too_warm = match_light(background, expose(background, 1.3, 0.0, -1.3))
    assert not too_warm.accepted and too_warm.reason == TOO_TINTED
    assert too_warm.tint == pytest.approx(2.6, abs=0.2)


def test_an_exposure_beyond_what_can_be_matched_is_measured() -> None:
    background = scene()
    three = match_light(background, expose(background, -2.9, -2.9, -2.9))
    assert three.accepted and three.stops == pytest.approx(-2.9, abs=0.1)
    four = match_light(background, expose(background, -4, -4, -4))
    assert not four.accepted and four.reason == TOO_BRIGHT_OR_DARK
    assert four.stops == pytest.approx(-4, abs=0.1)


def test_everything_is_foreground() -> None:
    everything = np.ones(scene().shape[:2], np.float32)
    assert not match_light(scene(), expose(scene(), 1, 1, 1), foreground=everything).accepted


def test_black_pixels_do_not_count() -> None:
    """A camera shows black as black, whatever the exposure."""
    background = (scene() * 0.6).astype(np.uint8)
    image = expose(background, 0.5, 0.5, 0.5)
    background[:, :200] = image[:, :200] = 8
    assert match_light(background, image).stops == pytest.approx(0.5, abs=0.05)


def test_clipped_pixels_do_not_count() -> None:
    background = scene()
    image = expose(background, 1.0, 1.0, 1.0)
    assert (image == 255).mean() > 0.1
    assert match_light(background, image).stops == pytest.approx(1, abs=0.05)
