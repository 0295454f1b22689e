"""Reads clips: frames upright and in RGB, with their times, a few in memory at a time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from depthmask.clips.deinterlace import (
    DEINTERLACED,
    INTERLACED,
    can_deinterlace,
    deinterlaced,
)
from depthmask.errors import ClipError
from depthmask.pictures import Picture, is_picture
from depthmask.pictures.resize import fit_size

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MAX_SIDE = 8192  # pixels, of a frame
HD_LINES = 720  # from this height on, colours without a tag are taken for BT.709, below for BT.601
LOOK_BACK = 32  # frames before one that is sought: files are searched by the order of decoding
FEW_FRAMES = 1000  # of these all are decoded where some are wanted; of more, key frames
_BT601, _BT709 = 5, 1  # FFmpeg's numbers of colour matrices
_UNTAGGED = (0, 2)
_HDR = (16, 18)  # transfer functions: PQ and HLG

HDR = "The clip has HDR colours; they are kept in 8 bits, and steps may show."


class Frame(NamedTuple):
    """A frame of a clip."""

    picture: Picture  # (H, W, 3), uint8, RGB, upright
    time: Fraction  # seconds since the clip began
    number: int  # from 0


@dataclass(frozen=True)
class Clip:
    """What a file says about the clip that it holds."""

    path: Path
    height: int  # pixels, of a frame that was turned upright
    width: int
    rate: Fraction  # frames a second, on average
    frames: int | None  # about so many; None: the file does not say
    start: Fraction  # seconds, of the file's own clock at the first moment
    time_base: Fraction  # seconds, of which all times are multiples
    pixel_aspect: Fraction  # width of a pixel by its height
    primaries: int  # FFmpeg's number
    transfer: int  # likewise
    sound: str | None  # codec of the first sound track
    interlaced: bool  # and deinterlaced when it is read
    notes: tuple[str, ...]  # sentences about what its owner may not expect

    @property
    def seconds(self) -> float | None:
        """How long it lasts, about."""
        return None if self.frames is None else float(self.frames / self.rate)


def is_clip(path: Path) -> bool:
    """Whether a file holds moving pictures: it is no picture, and its first frame is decoded."""
    if not path.is_file() or is_picture(path):
        return False
    try:
        read_clip(path)
    except ClipError:
        return False
    return True


def read_clip(path: Path) -> Clip:
    """Reads what a file says about its clip, and decodes the first frame.

    Raises:
        ClipError: The file is missing, damaged, too large in pixels, or holds no moving pictures.
    """
    with _opened(path) as container:
        stream = _video(container, path)
        first = next(_readable(container, stream, []), None)
        if first is None:
            raise ClipError(f"{path} holds no frame that can be decoded; export it again.")
        if max(first.width, first.height) > MAX_SIDE:
            raise ClipError(
                f"{path} has {first.width}x{first.height} pixels; at most {MAX_SIDE} a side are "
                "read. Export it smaller."
            )
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        time_base = stream.time_base or 1 / rate
        aspect = stream.sample_aspect_ratio or Fraction(1)
        turned = first.rotation % 180 != 0
        height, width = first.height, first.width
        interlaced = first.interlaced_frame and can_deinterlace()
        combs = DEINTERLACED if interlaced else INTERLACED
        notes = (combs,) * first.interlaced_frame + (HDR,) * (first.color_trc in _HDR)
        tracks = [each.codec_context for each in container.streams.audio if each.codec_context]
        return Clip(
            path,
            *((width, height) if turned else (height, width)),
            rate,
            _count(container, stream, rate),
            Fraction(container.start_time or 0, 1_000_000),
            time_base,
            1 / aspect if turned else aspect,
            first.color_primaries,
            first.color_trc,
            tracks[0].name if tracks else None,
            interlaced,
            notes,
        )


def read_frames(clip: Clip, *, skip: int = 0, damaged: list[str] | None = None) -> Iterator[Frame]:
    """Reads the frames of a clip in the order in which they are shown.

    Times never go back, whatever the file says. A frame of another size, as some recorders write,
    is scaled to that of the first. The frames come whole or not at all.

    Args:
        clip: As `read_clip` returned it.
        skip: So many frames are decoded and left out.
        damaged: Gets a text for each piece of the file that cannot be decoded.
    """
    with _opened(clip.path) as container:
        stream = _video(container, clip.path)
        last = -clip.time_base
        for index, frame in enumerate(_decoded(container, stream, clip, damaged)):
            time = _time(frame, clip)
            time = (
                last + (1 / clip.rate if time is None else clip.time_base)
                if (time is None or time <= last)
                else time
            )
            last = time
            if index >= skip:
                yield Frame(_upright(frame, (clip.height, clip.width)), time, index)


def frame_times(clip: Clip) -> list[Fraction]:
    """When each frame of a clip is shown: in order, in seconds, found without decoding.

    Raises:
        ClipError: The file does not say so.
    """
    with _opened(clip.path) as container:
        packets = container.demux(_video(container, clip.path))
        ticks = [
            (each.pts, each.time_base) for each in packets if each.size and not each.is_discard
        ]
    if not ticks or any(pts is None for pts, _ in ticks):
        raise ClipError(
            f"{clip.path} does not say when its frames are shown, and cannot be made in parts; "
            "export it again as MP4."
        )
    return sorted({(pts or 0) * base - clip.start for pts, base in ticks})


def read_frames_from(
    clip: Clip,
    times: Sequence[Fraction],
    first: int,
    *,
    damaged: list[str] | None = None,
    look_back: int = LOOK_BACK,
) -> Iterator[Frame]:
    """Reads the frames from one on, without decoding all that come before.

    Args:
        clip: As `read_clip` returned it.
        times: As `frame_times` returned them; the place of a frame's time is its number.
        first: The number of the first frame.
        damaged: As for `read_frames`.
        look_back: Search the file for so many frames before it.
    """
    with _opened(clip.path) as container:
        stream = _video(container, clip.path)
        sought = times[max(0, first - look_back)] + clip.start
        container.seek(round(sought / clip.time_base), stream=stream)
        last, begun = first - 1, False
        for frame in _decoded(container, stream, clip, damaged):
            time = _time(frame, clip)
            number = -1 if time is None else bisect_right(times, time) - 1
            if not begun and number > first > look_back:
                break  # the search has led too far
            begun = True
            if number > last:
                last = number
                yield Frame(_upright(frame, (clip.height, clip.width)), times[number], number)
    if not begun and first > look_back:
        yield from read_frames_from(clip, times, first, damaged=damaged, look_back=first)


def spread_frames(
    clip: Clip,
    count: int,
    *,
    side: int,
    start: Fraction = Fraction(0),
    end: Fraction | None = None,
) -> list[Picture]:
    """Reads a few frames of a clip, spread over it, in their order.

    Of a long clip, key frames are taken, which are quick to reach, if there are enough.

    Args:
        clip: As `read_clip` returned it.
        count: How many at most.
        side: Pixels, of the longest side that they are scaled down to.
        start: Seconds; frames before it are not taken.
        end: Seconds; nor are those from it on. None: the clip's end.
    """
    size = fit_size((clip.height, clip.width), side)
    if clip.seconds is not None and (clip.frames or 0) > FEW_FRAMES:
        stop = Fraction(clip.seconds) if end is None else end
        found = _key_frames(clip, count, size, start, stop)
        if 2 * len(found) >= count:
            return found
    return _every_few(clip, count, size, start, end)


def _key_frames(
    clip: Clip, count: int, size: tuple[int, int], start: Fraction, end: Fraction
) -> list[Picture]:
    """The key frames closest before some times, without those that came already."""
    found: dict[Fraction, Picture] = {}
    with _opened(clip.path) as container:
        stream = _video(container, clip.path)
        for step in range(count):
            time = start + (end - start) * (2 * step + 1) / (2 * count)
            try:
                container.seek(round((time + clip.start) / clip.time_base), stream=stream)
            except OSError:
                return []
            frame = next(_readable(container, stream, []), None)
            shown = None if frame is None else _time(frame, clip)
            if frame is not None and shown is not None and start <= shown < end:
                found.setdefault(shown, _upright(frame, size))
    return [found[time] for time in sorted(found)]


def _every_few(
    clip: Clip, count: int, size: tuple[int, int], start: Fraction, end: Fraction | None
) -> list[Picture]:
    """Frames at equal distances, of all that are decoded."""
    found: list[Picture] = []
    step, number = 1, 0
    with _opened(clip.path) as container:
        for frame in _decoded(container, _video(container, clip.path), clip, []):
            time = _time(frame, clip)
            if time is not None and end is not None and time >= end:
                break
            if time is not None and time < start:
                continue
            if number % step == 0:
                if len(found) == 2 * count:  # as many again are to come: each second one goes
                    found, step = found[::2], 2 * step
                if number % step == 0:
                    found.append(_upright(frame, size))
            number += 1
    chosen = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return [found[index] for index in chosen]


def _opened(path: Path) -> "InputContainer":
    import av

    if not path.exists():
        raise ClipError(f"There is no clip at {path}; check the path.")
    if path.is_dir():
        raise ClipError(f"{path} is a folder; name a clip.")
    if not path.is_file():  # opening a pipe would wait for ever
        raise ClipError(f"{path} is not a file; name a clip.")
    try:
        # a playlist may name addresses of this computer's network, and so may a file's name
        return av.open(str(path), container_options={"protocol_whitelist": "file"})
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ClipError(f"{path} is no clip, or is damaged; export it again as MP4.") from error


def _video(container: "InputContainer", path: Path) -> "VideoStream":
    """The first stream of pictures; those of a song's cover do not count."""
    for stream in container.streams.video:
        if not stream.disposition.value & 0x400 and stream.codec_context is not None:
            stream.thread_type = "AUTO"
            return stream
    raise ClipError(f"{path} holds no moving pictures; name a clip.")


