"""What is measured of a pair: whether it is one photo, mirrored, swapped, or somebody left."""

import numpy as np

from depthmask.inference.light import NO_GAIN, NOT_MATCHED, LightMatch, match_light
from depthmask.inference.pair_signs import PairSigns, is_same, measure
from depthmask.inference.registration import register
from depthmask.pictures import Map, Mask, Picture
from tests.inference.test_outlines import stand
from tests.inference.test_registration import scene, with_block


def signs_of(
    background: Picture, image: Picture, mask: Map, unknown: Mask | None = None
) -> PairSigns:
    registration, light = register(background, image), match_light(background, image)
    return measure(background, image, mask, registration, light, moved=0.0, unknown=unknown)


def test_a_sound_pair() -> None:
    background = scene()
    image, mask = with_block(background)
    found = signs_of(background, image, mask)
    assert not (found.same or found.mirrored or found.swapped or found.stirring or found.gone)
    assert found.hue > 0.3 and found.changed == (mask > 0.5).mean()
    assert signs_of(image, background, mask).swapped


def test_a_mirror_image_is_tried_where_nothing_else_fits() -> None:
    background = scene()
    image, mask = with_block(background)
    everything = np.ones_like(mask)
    assert signs_of(np.ascontiguousarray(background[:, ::-1]), image, everything).mirrored
    assert not signs_of(scene(seed=5), image, everything).mirrored
    assert not signs_of(background, image, mask).mirrored


def test_what_the_background_does_not_show_is_not_judged() -> None:
    empty = scene()
    (image, came), (background, left) = stand(empty, 80, (250, 30, 30)), stand(empty, 240, (5,) * 3)
    mask = np.maximum(came, left)
    assert len(signs_of(background, image, mask).gone) == 1
    unknown = np.zeros(mask.shape, bool)
    unknown[:, 200:] = True
    found = signs_of(background, image, mask, unknown)
    assert found.gone == () and found.changed < (mask > 0.5).mean()


def test_outlines_are_not_compared_in_unlike_light() -> None:
    empty = scene()
    (image, came), (background, left) = stand(empty, 80, (250, 30, 30)), stand(empty, 240, (5,) * 3)
    mask, registration = np.maximum(came, left), register(background, image)
    for light, gone in (
        (NOT_MATCHED, 1),  # it was not to be matched
        (LightMatch(np.ones(3), 0.0, False, NO_GAIN), 0),
        (LightMatch(np.ones(3), -3.0, False, ""), 0),
    ):
        found = measure(background, image, mask, registration, light, moved=0.0)
        assert len(found.gone) == gone


def test_the_same_photo_twice() -> None:
    background = scene()
    image, _ = with_block(background)
    noise = np.random.default_rng(0).normal(0, 2, background.shape)
    again = np.clip(background + noise, 0, 255).astype(np.uint8)
    assert is_same(background, background)
    assert is_same(background, np.clip(background.astype(int) + 2, 0, 255).astype(np.uint8))
    assert not is_same(background, image)
    assert not is_same(background, again)  # an empty scene photographed twice
    assert not is_same(background, background[:-1])


def test_a_small_object_makes_two_photos_of_one() -> None:
    background = scene()
    image = background.copy()
    image[100:110, 150:160] = 255 - background[100:110, 150:160]  # 0.13 % of the pixels
    assert not is_same(background, image)
    dusty = background.copy()
    dusty[::100, ::100] = 255 - background[::100, ::100]  # 12 of 76,800 pixels: 0.016 %
    assert not is_same(background, dusty)
    dusty = background.copy()
    dusty[::200, ::200] = 255 - background[::200, ::200]  # 4 pixels
    assert is_same(background, dusty)
