"""Measures masks refined at full resolution beside masks that are only enlarged.

    python -m benchmarks.refinement [--foregrounds DIR --backgrounds DIR] [--sequences DIR]
        [--checkpoint FILE]

The examples are always measured. With folders of cut-outs and of empty scenes, so are composites of
1280 pixels made of them. With a folder laid out as `python -m depthmask evaluate --help` says, so
are its sequences; their true masks have no soft edges. The network runs once a pair: both rows
start from the same output. Time and memory are measured at 4000 x 3000 pixels.
"""

import argparse
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from benchmarks.command import check_folders, resident_megabytes, run
from depthmask.evaluation import metrics
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.evaluation.frames import background_of, frames_with_truth
from depthmask.evaluation.matting import gradient_error
from depthmask.evaluation.truth import split_labels
from depthmask.files import EXAMPLES
from depthmask.inference.light import apply_light, match_light
from depthmask.inference.predictor import Predictor, network_size
from depthmask.inference.refinement import enlarge_mask, refine_depth, steepen, unmix
from depthmask.pictures import Map, Mask, Picture, read_labels, read_picture
from depthmask.pictures.resize import crop_to_aspect, enlarge, resize

COMPOSITE_WIDTH = 1280  # pixels
COMPOSITE_SHARES = (0.55, 0.95)
LARGE = (3000, 4000)  # pixels, height and width for time and memory
COLUMNS = ("IoU", "boundary IoU", "at 0.5 %", "gradient x 1000", "alpha error %")


@dataclass(frozen=True)
class Case:
    """A pair of photos with the truth."""

    group: str
    background: Picture
    image: Picture
    true: Map  # (H, W), in [0, 1]
    valid: Mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--foregrounds", type=Path, metavar="DIR", help="pictures with alpha")
    parser.add_argument("--backgrounds", type=Path, metavar="DIR", help="photos of empty scenes")
    parser.add_argument("--sequences", type=Path, metavar="DIR", help="with true masks")
    parser.add_argument("--count", type=int, default=24, help="of composites (default: 24)")
    parser.add_argument("--every", type=int, default=4, help="n-th frame (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped one")
    options = parser.parse_args()
    check_folders(options.foregrounds, options.backgrounds, options.sequences)
    predictor = Predictor(options.checkpoint)
    rows: dict[str, list[list[float]]] = {}
    for case in find_cases(options):
        low = see(predictor, case)
        for name, change in (("enlarged", enlarge), ("refined", refine_mask)):
            mask = change(low, *case.true.shape)
            rows.setdefault(f"{case.group}, {name}", []).append(score(mask, case))
    print(f"| {'':24} | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1))
    for label, scores in rows.items():
        cells = " | ".join(f"{value:.3f}" for value in np.mean(scores, axis=0))
        print(f"| {label:24} | {cells} |")
    measure_cost(case, low)


def refine_mask(mask: Map, height: int, width: int) -> Map:
    """As `Predictor.predict` does, without a second look."""
    return steepen(enlarge_mask(mask, height, width))


def find_cases(options: argparse.Namespace) -> Iterator[Case]:
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        yield Case(
            "examples",
            read_picture(folder / "background.jpg"),
            read_picture(folder / "image.jpg"),
            *_truth(folder / "mask.png"),
        )
    for sequence in sorted(options.sequences.iterdir()) if options.sequences else ():
        known = frames_with_truth(sequence, needed={"mask"})
        for frame in known[:: options.every]:
            yield Case(
                f"sequence {sequence.name}",
                read_picture(background_of(sequence)),
                read_picture(frame["image"]),
                *_truth(frame["mask"]),
            )
    if options.foregrounds and options.backgrounds:
        foregrounds, backgrounds = (
            sorted(path for path in folder.iterdir() if path.is_file())
            for folder in (options.foregrounds, options.backgrounds)
        )
        chance = random.Random(0)
        for number in range(options.count):
            yield compose(chance.choice(foregrounds), chance.choice(backgrounds), number)


def compose(
    foreground: Path,
    background: Path,
    seed: int,
    *,
    group: str = "composites",
    image_width: int = COMPOSITE_WIDTH,
    shares: tuple[float, float] = COMPOSITE_SHARES,
) -> Case:
    """Lays a cut-out and a soft shadow on a background, photographs both, and matches the light.

    `shares` are the least and the most of the frame's height or width that the cut-out takes.
    """
    numbers = np.random.default_rng(seed)
    scene = read_picture(background)
    scene = np.asarray(cv2.resize(scene, None, fx=(k := image_width / scene.shape[1]), fy=k))
    height, width = scene.shape[:2]
    with Image.open(foreground) as file:
        layer = np.array(file.convert("RGBA")).astype(np.float32)
    layer[..., :3] *= layer[..., 3:] / 255
    scale = numbers.uniform(*shares) * min(height / layer.shape[0], width / layer.shape[1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    layer = np.asarray(cv2.resize(layer, None, fx=scale, fy=scale, interpolation=way))
    rows, columns = layer.shape[:2]
    left = int(numbers.integers(0, width - columns + 1))
    whole = np.zeros((height, width, 4), np.float32)
    whole[height - rows :, left : left + columns] = layer
    alpha = np.clip(whole[..., 3] / 255, 0, 1)
    shadow = np.asarray(cv2.GaussianBlur(np.roll(alpha, (8, 30), (0, 1)), (0, 0), 12))[..., None]
    lit = scene * (1 - shadow * numbers.uniform(0, 0.5)) * numbers.uniform(0.97, 1.03, 3)
    image = lit * (1 - alpha[..., None]) + whole[..., :3]
    photos = [_photograph(each.astype(np.float32), numbers) for each in (scene, image)]
    light = match_light(*photos, foreground=alpha.astype(np.float32))
    return Case(
        group,
        apply_light(photos[0], light),
        photos[1],
        alpha.astype(np.float32),
        np.ones(alpha.shape, bool),
    )


def _photograph(scene: Map, numbers: np.random.Generator) -> Picture:
    """Adds noise of 1 to 4 levels, and what JPEG of quality 80 to 96 does."""
    noisy = scene + numbers.normal(0, numbers.uniform(1, 4), scene.shape)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(numbers.integers(80, 97))]
    _, data = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), quality)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _truth(path: Path) -> tuple[Map, Mask]:
    grey = read_labels(path)
    _, known = split_labels(grey)
    return np.where(known, grey, 0).astype(np.float32) / np.float32(255), known


