"""Reads data sets: those that `build` made, and the original project's folders and zips.

The manifest of a built data set says on which side of the split each sample is. The original's
data sets have no manifest. They are split here, by cut-out and by background, so that
near-duplicates are on the same side.
"""

import csv
import io
import math
import re
import stat
import threading
import warnings
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from depthmask.data.near_duplicates import Descriptor, descriptor, group_near_duplicates, on_grey
from depthmask.data.split import MIXED, TEST, TRAIN, combined_split, split_by_group
from depthmask.datasets.layout import KINDS, LAYOUTS, Layout
from depthmask.datasets.plan import MAX_SIZE, Settings
from depthmask.datasets.records import MANIFEST, PLAN, SUMMARY
from depthmask.errors import DatasetError
from depthmask.files import is_file_name, walk
from depthmask.pictures import Map, Picture
from depthmask.pictures.bounds import check_bounds
from depthmask.schema import SchemaError, from_json, from_plain

# The original placed each cut-out 20 times on each background, and 20 times mirrored. Its files are
# numbered in this order.
_ORIGINAL_PLACEMENTS = 40
_GOLDEN_SECTION = (5**0.5 - 1) / 2
_MAX_FILE_BYTES = 2**26  # of a picture
_FORMATS = ("JPEG", "PNG")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class Sample(NamedTuple):
    """One composite of a data set."""

    background: str
    cutout: str
    number: int  # among the composites of its background, from 1
    side: str  # "train", "test" or "mixed"


@dataclass(frozen=True)
class SamplePictures:
    """The pictures of a sample."""

    background: Picture  # (H, W, 3)
    image: Picture  # (H, W, 3)
    mask: Map  # (H, W), alpha in [0, 1]
    depth: Map  # (H, W), in [0, 1]


class Dataset:
    """The samples of a data set, read one by one; threads may share it."""

    def __init__(self, files: "DatasetFiles", layout: Layout, samples: Sequence[Sample]) -> None:
        self.files, self.layout, self.samples = files, layout, samples

    def of_side(self, side: str) -> list[Sample]:
        """The samples of one side of the split."""
        return [sample for sample in self.samples if sample.side == side]

    def read(self, sample: Sample) -> SamplePictures:
        """Reads a sample.

        Raises:
            DatasetError: A file is missing or damaged, or of another size than its image.
        """
        image = self._read_colours("image", sample)
        mask, depth = (self._read_grey(kind, sample, image.shape) for kind in ("mask", "depth"))
        return SamplePictures(self._read_colours("background", sample), image, mask, depth)

    def read_mask(self, sample: Sample) -> Map:
        """Reads the mask of a sample, (H, W) in [0, 1]; errors: DatasetError."""
        return self._read_grey("mask", sample, None)

    def _read_colours(self, kind: str, sample: Sample) -> Picture:
        return _read_colours(self.files, self._path(kind, sample))

    def _read_grey(self, kind: str, sample: Sample, shape: tuple[int, ...] | None) -> Map:
        path = self._path(kind, sample)
        pixels = _read_pixels(self.files, path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
        if shape is not None and pixels.shape != shape[:2]:
            raise DatasetError(f"{path} is not of its image's size; they must be of one size.")
        return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)

    def _path(self, kind: str, sample: Sample) -> str:
        return self.layout.path(kind, sample.background, sample.number)


def open_dataset(path: Path, *, held_out: float = 0.1) -> Dataset:
    """Finds the samples of a data set.

    Args:
        path: A folder that `build` made, or a folder or a zip in the original's layout.
        held_out: Share of the cut-outs, and of the backgrounds, for the test. It counts only where
            there is no manifest.

    Raises:
        DatasetError: There is no complete data set.
    """
    if (path / MANIFEST).is_file() and (path / SUMMARY).is_file():
        return _open_built(path)
    if (path / PLAN).is_file():
        raise DatasetError(f"{path} is not complete; give its `build` command again, or `merge`.")
    return _open_original(path, held_out)


def is_dataset(path: Path) -> bool:
    """Whether a path holds a data set of composites, and not sequences of frames."""
    images = _top_folder(LAYOUTS["original"], "image")
    return (
        (path / SUMMARY).is_file()
        or (path / PLAN).is_file()
        or (path / images).is_dir()
        or path.suffix == ".zip"
        or (path / f"{images}.zip").is_file()
    )


