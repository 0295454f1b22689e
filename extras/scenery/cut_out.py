"""Cuts the person out of scikit-image's `astronaut` (NASA, public domain).

A hand-drawn outline, GrabCut along it, then matting along GrabCut's answer.
"""

from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray
from pymatting import estimate_alpha_cf, estimate_foreground_ml

# The outline by hand, in pixels of the 512 x 512 picture, clockwise from the top of the hair.
OUTLINE = (
    (205, 16), (240, 14), (270, 28), (290, 52), (300, 82), (298, 108), (280, 124), (273, 135),
    (258, 158), (255, 178), (282, 192), (302, 222), (303, 240), (322, 250), (345, 278), (357, 305),
    (361, 330), (360, 348), (385, 343), (420, 347), (452, 362), (480, 392), (494, 425), (498, 455),
    (508, 470), (510, 500), (508, 512), (30, 512), (24, 480), (24, 440), (30, 380), (38, 320),
    (52, 265), (80, 235), (112, 213), (112, 190), (125, 165), (150, 152), (184, 150), (181, 130),
    (168, 118), (157, 98), (153, 78), (160, 52), (178, 28),
)  # fmt: skip
UNSURE = 9  # pixels either side of the outline that GrabCut decides
SOFT = 4  # pixels either side of its answer that matting decides


def astronaut(path: Path) -> None:
    """Writes the cut-out as RGBA PNG, 512 x 512."""
    colours = skimage.data.astronaut()  # RGB
    picture = np.ascontiguousarray(colours[..., ::-1])
    drawn = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(drawn, [np.asarray(OUTLINE, np.int32)], 1)
    inside, outside = _band(drawn, UNSURE)
    labels = np.where(drawn > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[inside], labels[outside] = cv2.GC_FGD, cv2.GC_BGD
    cv2.setRNGSeed(0)
    inner, outer = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(picture, labels, (0, 0, 1, 1), inner, outer, 6, cv2.GC_INIT_WITH_MASK)
    found = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    found = (cv2.GaussianBlur(found.astype(np.float32), (0, 0), 1.5) > 0.5).astype(np.uint8)
    inside, outside = _band(found, SOFT)
    trimap = np.where(inside, 1.0, np.where(outside, 0.0, 0.5))
    alpha = estimate_alpha_cf(colours / 255.0, trimap)
    pure = estimate_foreground_ml(colours / 255.0, alpha)
    rgba = np.dstack([pure[..., ::-1], np.clip((alpha - 0.05) / 0.9, 0, 1)])
    cv2.imwrite(str(path), np.round(255 * np.clip(rgba, 0, 1)).astype(np.uint8))


def relief(path: Path, *, depth: float, spread: float = 60.0) -> NDArray[np.float32]:
    """How far each pixel of a cut-out bulges towards the viewer, (H, W), in [0, depth]."""
    cut = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if cut is None:
        raise FileNotFoundError(path)
    alpha = cut[..., 3]
    solid = cv2.copyMakeBorder((alpha > 127).astype(np.uint8), 0, 200, 0, 0, cv2.BORDER_REPLICATE)
    inner = np.minimum(cv2.distanceTransform(solid, cv2.DIST_L2, 5) / spread, 1.0)[: alpha.shape[0]]
    round_ = np.sqrt(1 - (1 - inner) ** 2).astype(np.float32)
    return np.asarray(depth * cv2.GaussianBlur(round_, (0, 0), 6), np.float32)


def _band(mask: NDArray[np.uint8], width: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What is surely inside, and outside: over `width` pixels from an edge (the frame is none)."""
    grown = cv2.copyMakeBorder(mask, 50, 50, 50, 50, cv2.BORDER_REPLICATE)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1,) * 2)
    crop = slice(50, -50), slice(50, -50)
    return cv2.erode(grown, kernel)[crop] > 0, cv2.dilate(grown, kernel)[crop] == 0
