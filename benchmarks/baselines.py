"""Compares the network with simple methods that only subtract the two pictures.

    python -m benchmarks.baselines FOLDER [--checkpoint FILE]

`python -m depthmask evaluate --help` describes FOLDER. The network is measured in the same run if
its weights are there. The baselines predict a flat depth map, so their depth scores are what a
depth map must beat.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.command import run
from depthmask.evaluation.sequences import Evaluation, Predict, evaluate_folder
from depthmask.inference.background import Background, LearnedBackground
from depthmask.inference.predictor import Prediction, Predictor
from depthmask.network.checkpoint import WEIGHTS
from depthmask.pictures import Mask, Picture
from depthmask.pictures.resize import crop_to_aspect, resize

MIN_DIFFERENCE_LEVELS = 40  # of 255; noise of the camera stays below
# Diameters in pixels below which specks and holes are removed. They were chosen on real footage for
# the best scores of the baseline.
SPECK_PIXELS, HOLE_PIXELS = 5, 15
TABLE_COLUMNS = (
    ("mask", "iou"),
    ("mask", "false_foreground"),
    ("depth", "abs_rel"),
    ("depth", "delta1"),
    ("depth", "rmse_m"),
)


def difference(background: Picture, image: Picture) -> Mask:
    """Takes pixels as foreground that differ in any channel by more than Otsu's threshold."""
    error = cv2.absdiff(image, background).max(axis=2)
    _, mask = cv2.threshold(error, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return np.asarray(mask) > 0


def gain_match(background: Picture, image: Picture) -> Mask:
    """Takes pixels as foreground that differ by over 40 levels after a gain for each channel."""
    gain = np.median((image + 1.0) / (background + 1.0), axis=(0, 1))
    error = np.abs(image - background * gain).max(axis=2).astype(np.float32)
    mask = (cv2.GaussianBlur(error, (5, 5), 0) > MIN_DIFFERENCE_LEVELS).astype(np.uint8)
    for step, size in ((cv2.MORPH_OPEN, SPECK_PIXELS), (cv2.MORPH_CLOSE, HOLE_PIXELS)):
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        mask = np.asarray(cv2.morphologyEx(mask, step, disc), dtype=np.uint8)
    return mask > 0


def with_flat_depth(find_mask: Callable[[Picture, Picture], Mask]) -> Predict:
    """Makes a prediction of a method that finds masks. The background is fitted to the image."""

    def predict(background: Background, image: Picture) -> Prediction:
        height, width = image.shape[:2]
        if isinstance(background, LearnedBackground):
            background = background.plate
        fitted = resize(crop_to_aspect(background, height, width), height, width)
        mask = find_mask(fitted, image).astype(np.float32)
        return Prediction(mask, np.full_like(mask, 0.5), 0)

    return predict


def print_table(method: str, result: Evaluation) -> None:
    """Prints the scores of one method, a line for each sequence; "-" stands for no score."""
    print(f"\n{method:24}" + "".join(f"{name:>18}" for _, name in TABLE_COLUMNS))
    mean = {"mask": result.get("mask", {}), "depth": result.get("depth", {})}
    for label, scores in {**result["sequences"], "mean": mean}.items():
        values = [scores.get(part, {}).get(name) for part, name in TABLE_COLUMNS]
        cells = ["-" if value is None else f"{value:.4f}" for value in values]
        print(f"{label:24}" + "".join(f"{cell:>18}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--resolution", type=int)
    options = parser.parse_args()
    methods = {
        "difference + Otsu": with_flat_depth(difference),
        "gain match + threshold": with_flat_depth(gain_match),
    }
    if options.checkpoint.is_file():
        predictor = Predictor(
            options.checkpoint, device=options.device, resolution=options.resolution
        )
        methods["depthmask"] = predictor.predict
    else:
        print(f"no weights at {options.checkpoint}: baselines only", file=sys.stderr)
    for method, predict in methods.items():
        print_table(method, evaluate_folder(predict, options.folder))


if __name__ == "__main__":
    sys.exit(run(main))
