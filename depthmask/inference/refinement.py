"""Full resolution: from the network's small mask to the edges that the photos show.

The network says roughly where the foreground is; near its border the two photos decide. A first
step weighs, at no more than `DECIDE` pixels a side, how badly a pixel fits the background and the
foreground nearby; a second one carries the edge to the image's own size, in tiles along the border.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from depthmask.inference.guided_filter import apply_guides, fit_guides, mean_around
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import Size, enlarge, fit_size, shrink

Part = tuple[slice, slice]  # rows and columns

DECIDE, FOLLOW = 768, 1536  # pixels, longest side at which is decided, and edges are fitted
WORTHWHILE = 1.25  # times the mask's longest side; of a smaller image the network saw it all
TILE = 256  # pixels, side of a tile of the full size
REACH = 2  # pixels of the network's mask: how far from its border the photos decide
DOUBT = 0.08  # the network's word is taken below this and above 1 - this
RADIUS = 6  # pixels, of the guided filter's windows
MARGIN = 3  # pixels, by which the second step's band is wider than its uncertain part
CONTRAST = 1.25  # undoes what the guided filter takes from an edge

# Windows for the colours of the foreground, in pixels of the network's mask; small ones count more
NEARBY = (32, 12, 5)
BACKED = 0.02  # share of a window that must be known before it outweighs the larger one
DIFFERENT = 10.0  # levels a channel, from which a pixel counts as changed when an edge is followed
LEAST_DEVIATION = 12.0  # levels, of the foreground's colours
NOISE = 6.0  # levels, between two photos of one thing
SHIFTED = 0.5  # tolerated where the background is steep, in pixels squared
SHADOW, GLARE = 0.4, 1.1  # factors by which the background's light may change

# How much a pixel's evidence counts, see `weigh`: logits. `tools/fit_refine.py` finds about
# (1.27, 0.19, -0.03, 0.02), -0.53 for composites, whose network is seldom wrong; here the photos
# count more, as a fit to `examples/` has it: so hair that the network lost comes back, for 0.002 of
# IoU on composites. Half way between, half of that hair is lost.
WEIGHTS, BIAS = (0.94, 0.475, -0.265, -0.02), 0.27

UNMIXED_FROM = 1024  # pixels, longest side at which the colours around an edge are gathered
FAINT = 0.01  # squared coverage; where it is less, a colour is taken from nearby


def refine_mask(mask: Map, background: Picture, image: Picture, *, tile: int = TILE) -> Map:
    """Refines a network's mask at the image's own size.

    What is 0 for two of its pixels around stays 0: nothing appears where the network saw nothing.

    Args:
        mask: (h, w), in [0, 1], of any size: how much of a pixel is foreground.
        background: (H, W, 3), uint8, RGB, registered to the image and lit alike.
        image: (H, W, 3), uint8, RGB.
        tile: Side in pixels of the parts that are worked on at once; the result is the same.

    Returns:
        (H, W), float32 in [0, 1].
    """
    height, width = image.shape[:2]
    if max(height, width) < WORTHWHILE * max(mask.shape):
        return enlarge(shrink(mask.astype(np.float32), height, width), height, width)
    mask = shrink(mask.astype(np.float32), height, width)
    if not _uncertain(*_reach(mask)).any():  # one and the same everywhere
        return np.full((height, width), mask.mean() > 0.5, np.float32)
    size = fit_size((height, width), DECIDE)
    decided = _decide(mask, shrink(background, *size), shrink(image, *size))
    if size == (height, width):
        return decided
    return _follow(decided, background, image, tile)


def refine_depth(depth: Map, low_mask: Map, mask: Map) -> Map:
    """Enlarges a depth map so that its step lies on the mask's border.

    Foreground and scene are continued into each other's place, enlarged apart, and chosen from.

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


def unmix(image: Picture, background: Picture, mask: Map) -> Picture:
    """Takes the background out of the colours where foreground covers a part of a pixel.

    The colour is the one that, mixed with the background by the mask, gives the image, and is as
    close to the foreground nearby as the mask is faint.

    Args:
        image: (H, W, 3), uint8, RGB.
        background: (H, W, 3), uint8, RGB, registered to the image and lit alike.
        mask: (H, W), in [0, 1].

    Returns:
        (H, W, 3), uint8, RGB: the image, and where the mask is between 0 and 1, the foreground.
    """
    result = image.copy()
    size = fit_size(mask.shape, UNMIXED_FROM)
    small_mask = shrink(mask, *size)
    near = None
    for part in _tiles(mask.shape, TILE):
        alpha = mask[part]
        mixed = (alpha > 0) & (alpha < 1)
        if not mixed.any():
            continue
        if near is None:
            sure = np.clip((small_mask - 0.95) / 0.05, 0, 1).astype(np.float32)
            near = _mean_of(sure, shrink(image, *size).astype(np.float32), (64, 16, 4))
        guess = sample(near, mask.shape, part)
        a = alpha[..., None]
        error = image[part] - a * guess - (1 - a) * background[part]
        colours = guess + error * (a / (a * a + FAINT))
        result[part][mixed] = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)[mixed]
    return result


