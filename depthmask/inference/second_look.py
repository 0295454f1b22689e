"""A second look: the network sees what is small in the frame again, larger.

The first look shrinks the whole frame to some 50,000 pixels, of which a person far away has few.
The second one takes a crop around each part of the mask. Where the first look found nothing, there
is no second one, so an empty scene stays empty.

Its gain is how many times as large, a side, the network sees the image's own pixels: one that only
enlarges them gains nothing.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np

from depthmask.backends import Backend
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import resize

# Height to width of the crops. They are few, as a backend prepares itself for each size it meets.
ASPECTS = ((1, 1), (4, 3), (3, 4), (2, 1), (1, 2))
MARGIN = 0.4  # around a part, of its longest side: with less, a shadow that is cut off is a thing
MIN_SIDE = 0.25  # of the frame, root of a crop's share: a closer look finds little more
MIN_SIDE_PIXELS = 112  # of the image, likewise: enlarged further, people were lost
MIN_PIXELS = 4  # of a part, of the first look's
MAX_CROPS = 6  # the largest parts; each takes the network as long as the first look
HALF_GAIN, FULL_GAIN = 1.5, 2.0  # from half the weight in the mask to all of it
SEAM = 0.1  # of a crop's side, over which it fades into what is around it


class Crop(NamedTuple):
    """A part of the frame, in pixels of the image."""

    top: float
    left: float
    bottom: float
    right: float

    @property
    def area(self) -> float:
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def place(self) -> tuple[slice, slice]:
        """Where it lies in the image."""
        top, left, bottom, right = map(round, self)
        return slice(top, bottom), slice(left, right)


def look_again(
    backend: Backend,
    background: Picture,
    image: Picture,
    mask: Map,
    low_mask: Map,
    *,
    sizes: Sequence[tuple[int, int]],
    min_gain: float,
    closed: Mask | None = None,
) -> Map:
    """Runs the network on crops of the photos, and lays what it finds into the mask.

    Args:
        backend: Runs the network.
        background: (H, W, 3), uint8, RGB, in the image's frame and light.
        image: (H, W, 3), uint8, RGB.
        mask: (H, W), in [0, 1]: the first look's, enlarged.
        low_mask: (h, w), in [0, 1]: the same as the network gave it.
        sizes: Heights and widths at which the network may see a crop.
        min_gain: Crops that gain less are left out.
        closed: (H, W): where the first look's mask stays.

    Returns:
        (H, W), float32 in [0, 1]; the mask itself where there is no crop.
    """
    most = math.sqrt(mask.size / low_mask.size)  # gain, of an image that has more to show
    if most < min_gain:
        return mask
    crops = find_crops(low_mask, mask.shape, [h / w for h, w in sizes], min_gain**-2)
    if not crops:
        return mask
    found, weight = (np.zeros(mask.shape, np.float32) for _ in range(2))
    for crop in crops:
        place = crop.place
        size = min(sizes, key=lambda size: _unlike(image[place].shape, size))
        small = (resize(picture[place], *size) for picture in (background, image))
        seen = backend.run(*small)["mask"]
        gain = min(most, math.sqrt(mask.size / crop.area))
        trust = _trust(gain) * _window(place, mask.shape)
        found[place] += trust * resize(seen, *trust.shape)
        weight[place] += trust
    part = _hull(crops).place  # the rest of a large image is not touched
    share = np.minimum(weight[part], 1)
    if closed is not None:
        share[closed[part]] = 0
    change = found[part] / np.maximum(weight[part], 1e-6) - mask[part]
    result = mask.copy()
    result[part] = np.clip(mask[part] + share * change, 0, 1)
    return result


def find_crops(
    low_mask: Map, size: tuple[int, ...], aspects: Sequence[float], largest: float
) -> list[Crop]:
    """Chooses what to look at again.

    Args:
        low_mask: (h, w), in [0, 1].
        size: Height and width of the image, in pixels.
        aspects: Height to width of crops.
        largest: Share of the image that a crop may cover.

    Returns:
        At most `MAX_CROPS`, around the largest parts; those that overlap are one, where that is not
        too large.
    """
    height, width = size[:2]
    scale = np.array([height / low_mask.shape[0], width / low_mask.shape[1]] * 2)
    limit = largest * height * width
    _, _, about, _ = cv2.connectedComponentsWithStats((low_mask > 0.5).astype(np.uint8))
    parts = sorted(about[1:].tolist(), key=lambda part: -part[cv2.CC_STAT_AREA])
    crops: list[Crop] = []
    for left, top, columns, rows, area in parts:
        if area < MIN_PIXELS:
            break
        box = Crop(*(scale * [top, left, top + rows, left + columns]))
        crops.append(_around(_with_margin(box, scale.max()), height, width, aspects))
    crops = [crop for crop in crops if crop.area <= limit]
    while joined := _join(crops, height, width, aspects, limit):
        crops = joined
    return crops[:MAX_CROPS]


def _join(
    crops: list[Crop], height: int, width: int, aspects: Sequence[float], limit: float
) -> list[Crop]:
    """Makes one crop of two that overlap; an empty list where none should be joined."""
    for first, second in combinations(crops, 2):
        top, left = (max(pair) for pair in zip(first[:2], second[:2], strict=True))
        bottom, right = (min(pair) for pair in zip(first[2:], second[2:], strict=True))
        if top < bottom and left < right:
            union = _around(_hull((first, second)), height, width, aspects)
            if union.area <= limit:
                return [union, *(crop for crop in crops if crop not in (first, second))]
    return []


def _hull(crops: Sequence[Crop]) -> Crop:
    """The smallest box that holds all crops."""
    tops, lefts, bottoms, rights = zip(*crops, strict=True)
    return Crop(min(tops), min(lefts), max(bottoms), max(rights))


def _with_margin(box: Crop, pixel: float) -> Crop:
    """A box with the scene around it; `pixel` is what the first look's borders may be off by."""
    margin = MARGIN * max(box.bottom - box.top, box.right - box.left) + 1.5 * pixel
    return Crop(box.top - margin, box.left - margin, box.bottom + margin, box.right + margin)


