"""Hard examples: what is picked, and that training takes it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from depthmask.composites.compose import Batch, compose
from depthmask.composites.pools import Pools, load_pools
from depthmask.composites.recipe import Recipe
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.mining import difficulty, hardest
from depthmask.training.trainer import Trainer
from tests.data import packs

EQUAL = {"mask": 1.0, "depth": 1.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packs.write(tmp_path_factory.mktemp("pack") / "pack.safetensors")


@pytest.fixture
def config(data: Path, tmp_path: Path) -> TrainConfig:
    phase = Phase(32, 8, 4, 1e-3)
    return TrainConfig(data=data, out=tmp_path / "run", phases=(phase,), validation=4, device="cpu")


class Constant(nn.Module):
    """Calls every pixel background and half as deep as can be."""

    def forward(self, background: Tensor, image: Tensor) -> dict[str, Tensor]:
        flat = torch.zeros_like(image[:, :1])
        return {"mask": flat - 4, "depth": flat}


def batch_of(true_mask: Tensor, true_depth: Tensor) -> Batch:
    picture = torch.zeros(len(true_mask), 3, *true_mask.shape[2:])
    return Batch(picture, picture, true_mask, true_depth)


@pytest.mark.parametrize("wrong", ["mask", "depth"])
def test_a_wrong_map_is_hard(wrong: str) -> None:
    right, off = torch.full((1, 1, 8, 8), 0.5), torch.full((1, 1, 8, 8), 0.9)
    nothing, all_of_it = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    logits = {"mask": torch.full((2, 1, 8, 8), -4.0), "depth": torch.zeros(2, 1, 8, 8)}
    mask = torch.cat([nothing, all_of_it if wrong == "mask" else nothing])
    depth = torch.cat([right, off if wrong == "depth" else right])
    easy, hard = difficulty(logits, batch_of(mask, depth), EQUAL).tolist()
    assert hard > easy


@pytest.mark.parametrize(("weights", "harder"), [({"mask": 1.0, "depth": 0.0}, 0), (EQUAL, 1)])
def test_tasks_count_as_weighted(weights: Mapping[str, float], harder: int) -> None:
    """The first sample's mask is a little wrong, the second's depth very much so."""
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, :, 0, 0] = 1
    depth = torch.tensor([0.5, 1.0])[:, None, None, None].expand(2, 1, 8, 8)
    logits = {"mask": torch.full((2, 1, 8, 8), -4.0), "depth": torch.zeros(2, 1, 8, 8)}
    assert difficulty(logits, batch_of(mask, depth), weights).argmax() == harder


def test_it_keeps_the_hardest_in_their_order(data: Path) -> None:
    pools, _ = load_pools(data, torch.device("cpu"), held_out=0.08)
    recipe = Recipe(empty=0.5)
    candidates = torch.arange(20, 36)
    made = compose(pools, candidates, size=(32, 32), seed=3, recipe=recipe)
    chosen = pick(pools, candidates, keep=5, recipe=recipe)
    covered = made.true_mask.mean(dim=(1, 2, 3))
    assert chosen.tolist() == sorted(candidates[covered.topk(5).indices].tolist())


def pick(pools: Pools, candidates: Tensor, keep: int, recipe: Recipe) -> Tensor:
    """The hardest for a network that sees no object: those that are covered most."""
    weights = {"mask": 1.0, "depth": 0.0}
    return hardest(
        Constant(),
        pools,
        candidates,
        keep,
        size=(32, 32),
        seed=3,
        recipe=recipe,
        weights=weights,
    )


def test_training_takes_some_of_its_candidates_and_sees_none_twice(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(replace(config, candidates=3))
    taken: list[list[int]] = []
    real = compose

    def watched(pools: Pools, numbers: Tensor, **options: object) -> Batch:
        taken.append(numbers.tolist())
        return real(pools, numbers, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("depthmask.training.batches.compose", watched)
    trainer.fit()
    assert len(taken) == 2, "two steps"
    assert set(taken[0]) < set(range(12)) and set(taken[1]) < set(range(12, 24))
    assert [len(numbers) for numbers in taken] == [4, 4]


def test_picking_leaves_the_network_as_it_was(config: TrainConfig) -> None:
    trainer = Trainer(replace(config, candidates=2))
    trainer.ready()
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.supply.batch(config.phases[0], 0, trainer.model)
    after = trainer.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert trainer.model.training


def test_no_candidates_is_refused(config: TrainConfig) -> None:
    with pytest.raises(ValueError, match="candidates"):
        replace(config, candidates=0)
