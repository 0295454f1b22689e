"""Scores a checkpoint on composites of pictures that training never saw.

    python -m benchmarks.composites --data PACK [--checkpoint FILE] [--samples N]

PACK is the file the checkpoint was trained on. The split by shot is repeated, and only the pictures
kept for validation are used. A checkpoint of `--protocol original` is scored on the pictures it was
trained on, as the original was. The rows below each score are baselines: depth maps that ignore the
pictures, taken from training composites. Then comes how much of the foreground is predicted nearer
than what it hides. The last row is what the original project printed for its own test set, whose
backgrounds and cut-outs it had trained on.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.command import run
from depthmask.composites.compose import Batch, compose
from depthmask.composites.pools import Pools, load_checkpoint_pools
from depthmask.composites.recipe import ORIGINAL, ORIGINAL_BY_CAMERA, Recipe, with_plates
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.network.checkpoint import WEIGHTS, load_checkpoint
from depthmask.network.device import autocast
from depthmask.training.config import TrainConfig
from depthmask.training.validation import COMPOSITES_SEED, validation_metrics

MOVING = replace(
    Recipe(), sway=0.6, dynamic_texture=0.3, screen=0.2, clouds=0.2, jitter=0.3, perfect=0.0
)
RECIPES = {
    "original protocol": ORIGINAL,
    "with camera changes": ORIGINAL_BY_CAMERA,
    "as in training": Recipe(),
    "scenes that move": MOVING,
    "of several photos": with_plates(MOVING),
}
COLUMNS = ("iou", "batch_iou", "boundary_iou", "rmse", "batch_rmse", "rmse_over_deviation")
REFERENCE = (
    "the original, its own test set: batch IoU 0.9669 at 112 px, 0.9720 at 224 px; "
    "batch RMSE 0.0592 (0.24 of the deviation) at 112 px, 0.0737 (0.30) at 224 px"
)
_BATCH = 16  # samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="packed training data")
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96, 112, 224])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    options = parser.parse_args()

    model, info = load_checkpoint(options.checkpoint)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device)
    train, held_out = load_checkpoint_pools(options.data, info, device)
    print(f"{options.checkpoint.name}, {options.samples} samples each")
    print(f"{'':20} {'size':>5} " + " ".join(f"{name:>20}" for name in COLUMNS))
    for name in options.recipes:
        for size in options.sizes:
            print_scores(name, model, train, held_out, size, options.samples)
    print(REFERENCE)
    print("\nforeground nearer than what it hides, share of its pixels, original protocol")
    for size in options.sizes:
        order = DepthOrder.measure(model, held_out, size, options.samples)
        print(
            f"{size:5} px   {order.pred:.4f} against the depth predicted for the empty scene, "
            f"{order.true:.4f} against its true depth (truth itself: {order.best:.4f})",
            flush=True,
        )


def print_scores(
    name: str, model: nn.Module, train: Pools, held_out: Pools, size: int, samples: int
) -> None:
    """Prints one row for the network and one for each baseline."""
    recipe = RECIPES[name]
    print_row(name, size, validation_metrics(model, held_out, size, samples, recipe))
    for baseline, fixed in depth_baselines(train, size, samples, recipe).items():
        print_row(f"  {baseline}", size, validation_metrics(fixed, held_out, size, samples, recipe))


def print_row(name: str, size: int, scores: dict[str, float]) -> None:
    cells = (f"{scores[column]:.4f}" if column in scores else "-" for column in COLUMNS)
    print(f"{name:20} {size:5} " + " ".join(f"{cell:>20}" for cell in cells), flush=True)


class FixedDepth(nn.Module):
    """A baseline in place of a network: predicts one depth map for all pictures."""

    def __init__(self, depth: Tensor) -> None:
        super().__init__()
        self.logits = depth.clamp(1e-4, 1 - 1e-4).logit()

    def forward(self, background: Tensor, image: Tensor) -> dict[str, Tensor]:
        return {"depth": self.logits.expand(len(image), 1, *image.shape[-2:])}


class DepthOrder(NamedTuple):
    """Shares of the foreground pixels whose depth is less than that of what they hide."""

    pred: float  # prediction against the prediction for the empty scene
    true: float  # prediction against the true depth of the empty scene
    best: float  # true depth against the true depth of the empty scene

    @classmethod
    def measure(cls, model: nn.Module, pools: Pools, size: int, samples: int) -> "DepthOrder":
        """Compares composites of the original protocol with the same scenes without objects."""
        nearer, total = torch.zeros(3), 0
        recipes = (ORIGINAL, replace(ORIGINAL, empty=1.0))
        for made, hidden in zip(
            *(make_batches(pools, size, samples, r) for r in recipes), strict=True
        ):
            covered = made.true_mask > MASK_THRESHOLD
            pred, pred_hidden = (predict_map(model, batch, "depth") for batch in (made, hidden))
            pairs = (
                (pred, pred_hidden),
                (pred, hidden.true_depth),
                (made.true_depth, hidden.true_depth),
            )
            nearer += torch.stack([(front < back)[covered].sum() for front, back in pairs]).cpu()
            total += int(covered.sum())
        return cls(*(nearer / total).tolist())


def make_batches(
    pools: Pools, size: int, samples: int, recipe: Recipe, *, seed: int = COMPOSITES_SEED
) -> Iterator[Batch]:
    """Yields the first composites in batches, as `measure` makes them: square, `size` pixels."""
    device = pools.foregrounds.aspect.device
    for numbers in torch.arange(samples, device=device).split(_BATCH):
        yield compose(pools, numbers, size=(size, size), seed=seed, recipe=recipe)


def predict_map(model: nn.Module, batch: Batch, task: str) -> Tensor:
    """Predicts the map of one task, (B, 1, H, W), 0 to 1."""
    with torch.no_grad(), autocast(batch.image.device):
        logits: Tensor = model(batch.background, batch.image)[task][:, :1]
    return logits.float().sigmoid()


def depth_baselines(pools: Pools, size: int, samples: int, recipe: Recipe) -> dict[str, nn.Module]:
    """Builds baselines that ignore the pictures, from the depth of training composites."""
    depths = torch.cat(
        [
            batch.true_depth
            for batch in make_batches(pools, size, samples, recipe, seed=TrainConfig.seed)
        ]
    )
    return {
        "constant depth": FixedDepth(depths.mean().expand(1, 1, size, size)),
        "mean depth map": FixedDepth(depths.mean(dim=0, keepdim=True)),
    }


if __name__ == "__main__":
    sys.exit(run(main))
