"""Where the frames of a clip go: into a file that is written whole, or into a folder of pictures.

A file may be written in parts, which are joined at the end, so that a run that was ended can go on.
"""

import os
import secrets
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from depthmask.clips import FORMATS, Clip, ClipWriter, join
from depthmask.files import write_whole
from depthmask.pictures.types import Grey
from depthmask.pictures.write import encode_picture

TIMES = "times.csv"  # of a folder: when each picture is shown
_HEAD = "picture,seconds\n"


class Output(Protocol):
    """Takes the frames of a clip, in their order."""

    def prepare(self, picture: Grey) -> Any:
        """Does what needs no order: several frames are prepared at once."""

    def write(self, prepared: Any, time: Fraction, index: int) -> None:
        """Takes a prepared frame, which is shown at a time in seconds."""

    def end_part(self) -> None:
        """Ends a part."""

    def finish(self, *, whole: bool) -> None:
        """Ends the output; `whole` tells whether it has all frames of the clip."""


class ClipFile:
    """Writes a clip, in a folder of drafts until it is whole.

    Args:
        path: Where it goes. Its ending is one of `FORMATS`.
        clip: The source.
        size: Height and width of the frames.
        drafts: On the same disk.
    """

    def __init__(self, path: Path, clip: Clip, size: tuple[int, int], drafts: Path) -> None:
        self.path, self.kind = path, FORMATS[path.suffix.lower()]
        self._clip, self._size, self._drafts = clip, size, drafts
        self._writer: ClipWriter | None = None
        self._next_tick = 0  # the first at which a further frame can be shown

    def prepare(self, picture: Grey) -> Grey:
        return picture

    def write(self, prepared: Grey, time: Fraction, index: int) -> None:
        if self._writer is None:
            self._writer = self._begin(time, index)
        tick = max(self._writer.tick(time), self._next_tick)
        self._writer.write(np.asarray(prepared, np.uint8), tick)
        self._next_tick = tick + 1

    def end_part(self) -> None:
        """Nothing ends: the file is written in one piece."""

    def finish(self, *, whole: bool) -> None:
        if self._writer is not None:
            self._writer.close(whole=whole)
            os.replace(self._writer.path, self.path)

    def _begin(self, time: Fraction, index: int) -> ClipWriter:
        draft = self._drafts / f"whole{self.path.suffix}"
        return ClipWriter(draft, self.kind, self._clip, self._size)


class ClipInParts(ClipFile):
    """Writes a clip in parts, which stay in the folder of drafts, and joins them at the end."""

    def end_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
            os.replace(self._writer.path, self._writer.path.with_suffix(self.path.suffix))
            self._writer = None

    def finish(self, *, whole: bool) -> None:
        self.end_part()
        parts = sorted(self._drafts.glob(f"[0-9]*{self.path.suffix}"))
        if parts:
            join_parts(self.path, self._clip, parts, self._drafts, whole=whole)

    def _begin(self, time: Fraction, index: int) -> ClipWriter:
        self._next_tick = 0
        begin = round(time / (self.kind.time_base or self._clip.time_base))
        # the names tell the order, and when a part begins; one that a run had written when it was
        # killed before it told so gets the same name again
        draft = self._drafts / f"{index:09d}-{begin}.part"
        return ClipWriter(draft, self.kind, self._clip, self._size, sound=False, begin=begin)


class ClipSegment(ClipFile):
    """Writes a segment of a clip, for `join_parts`, in a folder that other processes write, too."""

    def _begin(self, time: Fraction, index: int) -> ClipWriter:
        begin = round(time / (self.kind.time_base or self._clip.time_base))
        self.path = self._drafts / f"{index:09d}-{begin}{self.path.suffix}"
        draft = self._drafts / f".{self.path.stem}.{secrets.token_hex(4)}"
        return ClipWriter(draft, self.kind, self._clip, self._size, sound=False, begin=begin)


def join_parts(path: Path, clip: Clip, parts: Sequence[Path], drafts: Path, *, whole: bool) -> None:
    """Makes a file of its parts, in their order, with the sound of the source.

    Args:
        path: The file.
        clip: The source.
        parts: As `ClipSegment` or `ClipInParts` wrote them.
        drafts: A folder on the same disk.
        whole: Whether these are all parts.
    """
    draft = drafts / f"whole{path.suffix}"
    join(parts, draft, FORMATS[path.suffix.lower()], clip, whole=whole)
    os.replace(draft, path)


class PictureSegment:
    """Writes frames as PNGs, numbered from 1, into a folder that other processes write, too.

    Args:
        folder: Of the pictures.
    """

    _shared = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows: list[str] = []  # of the table of times

    def prepare(self, picture: Grey) -> bytes:
        return encode_picture(picture, "png")

    def write(self, prepared: bytes, time: Fraction, index: int) -> None:
        name = f"{index + 1:06d}.png"
        write_whole(self._folder / name, prepared, shared=self._shared)
        self.rows.append(f"{name},{float(time):.6f}\n")

    def end_part(self) -> None:
        """Nothing ends: each picture is a file."""

    def finish(self, *, whole: bool) -> None:
        """Nothing is left to do."""


class PictureFolder(PictureSegment):
    """Writes all frames, and after each its time into a table.

    Args:
        folder: Made if it is missing.
        done: So many frames are in it already.
    """

    _shared = False

    def __init__(self, folder: Path, *, done: int = 0) -> None:
        super().__init__(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._table = folder / TIMES
        rows = self._table.read_text("utf-8").splitlines(keepends=True)[1:] if done else []
        write_times(folder, rows[:done])

    def write(self, prepared: bytes, time: Fraction, index: int) -> None:
        super().write(prepared, time, index)
        with self._table.open("a", encoding="utf-8") as file:
            file.write(self.rows.pop())


def write_times(folder: Path, rows: Sequence[str]) -> None:
    """Writes the table of a folder's times."""
    write_whole(folder / TIMES, "".join([_HEAD, *rows]).encode("utf-8"))
