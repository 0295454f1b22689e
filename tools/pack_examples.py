"""Packs examples/ as a tiny training set.

    python -m tools.pack_examples FILE

It needs no teacher, because the examples have exact depth. These few pictures are enough to see
training work, and too few for a useful network.
"""

import argparse
import sys
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch

from benchmarks.command import run
from depthmask.app.examples import Example, find_examples
from depthmask.data.pack import LABEL_SIDE
from depthmask.data.packfile import PackedPictures, bytes_from_ratio, write_pack
from depthmask.files import check_file
from depthmask.pictures import read_mask, read_picture, read_true_depth

SIDE = 256  # of a picture in the pack, in pixels

Picture = npt.NDArray[np.uint8]
Ratio = npt.NDArray[np.float32]
ArrayT = TypeVar("ArrayT", Picture, Ratio)


def pack_examples(examples: list[Example], output: Path) -> int:
    """Writes the pack; returns its size in bytes."""
    complete = [e for e in examples if e.true_mask and e.true_depth]
    parts = [cut_out(e) for e in complete]
    cut_outs = [(e.name, part) for e, part in zip(complete, parts, strict=True) if part.size]
    pictures = [(e.name, read_picture(e.background)) for e in complete]
    packed = {
        "foregrounds": as_packed(cut_outs),
        "backgrounds": as_packed(pictures, torch.stack([label(e) for e in complete])),
    }
    return write_pack(output, packed, step=8)


def cut_out(example: Example) -> Picture:
    """Cuts the object out: RGBA, (h, w, 4) uint8, of size 0 where the scene is empty."""
    assert example.true_mask
    mask = read_mask(example.true_mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    picture = np.dstack((read_picture(example.image), mask.astype(np.uint8) * 255))
    if not rows.size:
        return picture[:0, :0]
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def label(example: Example) -> torch.Tensor:
    """Makes the background's label, (L, L) uint8: true, and inpainted behind the object."""
    assert example.true_mask
    assert example.true_depth
    depth = read_true_depth(example.true_depth).values
    ratio = square(((1 / np.maximum(depth, 1e-3) - 1) / 2).astype(np.float32), LABEL_SIDE)
    object_ = square(read_mask(example.true_mask).astype(np.uint8) * 255, LABEL_SIDE)
    hidden = cv2.dilate((object_ > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    # Bytes, because OpenCV's inpainting of floats makes a chequerboard.
    coded = bytes_from_ratio(torch.from_numpy(ratio)).numpy()
    return torch.from_numpy(np.asarray(cv2.inpaint(coded, hidden, 3, cv2.INPAINT_TELEA)))


def as_packed(
    named: list[tuple[str, Picture]], labels: torch.Tensor | None = None
) -> PackedPictures:
    pixels = np.stack([square(picture, SIDE) for _, picture in named])
    return PackedPictures(
        names=[name for name, _ in named],
        aspect=torch.tensor([picture.shape[1] / picture.shape[0] for _, picture in named]),
        pixels=torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(),
        labels=labels,
    )


def square(picture: ArrayT, side: int) -> ArrayT:
    resized = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=picture.dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="FILE", help="the packed data")
    output = parser.parse_args().output
    check_file(output)
    size = pack_examples(find_examples(), output)
    print(f"{output}: {size / 1e6:.3g} MB from examples/", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run(main))
