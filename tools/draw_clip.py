"""Draws docs/clip.webp, what `depthmask video` makes of a clip: python -m tools.draw_clip

The bear of examples/ hops through its room. A hand holds the camera, clouds pass before the sun,
and the bear has a shadow. Beside the clip stand the bear before another background, and the depth.
"""

import argparse
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.command import run
from depthmask.cli.main import main as depthmask
from depthmask.files import EXAMPLES
from depthmask.pictures import (
    DEPTH_FULL_SCALE,
    Map,
    Mask,
    Picture,
    read_grey,
    read_mask,
    read_picture,
)
from depthmask.pictures.resize import resize
from depthmask.render.views import colour_depth, fill, lay_over

FRAMES, RATE = 48, 12
SIDE = 0.5  # of the clip, in sides of the example
TILE = (240, 320)  # height and width, in pixels
GAP = 8  # pixels, white


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/clip.webp"))
    options = parser.parse_args()
    bear, room = EXAMPLES / "teddy", EXAMPLES / "teddy" / "background.jpg"
    frames = film(
        read_picture(room), read_picture(bear / "image.jpg"), read_mask(bear / "mask.png")
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "clip.mkv", frames)
        command = ["video", str(folder / "clip.mkv"), "--background", str(room)]
        command += ["-o", str(folder / "out"), "--depth", str(folder / "depth")]
        if depthmask(command):
            raise SystemExit(2)
        cutouts = [np.asarray(Image.open(path)) for path in sorted((folder / "out").glob("*.png"))]
        depths = [
            read_grey(path) / np.float32(DEPTH_FULL_SCALE)
            for path in sorted((folder / "depth").glob("*.png"))
        ]
    elsewhere = fill(read_picture(EXAMPLES / "desk" / "background.jpg"), *frames[0].shape[:2])
    strips = [
        strip([frame, lay_over(cutout, elsewhere), colour_depth(depth)])
        for frame, cutout, depth in zip(frames, cutouts, depths, strict=True)
    ]
    first, *rest = (Image.fromarray(picture) for picture in strips)
    first.save(
        options.output, save_all=True, append_images=rest, duration=1000 // RATE, loop=0, quality=60
    )


def film(room: Picture, image: Picture, mask: Mask) -> list[Picture]:
    """Returns the frames of the clip, uint8 RGB."""
    size = (round(room.shape[0] * SIDE), round(room.shape[1] * SIDE))
    room, image = resize(room, *size), resize(image, *size)
    cover = resize(mask.astype(np.float32), *size)
    dice = np.random.default_rng(0)
    shake = cv2.GaussianBlur(dice.normal(0, 3, (FRAMES, 2)), (1, 9), 0)
    return [
        expose(move(stand(room, image, cover, time), shake[number]), time, dice)
        for number, time in enumerate(np.linspace(0, 1, FRAMES))
    ]


def stand(room: Picture, image: Picture, mask: Map, time: float) -> Picture:
    """Puts the bear into the room, where it is at a time from 0 to 1."""
    height, width = mask.shape
    hop = abs(np.sin(4 * np.pi * time))  # four hops, from the left edge to the right
    across = width * (0.9 * time - 0.5)
    turn = cv2.getRotationMatrix2D((width * 0.48, height * 0.8), 6 * np.sin(8 * np.pi * time), 1)
    ground = turn + np.array([[0, 0, across], [0, 0, 0]])
    air = turn + np.array([[0, 0, across], [0, 0, -0.07 * height * hop]])
    shade = cv2.warpAffine(squash(mask), ground, (width, height))[..., None]
    bear = cv2.warpAffine(image, air, (width, height), flags=cv2.INTER_LINEAR)
    cover = cv2.warpAffine(mask, air, (width, height))[..., None]
    dark = room * (1 - 0.35 * shade)
    return np.clip(dark + cover * (bear - dark), 0, 255).astype(np.uint8)


def squash(mask: Map) -> Map:
    """The shadow on the ground: the mask, flat at its lower edge, and soft."""
    bottom = float(np.flatnonzero(mask.any(axis=1))[-1])
    flat = np.array([[1, 0, 0], [0, 0.15, 0.86 * bottom]])
    lying = cv2.warpAffine(mask, flat, mask.shape[::-1])
    return np.asarray(cv2.GaussianBlur(lying, (0, 0), 5), dtype=np.float32)


def move(picture: Picture, shift: np.ndarray) -> Picture:
    """Moves the camera by some pixels."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    size = picture.shape[1::-1]
    moved = cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.uint8)


def expose(picture: Picture, time: float, dice: np.random.Generator) -> Picture:
    """Lets clouds pass before the sun, and adds the noise of a sensor."""
    gain = 1 - 0.12 * np.sin(2 * np.pi * time) ** 2
    return np.clip(picture * gain + dice.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def write(path: Path, frames: list[Picture]) -> None:
    """Writes a clip without loss."""
    import av

    with av.open(str(path), "w") as clip:
        stream = clip.add_stream("ffv1", rate=Fraction(RATE))
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "bgr0"
        for picture in frames:
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        clip.mux(stream.encode(None))


def strip(pictures: list[Picture]) -> Picture:
    """Lays pictures side by side."""
    tiles = [
        np.pad(fill(picture, *TILE), ((0, 0), (0, GAP), (0, 0)), constant_values=255)
        for picture in pictures
    ]
    return np.concatenate(tiles, axis=1)[:, :-GAP]


if __name__ == "__main__":
    sys.exit(run(main))
