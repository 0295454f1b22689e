"""A recording: frames kept in a temporary file of bounded size, then written as WebM with alpha."""

import os
import struct
import tempfile
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, NamedTuple

import cv2
import numpy as np

from depthmask.errors import RecordingError
from depthmask.pictures import Map, Picture
from depthmask.render.views import cutout

LARGEST = 256 * 2**20  # bytes; at 640x480, five minutes of 12 frames a second
LONGEST_S = 120.0  # and what encoding takes, about as long on two cores, must be bearable
QUALITY = 90  # of the JPEGs in the temporary file
CODEC = "libvpx-vp9"
TIME_BASE = Fraction(1, 1000)
MISSING = "Recordings need PyAV; run `pip install av`."

_HEAD = struct.Struct("<dII")  # seconds, bytes of the frame, bytes of the mask


class VideoFrame(NamedTuple):
    """One frame of a recording."""

    seconds: float  # since it began
    picture: Picture  # (H, W, 3)
    mask: Map  # (H, W), in [0, 1]


class Recording:
    """Frames in a temporary file, which goes when the recording is closed or forgotten.

    Args:
        largest: Bytes; frames beyond are refused.
        longest: Seconds, likewise.
    """

    def __init__(self, *, largest: int = LARGEST, longest: float = LONGEST_S) -> None:
        self._largest, self._longest = largest, longest
        # it has no name on most systems: it cannot be left behind, whatever happens
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="depthmask-")  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._began: float | None = None
        self.count = 0
        self.seconds = 0.0  # from the first to the last frame

    def add(self, seconds: float, frame: bytes | Picture, mask: Map) -> bool:
        """Adds a frame.

        Args:
            seconds: When it was taken, by any clock that rises.
            frame: A JPEG, as a camera may have sent it, or (H, W, 3), uint8, RGB.
            mask: (h, w), in [0, 1], of any size.

        Returns:
            Whether there was room; False ends the recording.
        """
        jpeg = frame if isinstance(frame, bytes) else _encode(frame[..., ::-1])
        levels = _encode(np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8))
        begin = seconds if self._began is None else self._began
        taken = self._file.seek(0, os.SEEK_END) + _HEAD.size + len(jpeg) + len(levels)
        if taken > self._largest or seconds - begin > self._longest:
            return False
        if self.count and seconds <= begin + self.seconds:
            return True  # a frame out of order is not worth a fuss
        self._began, self.seconds, self.count = begin, seconds - begin, self.count + 1
        self._file.write(_HEAD.pack(self.seconds, len(jpeg), len(levels)) + jpeg + levels)
        return True

    def frames(self) -> Iterator[VideoFrame]:
        """Reads everything from the beginning."""
        end, place = self._file.seek(0, os.SEEK_END), 0
        while place < end:
            self._file.seek(place)
            seconds, *lengths = _HEAD.unpack(self._file.read(_HEAD.size))
            jpeg, levels = (self._file.read(length) for length in lengths)
            place = self._file.tell()
            picture = _decode(jpeg, cv2.IMREAD_COLOR_RGB)
            height, width = picture.shape[:2]
            alpha = _decode(levels, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
            mask = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
            yield VideoFrame(seconds, picture, np.asarray(mask))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the video: even, as its colours are kept for four pixels at once."""
        height, width = next(self.frames()).mask.shape
        return height - height % 2, width - width % 2

    def close(self) -> None:
        """Deletes the temporary file."""
        self._file.close()


def write_webm(path: Path, recording: Recording) -> None:
    """Writes a recording as WebM (VP9) whose transparency is the mask.

    Raises:
        RecordingError: PyAV is missing, or the recording has no frames.
    """
    try:
        import av
    except ImportError as error:
        raise RecordingError(MISSING) from error
    if recording.count == 0:
        raise RecordingError("Nothing was recorded: press Record, and Stop a moment later.")
    height, width = recording.size
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream(CODEC, rate=Fraction(1000), options=_OPTIONS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuva420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        stream.metadata["alpha_mode"] = "1"  # players look for it
        for frame in recording.frames():
            shown = cutout(frame.picture, frame.mask)[:height, :width]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgba")
            picture = picture.reformat(width, height, "yuva420p")
            picture.pts, picture.time_base = round(frame.seconds * 1000), TIME_BASE
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


# Fast enough to be waited for: 8 is the fastest that is meant for anything but calls.
_OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "8",
    "crf": "30",
    "b": "0",
    "row-mt": "1",
    "auto-alt-ref": "0",  # alpha is not possible with it
}


def _encode(picture: Picture) -> bytes:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    return data.tobytes()


def _decode(data: bytes, flag: int) -> Picture:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if picture is None:
        raise RecordingError("A frame of the recording is damaged; record again.")
    return np.asarray(picture, dtype=np.uint8)
