"""Finds and reads the pictures of which a data set is made.

A picture that cannot be used is left out, with a line on stderr.
"""

import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from depthmask.composites.pools import Pool, find_ground_points
from depthmask.data.folders import find_pictures, say
from depthmask.data.measured import find_measured, measured_of, read_measured
from depthmask.data.near_duplicates import Descriptor, descriptor, group_near_duplicates, on_grey
from depthmask.data.split import TEST, TRAIN, split_by_group
from depthmask.errors import DatasetError, PictureError, counted
from depthmask.files import file_name
from depthmask.pictures import Map, Picture, read_cutout, read_picture
from depthmask.schema import Among, Within

Read = TypeVar("Read")
Numbers = TypeVar("Numbers", NDArray[np.uint8], NDArray[np.float32])


@dataclass(frozen=True)
class SourcePicture:
    """A cut-out or a background of a data set."""

    # of files made of it: the file's name without its ending, see `unique_names`
    name: Annotated[str, Within(0, 255)]
    file: str  # relative to its folder
    checksum: Annotated[int, Within(0, 2**32 - 1)]  # CRC-32 of the file
    side: Annotated[str, Among(TRAIN, TEST)]


@dataclass(frozen=True)
class Cutouts:
    """All cut-outs of a data set, at the size at which they are placed."""

    sources: tuple[SourcePicture, ...]
    pool: Pool
    left_out: int  # files that cannot be used


def read_cutouts(folder: Path, *, longest: int, held_out: float) -> Cutouts:
    """Reads the cut-outs of a folder, and prints a line for each that cannot be used.

    Args:
        folder: Searched with its subfolders.
        longest: Length in pixels of each cut-out's longest side in the composites.
        held_out: Share of them for the test.

    Raises:
        DatasetError: The folder is missing, or none of its pictures can be used.
    """

    def read(path: Path) -> tuple[Picture, Descriptor, float]:
        picture = read_cutout(path)  # not kept, because it may be large
        aspect = picture.shape[1] / picture.shape[0]
        return _fitted(picture, longest), descriptor(on_grey(picture)), aspect

    files, found, left_out = _read_all(folder, read, "cut-out")
    squares, descriptors, aspects = zip(*found, strict=True)
    levels = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous()
    ground_point, cut_at_bottom = find_ground_points(levels[:, 3])
    count = len(files)
    pool = Pool(
        levels=(levels,),
        aspect=torch.tensor(aspects),
        members=torch.arange(count),
        cumulative=torch.arange(1, count + 1) / count,
        ground_point=ground_point,
        cut_at_bottom=cut_at_bottom,
    )
    return Cutouts(_sources(folder, files, descriptors, held_out), pool, left_out)


def read_backgrounds(
    folder: Path, *, held_out: float, measured: Path | None = None
) -> tuple[tuple[SourcePicture, ...], int]:
    """Checks the backgrounds of a folder, and prints a line for each that cannot be used.

    Args:
        folder: Searched with its subfolders.
        held_out: Share of them for the test.
        measured: Folder with the measured depth of some, see `find_measured`.

    Returns:
        Those that can be used, and the number of those that cannot.

    Raises:
        DatasetError: The folder is missing, or none of its pictures can be used.
    """

    def read(path: Path) -> Descriptor:
        picture = read_picture(path)
        depth = measured_of(path, folder, measured) if measured else None
        if depth:
            read_measured(depth, picture)
        return descriptor(picture)

    files, descriptors, left_out = _read_all(folder, read, "background", measured)
    return _sources(folder, files, descriptors, held_out), left_out


def read_square_background(
    folder: Path, source: SourcePicture, size: int, *, measured: Path | None = None
) -> tuple[Picture, Map | None]:
    """Reads the largest square in the middle of a background.

    Returns:
        The picture, (size, size, 3), and its measured depth in metres, (size, size), if there is.
    """
    picture = read_picture(folder / source.file)
    depth = measured_of(folder / source.file, folder, measured) if measured else None
    metres = read_measured(depth, picture) if depth else None
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = (slice(top, top + side), slice(left, left + side))
    if metres is not None:  # a mean with what was not measured would be none of both
        nearest = cv2.resize(metres[middle], (size, size), interpolation=cv2.INTER_NEAREST)
        metres = np.asarray(nearest, dtype=np.float32)
    return _resized(picture[middle], size, size), metres


def _read_all(
    folder: Path, read: Callable[[Path], Read], what: str, measured: Path | None = None
) -> tuple[list[Path], list[Read], int]:
    if not folder.is_dir():
        raise DatasetError(f"There is no folder at {folder}; check the path.")
    found = find_pictures(folder)
    if measured:
        found, depth = find_measured(found, folder, measured)
        say(f"{counted(len(depth), what)} with measured depth in {measured}")
    files, read_ones = [], []
    for path in found:
        try:
            read_ones.append(read(path))
            files.append(path)
        except PictureError as error:
            say(f"Left out: {error}")
    if not files:
        raise DatasetError(f"{folder} holds no {what} that can be used; give another folder.")
    left_out = len(found) - len(files)
    say(f"{counted(len(files), what)} from {folder}, {left_out} left out")
    return files, read_ones, left_out


def _sources(
    folder: Path, files: Sequence[Path], descriptors: Sequence[Descriptor], held_out: float
) -> tuple[SourcePicture, ...]:
    names = unique_names(path.stem for path in files)
    sides = split_by_group(
        names, group_near_duplicates([path.stem for path in files], descriptors), held_out
    )
    return tuple(
        SourcePicture(
            name, path.relative_to(folder).as_posix(), zlib.crc32(path.read_bytes()), side
        )
        for name, path, side in zip(names, files, sides, strict=True)
    )


def unique_names(stems: Iterable[str]) -> list[str]:
    """Makes names of files for pictures, all different on every disk; most are as they were."""
    names: dict[str, str] = {}
    for stem in stems:
        first = name = file_name(stem)
        number = 2
        while name_key(name) in names:
            name, number = f"{first}-{number}", number + 1
        names[name_key(name)] = name
    return list(names.values())


def name_key(name: str) -> str:
    """What two names have in common if some disk takes them for one: A and a, two codes of é."""
    return unicodedata.normalize("NFC", name).casefold()


def _fitted(cutout: Picture, longest: int) -> Picture:
    """Premultiplies a cut-out, resizes it, and stretches it to a square, (longest, longest, 4).

    It is resized to its size in the composites first. So the pool needs no smaller levels.
    """
    alpha = cutout[..., 3:].astype(np.float32)
    whole = np.dstack((cutout[..., :3] * (alpha / 255), alpha)).astype(np.float32)
    height, width = whole.shape[:2]
    scale = longest / max(height, width)
    small = _resized(whole, max(1, round(height * scale)), max(1, round(width * scale)))
    square = cv2.resize(small, (longest, longest), interpolation=cv2.INTER_LINEAR)
    return np.rint(square).clip(0, 255).astype(np.uint8)


def _resized(pixels: Numbers, height: int, width: int) -> Numbers:
    method = cv2.INTER_AREA if height <= pixels.shape[0] else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (width, height), interpolation=method)
    return np.asarray(resized, dtype=pixels.dtype)
