"""Packs folders of cut-outs and backgrounds, labelled by teachers, into one file for training.

File names of the form SOURCE_SHOT or SOURCE_SHOT_FRAME have a meaning: training balances the
sources against each other, and frames of one shot are never split between training and validation.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depthmask.data.folders import find_pictures, say
from depthmask.data.measured import find_measured, measured_label, read_measured
from depthmask.data.packfile import (
    MAX_SIDE,
    PackedPictures,
    bytes_from_ratio,
    encode_pack,
    is_pack,
)
from depthmask.data.teachers import Ensemble, TeacherSpec
from depthmask.errors import PackError, PictureError, counted
from depthmask.files import check_file, refuse_links, replacing, write_whole
from depthmask.pictures import Map, Picture, read_cutout, read_picture

T = TypeVar("T")

LABEL_SIDE = 128
_CACHE_FOLDER = "labels-2"  # beside the pack; the number grows when cached labels become wrong
# In grey levels, see `codec`; best first.
_QUANTISATION_STEPS = (8.0, 10.0, 12.5, 16.0, 20.0, 26.0, 34.0)


def pack(
    foregrounds: Path,
    backgrounds: Path,
    teachers: Sequence[TeacherSpec],
    output: Path,
    *,
    side: int = 256,
    max_mb: float = 50,
    views: bool = False,
    measured: Path | None = None,
) -> None:
    """Writes one packed data file.

    Args:
        foregrounds: Folder of cut-outs, pictures with an alpha channel.
        backgrounds: Folder of photos of empty scenes.
        teachers: Networks that label the backgrounds' depth; labels are cached beside `output`.
        output: The file to write.
        side: Pictures are kept as squares of this many pixels, a multiple of 16.
        max_mb: Largest size of the file in 10^6 bytes; the quality is lowered until it fits.
        views: Whether a label is the mean over several views of the background.
        measured: Folder with the measured depth of some backgrounds, see `find_measured`. Where a
            pixel has none, the teachers are fitted to the rest, and label one view.

    Raises:
        PackError: A folder is missing or without usable pictures, the file does not fit `max_mb`,
            or `output` is another kind of file.
        TeacherError: A teacher is missing or unusable.
    """
    if not 16 <= side <= MAX_SIDE or side % 16:
        raise PackError(f"--side must be a multiple of 16 from 16 to {MAX_SIDE}, not {side}.")
    if not max_mb > 0:
        raise PackError(f"--max-mb must be above 0, not {max_mb:g}.")
    _check_output(output)
    ensemble = Ensemble(teachers, views=views)
    cache = output.parent / _CACHE_FOLDER / ensemble.key.replace(":", "-")
    refuse_links(output.parent, f"{_CACHE_FOLDER}/{cache.name}")
    pictures = {
        "foregrounds": _pack_foregrounds(foregrounds, side),
        "backgrounds": _pack_backgrounds(backgrounds, side, ensemble, cache, measured),
    }
    for step in _QUANTISATION_STEPS:
        content = encode_pack(pictures, step=step)
        size = len(content) / 1e6
        shown = f"{size:.3g}" if size < 999.5 else f"{size:,.0f}"
        say(f"{output}: {shown} MB at quantisation step {step:g}")
        if size <= max_mb:
            write_whole(output, content, durable=True)
            return
    raise PackError(f"The data does not fit {max_mb:g} MB; lower --side or raise --max-mb.")


def _check_output(output: Path) -> None:
    """Refuses to replace a file that is not a pack, and what cannot be written."""
    if output.is_dir():
        raise PackError(f"{output} is a folder; name a file in it.")
    if output.exists() and not is_pack(output):
        raise PackError(f"{output} exists and is not packed data; choose another name.")
    check_file(output)


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PackError(f"There is no folder {folder}; check the path.")
    found = find_pictures(folder)
    if not found:
        raise PackError(f"There are no pictures in {folder}; check the path.")
    return found


def _pack_foregrounds(folder: Path, side: int) -> PackedPictures:
    names, aspects, pixels = [], [], []
    paths = _pictures(folder)
    for path, picture in _read_all(paths, read_cutout, "cut-outs"):
        opaque = picture[..., 3] > 127
        if not opaque.any():
            say(f"Left out: {path} is transparent everywhere.")
            continue
        cropped = _crop_to(picture, opaque)
        names.append(path.stem)
        aspects.append(cropped.shape[1] / cropped.shape[0])
        pixels.append(_square(_fill_outside(cropped), side))
    _say_used(len(names), paths, "cut-out", folder)
    return _packed(folder, names, aspects, pixels)


def _pack_backgrounds(
    folder: Path,
    side: int,
    ensemble: Ensemble,
    cache: Path,
    measured: Path | None,
) -> PackedPictures:
    names, aspects, pixels, labels = [], [], [], []
    paths = _pictures(folder)
    depth: dict[Path, Path] = {}
    if measured:
        paths, depth = find_measured(paths, folder, measured)
        say(f"{counted(len(depth), 'background')} with measured depth in {measured}")
    cache.mkdir(parents=True, exist_ok=True)

    def read(path: Path) -> tuple[Picture, Map | None]:
        picture = read_picture(path)
        return picture, read_measured(depth[path], picture) if path in depth else None

    for path, (picture, metres) in _read_all(paths, read, "backgrounds"):
        names.append(path.stem)
        aspects.append(picture.shape[1] / picture.shape[0])
        pixels.append(_square(picture, side))
        if metres is None:
            labels.append(_cached_label(cache, picture, ensemble))
        else:
            labels.append(_small(measured_label(metres, ensemble.label(picture, views=False))))
    _say_used(len(names), paths, "background", folder)
    return _packed(folder, names, aspects, pixels, labels)


def _packed(
    folder: Path,
    names: list[str],
    aspects: list[float],
    pixels: list[NDArray[np.uint8]],
    labels: Sequence[Tensor] = (),
) -> PackedPictures:
    if not names:
        raise PackError(f"None of the pictures in {folder} can be used; give another folder.")
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return PackedPictures(
        names=names,
        aspect=torch.tensor(aspects),
        pixels=stacked,
        labels=torch.stack([*labels]) if labels else None,
    )


def _cached_label(cache: Path, picture: Picture, teacher: Ensemble) -> Tensor:
    """Labels a picture, or takes the label that an earlier run has left in the cache."""
    digest = sha256(f"{picture.shape}".encode() + picture.tobytes()).hexdigest()
    path = cache / f"{digest[:32]}.npy"
    label = _read_label(path)
    if label is not None:
        return label
    label = _small(teacher.label(picture))
    with replacing(path, durable=True) as file:
        np.save(file, label.numpy())
    return label


def _small(ratio: Map) -> Tensor:
    """The label of a pack, uint8, of r, (H, W)."""
    small = cv2.resize(ratio, (LABEL_SIDE, LABEL_SIDE), interpolation=cv2.INTER_AREA)
    return bytes_from_ratio(torch.from_numpy(small))


def _read_label(path: Path) -> Tensor | None:
    """Reads a cached label; None where it is missing or damaged."""
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: it may claim any size
    except (OSError, ValueError, EOFError):
        return None
    is_label = stored.shape == (LABEL_SIDE, LABEL_SIDE) and stored.dtype == np.uint8
    return torch.from_numpy(stored.copy()) if is_label else None


def _read_all(
    paths: Sequence[Path], read: Callable[[Path], T], what: str
) -> Iterator[tuple[Path, T]]:
    """Yields the pictures that can be read, and reports the others."""
    for number, path in enumerate(paths, start=1):
        try:
            yield path, read(path)
        except PictureError as error:
            say(f"Left out: {error}")
        if number % 250 == 0:
            say(f"{number} of {len(paths)} {what} read")


def _say_used(used: int, paths: Sequence[Path], what: str, folder: Path) -> None:
    say(f"{counted(used, what)} from {folder}, {len(paths) - used} left out")


def _crop_to(picture: NDArray[np.uint8], opaque: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Crops a picture to the box around its opaque pixels."""
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fill_outside(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Spreads an object's colours beyond its edge, so that resizing and coding mix in no others."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    colour = picture[..., :3].astype(np.float32)
    filled, known = colour * alpha, alpha
    for width in (5, 15, 45, 135):
        near = cv2.blur(np.concatenate((filled, known), axis=2), (width, width))
        spread = near[..., :3] / np.maximum(near[..., 3:], 1e-4)
        filled = np.where(known > 0.5, filled, spread * (near[..., 3:] > 1e-3))
        known = np.maximum(known, (near[..., 3:] > 1e-3).astype(np.float32))
    outside = np.where(alpha > 0.5, colour, filled)
    return np.dstack((outside.round().clip(0, 255).astype(np.uint8), picture[..., 3:]))


def _square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    shrinks = min(picture.shape[:2]) >= side
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (side, side), interpolation=method), dtype=np.uint8)
