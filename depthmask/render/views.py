"""Masks and depth as pictures to look at: arrays in, uint8 arrays out."""

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.pictures import Mask, Picture
from depthmask.pictures.resize import crop_to_aspect, fit_size, resize, shrink

Map = npt.NDArray[np.floating]
Pixels = TypeVar("Pixels", npt.NDArray[np.uint8], npt.NDArray[np.float32])

# Orange and blue are told apart by every kind of colour vision.
MISSED_COLOUR, FALSE_COLOUR = (0, 114, 178), (230, 159, 0)
LIGHT_GREY, DARK_GREY = 204, 153  # greys of the checkerboard


def colour_depth(depth: Map) -> Picture:
    """Colours a depth map, near is bright and warm, far is dark.

    The scale is fixed (0 is the brightest colour, 1 black), so that two pictures can be compared.
    Brightness rises evenly with nearness: it can be read in grey, and with any colour vision.

    Args:
        depth: (H, W), in [0, 1].

    Returns:
        (H, W, 3), uint8, RGB.
    """
    nearness = 1 - np.clip(depth, 0, 1)
    nearness *= 255
    levels = np.rint(nearness, out=nearness).astype(np.uint8)
    coloured = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def cutout(image: Picture, mask: Map, shadow: Map | None = None) -> Picture:
    """Makes the mask the image's alpha.

    Args:
        image: (H, W, 3), uint8, RGB.
        mask: (H, W), in [0, 1].
        shadow: (H, W), in [0, 1]: how black what lies under the foreground is.

    Returns:
        (H, W, 4), uint8, RGBA, alpha not multiplied in.
    """
    above = np.clip(mask, 0, 1)
    if shadow is not None:
        alpha = above + (1 - above) * np.clip(shadow, 0, 1)
        share = np.divide(above, alpha, out=np.ones_like(alpha), where=alpha > 0)
        image, above = np.rint(image * share[..., None]).astype(np.uint8), alpha
    return np.asarray(cv2.merge([*cv2.split(image), np.rint(above * 255).astype(np.uint8)]))


def checkerboard(height: int, width: int, *, tile: int = 12) -> Picture:
    """Draws the checkerboard that means transparency: (height, width, 3), uint8."""
    rows, columns = np.arange(height)[:, None] // tile, np.arange(width) // tile
    board = np.where((rows + columns) % 2 == 0, LIGHT_GREY, DARK_GREY).astype(np.uint8)
    return np.repeat(board[..., None], 3, axis=2)


def lay_over(cutout: Picture, backdrop: Picture) -> Picture:
    """Lays a cut-out, (H, W, 4) uint8, on a backdrop, (H, W, 3) uint8, of the same size."""
    alpha = cutout[..., 3]
    opaque = np.where(alpha == 255, alpha, 0)
    colours = cv2.cvtColor(np.ascontiguousarray(cutout), cv2.COLOR_RGBA2RGB)
    result = np.asarray(cv2.copyTo(colours, opaque, backdrop.copy()), dtype=np.uint8)
    mixed = np.flatnonzero(alpha != opaque)  # few pixels are: only these are computed
    above = np.take(cutout.reshape(-1, 4), mixed, axis=0).astype(np.float32)
    below = np.take(backdrop.reshape(-1, 3), mixed, axis=0)
    result.reshape(-1, 3)[mixed] = _blend(below, above[:, :3], above[:, 3] / 255)
    return result


def mask_errors(image: Picture, pred: Mask, true: Mask) -> Picture:
    """Shows where a mask errs: foreground that was missed in blue, false foreground in orange.

    Foreground that was found is light grey, the rest dark grey.

    Args:
        image: (H, W, 3), uint8, RGB.
        pred: (H, W), bool.
        true: (H, W), bool.

    Returns:
        (H, W, 3), uint8, RGB.
    """
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY))
    shown = np.repeat((grey // 3 + 20)[..., None], 3, axis=2).astype(np.uint8)
    shown[pred & true] = (grey // 3 + 170)[pred & true, None]
    shown[~pred & true] = MISSED_COLOUR
    shown[pred & ~true] = FALSE_COLOUR
    return shown


def spread(values: Map, known: Mask) -> Map:
    """Gives pixels that are not known the value of the nearest that is: (H, W), (H, W) -> (H, W).

    Where nothing is known, or all is, the values are returned as they are.
    """
    if known.all() or not known.any():
        return values
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    of_label = np.zeros(int(labels.max()) + 1, values.dtype)
    of_label[labels[known]] = values[known]
    return np.asarray(of_label[labels], dtype=values.dtype)


def at_most(array: Pixels, side: int) -> Pixels:
    """Shrinks (H, W) or (H, W, C) so that no side is longer, by averaging; smaller ones stay."""
    return shrink(array, *fit_size(array.shape, side))


def fill(picture: Picture, height: int, width: int) -> Picture:
    """Scales a picture to cover a size, cropped around its centre: (h, w, 3) -> (H, W, 3)."""
    # cropped first: a strip a pixel wide would be gigabytes when it is scaled
    return resize(crop_to_aspect(picture, height, width), height, width)


def _blend(below: Picture, above: Map, alpha: Map) -> Picture:
    weight = np.clip(alpha, 0, 1)[..., None]
    return np.rint(below + (above - below) * weight).astype(np.uint8)
