"""The background of a scene that is never empty."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from depthmask.errors import PictureError
from depthmask.inference.background import MAX_FRAMES, kept_frames, learn_background, vote
from depthmask.inference.clean_plate import learn_occupied
from depthmask.inference.predictor import Predictor
from depthmask.pictures import Picture

HEIGHT, WIDTH = 120, 160


def wall(light: int = 0) -> Picture:
    """Soft dark blobs."""
    noise = np.random.default_rng(0).normal(0, 150, (HEIGHT, WIDTH, 3)).astype(np.float32)
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 5))
    return np.asarray(np.clip(blurred + 50, 10, 90) + light, dtype=np.uint8)


def with_block(left: int, light: int = 0) -> Picture:
    picture = wall(light)
    picture[30:100, left : left + 30] = 250
    return picture


class FindsWhole:
    """Stands in for a predictor: the box around what is much brighter is foreground."""

    def predict(self, background: Picture, image: Picture, **_: bool) -> Any:
        brighter = cv2.subtract(image, background).min(axis=2) > 80
        mask = np.zeros(image.shape[:2], np.float32)
        if brighter.any():
            rows, columns = np.nonzero(brighter)
            mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = 1
        return SimpleNamespace(mask=mask)


PREDICTOR = cast(Predictor, FindsWhole())


def remains(picture: Picture) -> float:
    """Share of the pixels that show a block."""
    return float((picture.min(axis=2) > 150).mean())


def test_somebody_who_outvotes_the_scene_is_found_by_the_network() -> None:
    standing = [with_block(40 + 8 * place) for place in range(5)]
    # at the other places of its way, the wall looks different each time
    walls = [wall(20 * (place % 4)) for place in range(8)]
    photos = [*standing, *walls]
    assert remains(learn_background(photos).plate) > 0.01
    learned = learn_occupied(photos, PREDICTOR)
    assert remains(learned.plate) == 0
    assert not learned.unseen.any()


def test_what_is_hidden_in_all_photos_is_unseen() -> None:
    photos = [wall(), wall(), wall(), *(with_block(40 + place) for place in range(3))]
    hidden = np.zeros((6, HEIGHT, WIDTH), bool)
    hidden[:, 30:100, 120:] = True
    learned = vote(photos, hidden)
    assert np.array_equal(learned.unseen, hidden[0])


def test_a_long_clip_is_not_kept_in_memory() -> None:
    def clip() -> Iterator[Picture]:
        for index in range(1000):
            yield np.full((12, 16, 3), index // 4, np.uint8)

    frames = kept_frames(clip(), align=False)
    assert len(frames) == MAX_FRAMES
    levels = [int(frame[0, 0, 0]) for frame in frames]
    assert levels[0] == 0 and levels[-1] > 230
    assert max(np.diff(levels)) <= 3 * min(np.diff(levels))


def test_one_photo_is_no_clip() -> None:
    with pytest.raises(PictureError, match="two photos"):
        learn_occupied([wall()], PREDICTOR)
