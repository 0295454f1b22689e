"""Cast shadows of drawn scenes are found on and beside the mask, and nowhere else."""

import numpy as np
import pytest

from depthmask.inference.shadow import Values, cast_shadow
from depthmask.pictures import Map, Mask, Picture

HEIGHT, WIDTH = 240, 320
THING = np.s_[60:160, 100:160]
SHADOW = np.s_[130:160, 160:240]  # falls to the right
LIGHT = np.array((0.4, 0.42, 0.5), np.float32)  # linear, that the shadow leaves: bluish
WARM = np.array((0.6, 0.45, 0.4), np.float32)


@pytest.fixture
def background() -> Picture:
    """A wall of coloured stripes, with some noise."""
    stripes = np.array(((200, 170, 140), (120, 140, 170), (190, 190, 190)), np.float32)
    wall = stripes[np.arange(WIDTH) // 20 % 3][None].repeat(HEIGHT, axis=0)
    noise = np.random.default_rng(1).normal(0, 2, (HEIGHT, WIDTH, 1))
    return np.clip(wall + noise, 0, 255).astype(np.uint8)


def shade(picture: Picture, area: tuple[slice, slice], light: Values = LIGHT) -> Picture:
    """The picture with a shadow on an area; levels are powers of light, about 2.2."""
    shaded = picture.astype(np.float32)
    shaded[area] *= light ** (1 / 2.2)
    return np.rint(shaded).astype(np.uint8)


def put_thing(picture: Picture) -> tuple[Picture, Mask]:
    image, mask = picture.copy(), np.zeros((HEIGHT, WIDTH), bool)
    image[THING] = np.random.default_rng(2).integers(0, 90, (100, 60, 3)) + np.array((90, 0, 0))
    mask[THING] = True
    return image, mask


def found(image: Picture, background: Picture, mask: Mask) -> Map:
    shadow = cast_shadow(image, background, mask.astype(np.float32))
    assert shadow.shape == mask.shape and shadow.dtype == np.float32
    assert shadow.min() >= 0 and shadow.max() < 1
    return shadow


def test_a_shadow_beside_the_foreground_is_found_with_its_depth(background: Picture) -> None:
    image, mask = put_thing(shade(background, SHADOW))
    shadow = found(image, background, mask)
    assert np.median(shadow[SHADOW]) == pytest.approx(1 - LIGHT.mean(), abs=0.06)
    outside = ~mask
    outside[125:165, 155:245] = False
    assert shadow[outside].max() < 0.02
    assert shadow[70:150, 110:150].max() < 0.02, "the thing itself is no shadow"


def test_a_shadow_that_the_mask_covers_is_found(background: Picture) -> None:
    image, mask = put_thing(shade(background, SHADOW))
    mask[130:160, 160:200] = True
    shadow = found(image, background, mask)
    assert np.median(shadow[135:155, 165:195]) > 0.4
    assert shadow[70:150, 110:150].max() < 0.02


def test_what_is_dark_amid_the_foreground_is_no_shadow(background: Picture) -> None:
    image, mask = put_thing(background)
    hole = np.s_[80:140, 115:145]
    image[hole] = shade(background, hole)[hole]
    assert found(image, background, mask).max() < 0.02


def test_a_part_of_the_foreground_takes_other_light_than_its_shadow(background: Picture) -> None:
    image, mask = put_thing(shade(background, SHADOW))
    sleeve = np.s_[130:160, 130:160]  # beside the shadow, and as dark
    for light, most in ((LIGHT, 1.0), (WARM, 0.05)):
        image[sleeve] = shade(background, sleeve, light)[sleeve]
        shadow = found(image, background, mask)
        assert np.median(shadow[SHADOW]) > 0.4
        assert (np.median(shadow[sleeve]) > 0.4) == (most == 1)
        assert shadow[135:155, 135:155].max() <= most


def test_a_scene_without_shadow_has_none(background: Picture) -> None:
    image, mask = put_thing(background)
    assert found(image, background, mask).max() < 0.02
    assert found(image, background, np.zeros_like(mask)).max() == 0


def test_darkness_far_from_the_foreground_is_not_its_shadow(background: Picture) -> None:
    image, mask = put_thing(shade(background, np.s_[10:40, 260:310]))
    assert found(image, background, mask).max() < 0.02


def test_a_thing_of_another_colour_is_no_shadow(background: Picture) -> None:
    image, mask = put_thing(background)
    image[SHADOW] = (image[SHADOW] * np.array((0.9, 0.4, 0.3))).astype(np.uint8)
    assert found(image, background, mask)[SHADOW].max() < 0.05
