"""In which photo a mask's parts have their outlines: whether something came, or was there before.

What has entered hides the scene, so colours change across its border in the image, and go on across
the same line in the background. Of what is gone, it is the other way round. The network finds what
differs, whichever photo holds it. What moves in its place, as leaves do, has no such border.
"""

from typing import NamedTuple

import cv2
import numpy as np

from depthmask.pictures import Map, Mask, Picture

MIN_SWAP_EVIDENCE = 0.0  # see `swap_evidence`; pairs in the right order had at most 0.1
SOBEL_NOISE_LEVELS = 4.0  # of Sobel's filter
MIN_MASK_SHARE = 0.002  # of the picture; the border of a smaller mask tells nothing
MIN_GONE_EVIDENCE = 0.35  # see `Part.evidence`; of what came, it was at most 0.1
MIN_SWAPPED_EVIDENCE, MAX_SWAPPED_CAME = 0.2, 0.1  # of the mask's whole border, of its area
MIN_STIRRED_EVIDENCE, MAX_STIRRED_GONE = -0.15, 0.16  # of a part that did not come, nor is gone
MIN_STIRRED_SHARE = 0.25  # of the mask, in such parts
MIN_STIRRED_PICTURE = 0.005  # of the picture, a part of which this can be said
MIN_SCREEN_EVIDENCE, MIN_SCREEN_FILL = -0.45, 0.8  # of a part that is about a rectangle
MIN_UNSURE_SHARE, MIN_UNSURE_LENGTH = 0.4, 4.0  # of a border that is long, and no outline
LOCAL_EVIDENCE = 0.5  # of a piece of the border, from where on it counts as an outline
NEAR_PIXELS = 15  # of the border that are looked at together
_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


class Part(NamedTuple):
    """A connected part of a mask."""

    where: Mask  # (h, w)
    box: tuple[float, float, float, float]  # left, top, right, bottom, in shares of the sides
    share: float  # of the picture
    evidence: float  # log(step in the background / step in the image), mean over the border
    gone: float  # share of the border that is an outline in the background rather than the image

    @property
    def fill(self) -> float:
        """Share of the box that the part fills; 1 is a rectangle."""
        left, top, right, bottom = self.box
        return self.share / ((right - left) * (bottom - top))


class Outlines(NamedTuple):
    """What the border of a mask tells."""

    share: float = 0.0  # of the picture that the mask covers
    parts: tuple[Part, ...] = ()  # those that are large enough
    evidence: float = 0.0  # as of a part, over the whole border
    unsure: float = 0.0  # share of the border that is an outline in neither photo
    length: float = 0.0  # of the border, in units of the root of the picture's area

    @property
    def swapped(self) -> bool:
        """Whether nearly all that differs is in the background."""
        came = sum(part.share for part in self.parts if part.evidence < 0)
        return self.evidence > MIN_SWAPPED_EVIDENCE and came < MAX_SWAPPED_CAME * self.share

    @property
    def stirring(self) -> bool:
        """Whether what differs has outlines in neither photo, or alike in both, as leaves do."""
        alike = [
            part.share
            for part in self.parts
            if MIN_STIRRED_EVIDENCE < part.evidence < MIN_GONE_EVIDENCE
            and part.gone < MAX_STIRRED_GONE
            and part.share > MIN_STIRRED_PICTURE
        ]
        screens = (
            MIN_SCREEN_EVIDENCE < part.evidence < MIN_GONE_EVIDENCE
            and part.fill > MIN_SCREEN_FILL
            and part.share > MIN_STIRRED_PICTURE
            for part in self.parts
        )
        return (
            len(alike) > 1
            or sum(alike) > MIN_STIRRED_SHARE * self.share
            or any(screens)
            or (self.unsure > MIN_UNSURE_SHARE and self.length > MIN_UNSURE_LENGTH)
        )


def swap_evidence(background: Picture, image: Picture, mask: Map) -> float:
    """Tells in which photo the mask's border is an outline.

    Args:
        background: (H, W, 3), uint8, RGB, in the image's frame and light.
        image: (H, W, 3), uint8, RGB.
        mask: (h, w), in [0, 1]: the photos are looked at in its size, about 256 x 256.

    Returns:
        log(step in the background / step in the image), the mean over the border; 0 where the
        mask is too small to tell, or covers everything.
    """
    foreground = mask > 0.5
    if not MIN_MASK_SHARE < foreground.mean() < 1:
        return 0.0
    steps = _steps(background, image, mask, _border(foreground))
    return float(_evidence(*(step.mean() for step in steps)))


