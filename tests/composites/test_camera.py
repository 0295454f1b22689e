"""The camera: what it does to both photos, and what it leaves alone."""

import pytest
import torch
from torch import Tensor

from depthmask.composites.camera import photograph
from depthmask.composites.random_streams import RandomStreams
from depthmask.composites.recipe import Lens

PERFECT = dict.fromkeys(vars(Lens()), 0.0)
COUNT = 24


def damage(lens: Lens, *, changes: bool = True) -> tuple[Tensor, Tensor]:
    """What the lens changes in the background and in the image: two (B, 3, 32, 32)."""
    scene = torch.rand(COUNT, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.1
    scene = torch.nn.functional.interpolate(scene, (32, 32), mode="bilinear")
    changing = torch.full((COUNT,), changes)

    def taken(lens: Lens) -> tuple[Tensor, Tensor]:
        return photograph(scene, scene, RandomStreams(0, torch.arange(COUNT)), lens, changing)

    before, after = taken(lens), taken(Lens(**PERFECT))
    return before[0] - after[0], before[1] - after[1]


@pytest.mark.parametrize(
    "lens",
    [
        Lens(**PERFECT | {"noise": 1.0, "noise_level": 0.1}),
        Lens(**PERFECT | {"jpeg": 1.0}),
        Lens(**PERFECT | {"blur": 1.0}),
        Lens(**PERFECT | {"sharpening": 1.0}),
    ],
    ids=["noise", "jpeg", "blur", "sharpening"],
)
def test_both_photos_are_damaged_each_in_its_own_way(lens: Lens) -> None:
    background, image = (part.abs().mean(dim=(1, 2, 3)) for part in damage(lens))
    for part in (background, image):
        assert (part > 1e-4).float().mean() > 0.8
    assert 0.5 < background.mean() / image.mean() < 2
    assert not torch.equal(background, image)


@pytest.mark.parametrize("name", ["gain", "white_balance", "offset", "gamma"])
def test_exposure_changes_between_the_photos(name: str) -> None:
    background, image = damage(Lens(**PERFECT | {name: 0.2}))
    assert (background.abs().amax(dim=(1, 2, 3)) > 0.01).float().mean() > 0.6
    assert image.abs().max() == 0, "the image is what the labels belong to"


def test_both_photos_share_the_cast_of_their_camera() -> None:
    background, image = damage(Lens(**PERFECT | {"tint": 0.2, "pale": 1.0}))
    assert torch.equal(background, image)
    assert (image.abs().amax(dim=(1, 2, 3)) > 0.02).float().mean() > 0.8


def test_a_perfect_pair_is_not_damaged() -> None:
    background, image = damage(Lens(noise=1.0, jpeg=1.0, tint=0.0, pale=0.0), changes=False)
    assert background.abs().max() == image.abs().max() == 0
