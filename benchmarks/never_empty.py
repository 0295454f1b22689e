"""Backgrounds learned from sequences in which somebody is always in the picture.

    python -m benchmarks.never_empty FOLDER [--sheet FILE]

FOLDER is as `depthmask evaluate` takes it; the background of each sequence is the truth. It is
learned from the images: as their median, by the vote of `learn_background`, and by the votes of
`learn_occupied`. Then masks are predicted with each of them, and with the true background.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.command import check_outputs, run
from depthmask.evaluation.frames import (
    background_of,
    find_sequences,
    frames_with_truth,
    part_of,
    pictures_of,
)
from depthmask.evaluation.sequences import mask_scores
from depthmask.evaluation.truth import leave_out
from depthmask.inference.background import (
    MAX_FRAMES,
    Background,
    LearnedBackground,
    learn_background,
    spread_evenly,
)
from depthmask.inference.clean_plate import learn_occupied
from depthmask.inference.predictor import Predictor
from depthmask.pictures import Map, Picture, read_picture, read_true_mask
from depthmask.pictures.resize import resize

WRONG_LEVELS = 20  # by which the largest of a pixel's channels is off
TILE = (240, 320)  # height and width of a picture on the sheet


def errors(plate: Picture, true: Picture) -> Map:
    """The largest error of each pixel's channels, in levels, (H, W)."""
    there = resize(plate, *true.shape[:2])
    return cv2.absdiff(there, true).max(axis=2).astype(np.float32)


def mean_iou(predictor: Predictor, background: Background, sequence: Path) -> float:
    """Mean IoU of the images of a sequence, of what is known."""
    found = []
    for frame in frames_with_truth(sequence, needed={"mask"}):
        prediction = predictor.predict(background, read_picture(frame["image"]))
        labels = leave_out(read_true_mask(frame["mask"]).labels, prediction.unknown)
        found.append(mask_scores(prediction.mask, labels).get("iou", np.nan))
    return float(np.nanmean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw the backgrounds")
    options = parser.parse_args()
    check_outputs(options.sheet)
    predictor = Predictor()
    rows: list[Picture] = []
    print(
        "| sequence | background | mean error | wrong | unseen | IoU |\n|---|---|---|---|---|---|"
    )
    for sequence in find_sequences(options.folder):
        true = read_picture(background_of(sequence))
        images = spread_evenly([*pictures_of(part_of(sequence, "image")).values()], MAX_FRAMES)
        photos = [read_picture(path) for path in images]
        kinds: dict[str, Background] = {
            "true": true,
            "median": np.median(photos, axis=0).astype(np.uint8),
            "one vote": learn_background(photos),
            "votes without what the network finds": learn_occupied(photos, predictor),
        }
        row = [photos[len(photos) // 3]]
        for kind, known in kinds.items():
            plate = known.plate if isinstance(known, LearnedBackground) else known
            unseen = known.unseen.mean() if isinstance(known, LearnedBackground) else 0.0
            off = errors(plate, true)
            iou = mean_iou(predictor, known, sequence)
            print(
                f"| {sequence.name} | {kind} | {off.mean():.2f} | {(off > WRONG_LEVELS).mean():.2%}"
                f" | {unseen:.1%} | {iou:.3f} |",
                flush=True,
            )
            row.append(plate)
        rows.append(np.hstack([resize(picture, *TILE) for picture in row]))
    if options.sheet:
        Image.fromarray(np.vstack(rows)).save(options.sheet)


if __name__ == "__main__":
    sys.exit(run(main))
