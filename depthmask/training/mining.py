"""Hard examples: of more candidates than a step needs, it takes those the network does worst on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depthmask.composites.compose import Batch, compose
from depthmask.composites.geometry import Size
from depthmask.composites.pools import Pools
from depthmask.composites.recipe import Recipe
from depthmask.network.device import autocast


@torch.no_grad()
def hardest(
    model: nn.Module,
    pools: Pools,
    candidates: Tensor,
    keep: int,
    *,
    size: Size,
    seed: int,
    recipe: Recipe,
    weights: Mapping[str, float],
) -> Tensor:
    """Picks the candidates on which a network is furthest from the truth.

    A sample is the same picture at every size, so a small one tells how hard the large one is.

    Args:
        model: Looks at them in evaluation mode, and keeps its own.
        pools: What to compose.
        candidates: (N,) int64, numbers of samples.
        keep: How many to pick, at most N.
        size: Height and width at which to look, in pixels.
        seed: As for `compose`, like `recipe`.
        weights: How much a task's error counts, by task.

    Returns:
        (keep,) int64, in rising order.
    """
    batch = compose(pools, candidates, size=size, seed=seed, recipe=recipe)
    with _evaluating(model), autocast(candidates.device):
        logits = model(batch.background, batch.image)
    errors = difficulty(logits, batch, weights)
    chosen = errors.topk(keep).indices.sort().values
    return candidates[chosen]


def difficulty(logits: Mapping[str, Tensor], batch: Batch, weights: Mapping[str, float]) -> Tensor:
    """How far each sample's maps are off, (B,): the mask's cross-entropy, depth's absolute error.

    Depth is not judged by cross-entropy, which is high wherever the true depth is near 0.5.

    Args:
        logits: {task: (B, M, H, W)}, as `U2Net` returns them; the first map is looked at.
        batch: The truth.
        weights: How much a task's error counts, by task.
    """
    total = torch.zeros(len(batch.image), device=batch.image.device)
    for task, maps in logits.items():
        pred = maps[:, 0].float()
        if task == "mask":
            true = batch.true_mask[:, 0]
            error = F.binary_cross_entropy_with_logits(pred, true, reduction="none")
        else:
            error = (pred.sigmoid() - batch.true_depth[:, 0]).abs()
        total += weights[task] * error.flatten(1).mean(dim=1)
    return total


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
