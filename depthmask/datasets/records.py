"""What is known of a data set while it is made and when it is complete.

Each finished block has a record in the folder `blocks`: its manifest rows, the size of each file
and sums for the statistics. A block without a record is made again. When all blocks have one, their
records become `manifest.csv` and `dataset.json`, and the folder is removed.
"""

import codecs
import csv
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depthmask.data.split import MIXED, TEST, TRAIN, combined_split
from depthmask.datasets.layout import KINDS
from depthmask.datasets.plan import DATASET_FORMAT, Plan
from depthmask.depth import CONVENTION
from depthmask.errors import DatasetError
from depthmask.files import remove_drafts, replacing, write_whole
from depthmask.schema import Among, Count, SchemaError, Within, from_json

PLAN, MANIFEST, SUMMARY = "plan.json", "manifest.csv", "dataset.json"
BLOCK_RECORDS = "blocks"  # folder of the records, in a data set that is not complete
MANIFEST_COLUMNS = (
    *("sample", "background", "cutout"),
    *("background_file", "image_file", "mask_file", "depth_file"),
    *("centre_x", "centre_y", "width", "height"),  # of the object, pixels
    *("scale", "flip", "seed", "teacher", "split"),
    "crc32",  # of image, mask and depth file, one after the other
)


_CHANNELS = {"background": 3, "image": 3, "mask": 1, "depth": 1}


@dataclass
class Moments:
    """Count, sums and sums of squares of pixels in [0, 1], for each channel."""

    count: Count = 0
    total: list[Annotated[float, Within(0, 1e18)]] = field(default_factory=list)
    squares: list[Annotated[float, Within(0, 1e18)]] = field(default_factory=list)

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> "Moments":
        """Sums over pictures of uint8 or uint16, (B, H, W) or (B, H, W, C)."""
        lines = pixels.reshape(-1, *pixels.shape[2:])
        mean, deviation = (x[:, 0] / np.iinfo(pixels.dtype).max for x in cv2.meanStdDev(lines))
        count = lines.shape[0] * lines.shape[1]
        return cls(count, (mean * count).tolist(), ((mean**2 + deviation**2) * count).tolist())

    def add(self, other: "Moments") -> None:
        """Adds the sums of other pictures."""
        if not self.count:
            self.total, self.squares = [0.0] * len(other.total), [0.0] * len(other.total)
        self.count += other.count
        self.total = [a + b for a, b in zip(self.total, other.total, strict=True)]
        self.squares = [a + b for a, b in zip(self.squares, other.squares, strict=True)]

    def summary(self) -> dict[str, list[float]]:
        """The mean and the standard deviation of each channel."""
        mean = [value / self.count for value in self.total]
        variance = [s / self.count - m**2 for s, m in zip(self.squares, mean, strict=True)]
        return {
            "mean": [round(m, 6) for m in mean],
            "deviation": [round(max(v, 0.0) ** 0.5, 6) for v in variance],
        }


def empty_moments() -> dict[str, Moments]:
    """Moments of no pixels, for each kind of file."""
    return {kind: Moments() for kind in KINDS}


@dataclass
class BlockRecord:
    """What is known of a finished block."""

    # of the manifest
    rows: list[Annotated[list[object], Within(len(MANIFEST_COLUMNS), len(MANIFEST_COLUMNS))]]
    sizes: dict[str, Count] = field(default_factory=dict)  # bytes of each file, by path
    moments: dict[Annotated[str, Among(*KINDS)], Moments] = field(default_factory=empty_moments)

    @property
    def is_sound(self) -> bool:
        """Whether the moments are of the channels that each kind of file has."""
        return all(
            len(counted.total) == len(counted.squares) == (_CHANNELS[kind] if counted.count else 0)
            for kind, counted in self.moments.items()
        )


def record_path(folder: Path, number: int) -> Path:
    """The file of a block's record."""
    return folder / BLOCK_RECORDS / f"{number:06}.json"


def write_record(path: Path, record: BlockRecord) -> None:
    """Writes a record in one step. Call it after the block's files are written."""
    content = json.dumps(asdict(record), ensure_ascii=False)
    write_whole(path, content.encode("utf-8"), durable=True)


def find_record(path: Path) -> BlockRecord | None:
    """Reads a record; None if it is missing or damaged."""
    try:
        record = from_json(path.read_bytes(), BlockRecord)
    except (OSError, SchemaError):
        return None
    return record if record.is_sound else None


def read_record(folder: Path, number: int) -> BlockRecord:
    """Reads the record of a finished block; errors: DatasetError where it is missing or damaged."""
    record = find_record(record_path(folder, number))
    if record is None:
        raise DatasetError(f"Block {number} of {folder} is missing; run `build` on it again.")
    return record


def has_all_files(folder: Path, record: BlockRecord) -> bool:
    """Whether a block's files are there with their sizes: a power cut can lose them."""
    try:
        return all(
            os.path.isfile(folder / name) and os.stat(folder / name).st_size == size
            for name, size in record.sizes.items()
        )
    except OSError:
        return False


def missing_blocks(folder: Path, numbers: Iterable[int]) -> list[int]:
    """Those of the blocks that are not made yet, or whose files were lost."""
    missing: list[int] = []
    for number in numbers:
        record = find_record(record_path(folder, number))
        if record is None or not has_all_files(folder, record):
            missing.append(number)
    return missing


def format_ranges(numbers: Sequence[int]) -> str:
    """Writes ascending numbers in short: "1-3, 7"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def finish_dataset(folder: Path, plan: Plan) -> dict[str, Any]:
    """Writes `manifest.csv` and, last, `dataset.json`; then removes the records.

    It can be repeated if it was stopped.

    Returns:
        The content of `dataset.json`.
    """
    moments = empty_moments()
    with (
        replacing(folder / SUMMARY, durable=True, shared=True) as described,
        replacing(folder / MANIFEST, durable=True, shared=True) as file,
    ):
        writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
        writer.writerow(MANIFEST_COLUMNS)
        for number in range(plan.block_count):
            record = read_record(folder, number)
            writer.writerows(record.rows)
            for kind, counted in record.moments.items():
                if counted.count:
                    moments[kind].add(counted)
        summary = _summary(plan) | {
            "statistics": {kind: counted.summary() for kind, counted in moments.items()}
        }
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        described.write(text.encode("utf-8"))
        described.flush()  # so that a full disk is known before the manifest takes its place
    remove_records(folder)
    return summary


def remove_records(folder: Path) -> None:
    """Removes the records of a complete data set, and drafts that killed builds have left."""
    shutil.rmtree(folder / BLOCK_RECORDS, ignore_errors=True)
    for name in (PLAN, MANIFEST, SUMMARY):
        remove_drafts(folder / name)


def is_complete(folder: Path) -> bool:
    """Whether a data set is complete."""
    return os.path.isfile(folder / SUMMARY)


def _summary(plan: Plan) -> dict[str, Any]:
    counts = dict.fromkeys((TRAIN, TEST, MIXED), 0)
    for background in plan.backgrounds:
        for cutout in plan.cutouts:
            counts[combined_split(cutout.side, background.side)] += plan.each
    return {
        "format_version": DATASET_FORMAT,
        "samples": plan.samples,
        "cutouts": len(plan.cutouts),
        "backgrounds": len(plan.backgrounds),
        "splits": counts,
        "settings": asdict(plan.settings),
        "depth_convention": CONVENTION,
        "depth_full_scale": plan.layout.depth_full_scale,
    }