def sample(
    values: Map,
    size: Size,
    part: Part,
    *,
    cut: Size = (0, 0),
    whole: Size | None = None,
) -> Map:
    """Interpolates a part of what `enlarge` would make: (h, w) or (h, w, C), float32.

    Args:
        values: A small map, or a window cut out of it.
        size: Height and width of the enlarged map.
        part: Which rows and columns of it.
        cut: Where in the small map the window's first row and column are.
        whole: Height and width of the small map, where `values` is a window.
    """
    for axis in (0, 1):
        count = (whole or values.shape)[axis]
        place = (np.arange(part[axis].start, part[axis].stop) + 0.5) * (count / size[axis]) - 0.5
        place = np.clip(place, 0, count - 1)
        low = np.minimum(place.astype(np.intp), max(0, count - 2))
        weight = (place - low).astype(np.float32)
        high = np.minimum(low + 1, count - 1)
        first, second = (np.take(values, index - cut[axis], axis) for index in (low, high))
        shape = [len(weight) if other == axis else 1 for other in range(values.ndim)]
        values = first + (second - first) * weight.reshape(shape)
    return values


def _tiles(size: Size, side: int) -> Iterator[Part]:
    for top in range(0, size[0], side):
        for left in range(0, size[1], side):
            yield (
                slice(top, min(top + side, size[0])),
                slice(left, min(left + side, size[1])),
            )


def _reach(mask: Map) -> tuple[Map, Map]:
    """The largest and the smallest value within `REACH` pixels of each."""
    window = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    return np.asarray(cv2.dilate(mask, window)), np.asarray(cv2.erode(mask, window))


def _uncertain(grown: Map, shrunk: Map) -> Mask:
    return (grown > DOUBT) & (shrunk < 1 - DOUBT)


def _decide(mask: Map, background: Picture, image: Picture) -> Map:
    """Lets the photos decide near the border of the mask.

    Args:
        mask: (h, w), no larger than the photos.
        background: (H, W, 3), as the image.
        image: (H, W, 3), both of at most `DECIDE` pixels a side.

    Returns:
        (H, W), float32 in [0, 1].
    """
    open_, prior, evidence = weigh(mask, background, image)
    logits = evidence @ np.array(WEIGHTS, np.float32) + np.float32(BIAS)
    likely = np.where(open_, 1 / (1 + np.exp(-logits)), prior).astype(np.float32)
    guides = _guides(image, background)
    edge = _sharpen(apply_guides(fit_guides(guides, likely, RADIUS), guides))
    # elsewhere the network is sure; a little less than 1 is how a sigmoid says 1
    return np.where(open_, edge, prior > 0.5).astype(np.float32)


def weigh(mask: Map, background: Picture, image: Picture) -> tuple[Mask, Map, Map]:
    """Gathers what speaks for foreground; `tools/fit_refine.py` finds how much each counts.

    Args:
        mask: (h, w), the network's, no larger than the photos.
        background: (H, W, 3), uint8, RGB, as the image.
        image: (H, W, 3), uint8, RGB.

    Returns:
        Where the photos decide, (H, W); the mask enlarged, (H, W); and (H, W, 4), float32: the
        mask's logit, and logarithms of how badly the background explains a pixel, how badly the
        foreground nearby does, and how much that varies.
    """
    height, width = image.shape[:2]
    grown, shrunk = _reach(mask)
    small = _uncertain(grown, shrunk).astype(np.uint8)
    open_ = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)) > 0
    sure = np.clip((enlarge(shrunk, height, width) - 0.8) * 5, 0, 1) * ~open_
    prior = enlarge(mask, height, width)
    step = max(1, round(max(height, width) / max(mask.shape)))
    windows = tuple(step * radius for radius in NEARBY)
    seen, empty = image.astype(np.float32), background.astype(np.float32)
    mean = _mean_of(sure.astype(np.float32), seen, windows)
    square = _mean_of(sure.astype(np.float32), seen * seen, windows)
    variance = np.maximum(square - mean * mean, 0) + LEAST_DEVIATION**2
    foreign = ((seen - mean) ** 2 / variance).sum(axis=2)
    doubt = np.clip(prior, 0.01, 0.99)
    evidence = np.stack(
        (
            np.log(doubt / (1 - doubt)),
            np.log1p(_change(seen, empty)),
            np.log1p(foreign),
            np.log(variance).sum(axis=2),
        ),
        axis=-1,
    )
    return open_, prior, evidence.astype(np.float32)


