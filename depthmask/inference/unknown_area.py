"""The unknown area: what the background does not show of the image.

Nothing can be compared there. Foreground there is kept only where it goes on from foreground that
can be judged.
"""

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.inference.bars import find_scene
from depthmask.inference.grabcut import grab_cut
from depthmask.inference.parallax import enlarge_flow, follow
from depthmask.inference.registration import Registration, warp
from depthmask.inference.transforms import Transform, fit, translation
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import crop_to_aspect, resize

MIN_CUT_SHARE = 0.002  # of the picture; with less foreground in the unknown area, it is not cut
_SUBPIXEL_BITS = 4  # of positions that cv2 draws


def frame_background(
    background: Picture, image: Picture, registration: Registration
) -> tuple[Picture, Mask | None]:
    """Lays a background on the image, as a registration says, else centre on centre.

    Black bars of either photo show nothing of the scene.

    Args:
        background: (h, w, 3), uint8, RGB.
        image: (H, W, 3), uint8, RGB.
        registration: Of these two.

    Returns:
        (H, W, 3), uint8: the background; the unknown area holds the closest colours that it shows,
        and bars of the image are its own. (H, W): the unknown area, None if there is none.
    """
    height, width = image.shape[:2]
    scene, seen = find_scene(background), find_scene(image)
    whole = background[scene].shape == background.shape
    if not registration.accepted and whole:
        framed = resize(crop_to_aspect(background, height, width), height, width)
        shown = np.ones((height, width), np.uint8)
    else:
        transform = registration.homography
        if transform is None:
            rows, columns = background.shape[:2]
            transform = fit(rows, columns, height, width)
        transform = transform @ translation(scene[1].start, scene[0].start)
        laid = replace(registration, accepted=True, homography=transform)
        framed = warp(background[scene], laid, height, width)
        shown = _fill(background[scene].shape, transform, height, width)
        if registration.flow is not None:
            shown = follow(shown, enlarge_flow(registration.flow, height, width))
    unknown = np.ones((height, width), bool)
    unknown[seen] = shown[seen] == 0
    if not unknown.any():
        return framed, None
    if image[seen].shape != image.shape:
        bars = np.ones((height, width), bool)
        bars[seen] = False
        framed = np.where(bars[..., None], image, framed)
    return framed, unknown


def covered_share(unknown: Mask | None, image: Picture) -> float:
    """Share of the image, (H, W, 3) without its bars, that the background shows, in [0, 1]."""
    return 1.0 if unknown is None else 1 - float(unknown[find_scene(image)].mean())


def keep_joined(mask: Map, unknown: Mask, image: Picture) -> Map:
    """Takes foreground out of the unknown area, unless it goes on from foreground that is known.

    The network cannot compare there. It tends to call all of it foreground, or to cut objects off
    at its edge. So GrabCut (Rother et al. 2004) continues an object by the colours of the image, as
    far as the network goes along.

    Args:
        mask: (h, w), in [0, 1], by the network.
        unknown: (h, w).
        image: (h, w, 3), uint8, RGB.

    Returns:
        (h, w), in [0, 1]; outside the unknown area, the mask as it was.
    """
    joined = _joined(mask > 0.5, unknown)
    if (joined & unknown).mean() >= MIN_CUT_SHARE:
        joined = _joined(joined & (_grabcut(mask > 0.5, unknown, image) | ~unknown), unknown)
    return np.where(unknown & ~joined, np.float32(0), mask)


def _joined(foreground: Mask, unknown: Mask) -> Mask:
    """The connected parts of a foreground, (h, w), that do not lie in the unknown area alone."""
    number, labels = cv2.connectedComponents(foreground.astype(np.uint8))
    known = np.zeros(number, bool)
    known[labels[foreground & ~unknown]] = True
    return np.asarray(known[labels])


def _grabcut(foreground: Mask, unknown: Mask, image: Picture) -> Mask:
    """Continues a foreground into the unknown area by the image's colours: (h, w)."""
    classes = np.where(foreground, cv2.GC_FGD, cv2.GC_BGD).astype(np.uint8)
    classes[unknown] = cv2.GC_PR_BGD
    if not (classes == cv2.GC_BGD).any():
        return foreground
    return grab_cut(image, classes, 1)


def _fill(
    size: tuple[int, ...], transform: Transform, height: int, width: int
) -> npt.NDArray[np.uint8]:
    """Where a picture of a size lies in a frame: (height, width), 1 there, 0 elsewhere."""
    # a pixel reaches half a pixel around its centre; less, as cv2 also draws what it only touches
    start, bottom, right = -0.4, size[0] - 0.6, size[1] - 0.6
    corners = np.array([[[start, start], [right, start], [right, bottom], [start, bottom]]])
    moved = cv2.perspectiveTransform(corners, transform)
    points = np.rint(moved * 2**_SUBPIXEL_BITS).astype(np.int32)
    shown = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(shown, points, 1, shift=_SUBPIXEL_BITS)
    return shown
