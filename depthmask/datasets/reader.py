"""Reading data sets: those that `build` made, and the original project's folders and zips.

What `build` made says in its manifest which side of the split a sample is on. Elsewhere the split
is made here, by cut-out and by background, near-duplicates together.
"""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depthmask.data.near_duplicates import Descriptor, descriptor, group_near_duplicates, on_grey
from depthmask.data.split import combined_split, split_by_group
from depthmask.datasets.files import DatasetFiles
from depthmask.datasets.layout import LAYOUTS, Layout
from depthmask.datasets.records import MANIFEST, PLAN, SUMMARY
from depthmask.errors import DatasetError
from depthmask.pictures import Map, Picture

# The original placed each cut-out 20 times, then 20 times mirrored; its files are numbered so.
ORIGINAL_EACH = 40
_GOLDEN = (5**0.5 - 1) / 2


class Sample(NamedTuple):
    """One composite of a data set."""

    background: str
    cutout: str
    number: int  # among its background's, from 1
    side: str  # "train", "test" or "mixed"


@dataclass(frozen=True)
class SamplePictures:
    """What a sample holds."""

    background: Picture  # (H, W, 3)
    image: Picture  # (H, W, 3)
    mask: Map  # (H, W), alpha in [0, 1]
    depth: Map  # (H, W), in [0, 1]


