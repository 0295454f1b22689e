"""What a training run tells people: lines on the terminal, `log.csv`, TensorBoard, predictions.

Nothing here is read again by the run. What it goes on from is `depthmask.training.state`.
"""

import csv
import io
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from depthmask.composites.compose import Batch
from depthmask.errors import TrainingError
from depthmask.files import refuse_links, write_whole
from depthmask.schema import Count, SchemaError
from depthmask.training.config import Phase
from depthmask.training.sample_sheet import encode_png
from depthmask.training.validation import batch_metrics

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FIGURES = (
    *("loss", "iou", "boundary_iou", "rmse", "batch_iou", "batch_rmse"),
    *("rmse_over_deviation", "images_per_second"),
)
LOG_COLUMNS = ("kind", "size", "samples", "seconds", *FIGURES)
_COUNT = re.compile(r"[0-9]{1,18}")
_FIGURE = re.compile(r"-?[0-9]{1,18}(\.[0-9]*)?(e[+-][0-9]{1,2})?")  # finite, as `.5g` writes it


@dataclass
class RunPosition:
    """Where a run stands; stored with its state."""

    phase: Count = 0
    step: Count = 0  # in this phase
    samples: Count = 0  # in all phases
    seconds: float = 0.0  # spent on steps

    def check(self, phases: Sequence[Phase]) -> None:
        """Raises SchemaError where a run of these phases has no such position."""
        steps = [phase.steps for phase in phases] + [0]
        most = sum(phase.steps * phase.batch for phase in phases)
        if self.phase >= len(steps) or self.step > steps[self.phase] or self.samples > most:
            raise SchemaError(f"no run of these phases is at {self}")


@dataclass(frozen=True)
class StoredRun:
    """What a run's state tells beside weights."""

    position: RunPosition
    options: dict[str, object] = field(default_factory=dict)  # that the weights depend on


@dataclass(frozen=True)
class Point:
    """A row of `log.csv`."""

    kind: str  # "training" or "validation"
    size: int  # square root of the pixels of a picture
    samples: int  # seen so far
    seconds: int  # spent on steps so far
    figures: dict[str, float]  # by name, among `FIGURES`


class RunLog:
    """Writes the log of a run; nothing touches the disk before the first figure.

    `log.csv` has a row a report, `events/` the same for TensorBoard where its package is installed,
    and `predictions-SAMPLES.png` shows the same samples after each validation.

    Args:
        out: The run's folder.
        since: Samples seen when this process took over. Later rows were left by a process that
            was killed after its last state, and are dropped; at 0 a new log begins.
    """

    def __init__(self, out: Path, *, since: int = 0) -> None:
        self.path = out / "log.csv"
        self.out = out
        self.since = since
        self._is_open = False
        self._events: SummaryWriter | None = None

    def write(
        self, kind: str, size: int, position: RunPosition, figures: Mapping[str, float]
    ) -> None:
        """Adds the figures of a report: `kind` is "training" or "validation"."""
        self._open()
        row: dict[str, object] = {"kind": kind, "size": size, "samples": position.samples}
        row |= {"seconds": round(position.seconds)}
        row |= {name: f"{value:.5g}" for name, value in figures.items()}
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, LOG_COLUMNS, restval="").writerow(row)
        if self._events:
            for name, value in figures.items():
                self._events.add_scalar(f"{kind}/{name}", value, position.samples)
            self._events.flush()

    def add_sheet(self, sheet: Tensor, position: RunPosition) -> None:
        """Adds a sheet of predictions, (H, W, 3) uint8."""
        self._open()
        path = self.out / f"predictions-{position.samples:07}.png"
        write_whole(path, encode_png(sheet))
        if self._events:
            self._events.add_image("predictions", sheet, position.samples, dataformats="HWC")
            self._events.flush()

    def _open(self) -> None:
        if self._is_open:
            return
        self._is_open = True
        self.out.mkdir(parents=True, exist_ok=True)
        refuse_links(self.out, "events")
        self._begin_csv()
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            print_status("For TensorBoard's curves beside log.csv: pip install tensorboard")
        else:
            purge = self.since and self.since + 1  # TensorBoard drops this step too
            self._events = SummaryWriter(self.out / "events", purge_step=purge)

    def _begin_csv(self) -> None:
        kept: list[dict[str, str]] = []
        if self.path.exists():
            if self.since:
                kept = [row for row in _whole_rows(self.path) if int(row["samples"]) <= self.since]
            else:
                os.replace(self.path, self.out / "log.previous.csv")
        lines = io.StringIO(newline="")
        writer = csv.DictWriter(lines, LOG_COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
        write_whole(self.path, lines.getvalue().encode("utf-8"))


def read_log(path: Path) -> list[Point]:
    """Reads a `log.csv`; figures that were not measured, or not finite, are left out.

    Raises:
        TrainingError: The file is no log of a run.
    """
    return [
        Point(
            kind=row["kind"],
            size=int(row["size"]),
            samples=int(row["samples"]),
            seconds=int(row["seconds"]),
            figures={
                name: float(row[name]) for name in FIGURES if _FIGURE.fullmatch(row.get(name, ""))
            },
        )
        for row in _whole_rows(path)
    ]


def _whole_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a log that are whole: a power cut may leave half a line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is no log of a training run; move it away.") from error
    return [row for row in rows if row.get("kind") and _are_counts(row)]


def _are_counts(row: Mapping[str, str]) -> bool:
    return all(_COUNT.fullmatch(row.get(name, "")) for name in ("size", "samples", "seconds"))


class Meter:
    """Running means of a phase, read rarely: reading makes a GPU wait."""

    def __init__(self, phase: Phase, device: torch.device) -> None:
        self.phase = phase
        self.total = torch.zeros((), device=device)
        self.latest: tuple[dict[str, Tensor], Batch] | None = None
        self._restart()

    def _restart(self) -> None:
        self.total.zero_()
        self.count = 0
        self.since = time.monotonic()

    def add(self, loss: Tensor, logits: dict[str, Tensor], batch: Batch) -> None:
        self.total += loss
        self.count += 1
        self.latest = (logits, batch)

    @property
    def seconds(self) -> float:
        """Since the last report."""
        return time.monotonic() - self.since

    @property
    def loss(self) -> float:
        """The mean since the last report."""
        return self.total.item() / max(self.count, 1)

    def report(self, done: float) -> dict[str, float]:
        """Shows what share of a phase is done, and returns the figures since the last report."""
        assert self.latest is not None, "report follows add"
        figures = {"loss": self.loss}
        metrics = batch_metrics(*self.latest)
        figures |= {name: value.mean().item() for name, value in metrics.items()}
        rate = figures["images_per_second"] = self.count * self.phase.batch / self.seconds
        bar = "█" * round(20 * done) + "░" * (20 - round(20 * done))
        shown = "  ".join(
            f"{name} {figures[name]:.4f}" for name in ("loss", "iou", "rmse") if name in figures
        )
        line = f"{self.phase.size:4} px {bar} {done:4.0%}  {shown}  {rate:.1f} images/s"
        print_status(line, replace=True)
        self._restart()
        return figures


def print_status(line: str, *, replace: bool = False) -> None:
    """Prints a line on stderr; on a terminal, the next line takes the place of a `replace` one."""
    is_terminal = sys.stderr.isatty()
    print(
        f"\r\033[K{line}" if is_terminal else line,
        end="" if replace and is_terminal else "\n",
        file=sys.stderr,
        flush=True,
    )
