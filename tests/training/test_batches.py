"""Which composites a step sees: their shape, recipe and numbers, and the hardest of many."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from depthmask.composites.compose import Batch, compose
from depthmask.composites.pools import Pools, load_pools
from depthmask.composites.recipe import ORIGINAL, Recipe, with_plates
from depthmask.training.batches import (
    Batches,
    distill,
    frame_size,
    hardest,
    sample_errors,
)
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.distributed import ProcessGroup

EQUAL = {"mask": 1.0, "depth": 1.0}
ANY_MODEL = nn.Identity()  # is not asked without candidates
Made = tuple[list[int], tuple[int, int], Recipe]  # sample numbers, size and recipe of a batch


@pytest.fixture(scope="module")
def pools(data: Path) -> Pools:
    return load_pools(data, torch.device("cpu"), held_out=0.08)[0]


@pytest.fixture
def made(pools: Pools, monkeypatch: pytest.MonkeyPatch) -> list[Made]:
    """What would have been composed; an empty batch stands for it, which costs nothing."""
    calls: list[Made] = []

    def record(
        _: Pools, numbers: Tensor, *, size: tuple[int, int], seed: int, recipe: Recipe
    ) -> Batch:
        calls.append((numbers.tolist(), size, recipe))
        empty = torch.zeros(len(numbers), 1, 1, 1)
        return Batch(empty, empty, empty, empty)

    monkeypatch.setattr("depthmask.training.batches.compose", record)
    return calls


class Constant(nn.Module):
    """Calls every pixel background and half as deep as can be."""

    def forward(self, background: Tensor, image: Tensor) -> dict[str, Tensor]:
        flat = torch.zeros_like(image[:, :1])
        return {"mask": flat - 4, "depth": flat}


def batch_of(true_mask: Tensor, true_depth: Tensor) -> Batch:
    picture = torch.zeros(len(true_mask), 3, *true_mask.shape[2:])
    return Batch(picture, picture, true_mask, true_depth)


def test_each_step_sees_the_samples_that_follow(
    config: TrainConfig, pools: Pools, made: list[Made]
) -> None:
    batches = Batches(config, pools, ProcessGroup())
    for samples in (0, 4):
        batches.make(config.phases[0], samples, ANY_MODEL)
    assert [numbers for numbers, _, _ in made] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_processes_share_the_samples_of_a_step(
    config: TrainConfig, pools: Pools, made: list[Made]
) -> None:
    for rank in range(2):
        batches = Batches(config, pools, ProcessGroup(rank, 2))
        batches.make(config.phases[0], 8, ANY_MODEL)
    (first, size, _), (second, other_size, _) = made
    assert (first, second) == ([8, 9], [10, 11]) and size == other_size


def test_a_limit_repeats_the_same_composites(config: TrainConfig, pools: Pools) -> None:
    def batch(limit: int, samples: int) -> Batch:
        batches = Batches(replace(config, limit=limit), pools, ProcessGroup())
        return batches.make(config.phases[0], samples, ANY_MODEL)

    assert torch.equal(batch(4, 0).image, batch(4, 8).image)
    assert not torch.equal(batch(0, 0).image, batch(0, 8).image)


def test_a_share_of_the_batches_is_as_the_original_made_them(
    config: TrainConfig, pools: Pools, made: list[Made]
) -> None:
    config = replace(config, original_share=0.5, aspects=(16 / 9,))
    batches = Batches(config, pools, ProcessGroup())
    for step in range(40):
        batches.make(config.phases[0], 4 * step, ANY_MODEL)
    originals = [size for _, size, recipe in made if recipe == ORIGINAL]
    assert set(originals) == {(32, 32)} and 10 <= len(originals) <= 30
    others = [(size, recipe) for _, size, recipe in made if recipe != ORIGINAL]
    assert set(others) == {(frame_size(32, 16 / 9), config.recipe)}


def test_a_share_of_the_batches_has_plates_of_several_photos(
    config: TrainConfig, pools: Pools, made: list[Made]
) -> None:
    batches = Batches(replace(config, plate_share=0.5), pools, ProcessGroup())
    for step in range(40):
        batches.make(config.phases[0], 4 * step, ANY_MODEL)
    plates = [recipe for *_, recipe in made if recipe == with_plates(config.recipe)]
    assert 10 <= len(plates) <= 30
    assert {recipe for *_, recipe in made} == {config.recipe, with_plates(config.recipe)}
    assert with_plates(ORIGINAL) == ORIGINAL, "nothing moves there"


def test_in_a_batch_as_the_originals_nothing_changes_but_what_enters(
    config: TrainConfig, pools: Pools
) -> None:
    def change(share: float) -> float:
        batches = Batches(replace(config, original_share=share), pools, ProcessGroup())
        batch = batches.make(config.phases[0], 0, ANY_MODEL)
        return float(((batch.image - batch.background).abs() * (batch.true_mask == 0)).max())

    assert change(1.0) == 0 < change(0.0)


@pytest.mark.parametrize("ahead", [1, 2, 3, 8])
def test_batches_made_at_once_are_those_made_one_by_one(
    config: TrainConfig, pools: Pools, ahead: int
) -> None:
    """In one kind of batch; a run that is resumed within them makes the same ones."""
    phase = Phase(32, 20, 4, 1e-3)
    one_by_one = Batches(replace(config, aspects=(1.0,)), pools, ProcessGroup())
    config = replace(config, aspects=(1.0,), ahead=ahead)
    at_once = Batches(config, pools, ProcessGroup())
    for step in range(phase.steps):
        expected = one_by_one.make(phase, 4 * step, ANY_MODEL, step=step)
        resumed = Batches(config, pools, ProcessGroup())
        for batches in (at_once, resumed):
            batch = batches.make(phase, 4 * step, ANY_MODEL, step=step)
            for name, value in vars(expected).items():
                assert torch.equal(vars(batch)[name], value)


def test_batches_made_at_once_are_of_one_kind_and_end_with_their_phase(
    config: TrainConfig, pools: Pools, made: list[Made]
) -> None:
    phase = Phase(64, 20, 4, 1e-3)  # five steps
    for rank in range(2):
        batches = Batches(replace(config, ahead=3), pools, ProcessGroup(rank, 2))
        sizes = [len(batches.make(phase, 40 + 4 * n, ANY_MODEL, step=n).image) for n in range(5)]
        assert sizes == [2] * 5
    assert [numbers for numbers, _, _ in made] == [
        [40, 41, 44, 45, 48, 49],
        [52, 53, 56, 57],
        [42, 43, 46, 47, 50, 51],
        [54, 55, 58, 59],
    ]


def test_shares_of_the_batches_have_other_sizes(
    config: TrainConfig, pools: Pools, made: list[Made]
) -> None:
    config = replace(config, mixed=((64, 0.5), (96, 0.25)), aspects=(1.0,))
    batches = Batches(config, pools, ProcessGroup())
    for step in range(80):
        batches.make(config.phases[0], 4 * step, ANY_MODEL)
    sides = [size[0] for _, size, _ in made]
    assert set(sides) == {32, 64, 96}
    assert 25 <= sides.count(64) <= 55 and 8 <= sides.count(96) <= 32


def test_a_share_of_the_batches_is_half_as_large(
    config: TrainConfig, pools: Pools, made: list[Made]
) -> None:
    """What a network has learned at one size it forgets at another."""
    batches = Batches(replace(config, half_share=0.5, aspects=(1.0,)), pools, ProcessGroup())
    for step in range(40):
        batches.make(Phase(64, 8, 4, 1e-3), 4 * step, ANY_MODEL)
    sizes = [size for _, size, _ in made]
    assert set(sizes) == {(32, 32), (64, 64)}
    assert 10 <= sizes.count((32, 32)) <= 30


@pytest.mark.parametrize("aspect", [9 / 16, 1.0, 16 / 9])
def test_frames_keep_their_area(aspect: float) -> None:
    height, width = frame_size(112, aspect)
    assert height % 16 == width % 16 == 0
    assert height * width == pytest.approx(112**2, rel=0.15)
    assert width / height == pytest.approx(aspect, rel=0.15)


@pytest.mark.parametrize("wrong", ["mask", "depth"])
def test_a_wrong_map_is_hard(wrong: str) -> None:
    right, off = torch.full((1, 1, 8, 8), 0.5), torch.full((1, 1, 8, 8), 0.9)
    nothing, all_of_it = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    logits = {"mask": torch.full((2, 1, 8, 8), -4.0), "depth": torch.zeros(2, 1, 8, 8)}
    mask = torch.cat([nothing, all_of_it if wrong == "mask" else nothing])
    depth = torch.cat([right, off if wrong == "depth" else right])
    easy, hard = sample_errors(logits, batch_of(mask, depth), EQUAL).tolist()
    assert hard > easy


@pytest.mark.parametrize(("weights", "harder"), [({"mask": 1.0, "depth": 0.0}, 0), (EQUAL, 1)])
def test_tasks_count_as_weighted(weights: Mapping[str, float], harder: int) -> None:
    """The first sample's mask is a little wrong, the second's depth very much so."""
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, :, 0, 0] = 1
    depth = torch.tensor([0.5, 1.0])[:, None, None, None].expand(2, 1, 8, 8)
    logits = {"mask": torch.full((2, 1, 8, 8), -4.0), "depth": torch.zeros(2, 1, 8, 8)}
    assert sample_errors(logits, batch_of(mask, depth), weights).argmax() == harder


def test_the_hardest_are_kept_in_their_order(pools: Pools) -> None:
    """For a network that sees no object, those that are covered most."""
    recipe = Recipe(empty=0.5)
    candidates = torch.arange(20, 36)
    composites = compose(pools, candidates, size=(32, 32), seed=3, recipe=recipe)
    chosen = hardest(
        Constant(),
        pools,
        candidates,
        5,
        size=(32, 32),
        seed=3,
        recipe=recipe,
        weights={"mask": 1.0, "depth": 0.0},
    )
    covered = composites.true_mask.mean(dim=(1, 2, 3))
    assert chosen.tolist() == sorted(candidates[covered.topk(5).indices].tolist())


def test_steps_take_some_of_their_candidates_and_see_none_twice(
    config: TrainConfig, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[list[int]] = []

    def watched(pools: Pools, numbers: Tensor, **options: object) -> Batch:
        taken.append(numbers.tolist())
        return compose(pools, numbers, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("depthmask.training.batches.compose", watched)
    batches = Batches(replace(config, candidates=3), pools, ProcessGroup())
    for samples in (0, 4):
        batches.make(config.phases[0], samples, Constant())
    seen, first, seen_next, second = taken
    assert (seen, seen_next) == ([*range(12)], [*range(12, 24)])
    assert set(first) < set(seen) and set(second) < set(seen_next)
    assert len(first) == len(second) == 4


def test_picking_leaves_the_network_as_it_was(config: TrainConfig, pools: Pools) -> None:
    class Normed(Constant):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, background: Tensor, image: Tensor) -> dict[str, Tensor]:
            assert not self.norm.training
            return super().forward(background, self.norm(image))

    model = Normed()
    batches = Batches(replace(config, candidates=2), pools, ProcessGroup())
    batches.make(config.phases[0], 0, model)
    assert model.norm.running_mean is not None and not model.norm.running_mean.any()
    assert model.training and model.norm.training


def test_a_distilled_batch_has_the_mean_of_truth_and_prediction() -> None:
    batch = batch_of(torch.ones(2, 1, 4, 4), torch.full((2, 1, 4, 4), 0.25))
    found = distill(batch, Constant())
    assert found.image is batch.image
    torch.testing.assert_close(found.true_depth, torch.full((2, 1, 4, 4), 0.375))
    expected = (1 + torch.tensor(-4.0).sigmoid()) / 2
    torch.testing.assert_close(found.true_mask, expected.expand(2, 1, 4, 4))


def test_a_share_of_the_batches_is_distilled(config: TrainConfig, pools: Pools) -> None:
    config = replace(config, distill_share=0.5)
    phase = Phase(16, 40, 1, 1e-3)
    plain = Batches(config, pools, ProcessGroup())
    distilled = replace(plain, distilled=Constant())
    differs = [
        not torch.equal(
            plain.make(phase, number, ANY_MODEL).true_depth,
            distilled.make(phase, number, ANY_MODEL).true_depth,
        )
        for number in range(40)
    ]
    assert 10 < sum(differs) < 30
