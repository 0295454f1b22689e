"""Draws the curves of a training run: python -m tools.plot_run DIR [-o FILE]

DIR is the --out of train.py; its log.csv is read. Loss, IoU and RMSE get a panel each, over the
samples seen; a vertical line marks where the size of the pictures changes. FILE is a PNG, an SVG or
a PDF, by default DIR/curves.png.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.command import check_outputs, run
from depthmask.errors import OptionError
from depthmask.training.run_log import Point, read_log

PANELS = {
    "loss": "loss",
    "iou": "mask: IoU (mean over pictures)",
    "rmse": "depth: RMSE (mean over pictures)",
}
STYLES: dict[str, dict[str, Any]] = {
    "training": {"color": "#8aa4c8", "linewidth": 1.2},
    "validation": {"color": "#d9480f", "linewidth": 2.2, "marker": "o", "markersize": 4},
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="DIR")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    points = read_log(options.run / "log.csv")
    if not points:
        raise OptionError(f"{options.run / 'log.csv'} has no rows yet; wait for the first.")
    output = options.output or options.run / "curves.png"
    if output.suffix not in {".png", ".svg", ".pdf"}:
        raise OptionError(f"{output} is no picture; name a .png, .svg or .pdf.")
    check_outputs(output)
    draw_curves(points).savefig(output, dpi=120)


def draw_curves(points: Sequence[Point]) -> Figure:
    """A panel for each figure that the log has."""
    names = [name for name in PANELS if any(name in point.figures for point in points)]
    figure = Figure(figsize=(9, 2.6 * len(names) + 0.4), layout="constrained")
    panels = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    for name, axes in zip(names, panels, strict=True):
        _draw_panel(axes, name, points)
    panels[-1].set_xlabel("samples")
    panels[-1].xaxis.set_major_formatter("{x:,.0f}")
    return figure


def _draw_panel(axes: Axes, name: str, points: Sequence[Point]) -> None:
    axes.set_title(PANELS[name], loc="left", fontsize=10)
    axes.grid(axis="y", color="#e3e3e3")
    axes.margins(y=0.15)  # room for the sizes above the curves
    for kind, style in STYLES.items():
        places = [
            (point.samples, point.figures[name])
            for point in points
            if point.kind == kind and name in point.figures
        ]
        if places:
            axes.plot(*zip(*places, strict=True), label=kind, **style)
    for samples, size in phase_starts(points):
        axes.axvline(samples, color="#b5b5b5", linewidth=1)
        axes.annotate(
            f"{size} px",
            (samples, 1),
            xycoords=("data", "axes fraction"),
            xytext=(3, -11),
            textcoords="offset points",
            color="#777777",
            fontsize=8,
        )
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8)


def phase_starts(points: Sequence[Point]) -> list[tuple[int, int]]:
    """Where pictures of another size begin: samples seen before, and the new size."""
    changes = [(a.samples, b.size) for a, b in pairwise(points) if a.size != b.size]
    return [(0, points[0].size), *changes]


if __name__ == "__main__":
    sys.exit(run(main))
