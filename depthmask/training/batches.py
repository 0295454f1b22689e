"""Which composites a step of training sees: their numbers, shape and recipe.

With `candidates` above 1, a step takes the hardest of so many times the composites it needs.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depthmask.composites.compose import Batch, compose
from depthmask.composites.geometry import Size
from depthmask.composites.pools import Pools
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import ORIGINAL, Recipe, with_plates
from depthmask.network.device import autocast
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.distributed import ProcessGroup

_KIND_SEED = 2
_CANDIDATE_SIZE = 64  # square root of the pixels of a candidate: a small part of a step's work


@dataclass(frozen=True)
class Batches:
    """Makes the batches of a run; the same ones whenever it is at the same sample."""

    config: TrainConfig
    pools: Pools
    processes: ProcessGroup
    distilled: nn.Module | None = None  # in evaluation mode; its maps are learned from
    # those of the last steps that were made at once, by phase and first sample
    _made: dict[tuple[Phase, int], list[Batch]] = field(default_factory=dict, init=False)

    def make(self, phase: Phase, samples: int, model: nn.Module, *, step: int = 0) -> Batch:
        """This process's part of the batch that follows on so many samples of the run.

        Args:
            phase: Says how many and how large.
            samples: Seen before, by all processes.
            model: Tells which candidates are hard, where the run has candidates.
            step: The number of the batch in its phase. From each multiple of `ahead` on, so many
                batches are made at once, and have one shape and recipe.
        """
        ahead = self.config.ahead
        if ahead == 1:
            return self._make_several(phase, samples, 1, model)[0]
        within = step % ahead
        first = samples - within * phase.batch
        if (phase, first) not in self._made:
            self._made.clear()  # before the next ones are made, which need the memory
            count = min(ahead, phase.steps - step + within)
            self._made[phase, first] = self._make_several(phase, first, count, model)
        return self._made[phase, first][within]

    def _make_several(
        self, phase: Phase, samples: int, count: int, model: nn.Module
    ) -> list[Batch]:
        config = self.config
        first, each = samples * config.candidates, phase.batch * config.candidates
        device = self.pools.foregrounds.aspect.device
        numbers = torch.arange(first, first + count * each, device=device)
        if config.limit:
            first, numbers = first % config.limit, numbers % config.limit
        recipe, aspect, side, distills = self._kind(first, phase.size)
        numbers = torch.cat([self.processes.own_part(part) for part in numbers.split(each)])
        if config.candidates > 1:
            numbers = hardest(
                model,
                self.pools,
                numbers,
                len(numbers) // config.candidates,
                size=frame_size(min(side, _CANDIDATE_SIZE), aspect),
                seed=config.seed,
                recipe=recipe,
                weights=config.task_weights,
            )
        size = frame_size(side, aspect)
        made = compose(self.pools, numbers, size=size, seed=config.seed, recipe=recipe)
        batches = made.split(len(numbers) // count)
        if self.distilled is not None and distills:
            batches = [distill(batch, self.distilled) for batch in batches]
        return batches

    def _kind(self, first: int, side: int) -> tuple[Recipe, float, int, bool]:
        """Recipe, aspect, size and distillation of the batch whose first sample has this number."""
        config, rng = self.config, RandomStreams(_KIND_SEED, torch.tensor([first]))
        aspect = config.aspects[int(rng.uniform().item() * len(config.aspects))]
        is_original = rng.uniform().item() < config.original_share
        if rng.uniform().item() < config.half_share:
            side //= 2
        distills = rng.uniform().item() < config.distill_share
        size_draw = rng.uniform().item()
        for size, share in config.mixed:
            if 0 <= size_draw < share:
                side = size
            size_draw -= share
        recipe = with_plates(config.recipe) if rng.chance(config.plate_share) else config.recipe
        recipe, aspect = (ORIGINAL, 1.0) if is_original else (recipe, aspect)
        return recipe, aspect, side, distills


@torch.no_grad()
def distill(batch: Batch, model: nn.Module) -> Batch:
    """Puts the mean of the truth and of a network's maps in the truth's place.

    Hinton et al., "Distilling the Knowledge in a Neural Network", 2015.
    """
    with autocast(batch.image.device):
        logits = model(batch.background, batch.image)
    mask, depth = (
        (true + logits[task][:, :1].float().sigmoid()) / 2 if task in logits else true
        for task, true in (("mask", batch.true_mask), ("depth", batch.true_depth))
    )
    return replace(batch, true_mask=mask, true_depth=depth)


def frame_size(size: int, aspect: float) -> Size:
    """Height and width of about size² pixels with the given aspect, multiples of 16."""
    height, width = size / math.sqrt(aspect), size * math.sqrt(aspect)
    return max(16, round(height / 16) * 16), max(16, round(width / 16) * 16)


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
        model: Predicts in evaluation mode, and keeps its own mode.
        pools: What to compose.
        candidates: (N,) int64, numbers of samples.
        keep: How many to pick, at most N.
        size: Height and width of the compared composites, in pixels.
        seed: As for `compose`, like `recipe`.
        weights: How much a task's error counts, by task.

    Returns:
        (keep,) int64, in rising order.
    """
    batch = compose(pools, candidates, size=size, seed=seed, recipe=recipe)
    with _evaluation_mode(model), autocast(candidates.device):
        logits = model(batch.background, batch.image)
    errors = sample_errors(logits, batch, weights)
    chosen = errors.topk(keep).indices.sort().values
    return candidates[chosen]


def sample_errors(
    logits: Mapping[str, Tensor], batch: Batch, weights: Mapping[str, float]
) -> Tensor:
    """How far each sample's maps are off, (B,): the mask's cross-entropy, depth's absolute error.

    Depth is not judged by cross-entropy, which is high wherever the true depth is near 0.5.

    Args:
        logits: {task: (B, M, H, W)}, as `U2Net` returns them; only the first map is used.
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
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
