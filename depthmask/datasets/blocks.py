"""Records of finished blocks: what was written, and its moments; without one, none is done."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depthmask.datasets.layout import KINDS
from depthmask.files import replace_durably

FOLDER = "blocks"  # in the data set, until it is finished


@dataclass
class Moments:
    """Counts, sums and sums of squares of one kind's pixels in [0, 1], a number a channel."""

    count: int = 0
    total: list[float] = field(default_factory=list)
    squares: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, pixels: NDArray[Any]) -> "Moments":
        """Measures (B, H, W) or (B, H, W, C) of uint8 or uint16."""
        lines = pixels.reshape(-1, *pixels.shape[2:])
        mean, deviation = (x[:, 0] / np.iinfo(pixels.dtype).max for x in cv2.meanStdDev(lines))
        count = lines.shape[0] * lines.shape[1]
        return cls(count, (mean * count).tolist(), ((mean**2 + deviation**2) * count).tolist())

    def add(self, other: "Moments") -> None:
        """Adds what another has counted."""
        if not self.count:
            self.total, self.squares = [0.0] * len(other.total), [0.0] * len(other.total)
        self.count += other.count
        self.total = [a + b for a, b in zip(self.total, other.total, strict=True)]
        self.squares = [a + b for a, b in zip(self.squares, other.squares, strict=True)]

    def summary(self) -> dict[str, list[float]]:
        """Mean and standard deviation of each channel."""
        mean = [value / self.count for value in self.total]
        variance = [s / self.count - m**2 for s, m in zip(self.squares, mean, strict=True)]
        return {
            "mean": [round(m, 6) for m in mean],
            "deviation": [round(max(v, 0.0) ** 0.5, 6) for v in variance],
        }


def no_moments() -> dict[str, Moments]:
    """Moments of nothing, for each kind."""
    return {kind: Moments() for kind in KINDS}


@dataclass
class Record:
    """What is known of a finished block."""

    rows: list[list[object]]  # of the manifest
    sizes: dict[str, int] = field(default_factory=dict)  # bytes of each file, by path
    moments: dict[str, Moments] = field(default_factory=no_moments)


def record_path(folder: Path, number: int) -> Path:
    """Where a block's record lies."""
    return folder / FOLDER / f"{number:06}.json"


def write_record(path: Path, record: Record) -> None:
    """Writes a record in one step, after the files it tells of."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(asdict(record), ensure_ascii=False), "utf-8")
    replace_durably(draft, path)


def read_record(path: Path) -> Record | None:
    """Reads a record; None if it is not there, or damaged."""
    try:
        content = json.loads(path.read_text("utf-8"))
        moments = {kind: Moments(**value) for kind, value in content["moments"].items()}
        return Record(content["rows"], content["sizes"], moments)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_whole(folder: Path, record: Record) -> bool:
    """Whether a block's files are there with their sizes: a power cut can lose them."""
    try:
        return all(os.stat(folder / name).st_size == size for name, size in record.sizes.items())
    except OSError:
        return False


def missing_blocks(folder: Path, numbers: Iterable[int]) -> list[int]:
    """Those of the blocks that are still to be made."""
    found: list[int] = []
    for number in numbers:
        record = read_record(record_path(folder, number))
        if record is None or not is_whole(folder, record):
            found.append(number)
    return found


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers in short: 1-3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
