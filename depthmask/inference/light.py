"""Exposure and white balance: a gain for each channel that makes the background as bright as the
image where nothing has changed.

Gains are of linear light, where a camera's exposure is a factor; pictures are taken to be sRGB.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.pictures import Map, Picture

Gain = npt.NDArray[np.float64]  # (3,)

LIGHT_SIDE = 160  # pixels, longest side of the copies that are compared
MIN_LEVEL, MAX_LEVEL = 16, 242  # levels; outside, noise and clipping hide the gain
MIN_PIXELS = 50  # of a copy, to fit to
MAX_FITTED_PIXELS = 4000  # of a copy; more make the fit slower, not better
MAX_STOPS = 3.0
MAX_TINT_STOPS = 0.75  # stops between two channels
MIN_STOPS = 0.02  # less cannot be seen; 8 bits are left as they are
MIN_AGREEING_SHARE = 0.15  # share of pixels that one gain explains

TOO_FEW = "too few pixels are neither black nor white to compare the light"
NO_GAIN = "no change of exposure explains the difference"


@dataclass(frozen=True, eq=False)
class LightMatch:
    """How the light of the background differs from that of the image."""

    gain: Gain  # of linear light, red, green, blue; 1 where not accepted
    stops: float  # mean of log2(gain): above 0, the image is brighter
    accepted: bool  # whether the background is to be changed
    reason: str  # one phrase for the user why it is not; "" where nothing is wrong


NOT_MATCHED = LightMatch(np.ones(3), 0.0, False, "not asked for")


def match_light(
    background: Picture, image: Picture, *, foreground: Map | None = None
) -> LightMatch:
    """Finds the gains on which most pixels agree: the mode of the ratio image / background.

    Objects that entered the scene have many different ratios, so they may cover more than half of
    the picture.

    Args:
        background: (H, W, 3), uint8, RGB, in the image's frame.
        image: (H, W, 3), uint8, RGB.
        foreground: (H, W), in [0, 1]: pixels above 0.5 do not count.
    """
    ratios = _log_ratios(background, image, foreground)
    if len(ratios) < MIN_PIXELS:
        return _unchanged(TOO_FEW)
    mode, agreement = _find_mode(ratios[:: max(1, len(ratios) // MAX_FITTED_PIXELS)])
    stops = float(mode.mean())
    if agreement < MIN_AGREEING_SHARE or abs(stops) > MAX_STOPS or np.ptp(mode) > MAX_TINT_STOPS:
        return _unchanged(NO_GAIN)
    if np.abs(mode).max() < MIN_STOPS:
        return LightMatch(np.ones(3), stops, False, "")
    return LightMatch(np.exp2(mode), stops, True, "")


def apply_light(background: Picture, match: LightMatch) -> Picture:
    """Gives the background the light of the image: (H, W, 3) uint8 -> the same."""
    if not match.accepted:
        return background
    table = _to_srgb(_to_linear(np.arange(256) / 255)[:, None] * match.gain)
    levels = np.rint(table * 255).astype(np.uint8)[:, None]  # (256, 1, 3)
    return np.asarray(cv2.LUT(np.ascontiguousarray(background), levels), dtype=np.uint8)


def _unchanged(reason: str) -> LightMatch:
    return LightMatch(np.ones(3), 0.0, False, reason)


def _log_ratios(background: Picture, image: Picture, foreground: Map | None) -> Gain:
    """log2(image / background) in linear light, of pixels neither black nor white: (N, 3)."""
    height, width = image.shape[:2]
    scale = min(1.0, LIGHT_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    copies = [
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        for picture in (background, image)
    ]
    counts = np.ones(copies[0].shape[:2], dtype=bool)
    for copy in copies:
        counts &= ((copy >= MIN_LEVEL) & (copy <= MAX_LEVEL)).all(axis=2)
    if foreground is not None:
        known = np.asarray(cv2.resize(foreground, size, interpolation=cv2.INTER_AREA))
        counts &= known < 0.5
    dark, bright = (_to_linear(copy[counts] / 255) for copy in copies)
    return np.log2(bright / dark)


def _find_mode(ratios: Gain) -> tuple[Gain, float]:
    """Finds where (N, 3) points are densest: mean shift with a shrinking kernel, several starts.

    Returns:
        The mode, and the share of points within a kernel's width of it.
    """
    starts = [np.zeros(3), np.median(ratios, axis=0), *np.percentile(ratios, (25, 75), axis=0)]
    best, most = starts[0], -1.0
    for mode in starts:
        for width in (0.8, 0.4, 0.2, 0.2, 0.1, 0.1, 0.1):
            weight = np.exp(-0.5 * ((ratios - mode) ** 2).sum(axis=1) / width**2)
            if weight.sum() > 0:
                mode = (weight[:, None] * ratios).sum(axis=0) / weight.sum()
        near = float(np.exp(-0.5 * ((ratios - mode) ** 2).sum(axis=1) / 0.2**2).mean())
        if near > most:
            best, most = mode, near
    return best, most


def _to_linear(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values = values.clip(0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
