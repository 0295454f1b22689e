"""Fits what `depthmask.inference.refinement` weighs near a mask's border, and prints the constants.

    python -m tools.fit_refine --foregrounds DIR --backgrounds DIR

Composites of 1280 pixels with known coverage are made of the pictures for training; the network
sees each; then a logistic regression finds how much its word and the photos count. Each composite
counts alike, however long its border.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
import torch

from benchmarks.command import check_folders, run
from benchmarks.refinement import compose, see
from depthmask.data.split import is_held_out
from depthmask.inference import refinement as refine
from depthmask.inference.predictor import Predictor
from depthmask.pictures import Map
from depthmask.pictures.resize import fit_size, shrink
from depthmask.training.config import TrainConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--foregrounds", type=Path, required=True, metavar="DIR")
    parser.add_argument("--backgrounds", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=80, help="of composites (default: 80)")
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped one")
    options = parser.parse_args()
    check_folders(options.foregrounds, options.backgrounds)
    predictor = Predictor(options.checkpoint)
    folders = [_for_training(folder) for folder in (options.foregrounds, options.backgrounds)]
    chance = random.Random(1)
    found = []
    for number in range(options.count):
        foreground, background = (chance.choice(folder) for folder in folders)
        case = compose(foreground, background, 1000 + number)
        size = fit_size(case.true.shape, refine.DECIDE)
        photos = (shrink(picture, *size) for picture in (case.background, case.image))
        open_, _, evidence = refine.weigh(see(predictor, case), *photos)
        if open_.sum() > 100:
            found.append((evidence[open_], shrink(case.true, *size)[open_]))
    weights, bias, before, after = fit(found)
    print(f"{len(found)} composites, cross-entropy {before:.4f} -> {after:.4f}")
    print(f"WEIGHTS, BIAS = ({', '.join(f'{value:.3f}' for value in weights)}), {bias:.3f}")


def fit(found: list[tuple[Map, Map]]) -> tuple[list[float], float, float, float]:
    """Weights, bias, and the mean cross-entropy before and after, from (N, 4) and (N,) each."""
    share = torch.cat([torch.full((len(true),), 1 / len(true) / len(found)) for _, true in found])
    evidence, true = (
        torch.from_numpy(np.concatenate(part)).double() for part in zip(*found, strict=True)
    )
    values = torch.tensor([*refine.WEIGHTS, refine.BIAS], dtype=torch.float64, requires_grad=True)

    def loss() -> torch.Tensor:
        logits = evidence @ values[:-1] + values[-1]
        each = torch.nn.functional.binary_cross_entropy_with_logits(logits, true, reduction="none")
        return (share * each).sum()

    optimizer = torch.optim.LBFGS([values], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value.item()

    before = loss().item()
    optimizer.step(closure)
    *weights, bias = values.tolist()
    return weights, bias, before, loss().item()


def _for_training(folder: Path) -> list[Path]:
    held_out = TrainConfig(Path(), Path()).held_out
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and not is_held_out(path.stem, held_out)
    ]


if __name__ == "__main__":
    sys.exit(run(main))
