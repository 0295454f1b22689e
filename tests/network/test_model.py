"""The network: its size, its shapes, and its agreement with the original."""

import pytest
import torch

from depthmask.network.architecture import MODELS
from depthmask.network.checkpoint import from_original
from depthmask.network.u2net import U2Net
from tests.conftest import TINY
from tests.network import original


def count(model: U2Net) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_it_has_the_size_that_is_published() -> None:
    assert count(U2Net()) == 1_769_306
    assert count(U2Net(tasks=("mask",), in_ch=3)) == 1_131_181


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 65), (64, 64)])
def test_any_size_from_one_pixel_up(size: tuple[int, int]) -> None:
    model = U2Net().eval()
    with torch.inference_mode():
        logits = model(torch.rand(1, 3, *size), torch.rand(1, 3, *size))
    assert {task: tuple(maps.shape) for task, maps in logits.items()} == {
        "depth": (1, 7, *size),
        "mask": (1, 7, *size),
    }


def test_a_stride_takes_any_size_too_and_works_on_fewer_pixels() -> None:
    model = U2Net(stages=TINY, stride=2).eval()
    worked_on: list[tuple[int, ...]] = []
    model.encoder.stages[0].register_forward_hook(
        lambda module, taken, given: worked_on.append(tuple(given.shape[2:]))
    )
    for size, half in (((1, 1), (1, 1)), ((33, 64), (17, 32))):
        with torch.inference_mode():
            logits = model(torch.rand(1, 3, *size), torch.rand(1, 3, *size))
        assert all(maps.shape == (1, 4, *size) for maps in logits.values())
        assert worked_on.pop() == half


def test_the_fast_network_has_a_third_of_the_parameters() -> None:
    stages, stride = MODELS["fast"]
    assert count(U2Net(stages=stages, stride=stride)) == 656_308


def test_it_takes_as_many_pictures_as_it_has_channels_for() -> None:
    picture = torch.rand(1, 3, 16, 16)
    assert list(U2Net(tasks=("mask",), in_ch=3).eval()(picture)) == ["mask"]
    with pytest.raises(ValueError, match="takes 6 channels, not 9"):
        U2Net()(picture, picture, picture)


def test_every_parameter_has_a_part_in_the_answer() -> None:
    torch.manual_seed(0)
    model = U2Net()
    logits = model(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    sum(maps.square().mean() for maps in logits.values()).backward()
    idle = [
        name
        for name, parameter in model.named_parameters()
        # A bias before batch normalisation is subtracted again.
        if not name.endswith(".0.bias") and (parameter.grad is None or not parameter.grad.any())
    ]
    assert not idle


def test_it_computes_what_the_original_computes() -> None:
    state = original.random_state()
    model = U2Net().eval()
    model.load_state_dict(from_original(state), strict=True)
    background, image = torch.rand(2, 1, 3, 37, 52)
    with torch.inference_mode():
        ours = model(background, image)
        theirs = original.forward(state, torch.cat((background, image), dim=1))
    for task, name in (("depth", "depth"), ("mask", "seg")):
        torch.testing.assert_close(ours[task], torch.cat(theirs[name], dim=1), rtol=1e-4, atol=1e-4)
