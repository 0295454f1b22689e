"""How well a network does on composites."""

import torch
from torch import Tensor, nn

from depthmask.composites.compose import Batch, compose
from depthmask.composites.pools import Pools
from depthmask.composites.random_streams import TRAINING_SEEDS
from depthmask.composites.recipe import Recipe
from depthmask.evaluation.metrics import batch_iou, batch_rmse, boundary_iou, depth_rmse, mask_iou
from depthmask.network.device import autocast

COMPOSITES_SEED = TRAINING_SEEDS + 1  # of the composites: no training can have seen them


@torch.no_grad()
def validation_metrics(
    model: nn.Module, pools: Pools, size: int, samples: int, recipe: Recipe, *, batch: int = 16
) -> dict[str, float]:
    """Scores a network on composites.

    Args:
        model: In evaluation mode, on the pools' device.
        pools: What to compose; for honest figures, pictures never trained on.
        size: Side of the square samples in pixels.
        samples: How many; always the same ones.
        recipe: How they are made.
        batch: Samples at a time; the original project's metrics depend on it.

    Returns:
        `iou`, `boundary_iou` and `rmse` (means over pictures), `batch_iou` and `batch_rmse` (the
        original's), and `rmse_over_deviation`: RMSE over the standard deviation of the true depth
        of all samples.

    Raises:
        FloatingPointError: The network gave something that is no finite number.
    """
    device = pools.foregrounds.aspect.device
    found: dict[str, list[Tensor]] = {}
    depths: list[Tensor] = []
    for first in range(0, samples, batch):
        numbers = torch.arange(first, min(first + batch, samples), device=device)
        made = compose(pools, numbers, size=(size, size), seed=COMPOSITES_SEED, recipe=recipe)
        logits = finite_logits(model, made)
        for name, value in batch_metrics(logits, made).items():
            found.setdefault(name, []).append(value.reshape(-1))
        depths.append(made.true_depth.flatten())
    metrics = {name: torch.cat(values).mean().item() for name, values in found.items()}
    if "rmse" in metrics:
        metrics["rmse_over_deviation"] = metrics["rmse"] / torch.cat(depths).std().item()
    return metrics


def finite_logits(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """What a network predicts of a batch.

    Raises:
        FloatingPointError: Some of it is no finite number, which a mask's metrics would not show.
    """
    with autocast(batch.image.device):
        logits: dict[str, Tensor] = model(batch.background, batch.image)
    if not all(maps.isfinite().all() for maps in logits.values()):
        raise FloatingPointError("the network gave no finite numbers")
    return logits


def batch_metrics(logits: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Scores the predictions of a batch, by name; what `validation_metrics` averages."""
    scores: dict[str, Tensor] = {}
    if "mask" in logits:
        pred, true = logits["mask"][:, 0].float().sigmoid(), batch.true_mask[:, 0]
        scores |= {"iou": mask_iou(pred, true), "batch_iou": batch_iou(pred, true)}
        scores["boundary_iou"] = boundary_iou(pred, true)
    if "depth" in logits:
        pred, true = logits["depth"][:, 0].float().sigmoid(), batch.true_depth[:, 0]
        scores |= {"rmse": depth_rmse(pred, true), "batch_rmse": batch_rmse(pred, true)}
    return scores
