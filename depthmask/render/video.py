"""A recording: frames are encoded as they come, as WebM (VP9) whose transparency is the mask."""

import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO

import cv2
import numpy as np

from depthmask.errors import RecordingError
from depthmask.files import replacing
from depthmask.pictures import Map, Picture
from depthmask.render.views import cutout

MAX_BYTES = 256 * 2**20  # of the encoded file; it is written about every five seconds
MAX_SECONDS = 120.0
CODEC = "libvpx-vp9"
TIME_BASE = Fraction(1, 1000)  # seconds
MISSING = "Recordings need PyAV; run `pip install av`."
NO_ROOM = "The disk of the server is full, and nothing was recorded; free some space and try again."
NOTHING_RECORDED = "Nothing was recorded: press Record, and Stop a moment later."

# A frame must be encoded before the next one comes: 8 is the fastest speed below those for calls.
_OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "8",
    "crf": "30",
    "b": "0",
    "row-mt": "1",
    "auto-alt-ref": "0",  # alpha is not possible with it
}


class Recording:
    """A video in a temporary file, which is deleted when the recording is closed or forgotten.

    Args:
        max_bytes: Of the file; frames beyond are refused.
        max_seconds: From the first to the last frame; frames beyond are refused.

    Raises:
        RecordingError: PyAV is missing.
    """

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_seconds: float = MAX_SECONDS) -> None:
        try:
            import av
        except ImportError as error:
            raise RecordingError(MISSING) from error
        self._max_bytes, self._max_milliseconds = max_bytes, round(1000 * max_seconds)
        self._file = _open_unnamed()
        weakref.finalize(self, _close, self._file)
        self._container = av.open(self._file, "w", format="webm")
        stream = self._container.add_stream(CODEC, rate=1000, options=_OPTIONS)
        assert isinstance(stream, av.VideoStream)
        self._stream = stream
        self._began = 0.0
        self._milliseconds = 0  # of the last frame, since the first
        self.count = 0  # frames
        self.is_cut_short = False  # the disk was full
        self._is_ended = False

    @property
    def seconds(self) -> float:
        """From the first to the last frame."""
        return self._milliseconds / 1000

    def add(self, seconds: float, picture: Picture, mask: Map) -> bool:
        """Encodes a frame.

        Args:
            seconds: When it was taken, by any clock that rises.
            picture: (H, W, 3), uint8, RGB. All frames get the size of the first one.
            mask: (h, w), in [0, 1], of any size.

        Returns:
            Whether there was room; False ends the recording.
        """
        if self._file.closed:
            raise ValueError("the recording is closed")
        if self.is_cut_short:
            return False
        if self.count == 0:
            self._begin(seconds, *picture.shape[:2])
        milliseconds = round(1000 * (seconds - self._began))
        if milliseconds > self._max_milliseconds or self._file.tell() > self._max_bytes:
            return False
        if self.count and milliseconds <= self._milliseconds:
            return True  # a frame that is late is left out
        try:
            self._encode(milliseconds, picture, mask)
        except OSError:  # the disk is full; what was written before can be played
            self.is_cut_short = True
            return False
        self._milliseconds, self.count = milliseconds, self.count + 1
        return True

    def write(self, path: Path) -> None:
        """Ends the recording, gives it a name, and closes it.

        Where the system can, the temporary file becomes the named one: so a recording that filled
        the disk is not lost.

        Raises:
            RecordingError: The recording has no frames.
            OSError: The disk has no room for a copy. The recording is kept: this may be called
                again.
        """
        if self.count == 0 and not self.is_cut_short:
            raise RecordingError(NOTHING_RECORDED)
        self._end()
        handle = self._file.fileno()
        if os.fstat(handle).st_size == 0:
            raise RecordingError(NO_ROOM)
        try:
            # with a folder, which an absolute path makes no use of, the link in /proc is followed
            os.link(f"/proc/self/fd/{handle}", path, src_dir_fd=handle)
        except (OSError, NotImplementedError):
            self._copy(path)
        self.close()

    def close(self) -> None:
        """Deletes the temporary file."""
        _close(self._file)

    def _end(self) -> None:
        """Writes what players need to jump about in the video."""
        if self._is_ended:
            return
        self._is_ended = True
        try:
            if not self.is_cut_short:
                self._container.mux(self._stream.encode(None))
                self._container.close()
                self._file.flush()
        except OSError:
            self.is_cut_short = True

    def _copy(self, path: Path) -> None:
        with open(os.dup(self._file.fileno()), "rb") as source, replacing(path) as target:
            source.seek(0)
            shutil.copyfileobj(source, target)

    def _begin(self, seconds: float, height: int, width: int) -> None:
        self._began = seconds
        # even sides: the encoder keeps one colour for four pixels
        self._stream.width, self._stream.height = width - width % 2, height - height % 2
        self._stream.pix_fmt = "yuva420p"
        self._stream.time_base = self._stream.codec_context.time_base = TIME_BASE
        self._stream.metadata["alpha_mode"] = "1"  # players look for it

    def _encode(self, milliseconds: int, picture: Picture, mask: Map) -> None:
        import av

        height, width = picture.shape[:2]
        alpha = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
        pixels = cutout(picture, np.asarray(alpha))[: height - height % 2, : width - width % 2]
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgba")
        frame = frame.reformat(self._stream.width, self._stream.height, "yuva420p")
        frame.pts, frame.time_base = milliseconds, TIME_BASE
        self._container.mux(self._stream.encode(frame))


def _open_unnamed() -> IO[bytes]:
    """Opens a temporary file; on most systems it has no name, so it cannot be left behind."""
    try:
        handle = os.open(tempfile.gettempdir(), os.O_RDWR | os.O_TMPFILE, 0o600)
    except (AttributeError, OSError):  # not Linux, or a disk that cannot
        return tempfile.TemporaryFile(prefix="depthmask-")
    return os.fdopen(handle, "w+b")


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # of what a full disk did not take
        file.close()
