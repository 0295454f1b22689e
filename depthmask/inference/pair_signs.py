"""What can be measured of a pair of photos, from which its fitness is judged."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from depthmask.inference.channels import largest
from depthmask.inference.colours import Colours, agreement, describe, free_area, hue
from depthmask.inference.gone import find_gone
from depthmask.inference.light import NOT_MATCHED, LightMatch, apply_light
from depthmask.inference.outlines import Part, find_outlines
from depthmask.inference.registration import MIN_SCORE, NOT_REGISTERED, Registration, register
from depthmask.pictures import Map, Mask, Picture

MAX_COMPARABLE_STOPS = 2.0  # of exposure; after more, outlines are weak in one photo
MIN_MIRRORED_AGREEMENT = 0.6  # of fine structure, with the background's mirror image
MIN_MIRRORED_GAIN = 0.15  # so much more than with the background itself
MAX_SAME_LEVELS = 3  # saving a photo again changes hardly a pixel by more
SAME_STEP = 16  # rows, of which one is looked at first
MAX_CHANGED_SHARE = 1e-4  # of the pixels differ by more than that between copies of one photo


@dataclass(frozen=True, eq=False)
class PairSigns:
    """Measurements of a pair of photos."""

    registration: Registration  # of the background to the image
    light: LightMatch  # the same
    moved: float = 0.0  # how far the camera moved, in shares of the image's diagonal
    covered: float = 1.0  # share of the image that the background shows
    changed: float = 0.0  # share of the image that is taken for foreground
    same: bool = False  # whether both are one photo
    mirrored: bool = False  # whether the background's mirror image fits, and it does not
    swapped: bool = False  # whether the photos are in the wrong order
    stirring: bool = False  # whether what differs moves in its place, see `Outlines.stirring`
    gone: tuple[Part, ...] = ()  # parts of the mask that only the background shows
    mixed: float = 0.0  # the largest `Part.gone` of what is left
    hue: float = 1.0  # see `agreement` of hues
    background: Colours = field(default_factory=Colours)
    image: Colours = field(default_factory=Colours)


def measure(
    background: Picture,
    image: Picture,
    mask: Map,
    registration: Registration,
    light: LightMatch,
    *,
    moved: float,
    covered: float = 1.0,
    unknown: Mask | None = None,
    same: bool = False,
) -> PairSigns:
    """Measures a pair in small copies, about 256 x 256 pixels.

    Args:
        background: (h, w, 3), uint8, RGB, in the image's frame and its own light.
        image: (h, w, 3), uint8, RGB.
        mask: (h, w), in [0, 1], what the network takes for foreground.
        registration: Of the photos.
        light: Of the photos.
        moved: How far the camera moved, in shares of the image's diagonal.
        covered: Share of the image that the background shows.
        unknown: (h, w), what the background does not show; None if it shows all.
        same: Whether both are one photo, see `is_same`.
    """
    if unknown is not None:  # nothing can be told there
        mask = np.where(unknown, np.float32(0), mask)
    lit = apply_light(background, light)
    free = free_area(mask)
    if unknown is not None:
        free &= ~unknown
    outlines = find_outlines(lit, image, mask)
    hues = hue(background), hue(image)
    refused = light.reason not in ("", NOT_MATCHED.reason)
    comparable = not refused and abs(light.stops) <= MAX_COMPARABLE_STOPS
    swapped, stirring = comparable and outlines.swapped, outlines.stirring
    gone: tuple[Part, ...] = ()
    if comparable and not swapped and not stirring:
        gone = find_gone(lit, image, mask, outlines)
    return PairSigns(
        registration,
        light,
        moved=moved,
        covered=covered,
        changed=float((mask > 0.5).mean()),
        same=same,
        mirrored=_is_mirrored(background, image, registration),
        swapped=swapped,
        stirring=stirring,
        gone=gone,
        mixed=max((part.gone for part in outlines.parts), default=0.0) if comparable else 0.0,
        hue=agreement(*hues),
        background=describe(background, free, hues[0]),
        image=describe(image, free, hues[1]),
    )


def is_same(background: Picture, image: Picture) -> bool:
    """Whether two pictures, (h, w, 3) and (H, W, 3) uint8, are one, perhaps saved twice."""
    if background.shape != image.shape:
        return False
    height, width = image.shape[:2]
    allowed = MAX_CHANGED_SHARE * height * width
    for step in (SAME_STEP, 1):  # some rows tell of nearly all pairs
        change = largest(cv2.absdiff(background[::step], image[::step]))
        if np.count_nonzero(change > MAX_SAME_LEVELS) >= allowed:
            return False
    return True


def _is_mirrored(background: Picture, image: Picture, registration: Registration) -> bool:
    """Whether the mirror image of the background fits, where nothing else does."""
    if registration.reason in ("", NOT_REGISTERED.reason) and registration.after >= MIN_SCORE:
        return False
    found = register(np.ascontiguousarray(background[:, ::-1]), image)
    least = max(MIN_MIRRORED_AGREEMENT, registration.after + MIN_MIRRORED_GAIN)
    return found.reason == "" and found.after >= least
