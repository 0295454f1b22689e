"""Fake cameras: clips of pictures for Chromium to play, over and over."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from depthmask._cv2 import cv2
from depthmask.pictures import Mask, Picture, read_mask, read_picture
from depthmask.ui.examples import find_examples

WIDTH, HEIGHT = 640, 480
NOISE = 2.0  # levels: each picture has its own, as of a camera


def fake_camera(clip: Path) -> list[str]:
    """Chromium's options to let every camera play a clip, and to allow it without asking."""
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
    ]


def example(name: str) -> tuple[Picture, Picture, Mask]:
    """Background, image and true mask of an example, at the camera's size."""
    found = next(each for each in find_examples() if each.name == name)
    assert found.true_mask is not None
    size = WIDTH, HEIGHT
    background, image = (
        np.asarray(cv2.resize(read_picture(path), size, interpolation=cv2.INTER_AREA), np.uint8)
        for path in (found.background, found.image)
    )
    mask = cv2.resize(read_mask(found.true_mask).astype(np.float32), size)
    return background, image, np.asarray(mask) > 0.5


def write_clip(path: Path, *parts: tuple[Picture, int]) -> Path:
    """Writes pictures, each for a number of frames, as Motion JPEG."""
    rng = np.random.default_rng(0)
    with path.open("wb") as clip:
        for picture, count in parts:
            for shown in noisy(picture, rng, count):
                _, data = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
                clip.write(data.tobytes())
    return path


def noisy(picture: Picture, rng: np.random.Generator, count: int) -> Sequence[Picture]:
    """A few noisy copies, in turns."""
    copies = [
        np.clip(picture + rng.normal(0, NOISE, picture.shape), 0, 255).astype(np.uint8)
        for _ in range(min(count, 5))
    ]
    return [copies[place % len(copies)] for place in range(count)]
