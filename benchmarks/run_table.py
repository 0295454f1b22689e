"""A training run in the columns of the original's results table, beside its rows.

    python -m benchmarks.run_table DIR...

DIR is the --out of a run. IoU and RMSE are those of the original, over batches. An epoch is
400,000 composites, as there; here no composite is seen twice unless --limit says so.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.command import run
from depthmask.network.checkpoint import read_checkpoint
from depthmask.training.config import Phase
from depthmask.training.run_log import Point, read_log

EPOCH = 400_000  # composites
NOTES = (
    "The original's rows are its test figures, of a random split over composites: test shares all "
    "pictures with training.\nTimes marked ≤ follow from the images/s it printed and 400,000 "
    "composites an epoch; it printed no loss for a test.\nLosses of the two tables are weighted "
    "differently and do not compare."
)


class Row(NamedTuple):
    """A phase of training, as text."""

    epochs: str
    batch: str
    size: str
    time: str
    iou: str
    rmse: str
    loss: str


# Epochs, batch, size, images/s, IoU, RMSE.
_ORIGINAL = (
    (1, "64", 64, 165, "0.932", "0.078"),
    (2, "", 96, 128, "0.9640", "0.0601"),
    (2, "128", 112, 107, "0.9669", "0.0592"),
    (1, "32", 224, 28.6, "0.9720", "0.0737"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="DIR")
    options = parser.parse_args(arguments)
    tables = {str(folder): list(rows_of(folder)) for folder in options.runs}
    print("| run | epochs | batch | image size | time taken | IoU | RMSE | loss |")
    print("|---" * 8 + "|")
    for name, rows in {"the original": original_rows(), **tables}.items():
        for row in rows:
            print(f"| {name} | {' | '.join(row)} |")
    print(f"\n{NOTES}")
    return 0


def original_rows() -> list[Row]:
    return [
        Row(
            str(epochs),
            batch or "–",
            f"{size} px",
            f"≤ {minutes(epochs * EPOCH / rate)} min",
            iou,
            rmse,
            "–",
        )
        for epochs, batch, size, rate, iou, rmse in _ORIGINAL
    ]


def rows_of(run: Path) -> Iterator[Row]:
    """A row for each phase of a run that has been validated."""
    _, info = read_checkpoint(run / "last.safetensors")
    phases = [Phase(**fields) for fields in info.training["phases"]]  # type: ignore[attr-defined]
    points = read_log(run / "log.csv")
    first = seconds = 0
    for phase in phases:
        last = first + phase.steps * phase.batch
        inside = [point for point in points if first < point.samples <= last]
        validated = [point for point in inside if point.kind == "validation"]
        if validated:
            yield _row(phase, inside, validated[-1], inside[-1].samples - first, seconds)
            seconds = inside[-1].seconds
        first = last


def _row(phase: Phase, inside: Sequence[Point], validated: Point, samples: int, since: int) -> Row:
    losses = [point.figures["loss"] for point in inside if "loss" in point.figures]

    def figure(name: str) -> str:
        value = validated.figures.get(name)
        return "–" if value is None else f"{value:.4f}"

    return Row(
        f"{samples / EPOCH:.3g}",
        str(phase.batch),
        f"{phase.size} px",
        f"{minutes(inside[-1].seconds - since)} min",
        figure("batch_iou"),
        figure("batch_rmse"),
        f"{losses[-1]:.3f}" if losses else "–",
    )


def minutes(seconds: float) -> str:
    """Whole minutes, with a decimal below ten."""
    return f"{seconds / 60:.1f}" if seconds < 600 else f"{seconds / 60:.0f}"


if __name__ == "__main__":
    sys.exit(run(main))
