"""Muon and AdamW as one optimizer."""

import copy

import pytest
import torch
from torch import Tensor, nn

from depthmask.training.optimizer import Muon, Optimizer


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 1, 1)
    )


def step(model: nn.Module, optimizer: Optimizer, seed: int) -> float:
    torch.manual_seed(seed)
    inputs = torch.rand(4, 3, 8, 8)
    loss = (model(inputs) - inputs.mean(dim=1, keepdim=True)[..., 2:-2, 2:-2]).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (8, 4, 3, 3), (4, 16, 3, 3)])
def test_a_step_of_muon_is_nearly_orthogonal_and_of_known_size(shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    kernel = nn.Parameter(torch.zeros(shape))
    kernel.grad = torch.randn(shape)
    optimizer = Muon([kernel], weight_decay=0.0)
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.step()

    matrix = kernel.detach().flatten(1)
    assert matrix.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.2)
    values = torch.linalg.svdvals(matrix)
    assert values.max() / values.min() < 2, "no direction outweighs another"
    against = (matrix * kernel.grad.flatten(1)).sum()
    assert against < 0, "downhill"


def test_equal_shapes_do_not_mix() -> None:
    torch.manual_seed(2)
    gradients = [torch.randn(4, 9) for _ in range(3)]

    def moved(chosen: list[Tensor]) -> list[Tensor]:
        kernels = [nn.Parameter(torch.zeros(4, 9)) for _ in chosen]
        for kernel, gradient in zip(kernels, chosen, strict=True):
            kernel.grad = gradient.clone()
        Muon(kernels, weight_decay=0.0).step()
        return [kernel.detach() for kernel in kernels]

    together, alone = moved(gradients), [moved([gradient])[0] for gradient in gradients]
    torch.testing.assert_close(together, alone)


def test_weight_decay_pulls_kernels_to_zero() -> None:
    kernel = nn.Parameter(torch.ones(4, 4))
    kernel.grad = torch.zeros(4, 4)
    optimizer = Muon([kernel], weight_decay=0.5)
    optimizer.param_groups[0]["lr"] = 0.1
    optimizer.step()
    torch.testing.assert_close(kernel.detach(), torch.full((4, 4), 0.95))


def test_it_learns_and_every_parameter_moves() -> None:
    model = network()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = Optimizer(model, weight_decay=1e-3)
    optimizer.set_rate(1e-2)
    losses = [step(model, optimizer, seed) for seed in range(40)]
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_what_was_stored_goes_on_exactly() -> None:
    whole, first = network(), network()
    unbroken, stopped = (Optimizer(m, weight_decay=1e-3) for m in (whole, first))
    for seed in range(3):
        step(whole, unbroken, seed)
        step(first, stopped, seed)

    second = network()
    second.load_state_dict(first.state_dict())
    resumed = Optimizer(second, weight_decay=1e-3)
    state = copy.deepcopy(stopped.state_dict())
    assert set(state) == {"Muon", "AdamW"}
    resumed.load_state_dict(state)
    for seed in range(3, 6):
        step(whole, unbroken, seed)
        step(second, resumed, seed)
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_muon_looks_ahead_along_its_momentum() -> None:
    """Nesterov: the update is that of the gradient and the momentum it leads to, together."""
    torch.manual_seed(3)
    first, second = torch.randn(2, 6, 20)
    kernel = nn.Parameter(torch.zeros(6, 20))
    optimizer = Muon([kernel], weight_decay=0.0, momentum=0.9)
    for gradient in (first, second):
        before = kernel.detach().clone()
        kernel.grad = gradient.clone()
        optimizer.step()
    momentum = 0.9 * 0.1 * first + 0.1 * second
    expected = direction(0.1 * second + 0.9 * momentum)
    torch.testing.assert_close((kernel.detach() - before) / 1e-3, expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(expected, direction(momentum), rtol=0.05, atol=0.01)


def direction(gradient: Tensor) -> Tensor:
    """The first step of Muon at rate 1 against a gradient; it does not depend on its length."""
    kernel = nn.Parameter(torch.zeros_like(gradient))
    kernel.grad = gradient.clone()
    optimizer = Muon([kernel], weight_decay=0.0)
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.step()
    return kernel.detach()


def test_the_rate_is_that_of_both_optimizers() -> None:
    moved = []
    for rate in (0.0, 1e-2):
        model = network()
        before = [p.detach().clone() for p in model.parameters()]
        optimizer = Optimizer(model, weight_decay=0.0)
        optimizer.set_rate(rate)
        step(model, optimizer, 0)
        pairs = zip(before, model.parameters(), strict=True)
        moved.append([not torch.equal(a, b) for a, b in pairs])
    assert not any(moved[0]) and all(moved[1])
