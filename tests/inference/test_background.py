"""A background is learned from photos of a scene that moves, and through which something passes."""

import cv2
import numpy as np
import pytest

from depthmask.errors import PictureError
from depthmask.inference.background import (
    MAX_FRAMES,
    LearnedBackground,
    assemble,
    closest,
    frame,
    learn_background,
    spread_evenly,
)
from depthmask.inference.light import LightMatch, apply_light
from depthmask.pictures import Picture
from depthmask.pictures.resize import resize

HEIGHT, WIDTH = 120, 160
LEAVES = np.s_[:, 100:]  # the part of the scene that moves


def wall() -> Picture:
    """Soft blobs of all greys."""
    noise = np.random.default_rng(0).normal(0, 300, (HEIGHT, WIDTH, 3)).astype(np.float32)
    return np.asarray(np.clip(cv2.GaussianBlur(noise, (0, 0), 5) + 120, 20, 235), dtype=np.uint8)


def photo(seed: int, *, block: tuple[int, int] | None = None, sway: bool = True) -> Picture:
    """The scene with noise; leaves that lie elsewhere in each; perhaps a red block at (x, y)."""
    rng = np.random.default_rng(seed)
    picture = wall()
    if sway:
        coarse = np.random.default_rng(seed % 5).integers(0, 2, (12, 6), dtype=np.uint8)
        leaves = cv2.resize(coarse, (60, 120), interpolation=cv2.INTER_NEAREST)
        picture[LEAVES] = np.where(leaves[..., None], (40, 110, 30), (150, 200, 120))
    if block:
        x, y = block
        picture[y : y + 40, x : x + 30] = (250, 20, 30)
    return np.asarray(np.clip(picture + rng.normal(0, 2, picture.shape), 0, 255), dtype=np.uint8)


def error(picture: Picture, other: Picture) -> float:
    """Share of the pixels that differ visibly."""
    return float((cv2.absdiff(picture, other).max(axis=2) > 25).mean())


def seen(learned: LearnedBackground, image: Picture) -> Picture:
    return assemble(learned.candidates, closest(learned.candidates, image))


def test_the_closest_photo_is_taken_for_each_place() -> None:
    learned = learn_background([photo(seed) for seed in range(15)])
    image = photo(1003)
    assert error(learned.plate, image) > 0.1
    assert error(seen(learned, image), image) < 0.01


def test_an_object_is_not_found_in_the_scene() -> None:
    learned = learn_background([photo(seed) for seed in range(15)])
    image = photo(1003, block=(20, 30))
    difference = cv2.absdiff(seen(learned, image), image).max(axis=2) > 25
    assert difference[30:70, 20:50].mean() > 0.95
    difference[30:70, 20:50] = False
    assert difference.mean() < 0.02


def test_what_passed_is_cleaned_out() -> None:
    blocks = {2: (10, 20), 3: (30, 20), 4: (50, 20), 7: (110, 60)}
    learned = learn_background([photo(seed, block=blocks.get(seed)) for seed in range(12)])
    red = [(x[..., 0] > 200) & (x[..., 1] < 80) for x in learned.candidates]
    assert not np.any(red)
    image = photo(1003, block=(30, 20))
    assert (cv2.absdiff(seen(learned, image), image).max(axis=2)[20:60, 30:60] > 25).mean() > 0.95


def test_what_stood_for_three_photos_is_cleaned_out() -> None:
    photos = [photo(seed, block=(10, 20) if seed in (3, 4, 5) else None) for seed in range(12)]
    learned = learn_background(photos)
    red = [(x[..., 0] > 200) & (x[..., 1] < 80) for x in learned.candidates]
    assert not np.any(red)


def test_a_scene_that_is_never_empty_is_put_together() -> None:
    photos = [photo(seed, block=(seed * 16 % 128, 40), sway=False) for seed in range(12)]
    assert min(error(x, wall()) for x in photos) > 0.04
    learned = learn_background(photos)
    assert error(learned.plate, wall()) == 0
    assert not learned.unseen.any()


