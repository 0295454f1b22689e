"""The shadow that the foreground casts: where the image is the background with less light.

A shadow takes about the same share of light from all colours, and takes it evenly from the pattern
of what it falls on. A thing has a pattern of its own.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import enlarge, fit_size, shrink

Values = npt.NDArray[np.float32]

SHADOW_SIDE = 480  # pixels, longest side of the copies that are compared: light is smooth
BLACK = 1e-3  # linear; keeps ratios finite
MIN_LIGHT = 0.012  # linear; darker pixels of the background show no shadow
MIN_DARK, SURE_DARK = 0.07, 0.16  # share of the light that is missing: noise, and surely a shadow
MAX_DARK = 0.93  # more is a black thing, or a hole
MAX_TINT, SURE_TINT = 0.8, 0.5  # stops between two channels: a sky lights shadows blue
MAX_UNEVEN, SURE_UNEVEN = 0.6, 0.3  # stops: deviation of the missing light around a pixel
WINDOW_SHARE = 0.002  # of the longest side: a pixel's surroundings
MIN_AREA_SHARE = 0.0004  # of the picture; smaller patches are noise
REACH_SHARE = 0.03  # of the longest side: how far a shadow may begin from the foreground
EDGE_SHARE = 0.004  # of the longest side
MIN_SEEN = 100  # pixels of shadow beside the foreground that show what light it takes
MAX_TURN, SURE_TURN = 0.2, 0.08  # radians, between the light that is missing there and elsewhere


def cast_shadow(image: Picture, background: Picture, mask: Map) -> Map:
    """Finds how much of its light the foreground's shadow takes from each pixel.

    Args:
        image: (H, W, 3), uint8, RGB.
        background: (H, W, 3), uint8, RGB, in the image's frame and lit as it.
        mask: (H, W), in [0, 1]. Shadow that it covers by mistake is found, too.

    Returns:
        (H, W), float32 in [0, 1): 0 where there is no shadow, and on the foreground.
    """
    height, width = mask.shape
    size = fit_size(mask.shape, SHADOW_SIDE)
    covered = shrink(mask.astype(np.float32), *size)
    if not (covered > 0.5).any():
        return np.zeros((height, width), np.float32)
    now, before = (_linear(shrink(picture, *size)) for picture in (image, background))
    radius = max(1, round(WINDOW_SHARE * max(size)))
    # of each channel, below 0 in a shadow
    stops = np.asarray(cv2.log((now + BLACK) / (before + BLACK)) / math.log(2), np.float32)
    dark = _dark(now, before, radius)
    alike = _likeness(stops, before, dark, radius)
    inside = covered > 0.5
    alike = np.where(inside, alike * _same_light(stops, alike * ~inside, radius), alike)
    kept = _touching(alike > 0.5, inside, max(size))
    soft = cv2.GaussianBlur((alike * kept).astype(np.float32), (0, 0), 0.5 * radius)
    return enlarge(np.clip(dark * np.minimum(1, 1.5 * soft), 0, MAX_DARK), height, width)


def under_edges(shadow: Map) -> Map:
    """Lets a shadow, (H, W), go on under the edge of what casts it, to be laid under a cut-out."""
    reach = max(1, round(EDGE_SHARE * max(shadow.shape)))
    side = 2 * reach + 1
    return np.asarray(cv2.dilate(shadow, np.ones((side, side), np.uint8)), shadow.dtype)


def _dark(now: Values, before: Values, radius: int) -> Values:
    """Share of the light around a pixel that is missing: (h, w), in [0, 1]."""
    light, had = (_mean(_average(picture), max(1, radius // 2)) for picture in (now, before))
    return np.clip(1 - light / np.maximum(had, 1e-3), 0, 1).astype(np.float32)


def _likeness(stops: Values, before: Values, dark: Values, radius: int) -> Values:
    """How much each pixel looks like shadow: (h, w), in [0, 1]."""
    mean = _average(stops)
    red, green, blue = cv2.split(_mean(stops, radius))
    tint = _mean(cv2.max(cv2.max(red, green), blue) - cv2.min(cv2.min(red, green), blue), 1)
    uneven = np.sqrt(np.maximum(_mean(np.square(mean), radius) - np.square(_mean(mean, radius)), 0))
    lit = _average(before) > MIN_LIGHT
    return np.asarray(
        _ramp(dark, MIN_DARK, SURE_DARK)
        * _ramp(-tint, -MAX_TINT, -SURE_TINT)
        * _ramp(-uneven, -MAX_UNEVEN, -SURE_UNEVEN)
        * (lit & (dark < MAX_DARK)),
        np.float32,
    )


def _same_light(stops: Values, seen: Values, radius: int) -> Values:
    """How well the colour of the missing light agrees with that beside the foreground.

    From penumbra to umbra, each channel loses light in proportion.
    """
    if np.count_nonzero(seen > 0.5) < MIN_SEEN:
        return np.ones_like(seen)
    missing = _mean(1 - np.exp2(stops), radius)
    usual = (missing * seen[..., None]).sum(axis=(0, 1))
    length = np.linalg.norm(missing, axis=2) * np.linalg.norm(usual)
    turn = np.arccos(np.clip(missing @ usual / np.maximum(length, 1e-6), -1, 1))
    return _ramp(-turn, -MAX_TURN, -SURE_TURN).astype(np.float32)


def _touching(shadow: Mask, covered: Mask, longest: int) -> Values:
    """Keeps patches of shadow that are large enough and begin near the foreground: 0 or 1."""
    reach = max(1, round(REACH_SHARE * longest))
    around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    near = cv2.dilate(covered.astype(np.uint8), around) > 0
    near &= cv2.erode(covered.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0  # not amid a thing
    count, patches, about, _ = cv2.connectedComponentsWithStats(shadow.astype(np.uint8))
    large = about[:, cv2.CC_STAT_AREA] >= MIN_AREA_SHARE * shadow.size
    touches = np.zeros(count, bool)
    touches[np.unique(patches[near & shadow])] = True
    kept = (large & touches)[patches] & shadow
    grown = cv2.dilate(kept.astype(np.uint8), np.ones((5, 5), np.uint8))  # the soft edge counts
    return grown.astype(np.float32)


def _ramp(values: Values, low: float, high: float) -> Values:
    return np.clip((values - low) / (high - low), 0, 1)


def _average(picture: Values) -> Values:
    """Mean of the channels: (H, W, 3) -> (H, W)."""
    return np.asarray(cv2.transform(picture, np.full((1, 3), 1 / 3, np.float32)), np.float32)


def _mean(values: Values, radius: int) -> Values:
    side = 2 * radius + 1
    return np.asarray(cv2.blur(values.astype(np.float32), (side, side)))


def _linear(picture: Picture) -> Values:
    """Light of an sRGB picture, (H, W, 3) in [0, 1]."""
    levels = np.arange(256, dtype=np.float32) / 255
    table = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return np.asarray(cv2.LUT(picture, table.astype(np.float32)), np.float32)
