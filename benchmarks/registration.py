"""How well the background is laid on the image: after movements, and where it is framed otherwise.

    python -m benchmarks.registration FOLDER [--frames N] [--baseline DIR]

FOLDER is laid out as `python -m depthmask evaluate --help` tells. Its pairs, and the rendered ones
of `examples/`, are taken by a fixed camera. To each background is done what a hand or an editor
does. The first table has the error of alignment in pixels of a picture 640 pixels wide: the mean
over the frame, of which the median over the pairs, each moved in three directions; the share of
pairs within 2 pixels; and the median of the CPU's time in milliseconds. The second has the mean IoU
of the mask over all pixels, those that the background does not show included. DIR is another
checkout, such as `git worktree add DIR COMMIT` makes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.command import check_folders, run
from benchmarks.photo_pairs import Sample, compress, read_examples, read_sequences
from depthmask.evaluation.array_metrics import mask_iou
from depthmask.evaluation.sequences import MIN_FOREGROUND_SHARE
from depthmask.inference.predictor import Predictor
from depthmask.inference.registration import register
from depthmask.pictures import Picture

Matrix = npt.NDArray[np.float64]  # (3, 3)
Change = Callable[[Picture], Picture]
Rows = dict[str, dict[str, list[float]]]  # {row: {column: one number a pair}}

MARGIN = 8  # a part of each side is cut off, so that a moved camera has something to show
CLOSE_PIXELS = 2.0
DIRECTIONS = 3  # in which each pair is moved
WIDTH = 640  # of the picture in whose pixels errors are told


class Movement(NamedTuple):
    """How far a camera moves, in a direction that the pair decides."""

    shift: float = 0.0  # of the diagonal
    zoom: float = 0.0
    roll: float = 0.0  # degrees
    tilt: float = 0.0  # change of scale from one side to the other


MOVEMENTS = {
    "at rest": Movement(),
    "moved by 1 %": Movement(0.01, roll=0.3),
    "moved by 3 %": Movement(0.03, 0.02, 1, 0.01),
    "moved by 5 %": Movement(0.05, 0.05, 2, 0.02),
    "moved by 10 %": Movement(0.1),
    "zoomed by 10 %": Movement(zoom=0.1),
    "rolled by 5°": Movement(roll=5),
    "all at once": Movement(0.08, 0.08, 5, 0.03),
}


def cut(top: float, left: float, bottom: float, right: float) -> Change:
    """Cuts shares of its sides off a picture."""

    def change(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        rows = slice(round(top * height), height - round(bottom * height))
        return np.ascontiguousarray(
            picture[rows, round(left * width) : width - round(right * width)]
        )

    return change


def widen(picture: Picture) -> Picture:
    """Cuts the middle of 16:9 out of a picture, or of 3:4 where that is all of it."""
    height, width = picture.shape[:2]
    if width * 9 < height * 16:
        return cut(*(0.5 * (1 - width * 9 / 16 / height), 0) * 2)(picture)
    return cut(*(0, 0.5 * (1 - height * 3 / 4 / width)) * 2)(picture)


def zoom(factor: float) -> Change:
    """Enlarges a picture and keeps its size."""

    def change(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, factor)
        large = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC)
        return np.asarray(large, dtype=np.uint8)

    return change


def bar(across: float, down: float, level: int) -> Change:
    """Lays bars of a dark level over shares of the sides, and saves as JPEG."""

    def change(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        barred = np.full_like(picture, level)
        rows = slice(round(down * height), height - round(down * height))
        columns = slice(round(across * width), width - round(across * width))
        barred[rows, columns] = picture[rows, columns]
        return compress(80)(barred)

    return change


FRAMINGS: dict[str, Change] = {
    "as it is": lambda picture: picture,
    "cropped to 16:9": widen,
    "zoomed by 1.11": zoom(1.11),
    "cropped to a corner": cut(0, 0.15, 0.2, 0),
    "letterboxed": bar(0, 0.125, 8),
    "pillarboxed": bar(0.125, 0, 0),
}


def moved(sample: Sample, movement: Movement, seed: int) -> tuple[Picture, Picture, Matrix]:
    """The background as a moved camera sees it, the image, and the way from image to background."""
    rng = np.random.default_rng(seed)
    height, width = sample.image.shape[:2]
    top, left = height // MARGIN, width // MARGIN
    rows, columns = height - 2 * top, width - 2 * left
    camera = _matrix(movement, rows, columns, rng)
    to_part = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
    seen = cv2.warpPerspective(
        sample.background,
        camera @ to_part,
        (columns, rows),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    lit = seen * rng.uniform(0.8, 1.15) + rng.normal(0, 4, seen.shape)
    image = np.ascontiguousarray(sample.image[top : height - top, left : width - left])
    return np.rint(lit).clip(0, 255).astype(np.uint8), image, camera


def _matrix(movement: Movement, height: int, width: int, rng: np.random.Generator) -> Matrix:
    angle, turn = rng.uniform(0, 2 * np.pi), movement.roll * rng.choice([-1, 1])
    scale = 1 + movement.zoom * rng.choice([-1, 1])
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
    shift = movement.shift * np.hypot(height, width)
    matrix[:2, 2] += shift * np.array([np.cos(angle), np.sin(angle)])
    tilt = np.eye(3)
    tilt[2, :2] = movement.tilt * rng.uniform(-1, 1, 2) / (width, height)
    return np.asarray(matrix @ tilt)


def alignment_error(camera: Matrix, found: Matrix | None, height: int, width: int) -> float:
    """Mean distance from where a pixel of the image should lie, of those the background shows."""
    x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    points = np.stack((x, y), axis=-1).reshape(-1, 1, 2)
    there = cv2.perspectiveTransform(points, camera)
    back = there if found is None else cv2.perspectiveTransform(there, found)
    shown = np.all((there >= 0) & (there < (width, height)), axis=2)[:, 0]
    return float(np.linalg.norm(back - points, axis=2)[shown].mean() * WIDTH / width)


def measure(folder: Path, frames: int) -> tuple[Rows, Rows]:
    """Measures this checkout: movements, and framings."""
    groups = {"real": list(read_sequences(folder, frames)), "rendered": list(read_examples())}
    movements: Rows = {name: {"error": [], "ms": []} for name in MOVEMENTS}
    framings: Rows = {name: {group: [] for group in groups} for name in FRAMINGS}
    predictor = Predictor()
    for group, sample, seed in _samples(groups):
        for name, movement in MOVEMENTS.items():
            for direction in range(DIRECTIONS):
                background, image, camera = moved(sample, movement, DIRECTIONS * seed + direction)
                start = time.process_time()
                found = register(background, image).homography
                movements[name]["ms"].append(1000 * (time.process_time() - start))
                movements[name]["error"].append(alignment_error(camera, found, *image.shape[:2]))
        for name, change in FRAMINGS.items():
            mask = predictor.predict(change(sample.background), sample.image).mask
            framings[name][group].append(mask_iou(mask, sample.true, sample.valid))
    return movements, framings


def _samples(groups: dict[str, list[Sample]]) -> Iterator[tuple[str, Sample, int]]:
    for group, samples in groups.items():
        for seed, sample in enumerate(samples):
            if sample.true.mean() >= MIN_FOREGROUND_SHARE:
                yield group, sample, seed


def measure_elsewhere(checkout: Path, options: argparse.Namespace) -> tuple[Rows, Rows]:
    """Measures another checkout, in a process of its own."""
    command = [sys.executable, __file__, str(options.folder.resolve()), "--json"]
    result = subprocess.run(
        [*command, "--frames", str(options.frames)],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout.resolve())},
        check=True,
        stdout=subprocess.PIPE,
    )
    movements, framings = json.loads(result.stdout)
    return movements, framings


def show(found: dict[str, tuple[Rows, Rows]]) -> None:
    print("\n| the camera | " + " | ".join(f"{x}: pixels, within 2, ms" for x in found) + " |")
    print("|---" * (len(found) + 1) + "|")
    for name in MOVEMENTS:
        cells = []
        for movements, _ in found.values():
            error, times = movements[name]["error"], movements[name]["ms"]
            close = np.mean(np.array(error) < CLOSE_PIXELS)
            cells.append(f"{np.median(error):.2f}, {close:.0%}, {np.median(times):.0f}")
        print(f"| {name} | " + " | ".join(cells) + " |")
    groups = list(next(iter(next(iter(found.values()))[1].values())))
    columns = [f"{checkout}: {group}" for group in groups for checkout in found]
    print("\n| the background was, IoU | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in FRAMINGS:
        cells = [
            f"{np.mean(rows[name][group]):.3f}" for group in groups for _, rows in found.values()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=2, help="of each sequence")
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="another checkout")
    parser.add_argument("--json", action="store_true", help="print the numbers of each pair")
    options = parser.parse_args()
    check_folders(options.folder, options.baseline)
    if options.json:
        print(json.dumps(measure(options.folder, options.frames)))
        return
    found = {}
    if options.baseline:
        found["before"] = measure_elsewhere(options.baseline, options)
    found["now"] = measure(options.folder, options.frames)
    show(found)


if __name__ == "__main__":
    sys.exit(run(main))
