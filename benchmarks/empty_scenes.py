"""How much of an empty scene is called foreground.

    python -m benchmarks.empty_scenes --data PACK [--checkpoint FILE] [--pairs N]

Pairs of photos of scenes that training never saw, nothing in them: one with noise alone, one where
the camera was bumped, one where a lamp was switched on. Measured through `Predictor`, as the app
does, with and without its matching of the background to the image.
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
from benchmarks.composites import batches
from depthmask.composites.pools import Pools, load_checkpoint_pools
from depthmask.composites.recipe import ORIGINAL, Lens, Recipe
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.inference.predictor import Predictor
from depthmask.network.checkpoint import WEIGHTS
from depthmask.pictures import Picture

SIZE = 224  # pixels
SHIFT = (0.01, 0.02)  # of a bumped camera, in widths of the picture


class EmptyScene(NamedTuple):
    """What differs between two photos of one empty scene."""

    recipe: Recipe
    bumped: bool = False


# One camera in one light, that only adds its noise.
STILL = replace(
    ORIGINAL,
    empty=1.0,
    lens=Lens(
        gain=0.0, white_balance=0.0, offset=0.0, gamma=0.0, blur=0.0, sharpening=0.0, noise=1.0
    ),
)
SCENES = {
    "noise": EmptyScene(STILL),
    "noise, a bump of 1 to 2 %": EmptyScene(STILL, bumped=True),
    "noise, a lamp switched on": EmptyScene(replace(STILL, lamp=1.0)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="packed training data")
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS)
    parser.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args()

    predictor = Predictor(options.checkpoint)
    _, pools = load_checkpoint_pools(options.data, predictor.info, torch.device("cpu"))
    print(f"{options.checkpoint.name}, share of pixels called foreground, {options.pairs} pairs")
    print(f"{'':30}{'network alone':>16}{'as in the app':>16}")
    for name, scene in SCENES.items():
        shares = [
            false_foreground(predictor, pairs(pools, options.pairs, scene), match=match)
            for match in (False, True)
        ]
        print(f"{name:30}" + "".join(f"{share:16.4%}" for share in shares), flush=True)


def pairs(pools: Pools, number: int, scene: EmptyScene) -> Iterator[tuple[Picture, Picture]]:
    """Photos of empty scenes, always the same ones: background and image, (H, W, 3) uint8."""
    margin = round(SIZE * SHIFT[1]) if scene.bumped else 0
    dice = np.random.default_rng(0)
    for batch in batches(pools, SIZE + 2 * margin, number, scene.recipe):
        for background, image in zip(batch.background, batch.image, strict=True):
            reach = dice.uniform(*SHIFT) * SIZE if scene.bumped else 0.0
            angle = dice.uniform(0, 2 * np.pi)
            down, right = round(reach * np.sin(angle)), round(reach * np.cos(angle))
            yield _part(background, margin, margin), _part(image, margin + down, margin + right)


def false_foreground(
    predictor: Predictor, photos: Iterator[tuple[Picture, Picture]], *, match: bool
) -> float:
    """Share of the pixels called foreground; `match`: the background is first matched."""
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
