"""Writes clips: with an alpha channel or without, with the sound and the times of their source."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import cv2
import numpy as np

from depthmask.clips.formats import Format
from depthmask.clips.read import Clip
from depthmask.clips.sound import Sound
from depthmask.errors import ClipError, is_disk_full
from depthmask.pictures import Picture

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

_BT709, _LIMITED = 1, 1  # FFmpeg's numbers of the colour matrix and the range that are written
_ALPHA = {"alpha_mode": "1"}  # of a WebM, or players take no alpha


class ClipWriter:
    """Writes a clip frame by frame. What was written is playable once it is closed.

    Args:
        path: The file, replaced if it is there.
        kind: A value of `FORMATS`.
        clip: The source, of which times, colours and sound are kept.
        size: Height and width of the frames.
        sound: Whether the clip's sound is written, too.
        begin: The tick that is the file's first; a part of a clip begins later than the clip.
    """

    def __init__(
        self,
        path: Path,
        kind: Format,
        clip: Clip,
        size: tuple[int, int],
        *,
        sound: bool = True,
        begin: int = 0,
    ) -> None:
        import av

        self.path, self.kind, self.time_base = path, kind, kind.time_base or clip.time_base
        self._size, self._begin = size, begin
        self._colours = clip.primaries, clip.transfer
        self._duration = max(1, round(1 / clip.rate / self.time_base))  # of a frame, in ticks
        with _named(path):
            self._output = av.open(str(path), "w", format=kind.container, options=kind.muxer)
        self._stream = self._add_stream(clip)
        self._sound = Sound(clip, self._output, kind) if sound and clip.sound else None

    def tick(self, time: Fraction) -> int:
        """A time of the clip, in seconds, in multiples of `time_base` from the file's first."""
        return round(time / self.time_base) - self._begin

    def write(self, picture: Picture, tick: int) -> None:
        """Writes a frame.

        Args:
            picture: (H, W, 4) or (H, W, 3), uint8, RGB; alpha not multiplied in.
            tick: When it is shown: by `tick`, and after the frame before.
        """
        import av

        frame = av.VideoFrame.from_ndarray(
            _even(picture) if self.kind.even else np.ascontiguousarray(picture),
            format="rgba" if picture.shape[2] == 4 else "rgb24",
        ).reformat(format=self.kind.pixels, dst_colorspace=_BT709, dst_color_range=_LIMITED)
        frame.colorspace, frame.color_range = _BT709, _LIMITED
        frame.color_primaries, frame.color_trc = self._colours
        frame.pts, frame.time_base = tick, self.time_base
        frame.duration = self._duration
        with _named(self.path):
            self._output.mux(self._stream.encode(frame))
            if self._sound:
                self._sound.write((tick + self._duration) * self.time_base)

    def close(self, *, whole: bool = True) -> None:
        """Ends the file.

        Args:
            whole: Also write the sound that goes on after the last frame.
        """
        with _named(self.path):
            self._output.mux(self._stream.encode(None))
            if self._sound and whole:
                self._sound.write(None)
            self._output.close()
        if self._sound:
            self._sound.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            self.close()

    def _add_stream(self, clip: Clip) -> "VideoStream":
        kind = self.kind
        stream = cast(
            "VideoStream",
            self._output.add_stream(kind.encoder, rate=clip.rate, options=dict(kind.options)),
        )
        height, width = self._size
        stream.height, stream.width = (
            (height + height % 2, width + width % 2)
            if kind.even
            else (
                height,
                width,
            )
        )
        stream.pix_fmt = kind.pixels
        context = stream.codec_context
        context.time_base = stream.time_base = self.time_base
        context.sample_aspect_ratio = clip.pixel_aspect
        context.colorspace, context.color_range = _BT709, _LIMITED
        context.color_primaries, context.color_trc = clip.primaries, clip.transfer
        context.thread_count = 0
        if kind.has_alpha and kind.container == "webm":
            stream.metadata.update(_ALPHA)
        return stream


def join(
    parts: Sequence[Path], path: Path, kind: Format, clip: Clip, *, whole: bool = True
) -> None:
    """Joins clips that `ClipWriter` wrote of parts of a source, without encoding them again.

    Args:
        parts: In their order. A name ends with a dash and the tick at which the part begins.
        path: The file, replaced if it is there.
        kind: Of the parts and of the file.
        clip: The source, whose sound is added.
        whole: Also write the sound that goes on after the last frame.
    """
    import av

    with (
        _named(path),
        av.open(str(path), "w", format=kind.container, options=kind.muxer) as output,
    ):
        target, sound, end = None, None, Fraction(0)
        for part in parts:
            begin = int(part.stem.rpartition("-")[2])
            with av.open(str(part)) as source:
                stream = source.streams.video[0]
                if target is None:
                    target = output.add_stream_from_template(stream)
                    target.time_base = kind.time_base or clip.time_base
                    if kind.has_alpha and kind.container == "webm":
                        target.metadata.update(_ALPHA)
                    sound = Sound(clip, output, kind) if clip.sound else None
                shift = begin * (kind.time_base or clip.time_base)
                for packet in source.demux(stream):
                    if packet.size:
                        end = _shift(packet, shift)
                        packet.stream = target
                        output.mux(packet)
                        if sound:
                            sound.write(end)
        if sound:
            if whole:
                sound.write(None)
            sound.close()


def _shift(packet: "Packet[Any]", by: Fraction) -> Fraction:
    """Moves a packet in time, by seconds, and returns when it ends."""
    ticks = round(by / packet.time_base)
    packet.pts = (packet.pts or 0) + ticks
    packet.dts = packet.pts  # no frame looks ahead
    return (packet.pts + (packet.duration or 0)) * packet.time_base


def _even(picture: Picture) -> Picture:
    """Repeats the last row and column where their number is odd."""
    rows, columns = (side % 2 for side in picture.shape[:2])
    if not rows and not columns:
        return np.ascontiguousarray(picture)
    return np.asarray(
        cv2.copyMakeBorder(picture, 0, rows, 0, columns, cv2.BORDER_REPLICATE), np.uint8
    )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Lets errors of the disk name the file, and others be the user's."""
    import av

    try:
        yield
    except (OSError, av.FFmpegError) as error:
        number = error.errno or 0
        if is_disk_full(OSError(number, "")) or isinstance(error, PermissionError):
            raise OSError(number, os.strerror(number), str(path)) from error
        raise ClipError(f"{path.name} cannot be written ({error}); choose another kind.") from error
