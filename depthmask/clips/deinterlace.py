"""Makes one moment of the two that each frame of an interlaced clip shows."""

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

DEINTERLACER = "bwdif"  # a filter of FFmpeg
DEINTERLACED = "The clip is interlaced; one of the two moments of each frame is taken."
INTERLACED = (
    "The clip is interlaced: each frame shows two moments. Deinterlace it first, or moving edges "
    "look like combs."
)


def can_deinterlace() -> bool:
    """Whether this FFmpeg has the filter."""
    import av

    return DEINTERLACER in av.filter.filters_available


def deinterlaced(frames: Iterator["VideoFrame"], time_base: Fraction) -> Iterator["VideoFrame"]:
    """The frames of an interlaced clip, each of one moment."""
    waits: _Deinterlacer | None = None
    for frame in frames:
        if waits is None or not waits.takes(frame):
            if waits is not None:
                yield from waits.push(None)
            waits = _Deinterlacer(frame, time_base)
        yield from waits.push(frame)
    if waits is not None:
        yield from waits.push(None)


class _Deinterlacer:
    """Makes a frame of each that is interlaced, some frames later; for frames as the first."""

    def __init__(self, first: "VideoFrame", time_base: Fraction) -> None:
        import av

        self._like = first.width, first.height, first.format.name
        self._graph = av.filter.Graph()
        self._graph.link_nodes(
            self._graph.add_buffer(
                width=first.width,
                height=first.height,
                format=first.format,
                time_base=first.time_base or time_base,
            ),
            self._graph.add(DEINTERLACER, "mode=send_frame:deint=interlaced"),
            self._graph.add("buffersink"),
        ).configure()

    def takes(self, frame: "VideoFrame") -> bool:
        return (frame.width, frame.height, frame.format.name) == self._like

    def push(self, frame: "VideoFrame | None") -> Iterator["VideoFrame"]:
        """Takes a frame, or None after the last; gives back those that are ready."""
        import av

        self._graph.vpush(frame)
        while True:
            try:
                yield self._graph.vpull()
            except (BlockingIOError, av.EOFError):
                return
