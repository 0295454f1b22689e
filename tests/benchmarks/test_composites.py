"""The benchmarks on composites and on empty scenes, on a toy pack."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks import empty_scenes
from benchmarks.composites import DepthOrder, FixedDepth, depth_baselines, make_batches
from benchmarks.shadows import RECIPES, shadow_scores
from depthmask.composites.pools import Pools, load_pools
from depthmask.composites.recipe import ORIGINAL, Recipe
from depthmask.training.validation import validation_metrics
from tests.data import packs


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    path = packs.write(tmp_path_factory.mktemp("pack") / "pack.safetensors")
    return load_pools(path, torch.device("cpu"), held_out=0.0)[0]


@pytest.mark.parametrize("recipe", [ORIGINAL, replace(Recipe(), present_before=0.0)])
def test_a_scene_without_its_objects_is_the_same_scene(pools: Pools, recipe: Recipe) -> None:
    (made,) = make_batches(pools, 32, 8, recipe)
    (hidden,) = make_batches(pools, 32, 8, replace(recipe, empty=1.0))
    bare = made.true_mask == 0
    assert 0 < bare.float().mean() < 1
    assert torch.equal(made.true_depth[bare], hidden.true_depth[bare])
    assert hidden.true_mask.max() == 0


class NearWhereChanged(nn.Module):
    """Calls near what differs between the pictures."""

    def forward(self, background: Tensor, image: Tensor) -> dict[str, Tensor]:
        changed = (background - image).abs().amax(dim=1, keepdim=True) > 0.01
        return {"depth": torch.where(changed, -6.0, 0.0)}


def test_foreground_in_front_is_told_from_foreground_behind(pools: Pools) -> None:
    near = DepthOrder.measure(NearWhereChanged(), pools, 32, 8)
    assert near.pred > 0.97 and near.true > 0.97 and near.best > 0.8
    flat = DepthOrder.measure(FixedDepth(torch.full((1, 1, 32, 32), 0.999)), pools, 32, 8)
    assert flat.pred == 0.0 and flat.true < 0.1


class ForegroundWhereDark(nn.Module):
    """Calls foreground what is darker than the background by a share of it."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, background: Tensor, image: Tensor) -> dict[str, Tensor]:
        left = image.mean(dim=1, keepdim=True) / background.mean(dim=1, keepdim=True)
        return {"mask": torch.where(left < 1 - self.share, 6.0, -6.0)}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_shadows_are_told_by_the_light_they_take(pools: Pools, recipe: Recipe) -> None:
    still = replace(recipe, moves=0.0, lens=None)
    none, *shares, iou = shadow_scores(ForegroundWhereDark(0.5), pools, 48, 24, still)
    assert none == shares[0] == shares[1] == 0
    assert shares[2] == 1
    assert 0 < iou < 1
    assert shadow_scores(ForegroundWhereDark(1.0), pools, 48, 24, still)[:-1] == [0] * 4


def test_a_depth_map_learnt_by_heart_beats_a_constant(pools: Pools) -> None:
    baselines = depth_baselines(pools, 32, 64, ORIGINAL)
    scores = {
        name: validation_metrics(fixed, pools, 32, 64, ORIGINAL)["rmse_over_deviation"]
        for name, fixed in baselines.items()
    }
    assert 0 < scores["mean depth map"] < 0.5 < scores["constant depth"] < 1.2


def test_empty_scenes_differ_only_as_they_should(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(empty_scenes, "SIZE", 64)
    monkeypatch.setattr(empty_scenes, "BUMP", (0.05, 0.06))
    errors = {}
    for name, disturbance in empty_scenes.DISTURBANCES.items():
        found = list(empty_scenes.pairs(pools, 6, disturbance))
        assert len(found) == 6
        assert all(p.shape == (64, 64, 3) and p.dtype == np.uint8 for pair in found for p in pair)
        errors[name] = np.mean([np.abs(a - b.astype(float)).mean() for a, b in found])
    noise, bump, lamp = errors.values()
    assert 0 < noise < bump and noise < lamp
