"""Scores a checkpoint on the repository's example pairs, as rows of the model card.

python -m benchmarks.examples [--checkpoint FILE] [--resolution R]
"""

import argparse
from pathlib import Path

from depthmask.evaluate import compare
from depthmask.inference import Predictor
from depthmask.pictures import read_mask, read_picture, read_true_depth

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped one")
    parser.add_argument("--resolution", type=int, help="default: the checkpoint's")
    options = parser.parse_args()
    predictor = Predictor(options.checkpoint, resolution=options.resolution)
    print("| example | IoU | RMSE |\n|---|---|---|")
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        scores = score_example(predictor, folder)
        print(f"| `{folder.name}` | {scores['iou']:.3f} | {scores['rmse']:.3f} |")


def score_example(predictor: Predictor, folder: Path) -> dict[str, float]:
    """Compares a prediction with an example's truth: "iou" and "rmse"."""
    prediction = predictor.predict(
        read_picture(folder / "background.jpg"), read_picture(folder / "image.jpg")
    )
    return compare(
        prediction,
        true_mask=read_mask(folder / "mask.png"),
        true_depth=read_true_depth(folder / "depth.png"),
    )


if __name__ == "__main__":
    main()
