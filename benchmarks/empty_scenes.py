"""How much of an empty scene is predicted as foreground.

    python -m benchmarks.empty_scenes --data PACK [--checkpoint FILE] [--pairs N]

The pairs show empty scenes of held-out backgrounds: with noise alone, with a camera that was
bumped, and with a lamp that was switched on. They are measured through `Predictor`, as in the app,
with and without its matching of the background to the image.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.command import run
from benchmarks.composites import make_batches
from depthmask.composites.pools import Pools, load_checkpoint_pools
from depthmask.composites.recipe import ORIGINAL, Lens, Recipe
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.inference.predictor import Predictor
from depthmask.network.checkpoint import WEIGHTS, read_info
from depthmask.pictures import Picture

SIZE = 224  # pixels
BUMP = (0.01, 0.02)  # smallest and largest shift of a bumped camera, in widths of the picture


class Disturbance(NamedTuple):
    """What differs between the two photos of one empty scene."""

    recipe: Recipe
    bumped: bool = False


# The same camera settings and the same light: the photos differ by noise alone.
NOISE_ONLY = replace(
    ORIGINAL,
    empty=1.0,
    lens=Lens(
        gain=0.0, white_balance=0.0, offset=0.0, gamma=0.0, blur=0.0, sharpening=0.0, noise=1.0
    ),
)
DISTURBANCES = {
    "noise": Disturbance(NOISE_ONLY),
    "noise, a bump of 1 to 2 %": Disturbance(NOISE_ONLY, bumped=True),
    "noise, a lamp switched on": Disturbance(replace(NOISE_ONLY, lamp=1.0)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="packed training data")
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS)
    parser.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args()

    info = read_info(options.checkpoint)
    _, pools = load_checkpoint_pools(options.data, info, torch.device("cpu"))
    predictor = Predictor(options.checkpoint)
    print(
        f"{options.checkpoint.name}, share of pixels predicted as foreground, {options.pairs} pairs"
    )
    print(f"{'':30}{'network alone':>16}{'as in the app':>16}")
    for name, disturbance in DISTURBANCES.items():
        shares = [
            false_foreground(predictor, pairs(pools, options.pairs, disturbance), match=match)
            for match in (False, True)
        ]
        print(f"{name:30}" + "".join(f"{share:16.4%}" for share in shares), flush=True)


def pairs(pools: Pools, number: int, disturbance: Disturbance) -> Iterator[tuple[Picture, Picture]]:
    """Yields photos of empty scenes, the same in every run: background and image, (H, W, 3)."""
    margin = round(SIZE * BUMP[1]) if disturbance.bumped else 0
    rng = np.random.default_rng(0)
    for batch in make_batches(pools, SIZE + 2 * margin, number, disturbance.recipe):
        for background, image in zip(batch.background, batch.image, strict=True):
            distance = rng.uniform(*BUMP) * SIZE if disturbance.bumped else 0.0
            angle = rng.uniform(0, 2 * np.pi)
            down, right = round(distance * np.sin(angle)), round(distance * np.cos(angle))
            yield _part(background, margin, margin), _part(image, margin + down, margin + right)


def false_foreground(
    predictor: Predictor, photos: Iterator[tuple[Picture, Picture]], *, match: bool
) -> float:
    """Computes the share of pixels predicted as foreground.

    Args:
        predictor: Makes the predictions.
        photos: Backgrounds and images.
        match: Whether the background is first matched to the image, in position and light.
    """
    shares = [
        (predictor.predict(*pair, align=match, light=match).mask > MASK_THRESHOLD).mean()
        for pair in photos
    ]
    return float(np.mean(shares))


def _part(picture: Tensor, top: int, left: int) -> Picture:
    part = picture[:, top : top + SIZE, left : left + SIZE].permute(1, 2, 0)
    return np.ascontiguousarray((part * 255).round().to(torch.uint8).numpy())


if __name__ == "__main__":
    sys.exit(run(main))
