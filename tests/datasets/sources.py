"""Drawn cut-outs and backgrounds, a teacher that needs no network, and looks at data sets."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.datasets import depth_labels
from depthmask.datasets.build import Folders, build
from depthmask.datasets.plan import Settings

CUTOUTS = ("disc", "box", "tall one", "größe")
BACKGROUNDS = ("küche", "hall 2", "yard")


def write_folders(folder: Path) -> tuple[Path, Path]:
    """Writes four cut-outs and three backgrounds that are not near-duplicates."""
    foregrounds, backgrounds = folder / "fg", folder / "bg"
    foregrounds.mkdir(parents=True)
    backgrounds.mkdir()
    for number, name in enumerate(CUTOUTS):
        Image.fromarray(cutout(number)).save(foregrounds / f"{name}.png")
    for number, name in enumerate(BACKGROUNDS):
        Image.fromarray(scene(number)).save(backgrounds / f"{name}.png")
    return foregrounds, backgrounds


class Rows:
    """A teacher that calls lower rows nearer."""

    can_use_gpu = False

    def inverse(self, pictures: np.ndarray) -> np.ndarray:
        rows = np.linspace(0, 1, pictures.shape[1], dtype=np.float32)[None, :, None]
        return np.broadcast_to(rows, pictures.shape[:3]).copy()


def build_by_rows(folders: Folders, settings: Settings) -> bool:
    """Builds a data set with `Rows` as the shipped teacher; for fixtures beyond one test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depth_labels, "ShippedTeacher", Rows)
        return build(folders, settings)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a data set, by path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def manifest_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cutout(number: int) -> np.ndarray:
    """An object of its own colour and shape, (60, 50, 4)."""
    rng = np.random.default_rng(number)
    pixels = np.zeros((60, 50, 4), np.uint8)
    colours = rng.integers(0, 255, (6, 5, 3), dtype=np.uint8)
    pixels[..., :3] = colours.repeat(10, axis=0).repeat(10, axis=1)
    pixels[5 : 55 - 5 * number, 5 + 3 * number : 45, 3] = 255
    return pixels


def scene(number: int) -> np.ndarray:
    """A scene of coarse blocks, (48, 64, 3)."""
    rng = np.random.default_rng(100 + number)
    blocks = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return blocks.repeat(8, axis=0).repeat(8, axis=1)
