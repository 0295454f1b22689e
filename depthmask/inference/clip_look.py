"""What is drawn of each frame of a clip."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from depthmask.inference.clip import Finished
from depthmask.inference.refinement import unmix
from depthmask.pictures import Mask, Picture
from depthmask.pictures.resize import fit_size, resize, shrink
from depthmask.render.views import cutout, fill, lay_over

Kind = Literal["cutout", "sides", "backdrop", "blur"]

BLUR_SHARE = 0.02  # of the longest side, deviation of the Gaussian
BLUR_SIDE = 320  # pixels, longest side of the copy that is blurred
BLEED = 17  # pixels, side of the square around what is cut out in which colours are kept
UNKNOWN_LEVEL = 96  # grey of what is not known, beside a frame


@dataclass(frozen=True, eq=False)
class Look:
    """What is drawn of a frame."""

    # cutout: with alpha; sides: the frame, and its mask to the right; blur: before the background
    # out of focus
    kind: Kind
    backdrop: Picture | None = None  # (h, w, 3), of the kind "backdrop"; scaled to cover the frame

    @property
    def has_alpha(self) -> bool:
        return self.kind == "cutout"

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what is drawn of a frame."""
        return height, 2 * width if self.kind == "sides" else width


def draw(frame: Picture, found: Finished, look: Look) -> Picture:
    """Draws a frame, (H, W, 3): (H, W, 4), (H, W, 3), or (H, 2 W, 3) with both sides."""
    if look.kind == "sides":
        return np.hstack([frame, _grey(found)])
    cut = cutout(unmix(frame, found.background, found.mask), found.mask)
    if look.kind == "cutout":
        return _without_rest(cut)
    if look.kind == "blur":
        return lay_over(cut, _blurred(found.background))
    assert look.backdrop is not None, "a backdrop is laid behind the frame"
    return lay_over(cut, fill(look.backdrop, *frame.shape[:2]))


def _grey(found: Finished) -> Picture:
    levels = np.rint(found.mask * 255).astype(np.uint8)
    if found.unknown is not None:
        levels[found.unknown & (found.mask < 0.5)] = UNKNOWN_LEVEL
    return np.asarray(cv2.cvtColor(levels, cv2.COLOR_GRAY2RGB), np.uint8)


def _without_rest(cut: Picture) -> Picture:
    """Takes the colours out of what is far from the foreground: they are seen by nobody.

    The file is smaller for it, and players that know no alpha show no background. Nearby colours
    stay, since encoders mix those of a square.
    """
    near = cv2.dilate(cut[..., 3], np.ones((BLEED, BLEED), np.uint8))
    return np.asarray(cv2.copyTo(cut, near), np.uint8)


def _blurred(background: Picture) -> Picture:
    height, width = fit_size(background.shape, BLUR_SIDE)
    small = shrink(background, height, width)
    soft = cv2.GaussianBlur(small, (0, 0), BLUR_SHARE * max(height, width))
    return resize(np.asarray(soft, np.uint8), *background.shape[:2])


def unknown_picture(unknown: Mask | None, size: tuple[int, int]) -> Picture:
    """What is not known of a scene, as a grey picture: (H, W), 255 there."""
    if unknown is None:
        return np.zeros(size, np.uint8)
    return np.where(unknown, np.uint8(255), np.uint8(0))
