"""What a training run leaves behind beside its weights: figures, curves and a sheet of predictions.

Everything here is for looking at. What a run goes on from is `depthmask.training.state`.
"""

import csv
import math
import os
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from depthmask.training.curves import Point, draw_curves
from depthmask.training.events import EventFile
from depthmask.training.journal import RunPosition
from depthmask.training.sample_sheet import encode_png

_PLACE = ("kind", "size", "samples", "seconds")
_FIGURES = (
    *("loss", "iou", "boundary_iou", "rmse", "batch_iou", "batch_rmse"),
    *("rmse_over_deviation", "images_per_second"),
)
COLUMNS = _PLACE + _FIGURES


class Records:
    """Writes the records of a run; nothing touches the disk before the first figure.

    `log.csv` has a row a report, `events/` the same for TensorBoard, `curves.svg` draws it, and
    `predictions-SAMPLES.png` shows the same samples after each validation.

    Args:
        out: The run's folder.
        since: Samples seen when this process took over. Later rows were left by a process that
            was killed after its last state, and are dropped; at 0 a new log begins.
    """

    def __init__(self, out: Path, *, since: int = 0) -> None:
        self.log = out / "log.csv"
        self.out = out
        self.since = since
        self._events: EventFile | None = None

    def write(
        self, kind: str, size: int, progress: RunPosition, figures: Mapping[str, float]
    ) -> None:
        """Adds the figures of a report: `kind` is "training" or "validation"."""
        events = self._open()
        row = {"kind": kind, "size": size, "samples": progress.samples}
        row |= {"seconds": round(progress.seconds)}
        with self.log.open("a", newline="") as file:
            csv.DictWriter(file, COLUMNS, restval="").writerow(
                row | {name: f"{value:.5g}" for name, value in figures.items()}
            )
        tags = {f"{kind}/{name}": value for name, value in figures.items()}
        events.scalars(progress.samples, tags)
        if kind == "validation":
            (self.out / "curves.svg").write_text(draw_curves(read_log(self.log)))

    def show(self, sheet: Tensor, progress: RunPosition) -> None:
        """Adds a sheet of predictions, (H, W, 3) uint8."""
        png = encode_png(sheet)
        self._open().picture(progress.samples, "predictions", png, *sheet.shape[:2])
        (self.out / f"predictions-{progress.samples:07}.png").write_bytes(png)

    def _open(self) -> EventFile:
        if self._events is None:
            self.out.mkdir(parents=True, exist_ok=True)
            self._begin_log()
            self._events = EventFile(self.out / "events", since=self.since)
        return self._events

    def _begin_log(self) -> None:
        kept: list[dict[str, str]] = []
        if self.log.exists():
            if self.since:
                kept = [row for row in _rows(self.log) if int(row["samples"]) <= self.since]
            else:
                os.replace(self.log, self.out / "log.previous.csv")
        draft = self.log.with_name("log.csv.tmp")
        with draft.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(kept)
        os.replace(draft, self.log)


def read_log(path: Path) -> list[Point]:
    """Reads a `log.csv`; figures that were not measured, or not finite, are left out."""
    return [
        Point(
            kind=row["kind"],
            size=int(row["size"]),
            samples=int(row["samples"]),
            seconds=int(row["seconds"]),
            figures={
                name: float(row[name])
                for name in _FIGURES
                if row.get(name) and math.isfinite(float(row[name]))
            },
        )
        for row in _rows(path)
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a log that are whole: a power cut may leave half a line."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, restval=""))
    return [row for row in rows if row["kind"] and row["samples"].isdigit() and row["seconds"]]
