"""Masks and depth as pictures to look at: arrays in, uint8 arrays out."""

import numpy as np
import numpy.typing as npt

from depthmask._cv2 import cv2
from depthmask.pictures import Picture

Map = npt.NDArray[np.floating]

TINT = (255, 140, 0)  # orange: told from greens and blues by every kind of colour vision
LIGHT, DARK = 204, 153  # greys of the checkerboard


def colour_depth(depth: Map) -> Picture:
    """Colours a depth map, near is bright and warm, far is dark.

    The scale is fixed (0 is the brightest colour, 1 black), so that two pictures can be compared.
    The map is one of evenly rising brightness: it reads in grey, and with any colour vision.

    Args:
        depth: (H, W), in [0, 1].

    Returns:
        (H, W, 3), uint8, RGB.
    """
    nearness = np.rint((1 - np.clip(depth, 0, 1)) * 255).astype(np.uint8)
    coloured = cv2.applyColorMap(nearness, cv2.COLORMAP_INFERNO)
    return np.asarray(coloured[..., ::-1], dtype=np.uint8).copy()


def depth_legend(width: int = 256, height: int = 40) -> Picture:
    """Draws the colours of `colour_depth` from near (left) to far, with their values.

    Args:
        width: Of the legend, in pixels.
        height: Likewise; the lower half holds the words.

    Returns:
        (height, width, 3), uint8, RGB, black words on white.
    """
    legend = np.full((height, width, 3), 255, np.uint8)
    ramp = np.linspace(0, 1, width, dtype=np.float32)
    legend[: height // 2] = colour_depth(ramp[None])
    size = height / 80
    for text, place in (("0 near", 0.0), ("0.5", 0.5), ("1 far", 1.0)):
        (breadth, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        left = round(place * (width - breadth))
        corner = (left, height - height // 8)
        cv2.putText(legend, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 1, cv2.LINE_AA)
    return legend


def overlay(image: Picture, mask: Map, *, strength: float = 0.5) -> Picture:
    """Tints the foreground of an image.

    Args:
        image: (H, W, 3), uint8, RGB.
        mask: (H, W), in [0, 1].
        strength: Of the tint where the mask is 1, in [0, 1].

    Returns:
        (H, W, 3), uint8, RGB.
    """
    return _blend(image, np.array(TINT, np.float32), np.float32(strength) * mask)


def cutout(image: Picture, mask: Map) -> Picture:
    """Makes the mask the image's alpha: (H, W, 3) uint8 and (H, W) in [0, 1] -> (H, W, 4) uint8."""
    alpha = np.rint(np.clip(mask, 0, 1) * 255).astype(np.uint8)
    return np.dstack((image, alpha))


def checkerboard(height: int, width: int, *, tile: int = 12) -> Picture:
    """Draws what stands for transparency: (height, width, 3), uint8, tiles of `tile` pixels."""
    rows, columns = np.arange(height)[:, None] // tile, np.arange(width) // tile
    board = np.where((rows + columns) % 2 == 0, LIGHT, DARK).astype(np.uint8)
    return np.repeat(board[..., None], 3, axis=2)


def lay_over(cutout: Picture, backdrop: Picture) -> Picture:
    """Lays a cut-out, (H, W, 4) uint8, on a backdrop, (H, W, 3) uint8, of the same size."""
    alpha = cutout[..., 3].astype(np.float32) / 255
    return _blend(backdrop, cutout[..., :3].astype(np.float32), alpha)


def _blend(below: Picture, above: Map, alpha: Map) -> Picture:
    weight = np.clip(alpha, 0, 1)[..., None]
    return np.rint(below + (above - below) * weight).astype(np.uint8)
