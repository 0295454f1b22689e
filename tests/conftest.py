"""What tests share: a small pair of photos with ground truth, a predictor that needs no weights,
and a checkpoint of a small random network."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from depthmask.backends import graph_of, user_cache
from depthmask.backends.base import check_pair
from depthmask.export.exporter import export
from depthmask.inference.background import Background, LearnedBackground
from depthmask.inference.predictor import Prediction
from depthmask.network.checkpoint import CheckpointInfo, save_checkpoint
from depthmask.network.u2net import Stage, U2Net
from depthmask.pictures import Map, Mask, Picture, write_depth, write_mask

# The networks of tests are so small that sharing their work costs more than it saves.
torch.set_num_threads(1)

TINY = (Stage(3, 2, 4), Stage(2, 2, 4), Stage(2, 2, 4, dilated=True))
HEIGHT, WIDTH = 60, 80


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first: where tests run in parallel, short ones fill the end."""
    ranks: dict[Path, int] = {}
    for item in items:
        rank = next((n for n, mark in enumerate(("browser", "slow")) if mark in item.keywords), 2)
        ranks[item.path] = min(rank, ranks.get(item.path, 2))
    items.sort(key=lambda item: ranks[item.path])


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps this process and those it starts out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(user_cache.VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


@dataclass(frozen=True)
class Pair:
    """A bright block before a dim, noisy wall that recedes to the right."""

    background: Picture
    image: Picture
    true_mask: Mask
    true_depth: Map


@pytest.fixture(scope="session")
def pair() -> Pair:
    noise = np.random.default_rng(0).integers(0, 20, (HEIGHT, WIDTH, 3))
    background = (60 + np.arange(WIDTH)[None, :, None] // 2 + noise).astype(np.uint8)
    true_mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    true_mask[20:60, 30:55] = True
    image = background.copy()
    image[true_mask] = (230, 180, 40)
    wall = np.linspace(0.4, 1, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)
    true_depth = np.where(true_mask, np.float32(0.3), wall)
    return Pair(background, image, true_mask, true_depth)


@pytest.fixture
def pair_folder(pair: Pair, tmp_path: Path) -> Path:
    """A folder with background.png, image.png, mask.png and depth.png."""
    folder = tmp_path / "pair"
    folder.mkdir()
    Image.fromarray(pair.background).save(folder / "background.png")
    Image.fromarray(pair.image).save(folder / "image.png")
    write_mask(folder / "mask.png", pair.true_mask.astype(np.float32))
    write_depth(folder / "depth.png", pair.true_depth)
    return folder


class FakePredictor:
    """Stands in for `Predictor`: finds what is 40 levels brighter, and calls it near."""

    resolution = 64
    device = "cpu"
    info = CheckpointInfo(resolution=64)

    def predict(self, background: Background, image: Picture) -> Prediction:
        if isinstance(background, LearnedBackground):
            background = background.plate
        if background.shape != image.shape:
            background = np.full_like(image, background.mean())
        difference = image.astype(np.float32) - background
        mask = (difference.max(axis=2) > 40).astype(np.float32)
        return Prediction(mask, np.where(mask > 0, np.float32(0.3), np.float32(0.7)), 0.001)


class FakeBackend:
    """Stands in for a network: what is 40 levels brighter is foreground, and near."""

    name = "fake"
    precision = "fp32"
    device = "cpu"
    resolution = 64

    def run(self, background: Picture, image: Picture) -> dict[str, Map]:
        check_pair(background, image)
        mask = ((image.astype(np.float32) - background).max(axis=2) > 40).astype(np.float32)
        return {"mask": mask, "depth": np.where(mask > 0, np.float32(0.3), np.float32(0.7))}


@pytest.fixture
def fake_predictor() -> FakePredictor:
    return FakePredictor()


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a checkpoint of a small random network; takes `tasks` and `in_ch`."""

    def make(tasks: tuple[str, ...] = ("depth", "mask"), in_ch: int = 6) -> Path:
        torch.manual_seed(0)
        info = CheckpointInfo(tasks, in_ch, TINY, resolution=64)
        path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
        save_checkpoint(path, U2Net(tasks, in_ch, TINY).state_dict(), info)
        return path

    return make


@pytest.fixture(scope="session")
def tiny_checkpoint(make_checkpoint: Callable[..., Path]) -> Path:
    return make_checkpoint()


@pytest.fixture(scope="session")
def exported_checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with its graph beside it."""
    path = Path(shutil.copy(tiny_checkpoint, tmp_path_factory.mktemp("weights")))
    export(path, graph_of(path), dynamic=True)
    return path
