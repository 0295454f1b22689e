"""Bounds on what surrounds the pixels of a file: tags, chunks, comments and scans.

Libraries parse these before anybody asks how many there are. Some take time that grows with the
square of their number, or memory that grows with what they claim. `check_bounds` reads the
structure of a file in time linear in its size, and refuses what no camera or program writes. It
passes files that it does not know or that are damaged: the decoder tells of those.
"""

import struct
from collections.abc import Callable

from depthmask.pictures.tiff import Layout, Tag, TooManyTagsError, directory, tiff_layout

MAX_SCANS = 128  # of a JPEG; a progressive one has about 10
MAX_CHUNKS = 4096  # beside those that hold pixels: segments, chunks, boxes
MAX_METADATA_BYTES = 16_000_000  # of all of them; a colour profile or a preview has a few million
MAX_PIECES = 200_000  # with those that hold pixels
MAX_COMMENT_BYTES = 65_536  # of the header of a PPM
MAX_COMMENTS = 1024  # of a PPM that is written as text
MAX_DIRECTORIES = 64  # of a TIFF, with those inside others

_INSIDE = (330, 34665, 34853, 40965)  # tags whose values are places of directories
_PNG, _EXIF = b"\x89PNG\r\n\x1a\n", b"Exif\0\0"


class StructureError(ValueError):
    """The file holds more than a picture needs; the message names it: "700 scans"."""


def check_bounds(content: bytes | memoryview) -> None:
    """Checks the structure of a picture file of any kind.

    Raises:
        StructureError: There is more of something than the bounds of this module allow.
    """
    view = memoryview(content)
    head = bytes(view[:16])
    try:
        for starts, check in _KINDS:
            if starts(head):
                check(view)
                return
    except (struct.error, IndexError):  # cut short, which the decoder will say
        return


def _check_jpeg(view: memoryview) -> None:
    counter = _Counter()
    # a marker inside of pixels has a zero byte before its second half, so that none is miscounted
    scans = bytes(view).count(b"\xff\xda")
    if scans > MAX_SCANS:
        raise StructureError(f"{scans} scans")
    at = 2
    while at + 4 <= len(view) and view[at] == 0xFF:
        marker, (size,) = view[at + 1], struct.unpack_from(">H", view, at + 2)
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == 0xDA or size < 2:
            return
        counter.add(size)
        if marker == 0xE1 and view[at + 4 : at + 10] == _EXIF:
            _check_tiff(view[at + 10 : at + 2 + size])
        at += 2 + size


def _check_png(view: memoryview) -> None:
    counter, at = _Counter(), 8
    while at + 8 <= len(view):
        size, kind = struct.unpack_from(">I4s", view, at)
        counter.add(size, pixels=kind in (b"IDAT", b"fdAT", b"fcTL"))
        if kind == b"eXIf":
            _check_tiff(view[at + 8 : at + 8 + size])
        at += 12 + size


