"""What a second look at what is small in the frame is worth, and what it costs.

    python -m benchmarks.second_look [--foregrounds DIR --backgrounds DIR] [--sequences DIR]
        [--count N] [--every N]

The examples are always measured. With folders of cut-outs and of empty scenes, so are composites in
which an object takes most of the frame, a tenth to a fourth of it, or is 3 to 8 % of its height (14
to 40 pixels of 640 x 480). With a folder laid out as `python -m depthmask evaluate --help` says, so
are its sequences. All rows are of one network at its own resolution; the quality tells what a
second look must gain. "fast" is without one.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.command import check_folders, run
from benchmarks.refinement import Case, compose, find_cases
from depthmask.backends import make_backend
from depthmask.evaluation import metrics
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.inference.predictor import QUALITIES, Predictor
from depthmask.inference.stopwatch import Stopwatch
from depthmask.network.checkpoint import WEIGHTS

SIZES = {  # of composites: width in pixels, and the least and the most of the frame that is taken
    "composites of 1280 px, large": (1280, (0.55, 0.95)),
    "composites of 1280 px, small": (1280, (0.1, 0.25)),
    "composites of 640 px, tiny": (640, (0.03, 0.083)),
}
COLUMNS = ("IoU", "boundary IoU", "network, ms", "second look, ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--foregrounds", type=Path, metavar="DIR", help="pictures with alpha")
    parser.add_argument("--backgrounds", type=Path, metavar="DIR", help="photos of empty scenes")
    parser.add_argument("--sequences", type=Path, metavar="DIR", help="with true masks")
    parser.add_argument("--count", type=int, default=20, help="composites of each kind")
    parser.add_argument("--every", type=int, default=4, help="n-th frame (default: %(default)s)")
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    check_folders(options.foregrounds, options.backgrounds, options.sequences)
    backend = make_backend(checkpoint=options.checkpoint, say=print)
    predictors = {
        quality: Predictor(
            options.checkpoint, resolution=backend.resolution, quality=quality, backend=backend
        )
        for quality in QUALITIES
    }
    rows: dict[str, list[list[float]]] = {}
    for case in all_cases(options):
        for quality, predictor in predictors.items():
            rows.setdefault(f"{case.group}, {quality}", []).append(measure(predictor, case))
    print(f"| {'':38} | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1))
    for label, scores in rows.items():
        cells = " | ".join(f"{value:.3f}" for value in np.mean(scores, axis=0))
        print(f"| {label:38} | {cells} |")


def all_cases(options: argparse.Namespace) -> Iterator[Case]:
    folders = options.foregrounds, options.backgrounds
    options.foregrounds = None  # the composites of another benchmark are not wanted
    yield from find_cases(options)
    if not all(folders):
        return
    files = [sorted(path for path in folder.iterdir() if path.is_file()) for folder in folders]
    for group, (width, shares) in SIZES.items():
        chance = random.Random(group)
        for seed in range(options.count):
            cutout, scene = (chance.choice(pictures) for pictures in files)
            yield compose(cutout, scene, seed, group=group, image_width=width, shares=shares)


def measure(predictor: Predictor, case: Case) -> list[float]:
    """The two IoUs, and milliseconds of the first look and of the second one."""
    watch = Stopwatch()
    mask = predictor.predict(case.background, case.image, stopwatch=watch).mask
    pred, true, valid = (torch.from_numpy(x)[None] for x in (mask, case.true, case.valid))
    true_mask = true > MASK_THRESHOLD
    return [
        metrics.mask_iou(pred, true_mask, valid).item(),
        metrics.boundary_iou(pred, true_mask, valid).item(),
        watch.milliseconds["network"],
        watch.milliseconds["second look"],
    ]


if __name__ == "__main__":
    sys.exit(run(main))
