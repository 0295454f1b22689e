"""How sure depth's labels are: what the benchmark finds of teachers whose habits are known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks import depth_labels as labels
from depthmask.composites.pools import load_pools
from depthmask.data.teachers import TeacherSpec
from tests.data import packs


class Ramp:
    """Falls from 1 to 0 downwards, or from left to right, whatever it is shown."""

    def __init__(self, specs: Sequence[TeacherSpec], *, views: bool = False) -> None:
        self.sideways = any(spec.path.stem == "sideways" for spec in specs)

    def label(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = picture.shape[:2]
        rows = np.linspace(1, 0, width if self.sideways else height, dtype=np.float32)
        return np.tile(rows, (height, 1)) if self.sideways else np.tile(rows[:, None], (1, width))


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    monkeypatch.setattr(labels, "Ensemble", Ramp)
    pack = packs.write(tmp_path / "pack.safetensors")
    pools, _ = load_pools(pack, torch.device("cpu"), held_out=0.0)
    return list(labels.first_pictures(pools.backgrounds, 3))


def test_it_shows_the_pictures_of_the_pack(shown: list[NDArray[np.uint8]]) -> None:
    assert [picture.shape for picture in shown] == [(packs.SIDE, packs.SIDE, 3)] * 3
    assert not np.array_equal(shown[0], shown[2])


@pytest.mark.parametrize(("name", "unsure"), [("downwards", False), ("sideways", True)])
def test_a_mirrored_picture_asks_whether_left_is_right(
    shown: list[NDArray[np.uint8]], name: str, unsure: bool
) -> None:
    found = labels.compare_labels(shown, [TeacherSpec(Path(f"{name}.onnx"), "inverse")])
    assert (found["picture mirrored"] > 0.5) == unsure
    assert found["picture a fifth darker"] == 0
    assert found["picture of half the side"] < 0.1


def test_teachers_are_compared_with_each_other(shown: list[NDArray[np.uint8]]) -> None:
    teachers = [TeacherSpec(Path(f"{name}.onnx"), "inverse") for name in ("downwards", "sideways")]
    found = labels.compare_labels(shown, teachers)
    assert found["sideways alone"] == 0, "the fake ensemble listens to that one alone"
    assert found["downwards alone"] == found["downwards against sideways"] > 0.5


def test_the_examples_and_frames_have_their_depth(tmp_path: Path) -> None:
    known = list(labels.read_known_examples())
    assert {scene for scene, *_ in known} >= {"teddy", "empty"}
    for _, image, inverse, valid in known:
        assert image.shape[:2] == inverse.shape == valid.shape
        assert valid.mean() > 0.9
    sequence = tmp_path / "room"
    for part, pixel in (("image", np.zeros(3, np.uint8)), ("depth", np.uint16(2000))):
        (sequence / part).mkdir(parents=True)
        for number in range(5):
            picture = np.tile(pixel, (4, 6, 1)).squeeze()
            Image.fromarray(picture).save(sequence / part / f"{number}.png")
    frames = list(labels.read_known_frames(tmp_path))
    assert [scene for scene, *_ in frames] == ["room", "room"], "every fourth"
    assert np.allclose(frames[0][2], 1 / 2), "of two metres"


def test_truth_explains_itself_and_nothing_across() -> None:
    ramp = np.tile(np.linspace(1, 0, 40, dtype=np.float32)[:, None], (1, 40))
    image, valid = np.zeros((40, 40, 3), np.uint8), np.ones((40, 40), bool)
    known = [("down", image, 3 * ramp + 2, valid), ("across", image, ramp.T, valid)]
    found = labels.unexplained_variance(known, Ramp([]))  # type: ignore[arg-type]
    assert found == pytest.approx({"down": 0, "across": 1, "mean": 0.5}, abs=1e-4)
