"""From the network's small maps to the image's own size: mask, depth, and colours of a cut-out."""

import math

import cv2
import numpy as np

from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import enlarge, fit_size, shrink

# The network and interpolation blur the mask's edge. Of contrasts from 1 to 1.6, this one had the
# least alpha and gradient errors on 24 composites made as in `benchmarks/refinement.py`.
EDGE_CONTRAST = 1.4

COLOURS_SIDE = 512  # pixels, of the image's longest side where the colours are gathered
COLOURS_WINDOWS = (32, 8, 2)  # pixels, radii: where the smaller window knows a colour, it counts
MIN_KNOWN_SHARE = 0.02  # of a window must be foreground before it outweighs the larger one
MIN_SQUARED_ALPHA = 0.01  # where alpha² is less, a colour is taken from nearby
UNMIXED_PIXELS = 2**18  # un-mixed at once, to bound memory


def enlarge_mask(mask: Map, height: int, width: int) -> Map:
    """Interpolates a mask, (h, w), to (height, width): float32."""
    return enlarge(shrink(mask.astype(np.float32), height, width), height, width)


def steepen(mask: Map) -> Map:
    """Undoes the blur of an enlarged mask's edge, in the array itself.

    Args:
        mask: (H, W), float32 in [0, 1]: how much of a pixel is foreground.

    Returns:
        The same array, in [0, 1]; above 0.5 where it was.
    """
    mask -= 0.5  # in place: the map may have 50 million pixels
    mask *= EDGE_CONTRAST
    mask += 0.5
    return np.clip(mask, 0, 1, out=mask)


def refine_depth(depth: Map, low_mask: Map, mask: Map) -> Map:
    """Enlarges a depth map so that its step lies on the mask's border.

    Foreground and scene are each continued into the other's place and enlarged; each pixel then
    takes the one that the mask says.

    Args:
        depth: (h, w), any unit.
        low_mask: (h, w), in [0, 1]: the network's mask, of the depth's size.
        mask: (H, W), in [0, 1]: the refined mask.

    Returns:
        (H, W), float32.
    """
    height, width = mask.shape
    depth = depth.astype(np.float32)
    near, far = (_continue(depth, known) for known in (low_mask > 0.9, low_mask < 0.1))
    result = enlarge(shrink(far, height, width), height, width)
    front = enlarge(shrink(near, height, width), height, width)
    np.copyto(result, front, where=mask > 0.5)
    return result


def foreground_colours(image: Picture, background: Picture | None, mask: Map) -> Picture:
    """As `unmix`; the image as it is where no background is known."""
    return image if background is None else unmix(image, background, mask)


def unmix(image: Picture, background: Picture, mask: Map) -> Picture:
    """Takes the background out of the colours where foreground covers a part of a pixel.

    The colour is the one that, mixed with the background by the mask, gives the image. The smaller
    the mask's value, the closer the colour is kept to that of the foreground nearby.

    Args:
        image: (H, W, 3), uint8, RGB.
        background: (H, W, 3), uint8, RGB, registered to the image and lit alike.
        mask: (H, W), in [0, 1].

    Returns:
        (H, W, 3), uint8, RGB: the image, and where the mask is between 0 and 1, the foreground.
    """
    result = image.copy()
    left, top, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    if width:
        box = np.s_[top : top + height, left : left + width]
        side = math.ceil(COLOURS_SIDE * max(height, width) / max(mask.shape))
        nearby = _nearby_colours(image[box], mask[box], side)
        result[box] = _unmix_near(image[box], background[box], mask[box], nearby)
    return result


def _unmix_near(image: Picture, background: Picture, mask: Map, nearby: Picture) -> Picture:
    """Un-mixes as `unmix` does, from the colours nearby: (H, W, 3), uint8."""
    result = np.array(image, order="C")
    mixed = np.flatnonzero((mask > 0) & (mask < 1))
    flat = [picture.reshape(-1, 3) for picture in (result, background, nearby)]
    for start in range(0, len(mixed), UNMIXED_PIXELS):
        part = mixed[start : start + UNMIXED_PIXELS]
        seen, behind, guess = (np.take(x, part, axis=0).astype(np.float32) for x in flat)
        alpha = np.take(mask.reshape(-1), part)[:, None]
        error = seen - alpha * guess - (1 - alpha) * behind
        colours = guess + error * (alpha / (alpha * alpha + MIN_SQUARED_ALPHA))
        flat[0][part] = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
    return result


def _nearby_colours(image: Picture, mask: Map, side: int) -> Picture:
    """The mean colour of the sure foreground around each pixel: (H, W, 3), uint8.

    Where a small window holds too little of it, that of a larger window counts. The colours are
    gathered on copies whose longest side has `side` pixels.
    """
    height, width = mask.shape
    size = fit_size(mask.shape, side)
    sure = np.clip((shrink(mask, *size) - 0.95) / 0.05, 0, 1).astype(np.float32) + np.float32(1e-6)
    # premultiplied colour and alpha, so that one blur serves both
    known = np.asarray(cv2.merge([*cv2.split(shrink(image, *size) * sure[..., None]), sure]))
    average = np.array(cv2.mean(known), np.float32)
    mean = np.broadcast_to(average / average[3], known.shape)  # its last channel stays 1
    for radius in COLOURS_WINDOWS:
        around = _mean_around(known, radius) + MIN_KNOWN_SHARE * mean
        mean = around / around[..., 3:]
    colours = (mean[..., :3] + np.float32(0.5)).astype(np.uint8)
    return np.asarray(cv2.resize(colours, (width, height), interpolation=cv2.INTER_LINEAR))


def _continue(values: Map, known: Mask) -> Map:
    """Fills what is not known from the known around it, nearest first: (h, w) -> (h, w)."""
    if not known.any():
        return values
    weight = known.astype(np.float32)
    filled, radius = values * weight, 1
    result, empty = filled.copy(), ~known
    while empty.any() and radius < 2 * max(values.shape):
        share, mean = _mean_around(weight, radius), _mean_around(filled, radius)
        reached = empty & (share > 0.5 / (2 * radius + 1) ** 2)
        np.divide(mean, share, out=result, where=reached)
        empty, radius = empty & ~reached, 2 * radius
    return result


def _mean_around(values: Map, radius: int) -> Map:
    """Means over windows of 2 * radius + 1 pixels a side: (H, W) or (H, W, C) -> the same shape."""
    side = 2 * radius + 1
    mean = cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mean, np.float32).reshape(values.shape)
