"""What the original tried, repeated: joint against single tasks, depth losses, batch sizes.

    python -m benchmarks.ablation --data PACK --out DIR [--samples 3000] [--size 64]

Trains a network for each row, one after the other, and prints a table; two rows are of this project
alone: the mask's border counts as little as the rest, and depth's slopes count. A run that was
stopped goes on where it was when the same command is given again.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.command import run
from benchmarks.run_table import minutes
from depthmask.errors import CheckpointError
from depthmask.network.checkpoint import CheckpointInfo, read_checkpoint
from depthmask.training.run_log import read_log

BATCH = 32
# What differs from the first row: options of train.py, and the batch.
ROWS: dict[str, tuple[Sequence[str], int]] = {
    "joint, bce, batch 32": ((), BATCH),
    "mask alone": (("--tasks", "mask"), BATCH),
    "depth alone": (("--tasks", "depth"), BATCH),
    "depth by ssim": (("--depth-loss", "ssim"), BATCH),
    "depth by l1": (("--depth-loss", "l1"), BATCH),
    "depth by bce and gradient": (("--depth-loss", "gradient"), BATCH),
    "border not weighted": (("--border", "0"), BATCH),
    "batch 16": ((), 16),
    "batch 64": ((), 64),
}
METRICS = ("iou", "batch_iou", "boundary_iou", "rmse", "batch_rmse", "rmse_over_deviation")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="packed training data")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--samples", type=int, default=3000, help="of each run")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rate", default="3e-3", help="peak learning rate")
    parser.add_argument("--validation", type=int, default=256, help="samples")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    options = parser.parse_args(arguments)
    table = [
        "| row | " + " | ".join(METRICS) + " | minutes | command |",
        "|---" * (len(METRICS) + 3) + "|",
    ]
    for name in options.rows:
        command = command_of(name, options)
        info = trained(folder_of(name, options), options.samples)
        if info is None:
            print(f"== {name}", file=sys.stderr, flush=True)
            try:
                subprocess.run([sys.executable, *command], check=True)
            except subprocess.CalledProcessError as error:  # train.py has said why
                return error.returncode
        table.append(row_of(name, folder_of(name, options), command))
    print("\n".join(table))
    return 0


def command_of(name: str, options: argparse.Namespace) -> list[str]:
    """What trains a row, after `python`."""
    special, batch = ROWS[name]
    return [
        "train.py",
        *("--data", str(options.data), "--out", str(folder_of(name, options))),
        *("--phases", f"{options.size}:{options.samples}:{batch}:{options.rate}"),
        *("--validation", str(options.validation), "--epoch", str(options.samples)),
        *special,
        "--resume",
    ]


def folder_of(name: str, options: argparse.Namespace) -> Path:
    row = name.replace(",", "").replace(" ", "-")
    return Path(options.out) / f"{options.size}-{options.samples}" / row


def trained(out: Path, samples: int) -> CheckpointInfo | None:
    """The description of a run's last checkpoint, if the run is at its end."""
    try:
        info = read_checkpoint(out / "last.safetensors")[1]
    except CheckpointError:
        return None
    return info if info.samples >= samples else None


def row_of(name: str, out: Path, command: Sequence[str]) -> str:
    """A row of the table."""
    metrics = read_checkpoint(out / "last.safetensors")[1].metrics
    seconds = read_log(out / "log.csv")[-1].seconds
    cells = [f"{metrics[column]:.4f}" if column in metrics else "–" for column in METRICS]
    return f"| {name} | {' | '.join(cells)} | {minutes(seconds)} | `python {shlex.join(command)}` |"


if __name__ == "__main__":
    sys.exit(run(main))