def _check_webp(view: memoryview) -> None:
    counter, at = _Counter(), 12
    while at + 8 <= len(view):
        kind, size = struct.unpack_from("<4sI", view, at)
        counter.add(size, pixels=kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF"))
        if kind == b"EXIF":
            start = at + 8 + (6 if view[at + 8 : at + 14] == _EXIF else 0)
            _check_tiff(view[start : at + 8 + size])
        at += 8 + size + size % 2


def _check_boxes(view: memoryview) -> None:
    """HEIC and AVIF: boxes, of which "meta" holds those that describe the picture."""
    counter, at = _Counter(), 0
    while at + 8 <= len(view):
        size, kind = struct.unpack_from(">I4s", view, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", view, at + 8)
        if size < 8:
            return
        counter.add(size, pixels=kind == b"mdat")
        at += size


def _check_gif(view: memoryview) -> None:
    counter = _Counter()
    flags = view[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while at < len(view):
        start, kind = at, view[at]
        if kind == 0x2C:  # a picture
            flags = view[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif kind == 0x21:  # an extension: comments and the like
            at += 2
        else:
            return
        while view[at]:  # blocks of up to 255 bytes
            at += 1 + view[at]
        at += 1
        # the delays of an animation come once a picture
        counter.add(at - start, pixels=kind == 0x2C or view[start + 1] == 0xF9)


def _check_ppm(view: memoryview) -> None:
    """The header: a magic number and three numbers, between which comments may stand."""
    if view[1] in b"123" and bytes(view).count(b"#") > MAX_COMMENTS:  # pixels as text
        raise StructureError(f"more than {MAX_COMMENTS:,} comments")
    at, comments, numbers = 2, 0, 0
    while at < len(view) and numbers < 3:
        byte = view[at]
        if byte == 0x23:  # "#", up to the end of the line
            start = at
            while at < len(view) and view[at] not in b"\r\n":
                at += 1
                if comments + at - start > MAX_COMMENT_BYTES:
                    raise StructureError("a header of comments")
            comments += at - start
        elif byte in b" \t\r\n\v\f":
            at += 1
            comments += 1
            if comments > MAX_COMMENT_BYTES:
                raise StructureError("a header of comments")
        else:
            numbers += 1
            while at < len(view) and view[at] not in b" \t\r\n\v\f#":
                at += 1


def _check_tiff(view: memoryview) -> None:
    """A TIFF, or the EXIF block of another format, which is one."""
    layout = tiff_layout(bytes(view[:16]))
    if layout is None:
        return
    claimed = 0
    waiting, seen = [layout.first], set[int]()
    while waiting:
        at = waiting.pop()
        if at == 0 or at in seen or at + 2 > len(view):
            continue
        seen.add(at)
        if len(seen) > MAX_DIRECTORIES:
            raise StructureError(f"more than {MAX_DIRECTORIES} directories of tags")
        tags, following = _tags(view, at, layout)
        waiting.append(following)
        names = [tag.name for tag in tags]
        if len(names) != len(set(names)):
            raise StructureError("one tag twice")
        for tag in tags:
            if tag.bytes > layout.inline:
                claimed += tag.bytes
            if tag.name in _INSIDE:
                waiting += _places(view, tag, layout)
        if claimed > len(view):  # several tags point at the same bytes
            raise StructureError("tags that claim more than the file holds")


def _tags(view: memoryview, at: int, layout: Layout) -> tuple[list[Tag], int]:
    """The tags of the directory at a place, and the place of the next one."""
    try:
        return directory(view, at, layout)
    except TooManyTagsError as error:
        raise StructureError(str(error)) from error


def _places(view: memoryview, tag: Tag, layout: Layout) -> list[int]:
    """The places of the directories that a tag names."""
    number = layout.order + ("Q" if layout.big else "I")
    if tag.bytes <= layout.inline:
        return list(struct.unpack_from(number, view, tag.at))
    (at,) = struct.unpack_from(number, view, tag.at)
    few = min(tag.values, MAX_DIRECTORIES + 1)
    return list(struct.unpack_from(f"{layout.order}{few}I", view, at))


class _Counter:
    """Counts pieces of metadata, and raises StructureError above the bounds."""

    def __init__(self) -> None:
        self.all = self.pieces = self.bytes = 0

    def add(self, size: int, *, pixels: bool = False) -> None:
        self.all += 1
        if self.all > MAX_PIECES:
            raise StructureError(f"more than {MAX_PIECES:,} pieces")
        if pixels:
            return
        self.pieces += 1
        self.bytes += size
        if self.pieces > MAX_CHUNKS:
            raise StructureError(f"more than {MAX_CHUNKS:,} pieces of metadata")
        if self.bytes > MAX_METADATA_BYTES:
            raise StructureError(f"more than {MAX_METADATA_BYTES // 10**6} MB of metadata")


Check = Callable[[memoryview], None]
_KINDS: tuple[tuple[Callable[[bytes], bool], Check], ...] = (
    (lambda head: head[:2] == b"\xff\xd8", _check_jpeg),
    (lambda head: head[:8] == _PNG, _check_png),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", _check_webp),
    (lambda head: head[:2] in (b"II", b"MM"), _check_tiff),
    (lambda head: head[4:8] == b"ftyp", _check_boxes),
    (lambda head: head[:3] == b"GIF", _check_gif),
    (lambda head: head[:1] == b"P" and head[1:2] in b"123456", _check_ppm),
)