def _change(image: Map, background: Map) -> Map:
    """How badly the background explains a pixel, in units of noise: (H, W), 0 is perfectly.

    A shadow, which scales the background, explains it as well; so does a step in the background
    that lies elsewhere by a fraction of a pixel.
    """
    steep = sum(
        cv2.Sobel(background, cv2.CV_32F, *axis, ksize=3, scale=1 / 8) ** 2
        for axis in ((1, 0), (0, 1))
    )
    noise = NOISE**2 + SHIFTED * steep
    light = (image * background / noise).sum(axis=2) / (
        (background * background / noise).sum(axis=2) + 1e-3
    )
    light = np.clip(light, SHADOW, GLARE)[..., None]
    return np.asarray(((image - background * light) ** 2 / noise).sum(axis=2))


def _mean_of(weight: Map, values: Map, windows: tuple[int, ...]) -> Map:
    """Weighted means around each pixel, (H, W) and (H, W, C) -> (H, W, C): where a small window
    has nothing to stand on, those of a larger one."""
    weight = weight + np.float32(1e-6)
    weighted = values * weight[..., None]
    total = weight.mean()
    mean = np.broadcast_to(weighted.mean(axis=(0, 1)) / total, values.shape)
    for radius in windows:
        known = mean_around(weight, radius)[..., None]
        mean = (mean_around(weighted, radius) + BACKED * mean) / (known + BACKED)
    return np.asarray(mean, np.float32)


def _follow(decided: Map, background: Picture, image: Picture, tile: int) -> Map:
    """Carries the edges of a mask to the image's own size, tile by tile along them."""
    full = image.shape[:2]
    size = fit_size(full, FOLLOW)
    small = shrink(image, *size), shrink(background, *size)
    mask = enlarge(decided, *size)
    window = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)
    open_ = ((mask > 0.05) & (mask < 0.95)).astype(np.float32)
    band = np.asarray(cv2.dilate(open_, window))
    result = enlarge(mask, *full)
    for part in _tiles(full, tile):
        if not band[_window(part, full, size, 1)].any():
            continue
        # a fit near a cut edge lacks what lies beyond; it is outside what is sampled
        wide = _window(part, full, size, 2 * RADIUS + 2)
        fit = fit_guides(_guides(small[0][wide], small[1][wide]), mask[wide], RADIUS)
        planes = np.dstack((*fit, band[wide]))
        cut = wide[0].start, wide[1].start
        planes = np.moveaxis(sample(planes, full, part, cut=cut, whole=size), -1, 0)
        edge = _sharpen(apply_guides(planes[:-1], _guides(image[part], background[part])))
        result[part] += planes[-1] * (edge - result[part])
    return result


def _window(part: Part, full: Size, size: Size, margin: int) -> Part:
    """The rows and columns of a small map that a part of the large one lies on, and a margin."""
    rows, columns = (
        slice(
            max(0, along.start * small // large - margin),
            min(small, -(-along.stop * small // large) + margin),
        )
        for along, small, large in zip(part, size, full, strict=True)
    )
    return rows, columns


def _guides(image: Picture, background: Picture) -> Map:
    """What edges are told by: the image's colours, and whether it differs from the background.

    Returns:
        (4, H, W), float32 in [0, 1].
    """
    colours = image.astype(np.float32)
    change = ((colours - background) ** 2).sum(axis=2)
    change = 1 - np.exp(change / np.float32(-6 * DIFFERENT**2))
    return np.stack((*np.moveaxis(colours / 255, -1, 0), change))


def _sharpen(edge: Map) -> Map:
    return np.clip((edge - 0.5) * CONTRAST + 0.5, 0, 1)


def _continue(values: Map, known: Mask) -> Map:
    """Fills what is not known from the known around it, nearest first: (h, w) -> (h, w)."""
    if not known.any():
        return values
    weight = known.astype(np.float32)
    filled, radius = values * weight, 1
    result, empty = filled.copy(), ~known
    while empty.any() and radius < 2 * max(values.shape):
        share, mean = mean_around(weight, radius), mean_around(filled, radius)
        reached = empty & (share > 0.5 / (2 * radius + 1) ** 2)
        result[reached] = mean[reached] / share[reached]
        empty, radius = empty & ~reached, 2 * radius
    return result
