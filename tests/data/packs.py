"""A small packed data set, drawn rather than photographed."""

import zlib
from pathlib import Path

import torch
from torch import Tensor

from depthmask.data.packfile import PackedPictures, bytes_from_ratio, write_pack
from depthmask.data.split import shot_name

SIDE = 64
OBJECTS = ("disc_a_1", "disc_a_2", "disc_b_1", "box_c_1", "box_d_1", "box_e_1")
SCENES = tuple(f"room_{number}_{part}" for number in range(8) for part in ("left", "right"))


def make_pictures() -> dict[str, PackedPictures]:
    """Red cut-outs, on blue and green scenes whose inverse depth grows downwards."""
    return {
        "foregrounds": PackedPictures(
            names=OBJECTS,
            aspect=torch.linspace(0.4, 1.6, len(OBJECTS)),
            pixels=torch.stack([_cutout(name) for name in OBJECTS]),
        ),
        "backgrounds": PackedPictures(
            names=SCENES,
            aspect=torch.linspace(0.6, 1.7, len(SCENES)),
            pixels=torch.stack([_scene(number) for number in range(len(SCENES))]),
            labels=bytes_from_ratio(torch.linspace(0, 1, 32)[:, None].expand(32, 32)).repeat(
                len(SCENES), 1, 1
            ),
        ),
    }


def write(path: Path, step: float = 8) -> Path:
    write_pack(path, make_pictures(), step=step)
    return path


def _cutout(name: str) -> Tensor:
    line = torch.linspace(-1, 1, SIDE)
    distance = (
        line[:, None].hypot(line) if "disc" in name else line.abs()[:, None].maximum(line.abs())
    )
    alpha = ((0.9 - distance) * 20).clamp(0, 1) * 255
    colour = torch.tensor([220.0, 30.0, 40.0])[:, None, None] * (0.6 + 0.4 * _squares(name))
    return torch.cat((colour, alpha[None])).to(torch.uint8)


def _scene(number: int) -> Tensor:
    row = torch.linspace(0, 1, SIDE)
    blue = 60 + 160 * _squares(SCENES[number])
    green = (60 + 120 * row)[:, None].expand(SIDE, SIDE)
    return torch.stack((torch.full((SIDE, SIDE), 20.0), green, blue)).to(torch.uint8)


def _squares(name: str) -> Tensor:
    """A pattern that tells one shot from another, (SIDE, SIDE), 0 and 1."""
    generator = torch.Generator().manual_seed(zlib.crc32(shot_name(name).encode()))
    pattern = torch.rand(4, 4, generator=generator).round()
    return pattern.repeat_interleave(SIDE // 4, 0).repeat_interleave(SIDE // 4, 1)
