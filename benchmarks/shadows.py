"""How much of the objects' shadows is predicted as foreground.

    python -m benchmarks.shadows --data PACK [--checkpoint FILE ...] [--size N] [--samples N]

PACK is the file the checkpoint was trained on. Only pictures kept for validation are used. Each
composite is made with its shadows and without, seen by a camera that moved. Background pixels that
are darker with shadows are shadow. The rows "of bars" have objects that consist of bars, as a
bicycle or a fence does, and so do their shadows.
"""

import argparse
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from benchmarks.command import run
from benchmarks.composites import make_batches, predict_map
from depthmask.composites.pools import Pools, load_checkpoint_pools
from depthmask.composites.recipe import ORIGINAL_BY_CAMERA, Recipe
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.evaluation.metrics import mask_iou
from depthmask.network.checkpoint import WEIGHTS, load_checkpoint

SHADED = replace(
    ORIGINAL_BY_CAMERA,
    smallest=0.2,
    largest=0.8,
    shadow=1.0,
    darkest=Recipe.darkest,
    wall=Recipe.wall,
)
RECIPES = {"whole": SHADED, "of bars": replace(SHADED, lattice=1.0)}
SHADOW_EDGES = (0.1, 0.3, 0.5, 1.0)  # of the columns: share of the light that a shadow takes
_MIN_BRIGHTNESS = 0.1  # of pixels that count, full scale = 1; shadows on darker ones do not show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="packed training data")
    parser.add_argument("--checkpoint", type=Path, nargs="+", default=[WEIGHTS])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--samples", type=int, default=128)
    options = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"{options.samples} composites of {options.size} px; share predicted as foreground of")
    columns = (
        "no shadow",
        *(f"{low:.0%} to {high:.0%}" for low, high in pairwise(SHADOW_EDGES)),
        "IoU",
    )
    print(f"{'':32}" + "".join(f"{name:>14}" for name in columns))
    for checkpoint in options.checkpoint:
        model, info = load_checkpoint(checkpoint)
        model = model.to(device)
        _, held_out = load_checkpoint_pools(options.data, info, device)
        for name, recipe in RECIPES.items():
            scores = shadow_scores(model, held_out, options.size, options.samples, recipe)
            row = "".join(f"{score:14.4f}" for score in scores)
            print(f"{checkpoint.stem[:20]:20}  {name:10}{row}", flush=True)


def shadow_scores(
    model: nn.Module, pools: Pools, size: int, samples: int, recipe: Recipe
) -> list[float]:
    """Computes the shares of the background that are predicted as foreground, then the mean IoU.

    The first share is of background without shadow, the others are of shadows by `SHADOW_EDGES`.
    """
    found, total, ious = torch.zeros(len(SHADOW_EDGES)), torch.zeros(len(SHADOW_EDGES)), []
    both = (make_batches(pools, size, samples, r) for r in (recipe, replace(recipe, shadow=0.0)))
    for shaded, lit in zip(*both, strict=True):
        pred = predict_map(model, shaded, "mask")
        ious.append(mask_iou(pred[:, 0], shaded.true_mask[:, 0]))
        dark, bright = (batch.image.mean(dim=1, keepdim=True) for batch in (shaded, lit))
        taken = 1 - dark / bright.clamp_min(1e-3)
        zone = torch.bucketize(taken, torch.tensor(SHADOW_EDGES[:-1], device=pred.device))
        background = (shaded.true_mask < 0.01) & (bright > _MIN_BRIGHTNESS)
        for number in range(len(SHADOW_EDGES)):
            inside = background & (zone == number)
            found[number] += (pred > MASK_THRESHOLD)[inside].sum().cpu()
            total[number] += inside.sum().cpu()
    return [*(found / total.clamp_min(1)).tolist(), torch.cat(ious).mean().item()]


if __name__ == "__main__":
    sys.exit(run(main))
