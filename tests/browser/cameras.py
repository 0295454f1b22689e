"""Fake cameras: clips of pictures for Chromium to play, over and over."""

from pathlib import Path

import numpy as np

from depthmask._cv2 import cv2
from depthmask.pictures import Mask, Picture, read_mask, read_picture
from depthmask.ui.examples import find_examples

WIDTH, HEIGHT = 640, 480
RATE = 2  # frames a second: the clip of a minute has 55 MB
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
    """Writes pictures, each for a number of seconds, as YUV4MPEG2 of `RATE` frames a second."""
    rng = np.random.default_rng(0)
    with path.open("wb") as clip:
        clip.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for picture, seconds in parts:
            for _ in range(seconds * RATE):
                noise = rng.normal(0, NOISE, picture.shape[:2])[..., None]
                shown = np.clip(picture + noise, 0, 255).astype(np.uint8)
                planes = np.asarray(cv2.cvtColor(shown, cv2.COLOR_RGB2YUV_I420))
                clip.write(b"FRAME\n" + planes.tobytes())
    return path