def see(predictor: Predictor, case: Case) -> Map:
    """The network's mask of a pair at its own size, without registration or light match."""
    height, width = case.true.shape
    size = network_size(height, width, predictor.resolution)
    background = crop_to_aspect(case.background, height, width)
    return predictor.backend.run(resize(background, *size), resize(case.image, *size))["mask"]


def score(mask: Map, case: Case) -> list[float]:
    pred, true, valid = (torch.from_numpy(x)[None] for x in (mask, case.true, case.valid))
    true_mask = true > MASK_THRESHOLD
    return [
        metrics.mask_iou(pred, true_mask, valid).item(),
        metrics.boundary_iou(pred, true_mask, valid).item(),
        metrics.boundary_iou(pred, true_mask, valid, width=0.005).item(),
        1000 * gradient_error(mask, case.true, case.valid),
        100 * float(np.abs(mask - case.true)[case.valid].mean()),
    ]


def measure_cost(case: Case, low: Map) -> None:
    """Prints seconds and memory of each step at 12 megapixels."""
    background, image = (
        np.asarray(cv2.resize(x, LARGE[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
        for x in (case.background, case.image)
    )
    mask = refine_mask(low, *LARGE)
    print(f"\n{LARGE[1]} x {LARGE[0]} pixels, {cv2.getNumThreads()} threads")
    steps: dict[str, Callable[[], object]] = {
        "enlarge the mask": lambda: enlarge(low, *LARGE),
        "refine the mask": lambda: refine_mask(low, *LARGE),
        "refine the depth": lambda: refine_depth(low, low, mask),
        "un-mix colours": lambda: unmix(image, background, mask),
    }
    for name, step in steps.items():
        wall, busy, memory = _cost(step)
        print(f"{name:20} {wall:6.2f} s, {busy:6.2f} s of CPU, {memory:5.0f} MB more")


def _cost(step: Callable[[], object]) -> tuple[float, float, float]:
    """Wall and CPU seconds, and by how many MB the resident memory grows at its peak."""
    start, peak, done = resident_megabytes(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident_megabytes() - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    wall, busy = time.perf_counter(), time.process_time()
    result = step()  # kept until measured: what it returns counts
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    done.set()
    watcher.join()
    del result
    return wall, busy, peak


if __name__ == "__main__":
    sys.exit(run(main))