class Catalogue:
    """The samples of a data set, read one by one; threads may share it."""

    def __init__(self, files: DatasetFiles, layout: Layout, samples: Sequence[Sample]) -> None:
        self.files, self.layout, self.samples = files, layout, samples

    def of_side(self, side: str) -> list[Sample]:
        """The samples of one side of the split."""
        return [sample for sample in self.samples if sample.side == side]

    def read(self, sample: Sample) -> SamplePictures:
        """Reads a sample.

        Raises:
            DatasetError: A file is missing or damaged, or of another size than its image.
        """
        image = self._colours("image", sample)
        mask, depth = (self._grey(kind, sample, image.shape) for kind in ("mask", "depth"))
        return SamplePictures(self._colours("background", sample), image, mask, depth)

    def read_mask(self, sample: Sample) -> Map:
        """Reads a sample's mask alone, (H, W) in [0, 1]; errors: DatasetError."""
        return self._grey("mask", sample, None)

    def _colours(self, kind: str, sample: Sample) -> Picture:
        return _decode_colours(self.files, self._path(kind, sample))

    def _grey(self, kind: str, sample: Sample, shape: tuple[int, ...] | None) -> Map:
        path = self._path(kind, sample)
        found = _decode(self.files, path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
        if shape is not None and found.shape != shape[:2]:
            raise DatasetError(f"{path} is not of its image's size; they must be of one size.")
        return found.astype(np.float32) / np.float32(np.iinfo(found.dtype).max)

    def _path(self, kind: str, sample: Sample) -> str:
        return self.layout.path(kind, sample.background, sample.number)


def open_catalogue(path: Path, *, held_out: float = 0.1) -> Catalogue:
    """Finds the samples of a data set.

    Args:
        path: A folder that `build` made, or a folder or a zip in the original's layout.
        held_out: Share of cut-outs, and of backgrounds, for the test, where no manifest tells.

    Raises:
        DatasetError: There is no complete data set.
    """
    if (path / MANIFEST).is_file() and (path / SUMMARY).is_file():
        return _open_built(path)
    if (path / PLAN).is_file():
        raise DatasetError(f"{path} is not complete; give its `build` command again, or `merge`.")
    return _open_original(path, held_out)


def choose(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Chooses samples evenly over a set, in its order; all, if there are no more.

    Steps of equal length would meet the same few cut-outs on every background, so the places are
    multiples of a step of about the golden section, modulo the set's length.
    """
    total = len(samples)
    if count >= total:
        return list(samples)
    step = round(total * _GOLDEN)
    while math.gcd(step, total) > 1:  # so that no place is met twice
        step += 1
    return [samples[place] for place in sorted(i * step % total for i in range(count))]


def is_dataset(path: Path) -> bool:
    """Whether a path holds a data set of composites, and not sequences of frames."""
    layout = LAYOUTS["original"]
    first = layout.image.split("/")[0]
    return (
        (path / SUMMARY).is_file()
        or (path / PLAN).is_file()
        or (path / first).is_dir()
        or path.suffix == ".zip"
        or (path / f"{first}.zip").is_file()
    )


def _open_built(path: Path) -> Catalogue:
    try:
        summary = json.loads((path / SUMMARY).read_text("utf-8"))
        layout = LAYOUTS[summary["settings"]["layout"]]
        with (path / MANIFEST).open(encoding="utf-8", newline="") as file:
            samples = [
                Sample(
                    row["background"],
                    row["cutout"],
                    int(Path(row["image_file"]).stem),
                    row["split"],
                )
                for row in csv.DictReader(file)
            ]
    except (KeyError, ValueError, TypeError) as error:
        raise DatasetError(f"{path / MANIFEST} is damaged; build the data set again.") from error
    return Catalogue(DatasetFiles(path, _kinds(layout)), layout, samples)


def _open_original(path: Path, held_out: float) -> Catalogue:
    layout = LAYOUTS["original"]
    files = DatasetFiles(path, _kinds(layout))
    image, mask, background = (
        getattr(layout, kind).split("/")[0] for kind in ("image", "mask", "background")
    )
    names = set(files.names())
    found: dict[str, list[int]] = {}
    for name in names:
        kind, *rest = name.split("/")
        if kind == image and len(rest) == 2 and Path(rest[1]).stem.isdecimal():
            needed = (f"{mask}/{rest[0]}/{rest[1]}", f"{background}/{rest[0]}.jpg")
            if all(n in names for n in needed):
                found.setdefault(rest[0], []).append(int(Path(rest[1]).stem))
    if not found:
        raise DatasetError(
            f"{path} holds no data set: one that `build` made, or the original's {layout.image} "
            f"with {layout.mask} and {layout.background}, is needed."
        )
    return Catalogue(files, layout, _split(files, layout, found, held_out))


def _split(
    files: DatasetFiles, layout: Layout, found: dict[str, list[int]], held_out: float
) -> list[Sample]:
    """Sides of backgrounds by their pictures, of cut-outs by one composite of each."""
    backgrounds = sorted(found)
    looks = [
        descriptor(_decode_colours(files, layout.path("background", name, 1)))
        for name in backgrounds
    ]
    sides = dict(
        zip(
            backgrounds,
            split_by_group(backgrounds, group_near_duplicates(backgrounds, looks), held_out),
            strict=True,
        )
    )
    shown: dict[str, tuple[str, int]] = {}  # a cut-out's first composite
    for name in backgrounds:
        for number in sorted(found[name]):
            shown.setdefault(_cutout_of(number), (name, number))
    cutouts = sorted(shown)
    looks = [_look_of_cutout(files, layout, *shown[name]) for name in cutouts]
    cutout_sides = dict(
        zip(
            cutouts,
            split_by_group(cutouts, group_near_duplicates(cutouts, looks), held_out),
            strict=True,
        )
    )
    return [
        Sample(name, cutout, number, combined_split(cutout_sides[cutout], sides[name]))
        for name in backgrounds
        for number in sorted(found[name])
        for cutout in (_cutout_of(number),)
    ]


def _cutout_of(number: int) -> str:
    return f"cutout {(number - 1) // ORIGINAL_EACH + 1:05}"


def _look_of_cutout(
    files: DatasetFiles, layout: Layout, background: str, number: int
) -> Descriptor:
    """A cut-out as a composite shows it, on grey."""
    picture = _decode_colours(files, layout.path("image", background, number))
    mask = _decode(files, layout.path("mask", background, number), cv2.IMREAD_GRAYSCALE) > 127
    if mask.shape != picture.shape[:2] or not mask.any():
        return descriptor(picture)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    alpha = mask[window].astype(np.uint8) * 255
    return descriptor(on_grey(np.dstack((picture[window], alpha))))


def _decode_colours(files: DatasetFiles, path: str) -> Picture:
    return np.ascontiguousarray(_decode(files, path, cv2.IMREAD_COLOR)[..., ::-1], dtype=np.uint8)


def _decode(files: DatasetFiles, path: str, flags: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    content = np.frombuffer(files.read(path), dtype=np.uint8)
    found = cv2.imdecode(content, flags) if len(content) else None
    if found is None:
        raise DatasetError(f"{path} in {files.root} is damaged; build or download it again.")
    return found  # type: ignore[return-value]  # the stubs know no 16 bits


def _kinds(layout: Layout) -> list[str]:
    return [
        pattern.split("/")[0]
        for pattern in (layout.background, layout.image, layout.mask, layout.depth)
    ]
