"""Folders of cut-outs and backgrounds, drawn rather than photographed, and a small ONNX teacher."""

from pathlib import Path

import numpy as np
from PIL import Image

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
