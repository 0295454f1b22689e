"""Scores a checkpoint on the example pairs, and prints the rows of the model card.

    python -m benchmarks.examples [--checkpoint FILE] [--resolution R] [--sheet FILE]

"Without the shadow" is the IoU of the mask less the cast shadow, as the page drops it.

The sheet has a row for each pair: image, mask with its errors in colour, cut-out, true depth,
predicted depth.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.command import check_outputs, run
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.evaluation.sequences import score_prediction
from depthmask.files import EXAMPLES
from depthmask.inference.predictor import Prediction, Predictor
from depthmask.inference.shadow import cast_shadow
from depthmask.pictures import Picture, read_labels, read_mask, read_picture, read_true_depth
from depthmask.render.views import checkerboard, colour_depth, cutout, fill, lay_over, mask_errors

FULL_SHADOW = 30 / 255  # a darker one is taken out of the mask as a whole
TILE_PIXELS = (200, 200)  # height and width of a picture in the sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped one")
    parser.add_argument("--resolution", type=int, help="default: the checkpoint's")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw the predictions, a JPEG")
    options = parser.parse_args()
    check_outputs(options.sheet)
    predictor = Predictor(options.checkpoint, resolution=options.resolution)
    rows = []
    print("| example | IoU | RMSE | IoU without the shadow |\n|---|---|---|---|")
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        prediction = predict_example(predictor, folder)
        scores = score_example(prediction, folder)
        if options.sheet:
            rows.append(sheet_row(prediction, folder))
        dropped = score_example(drop_shadow(prediction, folder), folder)
        print(
            f"| `{folder.name}` | {scores['iou']:.3f} | {scores['rmse']:.3f} "
            f"| {dropped['iou']:.3f} |"
        )
    if options.sheet:
        Image.fromarray(np.vstack(rows)).save(options.sheet, quality=85)


def predict_example(predictor: Predictor, folder: Path) -> Prediction:
    return predictor.predict(
        read_picture(folder / "background.jpg"), read_picture(folder / "image.jpg")
    )


def score_example(prediction: Prediction, folder: Path) -> dict[str, float]:
    """Compares a prediction with the truth of an example: "iou" and "rmse"."""
    return score_prediction(
        prediction,
        true_labels=read_labels(folder / "mask.png"),
        true_depth=read_true_depth(folder / "depth.png"),
    )


def drop_shadow(prediction: Prediction, folder: Path) -> Prediction:
    """Takes the cast shadow out of the mask, as stage_repair.js does."""
    assert prediction.background is not None
    image = read_picture(folder / "image.jpg")
    shadow = cast_shadow(image, prediction.background, prediction.mask)
    return replace(prediction, mask=prediction.mask * (1 - np.minimum(1, shadow / FULL_SHADOW)))


def sheet_row(prediction: Prediction, folder: Path) -> Picture:
    """Draws the row of an example."""
    image = read_picture(folder / "image.jpg")
    true_depth = read_true_depth(folder / "depth.png").values
    empty = checkerboard(*image.shape[:2])
    shown = (
        image,
        mask_errors(image, prediction.mask > MASK_THRESHOLD, read_mask(folder / "mask.png")),
        lay_over(cutout(image, prediction.mask), empty),
        colour_depth(true_depth),
        colour_depth(prediction.depth),
    )
    return np.hstack([fill(picture, *TILE_PIXELS) for picture in shown])


if __name__ == "__main__":
    sys.exit(run(main))
