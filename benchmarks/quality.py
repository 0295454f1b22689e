"""What the network's resolution is worth: mean IoU against the time the network takes.

    python -m benchmarks.quality [FOLDER] [--frames N] [--svg FILE] [--json FILE]

FOLDER is laid out as `python -m depthmask evaluate --help` tells; without it, the pairs of
`examples/` are used. All resolutions take turns on each frame, so that whatever else the machine
does slows all of them alike. Cameras are taken to be fixed: photos are matched in light, and not
moved. `depthmask.inference.QUALITIES` was chosen by this.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from depthmask.backends import Backend, make_backend
from depthmask.charts import Spot, draw_line
from depthmask.checkpoint import WEIGHTS
from depthmask.evaluate import mask_scores
from depthmask.export import EXAMPLES
from depthmask.inference import QUALITIES, Predictor, resolution_for
from depthmask.pictures import Grey, Map, Picture, read_grey, read_mask, read_picture

RESOLUTIONS = (96, 128, 160, 192, 224, 256, 320, 384)


class Frame(NamedTuple):
    """A pair with its true mask."""

    sequence: str
    background: Picture
    image: Picture
    labels: Grey  # (H, W): 255 foreground, 0 background, 170 neither


class Row(NamedTuple):
    """What one resolution reached."""

    resolution: int  # square root of the pixels that the network saw
    iou: float  # over the frames of a sequence, then over the sequences
    network_ms: float  # median of a run
    quality: str  # its name, or ""


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
    backend = make_backend(checkpoint=options.checkpoint, say=print)
    frames = list(read_frames(options.folder, options.frames))
    rows = measure(options.checkpoint, backend, frames)
    print(f"{len(frames)} frames, {backend.name} in {backend.precision} on {backend.device}")
    print("| resolution | quality | IoU | network, ms |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.resolution} | {row.quality} | {row.iou:.3f} | {row.network_ms:.0f} |")
    if options.svg:
        options.svg.write_text(draw(rows, backend))
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n")


def measure(
    checkpoint: Path,
    backend: Backend,
    frames: list[Frame],
    resolutions: tuple[int, ...] = RESOLUTIONS,
) -> list[Row]:
    """Predicts every frame at every resolution."""
    clocks = {resolution: Timed(backend) for resolution in resolutions}
    predictors = {
        resolution: Predictor(checkpoint, resolution=resolution, backend=clock)
        for resolution, clock in clocks.items()
    }
    found: dict[int, dict[str, list[float]]] = {resolution: {} for resolution in resolutions}
    for frame in frames:
        for resolution, predictor in predictors.items():
            mask = predictor.predict(frame.background, frame.image, align=False).mask
            scores = mask_scores(mask, frame.labels)
            if "iou" in scores:
                found[resolution].setdefault(frame.sequence, []).append(scores["iou"])
    names = {resolution_for(name, backend.resolution): name for name in QUALITIES}
    return [
        Row(
            resolution,
            float(np.mean([np.mean(values) for values in found[resolution].values()])),
            float(np.median(clocks[resolution].seconds)) * 1e3,
            names.get(resolution, ""),
        )
        for resolution in resolutions
    ]


def draw(rows: list[Row], backend: Backend) -> str:
    """Draws IoU over the network's time, as ratios, the named qualities marked.

    The rows hold one of the backend's own resolution.
    """
    usual = next(row.network_ms for row in rows if row.resolution == backend.resolution)
    spots = [
        Spot(
            row.network_ms / usual,
            row.iou,
            f"{row.resolution} {row.quality}".strip(),
            bool(row.quality),
        )
        for row in rows
    ]
    return draw_line(
        f"Resolution: accuracy and time ({backend.name}, {backend.precision})",
        spots,
        x_title=f"time the network takes for a pair, in those of {backend.resolution} pixels",
        y_title="mean IoU",
    )


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
        background = read_picture(sequence / "background.png")
        names = sorted(path.name for path in (sequence / "mask").glob("*.png"))
        count = min(most, len(names))
        for name in (names[i * len(names) // count] for i in range(count)):
            image = read_picture(sequence / "image" / name)
            yield Frame(sequence.name, background, image, read_grey(sequence / "mask" / name))


if __name__ == "__main__":
    main()