def test_a_place_that_never_looks_alike_is_unseen() -> None:
    rng = np.random.default_rng(5)
    photos = [photo(seed, sway=False) for seed in range(8)]
    for index, picture in enumerate(photos):  # a crowd before the left half
        picture[:, :70] = np.roll((250, 40, 10 + 20 * index), index)
        picture[:, :70] += rng.integers(0, 5, (HEIGHT, 70, 3), dtype=np.uint8)
    learned = learn_background(photos)
    assert learned.unseen[:, :60].mean() > 0.6
    assert not learned.unseen[:, 80:].any()
    framed = frame(learned, photos[0], align=False)
    assert framed.unknown is not None
    assert framed.unknown[:, :60].mean() > 0.6 and not framed.unknown[:, 80:].any()


def test_a_camera_that_was_far_off_is_moved_back() -> None:
    wide: Picture = resize(photo(0, sway=False), 240, 320)
    shifted: Picture = np.asarray(np.roll(wide, 20, axis=1))
    learned = learn_background([wide, shifted, shifted])
    inner = np.s_[20:220, 30:290]
    assert max(error(x[inner], wide[inner]) for x in learned.frames) < 0.02
    assert error(learn_background([wide, shifted], align=False).frames[1], wide) > 0.02


def test_one_photo_teaches_nothing() -> None:
    with pytest.raises(PictureError, match="two photos"):
        learn_background([photo(0)])


def test_few_photos_of_many_are_kept() -> None:
    assert len(learn_background([photo(seed) for seed in range(40)]).frames) == MAX_FRAMES
    assert spread_evenly(list(range(101)), 3) == [0, 50, 100]
    assert spread_evenly([1, 2], 3) == [1, 2]


def test_pictures_in_the_frame_of_a_larger_image() -> None:
    learned = learn_background([photo(seed, sway=False) for seed in range(3)])
    image = np.asarray(cv2.resize(photo(9), (2000, 1500)), dtype=np.uint8)
    framed = frame(learned, image, align=True)
    assert {picture.shape for picture in framed.pictures} == {(960, 1280, 3)}
    assert framed.unknown is None


def test_a_shift_is_told_in_pixels_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthmask.inference.background.FRAME_SIDE", WIDTH)
    learned = learn_background([photo(seed, sway=False) for seed in range(3)])
    rolled = np.roll(photo(7, sway=False), 6, axis=1)
    image: Picture = resize(rolled, 2 * HEIGHT, 2 * WIDTH)
    registration = frame(learned, image, align=True).registration
    assert registration.accepted and registration.shift == pytest.approx(12, abs=1)


def test_few_photos_of_leaves_are_taken_as_they_are() -> None:
    photos = [photo(seed) for seed in range(3)]
    learned = learn_background(photos)
    assert not learned.unseen.any()
    assert all(error(x, y) == 0 for x, y in zip(photos, learned.frames, strict=True))


def test_photos_are_chosen_in_the_light_of_the_image() -> None:
    dark = [np.full((20, 20, 3), level, np.uint8) for level in (60, 90, 120)]
    light = LightMatch(np.full(3, 2.0), 1.0, True, "")
    image = apply_light(dark[0], light)
    assert closest(dark, image, light).max() == 0
    assert closest(dark, image).min() > 0


def test_copies_are_made_once_where_the_camera_is_still() -> None:
    learned = learn_background([photo(seed, sway=False) for seed in range(3)])
    first, second = (frame(learned, photo(seed, sway=False), align=True) for seed in (7, 8))
    assert first.registration.reason == "" and not first.registration.accepted
    assert first.pictures is second.pictures
    assert first.copies(60, 80) is second.copies(60, 80)
    assert first.copies(60, 80)[0].shape == (60, 80, 3)
    square = frame(learned, photo(7, sway=False)[:, 20:140], align=False)
    assert not np.array_equal(square.copies(60, 80)[0], first.copies(60, 80)[0])
    for side in range(20, 40):  # copies of a few sizes are kept
        first.copies(side, side)
    assert first.copies(60, 80) is not second.copies(32, 32)
    moved = frame(learned, np.roll(photo(7, sway=False), 6, axis=1), align=True)
    assert moved.registration.accepted and moved.learned is None


def test_the_plate_is_taken_where_it_is_close() -> None:
    plate = np.full((20, 30, 3), 100, np.uint8)
    image = plate + np.uint8(2)
    image[:, 15:] = 180
    choice = closest([plate, image], image)
    assert not choice[:, :10].any()
    assert choice[:, 20:].all()
    assert assemble([plate, image], np.zeros((20, 30), np.uint8)) is plate
