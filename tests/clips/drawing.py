"""Clips that tests draw, encode and read again."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from depthmask.pictures import Map, Picture

HEIGHT, WIDTH = 48, 64
TICK = Fraction(1, 1000)
STEADY = [40 * index for index in range(12)]  # milliseconds
UNEVEN = [0, 30, 41, 95, 140, 143, 200, 290, 301, 333, 400, 460]


def draw(index: int) -> Picture:
    """A bright square that moves over a dim wall, (HEIGHT, WIDTH, 3); its place tells the index."""
    picture = np.full((HEIGHT, WIDTH, 3), (40, 60, 80), np.uint8)
    picture[8:24, 4 + 3 * index : 20 + 3 * index] = (230, 180, 60)
    return picture


def write(
    path: Path,
    times: Sequence[int] = STEADY,
    *,
    picture: Callable[[int], Picture] = draw,
    rotation: int = 0,
    aspect: Fraction = Fraction(1),
    sound: str | None = None,
    colours: tuple[int, int] = (5, 1),
    tagged: bool = False,
    encoder: str = "libx264",
    options: dict[str, str] | None = None,
) -> Path:
    """Encodes a clip.

    Args:
        path: Its ending says the container.
        times: Milliseconds, one a frame.
        picture: Draws a frame by its index.
        rotation: Degrees by which players turn it, counterclockwise.
        aspect: Width of a pixel by its height, before it is turned.
        sound: A codec for a tone.
        colours: Matrix and range to convert with, by FFmpeg's numbers; 5 is BT.601, 1 is limited.
        tagged: Say so in the file.
        encoder: Of the pictures.
        options: Of that.
    """
    with av.open(str(path), "w") as output:
        stream = output.add_stream(
            encoder, rate=25, options={"crf": "4"} if options is None else options
        )
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt = "yuv444p" if encoder == "libx264" else "yuv420p"
        stream.time_base = stream.codec_context.time_base = TICK
        stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        if tagged:
            stream.codec_context.colorspace, stream.codec_context.color_range = colours
        track = output.add_stream(sound, rate=48_000) if sound else None
        matrix, extent = colours
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(index)).reformat(
                format=stream.pix_fmt, dst_colorspace=matrix, dst_color_range=extent
            )
            frame.pts, frame.time_base = time, TICK
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if track is not None:
            assert isinstance(track, av.AudioStream)
            _write_tone(output, track, times[-1] + 40)
    return path


def _write_tone(
    output: av.container.OutputContainer, track: av.AudioStream, milliseconds: int
) -> None:
    samples = 48 * milliseconds
    tone = (8000 * np.sin(np.arange(samples) * 2 * np.pi * 440 / 48_000)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(np.stack([tone, tone], axis=1).reshape(1, -1), "s16")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    output.mux(track.encode(frame))
    output.mux(track.encode(None))


def decoded(path: Path) -> tuple[list[Picture], list[Fraction]]:
    """The frames of a clip, (H, W, 4), with alpha where it has some, and their times in seconds."""
    pictures, times = [], []
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        # FFmpeg's own decoder leaves the alpha of VP9 out
        name = "libvpx-vp9" if stream.codec_context.name == "vp9" else stream.codec_context.name
        decoder = av.CodecContext.create(name, "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.extradata = stream.codec_context.extradata
        for packet in [*source.demux(stream)]:
            for frame in decoder.decode(packet):
                pictures.append(np.asarray(frame.to_ndarray(format="rgba"), np.uint8))
                assert frame.pts is not None and stream.time_base is not None
                times.append(frame.pts * stream.time_base)
    return pictures, times


def loudness(path: Path) -> tuple[float, float]:
    """Of a clip's sound: the largest sample, and seconds."""
    with av.open(str(path)) as source:
        frames = [*source.decode(audio=0)]
    seconds = sum(frame.samples for frame in frames) / frames[0].sample_rate
    values = [np.abs(frame.to_ndarray().astype(np.float64)).max() for frame in frames]
    scale = 32768 if frames[0].format.name.startswith("s16") else 1
    return float(max(values) / scale), seconds


def square(index: int) -> Map:
    """The mask of the square of `draw`: (HEIGHT, WIDTH)."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[8:24, 4 + 3 * index : 20 + 3 * index] = 1
    return mask
