"""Clips in and out of files: the only place that decodes or encodes them.

A frame is a picture, uint8 RGB of shape (height, width, 3), turned upright, with its time.
"""

from depthmask.clips.formats import FORMATS, Format
from depthmask.clips.read import (
    Clip,
    Frame,
    frame_times,
    is_clip,
    read_clip,
    read_frames,
    read_frames_from,
    spread_frames,
)
from depthmask.clips.write import ClipWriter, join

__all__ = [
    "FORMATS",
    "Clip",
    "ClipWriter",
    "Format",
    "Frame",
    "frame_times",
    "is_clip",
    "join",
    "read_clip",
    "read_frames",
    "read_frames_from",
    "spread_frames",
]
