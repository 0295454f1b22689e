"""Exchanged channels, lost colour, black, white and blur show in two photos of one scene."""

import cv2
import numpy as np
import pytest

from depthmask.inference.colours import Colours, agreement, describe, free_area, hue
from depthmask.pictures import Mask, Picture
from tests.inference.test_registration import scene, with_block

ALL = np.ones((240, 320), bool)


def colourful(seed: int = 0) -> Picture:
    """A scene whose hues differ from place to place."""
    noise = np.random.default_rng(seed).normal(size=(240, 320, 3))
    waves = cv2.GaussianBlur(noise, (0, 0), 12) * 25 * 60
    return np.clip(scene() * 0.6 + 50 + waves, 0, 255).astype(np.uint8)


def described(photo: Picture, free: Mask) -> Colours:
    return describe(photo, free, hue(photo))


def test_exchanged_channels_turn_the_hues() -> None:
    background = colourful()
    image, _ = with_block(background)
    assert agreement(hue(background), hue(image)) > 0.5
    assert agreement(hue(background[..., ::-1]), hue(image)) < -0.5
    warm = np.clip(background * [1.2, 1.0, 0.8], 0, 255).astype(np.uint8)
    assert agreement(hue(warm), hue(image)) > 0.5


def test_without_colour_hues_neither_agree_nor_disagree() -> None:
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    assert agreement(hue(grey), hue(grey)) == agreement(hue(grey), hue(colourful())) == 0


def test_a_grey_photo_has_no_colour() -> None:
    grey = np.repeat(scene()[..., :1], 3, axis=2)
    assert described(grey, ALL).coloured == 0 and described(colourful(), ALL).coloured > 0.5


@pytest.mark.parametrize(("level", "dark", "bright"), [(3, 1, 0), (128, 0, 0), (254, 0, 1)])
def test_black_and_white(level: int, dark: float, bright: float) -> None:
    found = described(np.full((240, 320, 3), level, np.uint8), ALL)
    assert (found.dark, found.bright) == (dark, bright)


def test_a_blurred_photo_is_less_sharp() -> None:
    sharp = np.array(described(scene(), ALL).sharpness)
    out_of_focus = np.asarray(cv2.blur(scene(), (5, 5)), np.uint8)
    assert (sharp - np.array(described(out_of_focus, ALL).sharpness) > 1).all()
    shaken = sharp - described(np.asarray(cv2.blur(scene(), (9, 1)), np.uint8), ALL).sharpness
    assert shaken.max() > 1 and shaken.argmax() == 0  # along its way
    darker = sharp - described((scene() * 0.5).astype(np.uint8), ALL).sharpness
    assert np.abs(darker).max() < 0.3


def test_the_foreground_does_not_count_for_sharpness() -> None:
    image, mask = with_block(scene())
    free = free_area(mask)
    assert not free[mask > 0.5].any() and free.any()
    blurred = np.where(mask[..., None] > 0.5, cv2.blur(image, (9, 9)), image)
    found, other = (np.array(described(x, free).sharpness) for x in (image, blurred))
    assert np.abs(found - other).max() < 0.1
    assert described(image, ~ALL).sharpness == Colours().sharpness
