"""Exposure and white balance: a gain for each channel that makes the background as bright as the
image where nothing has changed.

Gains are of linear light, where a camera's exposure is a factor; pictures are taken to be sRGB.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import fit_size, resize, shrink
from depthmask.texts import TEXTS

Gain = npt.NDArray[np.float64]  # (3,)

LIGHT_SIDE = 160  # pixels, longest side of the copies that are compared
MIN_LEVEL, MAX_LEVEL = 16, 242  # levels; outside, noise and clipping hide the gain
MIN_PIXELS = 50  # of a copy, to fit to
MAX_FITTED_PIXELS = 4000  # of a copy; more make the fit slower, not better
MAX_SOUGHT_PIXELS = 500  # of these, from which the best start is chosen
WIDE, NARROW = (0.8, 0.4, 0.2, 0.2), (0.1, 0.1, 0.1)  # stops, widths of kernels: to seek, to fit
AGREEING_WIDTH = 0.2  # stops
MAX_STOPS = 3.0
MAX_TINT_STOPS = 2.2  # stops between two channels: daylight and a light bulb
MIN_STOPS = 0.02  # less cannot be seen; 8 bits are left as they are
USUAL_TINT_STOPS = 0.75  # more needs surer evidence
# share of pixels that one gain explains
MIN_AGREEING_SHARE, SURE_SHARE = 0.15, 0.4

_TEXT = TEXTS["light"]
TOO_FEW = _TEXT["too_few"]
NO_GAIN = _TEXT["no_gain"]
TOO_BRIGHT_OR_DARK = _TEXT["too_bright_or_dark"]
TOO_TINTED = _TEXT["too_tinted"]


@dataclass(frozen=True, eq=False)
class LightMatch:
    """How the light of the background differs from that of the image."""

    gain: Gain  # of linear light, red, green, blue; 1 where not accepted
    stops: float  # mean of log2(gain) as found: above 0, the image is brighter
    accepted: bool  # whether the background is to be changed
    reason: str  # one phrase for the user why it is not; "" where nothing is wrong
    tint: float = 0.0  # stops between the channels that differ most and least, as found


NOT_MATCHED = LightMatch(np.ones(3), 0.0, False, _TEXT["not_asked"])


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
    ratios = _log_ratios(light_copy(background), light_copy(image), foreground)
    if len(ratios) < MIN_PIXELS:
        return _unchanged(TOO_FEW)
    mode, agreement = _find_mode(ratios)
    stops, tint = float(mode.mean()), float(np.ptp(mode))
    if agreement < (MIN_AGREEING_SHARE if tint <= USUAL_TINT_STOPS else SURE_SHARE):
        return _unchanged(NO_GAIN)
    if abs(stops) > MAX_STOPS:
        return _unchanged(TOO_BRIGHT_OR_DARK, stops, tint)
    if tint > MAX_TINT_STOPS:
        return _unchanged(TOO_TINTED, stops, tint)
    if np.abs(mode).max() < MIN_STOPS:
        return _unchanged("", stops, tint)
    return LightMatch(np.exp2(mode), stops, True, "", tint)


def light_copy(picture: Picture) -> Picture:
    """The copy that `match_light` looks at: (H, W, 3) uint8 -> (h, w, 3), `LIGHT_SIDE` at most.

    Its copy is itself, so that who matches twice may shrink once.
    """
    return shrink(picture, *fit_size(picture.shape, LIGHT_SIDE))


def apply_light(background: Picture, match: LightMatch) -> Picture:
    """Gives the background the light of the image: (H, W, 3) uint8 -> the same."""
    if not match.accepted:
        return background
    table = _to_srgb(_to_linear(np.arange(256) / 255)[:, None] * match.gain)
    levels = np.rint(table * 255).astype(np.uint8)[:, None]  # (256, 1, 3)
    return np.asarray(cv2.LUT(np.ascontiguousarray(background), levels), dtype=np.uint8)


def _unchanged(reason: str, stops: float = 0.0, tint: float = 0.0) -> LightMatch:
    return LightMatch(np.ones(3), stops, False, reason, tint)


def _log_ratios(background: Picture, image: Picture, foreground: Map | None) -> Gain:
    """log2(image / background) in linear light, of some pixels neither black nor white: (N, 3)."""
    height, width = image.shape[:2]
    darkest, brightest = np.minimum(background, image), np.maximum(background, image)
    usable = ((darkest >= MIN_LEVEL) & (brightest <= MAX_LEVEL)).all(axis=2)
    if foreground is not None:
        usable &= np.asarray(resize(foreground, height, width)) < 0.5
    places = np.flatnonzero(usable)
    places = places[:: max(1, len(places) // MAX_FITTED_PIXELS)]
    before, now = (np.take(copy.reshape(-1, 3), places, axis=0) for copy in (background, image))
    stops = np.log2(_to_linear(np.arange(256).clip(1) / 255))  # of each level; black has none
    return stops[now] - stops[before]


def _find_mode(ratios: Gain) -> tuple[Gain, float]:
    """Finds where (N, 3) points are densest: mean shift with a shrinking kernel, several starts.

    Returns:
        The mode, and the share of points within a kernel's width of it.
    """
    some = ratios[:: max(1, len(ratios) // MAX_SOUGHT_PIXELS)]
    starts = [np.zeros(3), *np.percentile(some, (50, 25, 75), axis=0)]
    modes = _shift(some, np.stack(starts), WIDE + NARROW)
    best = modes[[_agreement(some, modes).argmax()]]
    mode = _shift(ratios, best, NARROW)
    return mode[0], float(_agreement(ratios, mode)[0])


def _shift(ratios: Gain, modes: Gain, widths: tuple[float, ...]) -> Gain:
    """Moves modes, (M, 3), to the mean of the points around each, once for each kernel's width."""
    for width in widths:
        weights = _weights(ratios, modes, width)
        sums = weights.sum(axis=1, keepdims=True)
        modes = np.where(sums > 0, weights @ ratios / np.maximum(sums, 1e-300), modes)
    return modes


def _agreement(ratios: Gain, modes: Gain) -> Gain:
    """Share of the points, (N, 3), within a kernel's width of each mode, (M, 3): (M,)."""
    return np.asarray(_weights(ratios, modes, AGREEING_WIDTH).mean(axis=1))


def _weights(ratios: Gain, modes: Gain, width: float) -> Gain:
    """Of each point, (N, 3), for each mode, (M, 3): (M, N)."""
    distance = ratios - modes[:, None]
    return np.asarray(np.exp(-0.5 / width**2 * np.einsum("mnc,mnc->mn", distance, distance)))


def _to_linear(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_srgb(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values = values.clip(0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