def find_outlines(background: Picture, image: Picture, mask: Map) -> Outlines:
    """Looks at the border of a mask, part by part; arguments are as in `swap_evidence`."""
    foreground = (mask > 0.5).astype(np.uint8)
    border = _border(foreground > 0)
    if not border.any():
        return Outlines(float(foreground.mean()))
    count, labels, about, _ = cv2.connectedComponentsWithStats(foreground)
    # of each pixel of the border, the part it belongs to
    owner = cv2.dilate(labels.astype(np.float32), _DISC)[border].astype(np.int64)
    pixels = np.bincount(owner, minlength=count).clip(1)
    steps = _steps(background, image, mask, border)
    nearby = _evidence(*(_smooth(step, border) for step in steps))
    behind, before, gone = (
        np.bincount(owner, values, count) / pixels for values in (*steps, nearby > LOCAL_EVIDENCE)
    )
    evidence = _evidence(behind, before)
    rows, columns = mask.shape
    parts = []
    for number in range(1, count):
        left, top, width, height, area = about[number].tolist()
        if area >= MIN_MASK_SHARE * foreground.size:
            box = left / columns, top / rows, (left + width) / columns, (top + height) / rows
            seen = float(evidence[number]), float(gone[number])
            parts.append(Part(labels == number, box, area / foreground.size, *seen))
    return Outlines(
        float(foreground.mean()),
        tuple(parts),
        float(_evidence(*(step.mean() for step in steps))),
        float((np.abs(nearby) <= LOCAL_EVIDENCE).mean()),
        len(owner) / 4 / foreground.size**0.5,  # the border is about four pixels wide
    )


def local_evidence(background: Picture, image: Picture, mask: Map) -> tuple[Map, Mask]:
    """Evidence along the border of a mask, smoothed, and where that border is: both (h, w)."""
    border = _border(mask > 0.5)
    found = np.zeros(mask.shape, np.float32)
    if border.any():
        steps = _steps(background, image, mask, border)
        found[border] = _evidence(*(_smooth(step, border) for step in steps))
    return found, border


def _steps(background: Picture, image: Picture, mask: Map, border: Mask) -> tuple[Map, Map]:
    """Changes of colour across a border, (N,) for its pixels, in the background and the image."""
    normal = _normals(np.asarray(cv2.GaussianBlur(mask, (0, 0), 2.0), np.float32), border)
    size = (mask.shape[1], mask.shape[0])
    behind, before = (
        _across(np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA)), normal, border)
        for x in (background, image)
    )
    return behind, before


def _evidence(behind: Map, before: Map) -> Map:
    return np.asarray(np.log((behind + SOBEL_NOISE_LEVELS) / (before + SOBEL_NOISE_LEVELS)))


def _smooth(values: Map, border: Mask) -> Map:
    """Means over the pixels of a border, (N,), that are near each."""
    plane, number = np.zeros(border.shape, np.float32), border.astype(np.float32)
    plane[border] = values
    sums, numbers = (cv2.blur(x, (NEAR_PIXELS, NEAR_PIXELS))[border] for x in (plane, number))
    return np.asarray(sums / numbers)


def _border(foreground: Mask) -> Mask:
    """The pixels within two of a mask's border; where the picture ends is no border."""
    values = foreground.astype(np.uint8)
    return np.asarray(cv2.dilate(values, _DISC) > cv2.erode(values, _DISC))


def _across(picture: Picture, normal: Map, border: Mask) -> Map:
    """Change of colour along normals (2, N), in levels of Sobel, of the channel with most."""
    values = np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0), np.float32)
    right, down = (slope[border].T for slope in _slopes(values))  # (3, N)
    return np.asarray(np.abs(right * normal[0] + down * normal[1]).max(axis=0))


def _normals(mask: Map, border: Mask) -> Map:
    """Normals of a border, (2, N), of length 1, or 0 where the mask hardly changes."""
    slopes = np.stack([slope[border] for slope in _slopes(mask)])
    return np.asarray(slopes / (np.linalg.norm(slopes, axis=0) + 1e-6))


def _slopes(values: Map) -> tuple[Map, Map]:
    """Derivatives to the right and downwards, each as the values, (h, w, ...)."""
    right, down = (cv2.Sobel(values, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1)))
    return np.asarray(right, np.float32), np.asarray(down, np.float32)
