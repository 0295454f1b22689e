"""Copies are found, and other pictures are not taken for them."""

import cv2
import numpy as np

from depthmask.data.near_duplicates import descriptor, group_near_duplicates
from tests.datasets.sources import scene


def groups(*pictures: np.ndarray) -> list[int]:
    return group_near_duplicates(
        [f"p{n}" for n in range(len(pictures))], [descriptor(p) for p in pictures]
    )


def test_copies_are_found() -> None:
    picture = scene(1)
    coded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 40))[1]
    copies = [
        np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)),
        (picture * 0.6 + 20).astype(np.uint8),
        picture[:, ::-1].copy(),
        np.asarray(cv2.resize(picture, (200, 150), interpolation=cv2.INTER_LINEAR)),
    ]
    assert groups(picture, *copies) == [0] * 5


def test_others_are_apart() -> None:
    plain = [np.full((20, 20, 3), colour, np.uint8) for colour in ((200, 30, 30), (30, 30, 200))]
    others = [scene(n) for n in range(6)] + plain
    assert groups(*others) == list(range(8))
    assert groups() == []


def test_frames_of_a_shot_are_together() -> None:
    looks = [descriptor(scene(n)) for n in range(3)]
    assert group_near_duplicates(["hall_1_a", "hall_2_a", "hall_1_b"], looks) == [0, 1, 0]