def _decoded(
    container: "InputContainer", stream: "VideoStream", clip: Clip, damaged: list[str] | None
) -> Iterator["VideoFrame"]:
    """All frames that can be decoded, each of one moment; what cannot is passed over."""
    frames = _readable(container, stream, damaged)
    return deinterlaced(frames, clip.time_base) if clip.interlaced else frames


def _readable(
    container: "InputContainer", stream: "VideoStream", damaged: list[str] | None
) -> Iterator["VideoFrame"]:
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except (av.FFmpegError, OSError) as error:
            if damaged is not None:
                damaged.append(str(error))
            if len(damaged or ()) > FEW_FRAMES:
                return
            continue
        yield from frames


def _count(container: "InputContainer", stream: "VideoStream", rate: Fraction) -> int | None:
    if stream.frames:
        return stream.frames
    if stream.duration and stream.time_base:
        return max(1, round(stream.duration * stream.time_base * rate))
    if container.duration:
        return max(1, round(Fraction(container.duration, 1_000_000) * rate))
    return None


def _time(frame: "VideoFrame", clip: Clip) -> Fraction | None:
    if frame.pts is None:
        return None
    return frame.pts * (frame.time_base or clip.time_base) - clip.start


def _upright(frame: "VideoFrame", size: tuple[int, int]) -> Picture:
    """A frame as a picture of a height and width, turned as the clip's display matrix says."""
    turns = round(frame.rotation / 90) % 4
    height, width = size if turns % 2 == 0 else size[::-1]
    matrix = frame.colorspace
    if matrix in _UNTAGGED:
        matrix = _BT709 if frame.height >= HD_LINES else _BT601
    shown = frame.reformat(width=width, height=height, format="rgb24", src_colorspace=matrix)
    picture = np.asarray(shown.to_ndarray(), np.uint8)
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
