"""RandomStreams: reproducible, independent of the batch, and distributed as they say."""

import pytest
import torch

from depthmask.composites.random_streams import RandomStreams


def test_a_sample_draws_the_same_in_any_batch() -> None:
    together = RandomStreams(3, torch.arange(100))
    alone = RandomStreams(3, torch.tensor([42]))
    for _ in range(3):
        assert together.uniform()[42] == alone.uniform()[0]
        assert torch.equal(together.normal(3, 5)[42], alone.normal(3, 5)[0])


def test_samples_seeds_and_calls_differ() -> None:
    first, again, other = (RandomStreams(seed, torch.arange(1000)) for seed in (0, 0, 1))
    a, b = first.uniform(), first.uniform()
    assert torch.equal(a, again.uniform())
    assert len(torch.cat((a, b, other.uniform())).unique()) > 2990


def test_every_call_has_the_numbers_that_it_always_had() -> None:
    """Those of 130 calls; other ones would make other composites of all samples."""
    rng = RandomStreams(3, torch.tensor([0, 2**40]))
    draws = (
        lambda: rng.uniform(each=6),
        lambda: rng.normal(2),
        lambda: rng.uniform(),
    )
    sums = [draws[call % 3]().double().sum().item() for call in range(130)]
    assert sums[0] == pytest.approx(6.429545342922211, abs=1e-6)
    assert sums[2] == pytest.approx(0.8663052320480347, abs=1e-6)
    assert sums[64] == pytest.approx(-0.7916103228926659, abs=1e-5)
    assert sum(sums) == pytest.approx(281.5728873135522, abs=1e-4)


def test_large_numbers_are_told_apart() -> None:
    drawn = RandomStreams(0, torch.tensor([1, 1 + 2**31, 1 + 2**40])).uniform()
    assert len(drawn.unique()) == 3


def test_distributions() -> None:
    rng = RandomStreams(0, torch.arange(20_000))
    uniform = rng.uniform(2, 5)
    assert uniform.min() >= 2 and uniform.max() < 5
    assert abs(uniform.mean() - 3.5) < 0.03
    assert abs(rng.chance(0.3).float().mean() - 0.3) < 0.02
    assert abs(rng.log_uniform(0.1, 10).log().mean()) < 0.04
    noise = rng.normal(4)
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02


def test_neighbouring_samples_are_unrelated() -> None:
    drawn = RandomStreams(0, torch.arange(20_000)).uniform(each=2)
    pairs = torch.stack((drawn[:-1, 0], drawn[1:, 0], drawn[:-1, 1]))
    correlation = torch.corrcoef(pairs) - torch.eye(3)
    assert correlation.abs().max() < 0.03


def test_spawned_streams_leave_the_first_alone() -> None:
    rng, alone = (RandomStreams(0, torch.arange(1000)) for _ in range(2))
    spawned = [rng.spawn(number).uniform() for number in (1, 2)]
    both = [rng.uniform(), rng.uniform()]
    assert torch.equal(both[0], alone.uniform())
    assert len(torch.cat((*spawned, *both)).unique()) > 3980, "all are different draws"
