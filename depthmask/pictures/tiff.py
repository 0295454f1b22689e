"""The tags of a TIFF, which say what it holds: also of EXIF, and of cameras' raw files."""

import struct
from typing import NamedTuple

MAX_TAGS = 512  # of a directory; EXIF has about 60

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_TYPE_BYTES |= {16: 8, 17: 8, 18: 8}  # of BigTIFF
_NUMBERS = {1: "B", 3: "H", 4: "I"}  # bytes, short and long integers

_KIND_OF_PICTURE, _PHOTOMETRIC, _SAMPLE_FORMAT, _DNG_VERSION = 254, 262, 339, 50706
_REDUCED = 1  # a bit of the first: a smaller copy of another picture
_SENSOR = (32803, 34892)  # colours of a sensor: under a filter, or linear
_FLOATS = 3
RAW_STARTS = (
    b"IIRO",
    b"IIRS",
    b"MMOR",
    b"IIU\0",
    b"FUJIFILMCCD-RAW",
    b"FOVb",
    b"\0MRM",
)  # of files that are no TIFF


class TooManyTagsError(ValueError):
    """A directory has more tags than a picture needs; the message counts them: "600 tags"."""


class Layout(NamedTuple):
    """How a TIFF writes its numbers."""

    order: str  # "<" or ">"
    big: bool  # BigTIFF
    first: int  # where the first directory lies

    @property
    def inline(self) -> int:
        """Bytes of a value that stands in the tag itself."""
        return 8 if self.big else 4


class Tag(NamedTuple):
    """One entry of a directory."""

    name: int
    kind: int
    values: int
    bytes: int
    at: int  # where its value, or the place of its value, stands


def tiff_layout(head: bytes) -> Layout | None:
    """How the file with this beginning, 16 bytes, writes numbers; None if it is no TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    (version,) = struct.unpack_from(f"{order}H", head, 2)
    if version == 42:
        return Layout(order, False, struct.unpack_from(f"{order}I", head, 4)[0])
    if version == 43 and len(head) == 16:
        return Layout(order, True, struct.unpack_from(f"{order}Q", head, 8)[0])
    return None


def directory(view: memoryview, at: int, layout: Layout) -> tuple[list[Tag], int]:
    """The tags of the directory at a place, and the place of the next one.

    Raises:
        TooManyTagsError: There are more than `MAX_TAGS`.
        struct.error: The file is cut short.
    """
    counts, entry = ("Q", "HHQ") if layout.big else ("H", "HHI")
    (count,) = struct.unpack_from(layout.order + counts, view, at)
    if count > MAX_TAGS:
        raise TooManyTagsError(f"{count} tags")
    start = at + struct.calcsize(layout.order + counts)
    step = struct.calcsize(layout.order + entry) + layout.inline
    tags = []
    for number in range(count):
        place = start + number * step
        name, kind, values = struct.unpack_from(layout.order + entry, view, place)
        size = _TYPE_BYTES.get(kind, 1) * values
        tags.append(Tag(name, kind, values, size, place + step - layout.inline))
    (following,) = struct.unpack_from(
        layout.order + ("Q" if layout.big else "I"), view, start + count * step
    )
    return tags, following


def is_raw(view: memoryview) -> bool:
    """Tells a camera's raw file, whose first picture is often only a thumbnail."""
    head = bytes(view[:32])
    if head.startswith(RAW_STARTS) or head[4:12] == b"ftypcrx ":
        return True
    if head[:2] == b"II" and head[8:10] == b"CR":
        return True
    found = _first_values(view)
    reduced = found.get(_KIND_OF_PICTURE, 0) & _REDUCED
    return bool(reduced) or _DNG_VERSION in found or found.get(_PHOTOMETRIC) in _SENSOR


def holds_floats(view: memoryview) -> bool:
    """Whether the first picture of a TIFF has floating-point values."""
    return _first_values(view).get(_SAMPLE_FORMAT) == _FLOATS


def _first_values(view: memoryview) -> dict[int, int]:
    """The first value of each tag of a TIFF's first directory; empty if it is none."""
    layout = tiff_layout(bytes(view[:16]))
    if layout is None:
        return {}
    found = {}
    try:
        for tag in directory(view, layout.first, layout)[0]:
            number = layout.order + _NUMBERS.get(tag.kind, "B")
            (at,) = struct.unpack_from(layout.order + ("Q" if layout.big else "I"), view, tag.at)
            place = tag.at if tag.bytes <= layout.inline else at
            (found[tag.name],) = struct.unpack_from(number, view, place)
    except (struct.error, TooManyTagsError):  # cut short, which the decoder will say
        return found
    return found