def pick_evenly(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Picks samples from all over a data set, in its order; all, if there are no more than `count`.

    With steps of equal length, the same few cut-outs would come up on every background. Therefore
    the places are multiples of a step of about the golden section, modulo the number of samples.
    """
    total = len(samples)
    if count >= total:
        return list(samples)
    step = round(total * _GOLDEN_SECTION)
    while math.gcd(step, total) > 1:  # with a common divisor, places would repeat
        step += 1
    return [samples[place] for place in sorted(i * step % total for i in range(count))]


class DatasetFiles:
    """Reads files by their path in the data set, such as `fg_bg/hall/7.jpg`; threads may share it.

    Args:
        root: A folder, which may hold zips, or a zip. In a zip, the top folders may lie in other
            folders. A zip may also hold the content of the top folder that it is named after.
        top_folders: First parts of the paths, such as `fg_bg`.

    Raises:
        DatasetError: There is no such folder or zip, or a zip is damaged.
    """

    def __init__(self, root: Path, top_folders: Collection[str]) -> None:
        self.root = root
        self._top_folders = frozenset(top_folders)
        self._lock = threading.Lock()
        self._zipped: dict[str, tuple[zipfile.ZipFile, str]] = {}
        if not root.exists():
            raise DatasetError(f"There is no data set at {root}; check the path.")
        zips = (path for path in walk(root) if path.suffix == ".zip")
        for archive in sorted(zips) if root.is_dir() else [root]:
            self._add(archive)

    def names(self) -> list[str]:
        """All paths below the top folders, sorted."""
        found = set(self._zipped)
        for folder in self._top_folders:
            if not (self.root / folder).is_dir():
                continue
            found.update(
                path.relative_to(self.root).as_posix()
                for path in walk(self.root / folder)
                if not path.name.startswith(".")
            )
        return sorted(found)

    def read(self, name: str) -> bytes:
        """The content of a file; errors: DatasetError."""
        if name in self._zipped:
            archive, member = self._zipped[name]
            try:
                with self._lock:
                    _check_file_size(name, archive.getinfo(member).file_size)
                    return archive.read(member)  # no more bytes than that
            except DatasetError:
                raise
            except Exception as error:  # each way of packing has its own exception types
                raise DatasetError(
                    f"{name} in {archive.filename} is damaged; download the zip again."
                ) from error
        try:
            status = (self.root / name).stat()
            _check_file_size(name, status.st_size if stat.S_ISREG(status.st_mode) else math.inf)
            return (self.root / name).read_bytes()
        except OSError as error:
            raise DatasetError(
                f"{self.root / name} cannot be read ({error.strerror}); build or download the data "
                "set again."
            ) from error

    def _add(self, path: Path) -> None:
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # damage has half a dozen exception types
            raise DatasetError(f"{path} is not a zip, or damaged; download it again.") from error
        for member in archive.namelist():
            parts = [part for part in member.split("/") if part]
            if member.endswith("/") or "__MACOSX" in parts or ".." in parts:
                continue
            start = next((i for i, part in enumerate(parts) if part in self._top_folders), None)
            if start is not None:
                self._zipped["/".join(parts[start:])] = (archive, member)
            elif path.stem in self._top_folders:
                self._zipped["/".join((path.stem, *parts))] = (archive, member)


def _check_file_size(name: str, size: float) -> None:
    if size > _MAX_FILE_BYTES:
        raise DatasetError(
            f"{name} is no file of at most {_MAX_FILE_BYTES // 2**20} MB; leave it out."
        )


def _open_built(path: Path) -> Dataset:
    try:
        summary = from_json((path / SUMMARY).read_bytes(), dict[str, object])
        layout = LAYOUTS[from_plain(summary.get("settings"), Settings).layout]
    except (DatasetError, SchemaError) as error:
        raise DatasetError(
            f"{path / SUMMARY} is damaged ({str(error).rstrip('.')}); build the data set again."
        ) from error
    try:
        with (path / MANIFEST).open(encoding="utf-8", newline="") as file:
            samples = [_sample(row) for row in csv.DictReader(file)]
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DatasetError(f"{path / MANIFEST} is damaged; build the data set again.") from error
    return Dataset(_open_files(path, layout), layout, samples)


def _sample(row: Mapping[str, str]) -> Sample:
    """Reads a row of the manifest; ValueError where one of its values cannot be."""
    sample = Sample(
        row["background"], row["cutout"], _number(Path(row["image_file"]).stem), row["split"]
    )
    is_known = sample.side in (TRAIN, TEST, MIXED) and sample.cutout is not None
    if not (is_known and is_file_name(sample.background)):
        raise ValueError(f"{sample} is no sample of a data set")
    return sample


def _number(stem: str) -> int:
    if not _NUMBER.fullmatch(stem):
        raise ValueError(f"{stem!r} is no number of a composite")
    return int(stem)


def _open_original(path: Path, held_out: float) -> Dataset:
    layout = LAYOUTS["original"]
    files = _open_files(path, layout)
    images, masks, backgrounds = (
        _top_folder(layout, kind) for kind in ("image", "mask", "background")
    )
    names = set(files.names())
    numbers: dict[str, list[int]] = {}  # of the composites of each background
    for name in names:
        folder, *rest = name.split("/")
        if folder != images or len(rest) != 2 or not is_file_name(rest[0]):
            continue
        if _NUMBER.fullmatch(Path(rest[1]).stem):
            needed = (f"{masks}/{rest[0]}/{rest[1]}", f"{backgrounds}/{rest[0]}.jpg")
            if all(n in names for n in needed):
                numbers.setdefault(rest[0], []).append(int(Path(rest[1]).stem))
    if not numbers:
        raise DatasetError(
            f"{path} holds no data set: one that `build` made, or the original's {layout.image} "
            f"with {layout.mask} and {layout.background}, is needed."
        )
    return Dataset(files, layout, _split(files, layout, numbers, held_out))


def _split(
    files: DatasetFiles, layout: Layout, numbers: dict[str, list[int]], held_out: float
) -> list[Sample]:
    """Divides backgrounds by their pictures, and cut-outs by one composite of each."""
    backgrounds = sorted(numbers)
    descriptors = [
        descriptor(_read_colours(files, layout.path("background", name, 1))) for name in backgrounds
    ]
    sides = dict(
        zip(
            backgrounds,
            split_by_group(backgrounds, group_near_duplicates(backgrounds, descriptors), held_out),
            strict=True,
        )
    )
    first: dict[str, tuple[str, int]] = {}  # composite of each cut-out
    for name in backgrounds:
        for number in sorted(numbers[name]):
            first.setdefault(_cutout_of(number), (name, number))
    cutouts = sorted(first)
    descriptors = [_cutout_descriptor(files, layout, *first[name]) for name in cutouts]
    cutout_sides = dict(
        zip(
            cutouts,
            split_by_group(cutouts, group_near_duplicates(cutouts, descriptors), held_out),
            strict=True,
        )
    )
    return [
        Sample(name, cutout, number, combined_split(cutout_sides[cutout], sides[name]))
        for name in backgrounds
        for number in sorted(numbers[name])
        for cutout in (_cutout_of(number),)
    ]


def _cutout_of(number: int) -> str:
    return f"cutout {(number - 1) // _ORIGINAL_PLACEMENTS + 1:05}"


def _cutout_descriptor(
    files: DatasetFiles, layout: Layout, background: str, number: int
) -> Descriptor:
    """A cut-out as a composite shows it, on grey."""
    picture = _read_colours(files, layout.path("image", background, number))
    mask = _read_pixels(files, layout.path("mask", background, number), cv2.IMREAD_GRAYSCALE) > 127
    if mask.shape != picture.shape[:2] or not mask.any():
        return descriptor(picture)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    alpha = mask[window].astype(np.uint8) * 255
    return descriptor(on_grey(np.dstack((picture[window], alpha))))


def _open_files(path: Path, layout: Layout) -> DatasetFiles:
    return DatasetFiles(path, [_top_folder(layout, kind) for kind in KINDS])


def _top_folder(layout: Layout, kind: str) -> str:
    pattern: str = getattr(layout, kind)
    return pattern.split("/")[0]


def _read_colours(files: DatasetFiles, path: str) -> Picture:
    pixels = _read_pixels(files, path, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(pixels[..., ::-1], dtype=np.uint8)


def _read_pixels(
    files: DatasetFiles, path: str, flags: int
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    content = files.read(path)
    try:
        size = _size_in_header(content)
    except Exception as error:  # Pillow's readers raise half a dozen types
        raise DatasetError(
            f"{path} in {files.root} is damaged, too large, or no JPEG or PNG; build or download "
            "it again."
        ) from error
    if max(size) > MAX_SIZE:
        raise DatasetError(
            f"{path} in {files.root} has {size[0]} x {size[1]} pixels; the sides of composites "
            f"have at most {MAX_SIZE}."
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None or sorted(pixels.shape[:2]) != sorted(size):  # cv2 turns pictures upright
        raise DatasetError(f"{path} in {files.root} is damaged; build or download it again.")
    return pixels  # type: ignore[return-value]  # the stubs know no 16 bits


def _size_in_header(content: bytes) -> tuple[int, int]:
    """Width and height, before anything is decoded."""
    check_bounds(memoryview(content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about sizes that the caller refuses
        return Image.open(io.BytesIO(content), formats=_FORMATS).size
