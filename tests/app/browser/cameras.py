"""A fake camera: a clip for Chromium to play over and over, whose picture a test can change."""

from pathlib import Path

import cv2
import numpy as np

from depthmask.app.examples import find_examples
from depthmask.pictures import Mask, Picture, read_mask, read_picture

WIDTH, HEIGHT = 640, 480
RATE = 10  # frames a second, of which the clip has one second
NOISE = 2.0  # levels: each frame has its own, as of a camera


class Clip:
    """A file of raw video, YUV4MPEG2.

    Chromium reads each frame as it plays it, so that what is written into the file is what the
    camera sees next. A test changes the scene when it has seen what it waited for, and depends on
    no time.
    """

    def __init__(self, path: Path, picture: Picture) -> None:
        self._path = path
        path.touch()
        self.show(picture)

    def show(self, picture: Picture, *, passes: bool = False, sways: bool = False) -> None:
        """Puts (HEIGHT, WIDTH, 3), uint8, RGB, before the camera.

        A white square may pass by, and leaves may sway in the right fifth.
        """
        rng = np.random.default_rng(0)
        clip = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode()
        for place in range(RATE):
            noise = rng.normal(0, NOISE, picture.shape[:2])[..., None]
            shown = np.clip(picture + noise, 0, 255).astype(np.uint8)
            if passes:
                shown[200:280, 60 * place : 60 * place + 80] = 255
            if sways:
                shown[:, -WIDTH // 5 :] = leaves(place % 5)
            planes = np.asarray(cv2.cvtColor(shown, cv2.COLOR_RGB2YUV_I420))
            clip += b"FRAME\n" + planes.tobytes()
        with self._path.open("r+b") as file:  # in its place: Chromium has it open
            file.write(clip)

    @property
    def options(self) -> list[str]:
        """Of Chromium, to let every camera play this, and to allow it without asking."""
        return [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={self._path}",
        ]


def leaves(seed: int) -> Picture:
    """Light and dark squares, (HEIGHT, WIDTH // 5, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 2, (24, 6), dtype=np.uint8)
    squares = cv2.resize(coarse, (WIDTH // 5, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return np.where(squares[..., None], (40, 110, 30), (150, 200, 120)).astype(np.uint8)


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
