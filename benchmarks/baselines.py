"""What plain arithmetic on the two pictures reaches, beside the network.

    python -m benchmarks.baselines FOLDER [--checkpoint FILE]

FOLDER is laid out as `python -m depthmask evaluate --help` tells. The network is measured in the
same run, by the same code, where its weights are there. The baselines know no depth; theirs is
flat, so its numbers say what a depth map has to beat.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.command import run
from depthmask.evaluation.sequences import Evaluation, Predict, evaluate_folder
from depthmask.inference.predictor import Prediction, Predictor
from depthmask.network.checkpoint import WEIGHTS
from depthmask.pictures import Mask, Picture
from depthmask.pictures.resize import crop_to_aspect, resize

THRESHOLD = 40  # grey levels: what the camera alone changes stays below
SPECK, HOLE = 5, 15  # pixels: smaller ones are removed. Chosen on real footage, in its favour.
COLUMNS = (
    ("mask", "iou"),
    ("mask", "false_foreground"),
    ("depth", "abs_rel"),
    ("depth", "delta1"),
    ("depth", "rmse_m"),
)


def difference(background: Picture, image: Picture) -> Mask:
    """Foreground is what differs, in any channel, by more than Otsu's threshold."""
    error = cv2.absdiff(image, background).max(axis=2)
    _, mask = cv2.threshold(error, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return np.asarray(mask) > 0


def gain_match(background: Picture, image: Picture) -> Mask:
    """Foreground differs by more than 40 levels once exposure and colour balance are matched."""
    gain = np.median((image + 1.0) / (background + 1.0), axis=(0, 1))
    error = np.abs(image - background * gain).max(axis=2).astype(np.float32)
    mask = (cv2.GaussianBlur(error, (5, 5), 0) > THRESHOLD).astype(np.uint8)
    for step, size in ((cv2.MORPH_OPEN, SPECK), (cv2.MORPH_CLOSE, HOLE)):
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        mask = np.asarray(cv2.morphologyEx(mask, step, disc), dtype=np.uint8)
    return mask > 0


def flat(find_mask: Callable[[Picture, Picture], Mask]) -> Predict:
    """Makes a prediction of a mask alone: the background covers the image, depth is flat."""

    def predict(background: Picture, image: Picture) -> Prediction:
        height, width = image.shape[:2]
        fitted = resize(crop_to_aspect(background, height, width), height, width)
        mask = find_mask(fitted, image).astype(np.float32)
        return Prediction(mask, np.full_like(mask, 0.5), 0)

    return predict


def print_table(method: str, result: Evaluation) -> None:
    """Prints the numbers of one method, a line for each sequence; a dash where there is none."""
    print(f"\n{method:24}" + "".join(f"{name:>18}" for _, name in COLUMNS))
    mean = {"mask": result.get("mask", {}), "depth": result.get("depth", {})}
    for label, scores in {**result["sequences"], "mean": mean}.items():
        values = [scores.get(part, {}).get(name) for part, name in COLUMNS]
        cells = ["-" if value is None else f"{value:.4f}" for value in values]
        print(f"{label:24}" + "".join(f"{cell:>18}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--resolution", type=int)
    options = parser.parse_args()
    methods = {"difference + Otsu": flat(difference), "gain match + threshold": flat(gain_match)}
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
