"""Which composites a step of training sees: their numbers, shape and recipe."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from depthmask.composites.compose import Batch, compose
from depthmask.composites.geometry import Size
from depthmask.composites.pools import Pools
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import ORIGINAL, Recipe
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.distributed import Team
from depthmask.training.mining import hardest

_KIND_SEED = 2
_MINING_SIZE = 64  # square root of the pixels of a candidate: a small part of a step's work


@dataclass(frozen=True)
class Supply:
    """Makes the batches of a run; the same ones whenever it is at the same sample."""

    config: TrainConfig
    pools: Pools
    team: Team

    def batch(self, phase: Phase, samples: int, model: nn.Module) -> Batch:
        """This process's part of the batch that follows on so many samples of the run.

        Args:
            phase: Says how many and how large.
            samples: Seen before, by all processes.
            model: Tells which candidates are hard, where the run has candidates.
        """
        config = self.config
        first, count = samples * config.candidates, phase.batch * config.candidates
        device = self.pools.foregrounds.aspect.device
        numbers = torch.arange(first, first + count, device=device)
        if config.limit:
            first, numbers = first % config.limit, numbers % config.limit
        recipe, aspect, side = self._kind(first, phase.size)
        numbers = self.team.share(numbers)
        if config.candidates > 1:
            size = frame_size(min(side, _MINING_SIZE), aspect)
            numbers = self._hardest(numbers, size, recipe, model)
        size = frame_size(side, aspect)
        return compose(self.pools, numbers, size=size, seed=config.seed, recipe=recipe)

    def _kind(self, first: int, side: int) -> tuple[Recipe, float, int]:
        """Recipe, aspect and size of the batch whose first sample has this number."""
        config, rng = self.config, RandomStreams(_KIND_SEED, torch.tensor([first]))
        aspect = config.aspects[int(rng.uniform().item() * len(config.aspects))]
        is_original = rng.uniform().item() < config.original_share
        if rng.uniform().item() < config.half_share:
            side //= 2
        return (ORIGINAL, 1.0, side) if is_original else (config.recipe, aspect, side)

    def _hardest(self, candidates: Tensor, size: Size, recipe: Recipe, model: nn.Module) -> Tensor:
        return hardest(
            model,
            self.pools,
            candidates,
            len(candidates) // self.config.candidates,
            size=size,
            seed=self.config.seed,
            recipe=recipe,
            weights=self.config.task_weights,
        )


def frame_size(size: int, aspect: float) -> Size:
    """Height and width of about size² pixels with the given aspect, multiples of 16."""
    height, width = size / math.sqrt(aspect), size * math.sqrt(aspect)
    return max(16, round(height / 16) * 16), max(16, round(width / 16) * 16)
