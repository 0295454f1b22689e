"""Losses, against values worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from depthmask.training.losses import (
    border_weight,
    darkening,
    pixel_weight,
    steepness,
    structural_similarity,
    task_losses,
)


def test_cross_entropy_is_summed_over_all_maps() -> None:
    logits = {"mask": torch.zeros(2, 7, 4, 4), "depth": torch.zeros(2, 7, 4, 4)}
    true = {"mask": torch.ones(2, 1, 4, 4), "depth": torch.full((2, 1, 4, 4), 0.3)}
    losses = task_losses(logits, true)
    # A logit of 0 says 0.5, which costs log 2 whatever the truth.
    assert losses["mask"].item() == pytest.approx(7 * math.log(2))
    assert losses["depth"].item() == pytest.approx(7 * math.log(2))


def test_every_side_map_counts() -> None:
    true = {"mask": torch.ones(1, 1, 4, 4)}
    logits = torch.zeros(1, 7, 4, 4, requires_grad=True)
    task_losses({"mask": logits}, true)["mask"].backward()
    assert logits.grad is not None
    assert (logits.grad.abs().sum(dim=(0, 2, 3)) > 0).all()


def test_depth_losses_vanish_only_at_the_truth() -> None:
    true = {"depth": torch.rand(2, 1, 16, 16) * 0.8 + 0.1}
    exact = true["depth"].logit().expand(2, 7, 16, 16)
    for kind in ("ssim", "l1"):
        right = task_losses({"depth": exact}, true, depth_loss=kind)["depth"].item()
        wrong = task_losses({"depth": -exact}, true, depth_loss=kind)["depth"].item()
        assert right == pytest.approx(0, abs=1e-4) and wrong > 0.5


def test_l1_is_the_mean_difference() -> None:
    logits = {"depth": torch.zeros(1, 7, 4, 4)}
    loss = task_losses(logits, {"depth": torch.full((1, 1, 4, 4), 0.2)}, depth_loss="l1")
    assert loss["depth"].item() == pytest.approx(7 * 0.3)


def test_steepness_of_a_ramp_counts_each_scale_and_no_offset() -> None:
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    # A slope of 1 a pixel is one of 2, 4 and 8 between the pixels of the halved maps.
    assert steepness(ramp).item() == pytest.approx(1 + 2 + 4 + 8)
    assert steepness(ramp.mT + 5).item() == pytest.approx(1 + 2 + 4 + 8)
    assert steepness(torch.full((1, 1, 3, 1), 0.4)).item() == 0


def test_the_gradient_loss_prefers_a_shifted_map_to_a_flat_or_a_blotchy_one() -> None:
    true = (torch.linspace(0.2, 0.7, 32) * torch.ones(32, 1))[None, None]
    stripes = 0.1 * torch.tensor([1.0, -1.0]).repeat(16)

    def loss(depth: torch.Tensor) -> float:
        logits = {"depth": depth.logit().expand(1, 7, 32, 32)}
        return task_losses(logits, {"depth": true}, depth_loss="gradient")["depth"].item()

    assert loss(true) < loss(true + 0.1) < loss(true + stripes)
    assert loss(true) < loss(torch.full_like(true, 0.45))


def test_an_unknown_depth_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="bce, ssim, l1, gradient"):
        task_losses({}, {}, depth_loss="l3")


def test_similarity_of_equal_unrelated_and_small_maps() -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 1, 1, 32, 32)
    assert structural_similarity(a, a).item() == pytest.approx(1)
    assert structural_similarity(a, b).item() < 0.5
    assert structural_similarity(a[..., :2, :3], a[..., :2, :3]).item() == pytest.approx(1)


def test_half_precision_logits_lose_nothing() -> None:
    logits = torch.full((1, 7, 4, 4), 12.0)
    true = {"mask": torch.ones(1, 1, 4, 4)}
    half = task_losses({"mask": logits.bfloat16()}, true)["mask"]
    expected = 7 * F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    assert half.item() == pytest.approx(expected.item())


def test_the_border_of_a_mask_counts_more() -> None:
    true = torch.zeros(1, 1, 16, 16)
    true[..., 8:] = 1
    weight = border_weight(true, 4.0)
    assert torch.equal(weight[..., [0, 3, 12, 15]], torch.ones(1, 1, 16, 4))
    assert 2 < weight[..., 7].min() <= weight[..., 8].max() < 4
    lone = torch.zeros(1, 1, 9, 9)
    lone[..., 4, 4] = 1
    assert border_weight(lone, 4.0)[..., 4, 4].item() == pytest.approx(1 + 4 * 24 / 25)


def test_an_error_at_the_border_costs_more_and_only_for_the_mask() -> None:
    true = torch.zeros(1, 1, 16, 16)
    true[..., 8:] = 1
    logits = torch.zeros(1, 3, 16, 16)
    maps = {"mask": logits, "depth": logits}
    plain = task_losses(maps, {"mask": true, "depth": true})
    weighted = task_losses(
        maps, {"mask": true, "depth": true}, mask_weight=border_weight(true, 4.0)
    )
    assert weighted["mask"] > 1.2 * plain["mask"]
    assert torch.equal(weighted["depth"], plain["depth"])


def test_the_gradient_loss_adds_a_quarter_of_the_slopes_error() -> None:
    # A logit of 0 says 0.5: off by a slope of 0.01, which counts 0.15 over four scales.
    true = {"depth": (0.5 - 0.01 * torch.arange(32.0)).expand(1, 1, 32, 32)}
    logits = {"depth": torch.zeros(1, 7, 32, 32)}
    losses = {
        kind: task_losses(logits, true, depth_loss=kind)["depth"].item()
        for kind in ("bce", "gradient")
    }
    assert losses["gradient"] - losses["bce"] == pytest.approx(7 * 0.25 * 0.15, rel=1e-4)


def test_shade_is_the_share_of_light_that_is_missing() -> None:
    background = torch.full((1, 3, 1, 3), 0.75)
    image = torch.tensor([0.75, 0.35, 0.95]).expand(1, 3, 1, 3)
    # 0.05 is added to both: of 0.8, half is missing from 0.4. What is brighter lacks nothing.
    assert darkening(background, image).flatten().tolist() == pytest.approx([0, 0.5, 0])


def test_shadows_and_dark_things_count_more_alike() -> None:
    background, image = torch.full((1, 3, 1, 8), 0.95), torch.full((1, 3, 1, 8), 0.95)
    image[..., :4] = 0.45  # half of it a thing, half of it a shadow
    true = torch.zeros(1, 1, 1, 8)
    true[..., :2] = 1
    weight = pixel_weight(true, background, image, border=0.0, shade=3.0)
    assert weight is not None
    assert weight.flatten().tolist() == pytest.approx([2.5] * 4 + [1.0] * 4)
    assert pixel_weight(true, background, image, border=0.0, shade=0.0) is None