def _around(box: Crop, height: int, width: int, aspects: Sequence[float]) -> Crop:
    """The smallest crop of one of the aspects that holds what the frame has of a box."""
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.bottom, height), min(box.right, width)
    least = max(MIN_SIDE * math.sqrt(height * width), MIN_SIDE_PIXELS)
    choices = []
    for aspect in aspects:
        rows = max(bottom - top, (right - left) * aspect, least * math.sqrt(aspect))
        choices.append((min(rows, height), min(rows / aspect, width)))  # the frame may cut it
    # the first of those that are as small, by whole pixels
    rows, columns = min(choices, key=lambda sides: round(math.prod(sides)))
    top = min(max((top + bottom - rows) / 2, 0), height - rows)
    left = min(max((left + right - columns) / 2, 0), width - columns)
    return Crop(top, left, top + rows, left + columns)


def _unlike(shape: tuple[int, ...], size: tuple[int, int]) -> float:
    """How far two aspects are apart; 0 is the same."""
    return abs(math.log(shape[0] / shape[1] * size[1] / size[0]))


def _trust(gain: float) -> float:
    """The weight of a second look in the mask, in [0.5, 1]."""
    return float(np.interp(gain, (HALF_GAIN, FULL_GAIN), (0.5, 1)))


def _window(place: tuple[slice, slice], size: tuple[int, ...]) -> Map:
    """Weights of a crop's pixels: 1, and towards 0 at the sides that the frame goes on beyond."""
    rows, columns = (
        _fade(part.stop - part.start, part.start > 0, part.stop < end)
        for part, end in zip(place, size, strict=True)
    )
    return np.asarray(rows[:, None] * columns, np.float32)


def _fade(length: int, before: bool, after: bool) -> Map:
    position = (np.arange(length, dtype=np.float32) + 0.5) / length
    weight = np.ones(length, np.float32)
    if before:
        weight = np.minimum(weight, position / SEAM)
    if after:
        weight = np.minimum(weight, (1 - position) / SEAM)
    return weight
