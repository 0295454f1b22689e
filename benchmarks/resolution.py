"""What resolution and precision are worth: mean IoU against the time the network takes.

    python -m benchmarks.resolution [FOLDER] [--frames N] [--svg FILE] [--json FILE]

FOLDER is laid out as `python -m depthmask evaluate --help` tells; without it, the pairs of
`examples/` are used. Where the default is int8, the best floats of this CPU are measured as well.
All take turns on each frame, so that whatever else the machine does slows all of them alike.
Cameras are taken to be fixed: photos are matched in light, and not moved.
`depthmask.inference.predictor.QUALITIES` was chosen by this.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from benchmarks.command import check_folders, check_outputs, run
from depthmask.backends import Backend, graph_of, make_backend
from depthmask.backends.graphs import OpenVINOBackend
from depthmask.evaluation.frames import background_of, frames_with_truth
from depthmask.evaluation.sequences import mask_scores
from depthmask.files import EXAMPLES
from depthmask.inference.predictor import QUALITIES, Predictor, resolution_for
from depthmask.network.checkpoint import WEIGHTS
from depthmask.pictures import Map, Picture, read_labels, read_mask, read_picture

RESOLUTIONS = (96, 128, 160, 192, 224, 256, 320, 384)


class Frame(NamedTuple):
    """A pair with its true mask."""

    sequence: str
    background: Picture
    image: Picture
    labels: Picture  # (H, W): 255 foreground, 0 background, 170 neither


class Row(NamedTuple):
    """What one resolution reached in one precision."""

    precision: str
    resolution: int  # square root of the pixels that the network saw
    iou: float  # over the frames of a sequence, then over the sequences
    network_ms: float  # median of a run
    quality: str  # its name, of the default precision, or ""


class Timed:
    """A backend that remembers how long each of its runs took."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.name, self.precision = backend.name, backend.precision
        self.device, self.resolution = backend.device, backend.resolution
        self.seconds: list[float] = []

    def run(self, background: Picture, image: Picture) -> dict[str, Map]:
        start = time.perf_counter()
        maps = self.backend.run(background, image)
        self.seconds.append(time.perf_counter() - start)
        return maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="default: the pairs of examples/")
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS)
    parser.add_argument("--frames", type=int, default=16, help="of a sequence, evenly over it")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the trade-off")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to a file")
    options = parser.parse_args()
    check_folders(options.folder)
    check_outputs(options.svg, options.json)
    default = make_backend(checkpoint=options.checkpoint, say=print)
    backends = [default]
    if default.precision == "int8":
        backends.append(OpenVINOBackend(graph_of(options.checkpoint)))
    frames = list(read_frames(options.folder, options.frames))
    rows = measure(options.checkpoint, backends, frames)
    usual = usual_time(rows, default)
    print(f"{len(frames)} frames, {default.name} on {default.device}")
    print(
        "| precision | resolution | quality | IoU | network, ms | time |\n|---|---|---|---|---|---|"
    )
    for row in rows:
        print(
            f"| {row.precision} | {row.resolution} | {row.quality} | {row.iou:.3f} | "
            f"{row.network_ms:.0f} | {row.network_ms / usual:.2f} |"
        )
    if options.svg:
        draw(rows, default).savefig(options.svg, format="svg")
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n")


def measure(
    checkpoint: Path,
    backends: Sequence[Backend],
    frames: Sequence[Frame],
    resolutions: Sequence[int] = RESOLUTIONS,
) -> list[Row]:
    """Predicts every frame by every backend, the default first, at every resolution."""
    clocks = {
        (number, resolution): Timed(backend)
        for number, backend in enumerate(backends)
        for resolution in resolutions
    }
    found: dict[tuple[int, int], dict[str, list[float]]] = {key: {} for key in clocks}
    predictors = {
        key: Predictor(checkpoint, resolution=key[1], backend=clock)
        for key, clock in clocks.items()
    }
    for frame in frames:
        for key, predictor in predictors.items():
            mask = predictor.predict(frame.background, frame.image, align=False).mask
            scores = mask_scores(mask, frame.labels)
            if "iou" in scores:
                found[key].setdefault(frame.sequence, []).append(scores["iou"])
    names = {(0, resolution_for(name, backends[0].resolution)): name for name in QUALITIES}
    return [
        Row(
            clock.precision,
            key[1],
            float(np.mean([np.mean(values) for values in found[key].values()])),
            float(np.median(clock.seconds)) * 1e3,
            names.get(key, ""),
        )
        for key, clock in clocks.items()
    ]


def usual_time(rows: Sequence[Row], default: Backend) -> float:
    """What the default takes at its own resolution, which the rows hold, in milliseconds."""
    usual = (default.precision, default.resolution)
    return next(row.network_ms for row in rows if (row.precision, row.resolution) == usual)


def draw(rows: Sequence[Row], default: Backend) -> Figure:
    """Draws IoU over the network's time, as ratios; named are the qualities and the lines' ends."""
    usual = usual_time(rows, default)
    largest = max(row.resolution for row in rows)
    figure = Figure(figsize=(9, 4), layout="constrained")
    plot = figure.subplots()
    for precision in dict.fromkeys(row.precision for row in rows):
        line = [row for row in rows if row.precision == precision]
        times, scores = [row.network_ms / usual for row in line], [row.iou for row in line]
        plot.plot(times, scores, "o-", color="#8aa4c8")
        for time_ratio, row in zip(times, line, strict=True):
            end = f"{precision}, {row.resolution} px" if row.resolution == largest else ""
            if row.quality:
                plot.plot(time_ratio, row.iou, "o", color="#d9480f", markersize=8)
            plot.annotate(
                row.quality or end,
                (time_ratio, row.iou),
                xytext=(0, 8),
                textcoords="offset points",
                ha="center",
            )
    plot.set_title(f"Resolution and precision: accuracy and time ({default.name})", loc="left")
    plot.set_xlabel(f"time of the network for a pair; 1 is at {default.resolution} pixels")
    plot.set_ylabel("mean IoU")
    plot.set_xlim(left=0)
    plot.margins(y=0.15)
    plot.grid(alpha=0.3)
    return figure


def read_frames(folder: Path | None, most: int) -> Iterator[Frame]:
    """Yields the frames that have a mask: of sequences, or of the examples."""
    if folder is None:
        for place in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
            labels = read_mask(place / "mask.png").astype(np.uint8) * np.uint8(255)
            background, image = (
                read_picture(place / f"{name}.jpg") for name in ("background", "image")
            )
            yield Frame(place.name, background, image, labels)
        return
    for sequence in sorted(path for path in folder.iterdir() if (path / "mask").is_dir()):
        background = read_picture(background_of(sequence))
        known = frames_with_truth(sequence, needed={"mask"})
        count = min(most, len(known))
        for frame in (known[i * len(known) // count] for i in range(count)):
            image, labels = read_picture(frame["image"]), read_labels(frame["mask"])
            yield Frame(sequence.name, background, image, labels)


if __name__ == "__main__":
    sys.exit(run(main))
