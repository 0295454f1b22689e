"""Pools: how a pack is split, and how often each picture is drawn."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from depthmask.composites.pools import (
    balanced_weights,
    load_checkpoint_pools,
    load_pools,
    load_shared_pools,
)
from depthmask.data.packfile import write_pack
from depthmask.data.split import is_held_out
from depthmask.network.checkpoint import CheckpointInfo
from tests.data import packs

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packs.write(tmp_path_factory.mktemp("pack") / "pack.safetensors")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (packs.OBJECTS, 0.5),
        (("one_a", "many_a", "many_b", "many_c", "many_d", "many_e"), 1 / (1 + 5**0.5)),
    ],
    ids=["sources of 3 and 3", "sources of 1 and 5"],
)
def test_a_source_is_drawn_by_the_root_of_its_size(
    names: tuple[str, ...], expected: float, tmp_path: Path
) -> None:
    pictures = packs.make_pictures()
    pictures["foregrounds"] = replace(pictures["foregrounds"], names=names)
    write_pack(tmp_path / "pack", pictures, step=8)
    pool = load_pools(tmp_path / "pack", CPU, held_out=0.0)[0].foregrounds
    drawn = pool.pick(torch.linspace(0, 0.99999, 10_000))
    first = names[0].split("_")[0]
    of_first = torch.tensor([name.startswith(first) for name in names])[drawn]
    assert of_first.float().mean().item() == pytest.approx(expected, abs=0.005)
    assert len(drawn.unique()) == len(names)


def test_shots_of_a_source_are_balanced_and_no_picture_is_repeated_too_often() -> None:
    names = [f"house_{number}" for number in range(1000)]
    names += [f"rgbd_kitchen_{number}" for number in range(100)] + ["rgbd_table_0"]
    weights = balanced_weights(names)
    table, mean = weights[-1].item(), weights.mean().item()
    assert table == weights.max() and table == pytest.approx(4 * mean, rel=0.05)
    house, kitchen = weights[:1000].sum().item(), weights[1000:-1].sum().item()
    assert kitchen / house == pytest.approx((101 / 1000) ** 0.5 * 10 / 11, rel=1e-6)


def test_no_picture_is_in_both_parts_of_the_split(path: Path) -> None:
    train, validation = load_pools(path, CPU, held_out=0.4)
    for kind in ("foregrounds", "backgrounds"):
        one, other = (set(getattr(part, kind).members.tolist()) for part in (train, validation))
        assert one and other and not one & other


def test_what_shows_the_same_as_a_picture_for_training_is_not_held_out(tmp_path: Path) -> None:
    pictures = packs.make_pictures()
    scenes = pictures["backgrounds"]
    assert is_held_out("room_3_left", 0.4) and not is_held_out("room_0_left", 0.4)
    scenes.pixels[6] = scenes.pixels[0].flip(-1)  # a scene of shot 3 mirrors one of shot 0
    path = tmp_path / "pack.safetensors"
    write_pack(path, pictures, step=8)
    held_out = load_pools(path, CPU, held_out=0.4)[1].backgrounds.members.tolist()
    assert held_out and not {6, 7} & set(held_out)


def test_shared_pools_take_pictures_evenly(path: Path) -> None:
    pools = load_shared_pools(path, CPU, pictures=4)
    assert pools.backgrounds.members.tolist() == [0, 4, 8, 12]
    drawn = pools.backgrounds.pick(torch.linspace(0, 0.99999, 10_000))
    assert all(abs((drawn == number).float().mean() - 0.25) < 0.01 for number in (0, 4, 8, 12))
    assert len(load_shared_pools(path, CPU, pictures=99).foregrounds.members) == len(packs.OBJECTS)


def test_a_checkpoint_is_scored_on_what_its_protocol_says(path: Path) -> None:
    train, held_out = load_checkpoint_pools(path, CheckpointInfo(training={"held_out": 0.4}), CPU)
    assert not set(train.backgrounds.members.tolist()) & set(held_out.backgrounds.members.tolist())
    leaky = CheckpointInfo(training={"shared_pictures": 2})
    train, held_out = load_checkpoint_pools(path, leaky, CPU)
    assert train is held_out and len(train.backgrounds.members) == 2


def test_an_object_stands_where_its_lowest_part_is(tmp_path: Path) -> None:
    pictures = packs.make_pictures()
    alpha = torch.zeros(len(packs.OBJECTS), packs.SIDE, packs.SIDE, dtype=torch.uint8)
    alpha[0, :48, 16:32] = 255  # stands left of the middle, at three quarters of the height
    alpha[1:, 8:, :] = 255  # as broad as the picture at its lower edge: cut off there
    pictures["foregrounds"].pixels[:, 3] = alpha
    write_pack(tmp_path / "pack", pictures, step=8)
    pool = load_pools(tmp_path / "pack", CPU, held_out=0.0)[0].foregrounds
    assert pool.ground_point is not None and pool.cut_at_bottom is not None
    torch.testing.assert_close(pool.ground_point[0], torch.tensor([-0.25, 0.5]), atol=0.05, rtol=0)
    torch.testing.assert_close(pool.ground_point[1], torch.tensor([0.0, 1.0]), atol=0.05, rtol=0)
    assert pool.cut_at_bottom.tolist() == [False, True, True, True, True, True]
