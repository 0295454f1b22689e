"""The frames of a webcam, or of a clip in its place."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from depthmask.errors import ClipError
from depthmask.pictures import Picture

ENDED = "The camera sends no more pictures: plug it in again, or name another."


class Webcam:
    """Reads frames, each when it is asked for; older ones are not kept.

    Args:
        source: The camera's number or device; or a clip, which is played at its own speed.
        height, width: Pixels that the camera is asked for; it may have others, see `size`.

    Raises:
        ClipError: There is no such camera, or another program uses it.
    """

    def __init__(self, source: str, height: int, width: int) -> None:
        self._device = cv2.VideoCapture(int(source) if source.isdigit() else source)
        self._device.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._device.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._device.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        found, first = self._device.read() if self._device.isOpened() else (False, None)
        if not found or first is None:
            self.close()
            raise ClipError(f"There is no camera {source}, or another program uses it.")
        self.size = first.shape[0], first.shape[1]
        rate = self._device.get(cv2.CAP_PROP_FPS) if Path(source).is_file() else 0.0
        self._period_s = 1 / rate if rate > 0 else 0.0  # of a clip; a camera waits by itself
        self._due = time.monotonic()

    def read(self) -> Picture:
        """Returns the next frame, (H, W, 3), uint8, RGB.

        Raises:
            ClipError: There is none.
        """
        self._due += self._period_s
        time.sleep(max(0.0, self._due - time.monotonic()))
        found, frame = self._device.read()
        if not found or frame is None or frame.shape[:2] != self.size:
            raise ClipError(ENDED)
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)

    def read_spaced(self, count: int, pause_s: float) -> list[Picture]:
        """Returns frames that are at least a pause apart; those between are passed over."""
        frames: list[Picture] = []
        last = -pause_s
        while len(frames) < count:
            frame, now = self.read(), time.monotonic()
            if now - last >= pause_s or not frames:
                frames.append(frame)
                last = now
        return frames

    def close(self) -> None:
        self._device.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()
