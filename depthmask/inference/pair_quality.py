"""Judges whether a pair of photos is fit for the task: a number, and a sentence on what to do."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.inference.light import LightMatch
from depthmask.inference.registration import NOT_REGISTERED, TOO_FAR, Registration
from depthmask.pictures import Map, Mask, Picture

Verdict = Literal["good", "moved", "exposure", "swapped", "same", "changed"]

MIN_SHIFT_SHARE = 0.01  # of the image's diagonal; the user is told of more
MIN_EXPOSURE_STOPS = 0.33  # the user is told of more
MIN_RELATED_AGREEMENT = 0.25  # of fine structure: two scenes had at most 0.18, one at least 0.4
MAX_FOREGROUND_SHARE = 0.8  # of the image; pairs of two scenes in the examples have 0.86 to 0.99
MIN_SWAP_EVIDENCE = 0.0  # see `swap_evidence`; pairs in the right order had at most -0.14
MAX_SAME_LEVELS = 3  # saving a photo again changes hardly a pixel by more
MAX_CHANGED_SHARE = 1e-4  # of the pixels differ by more than that between copies of one photo
SOBEL_NOISE_LEVELS = 4.0  # of Sobel's filter
MIN_MASK_SHARE = 0.002  # of the picture; the border of a smaller mask tells nothing


@dataclass(frozen=True)
class PairQuality:
    """How fit a pair is."""

    score: float  # in [0, 1], 1 is best
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, eq=False)
class PairReport:
    """How a pair of photos fits together, and how the background was moved and lit."""

    registration: Registration
    light: LightMatch
    quality: PairQuality
    covered: float = 1.0  # in [0, 1]: share of the image, less its black bars, that is shown

    def summary(self) -> dict[str, object]:
        """The same for JSON: numbers, phrases and truth values alone."""
        registration, light = self.registration, self.light
        return {
            "score": round(self.quality.score, 3),
            "verdict": self.quality.verdict,
            "sentence": self.quality.sentence,
            "covered": round(self.covered, 4),
            "registration": {
                "accepted": registration.accepted,
                "reason": registration.reason,
                "shift_pixels": round(registration.shift, 2),
                "overlap": round(registration.overlap, 4),
                "score_before": round(registration.before, 4),
                "score_after": round(registration.after, 4),
                "parallax": registration.flow is not None,
            },
            "light": {
                "accepted": light.accepted,
                "reason": light.reason,
                "stops": round(light.stops, 3),
                "gain": [round(float(gain), 4) for gain in light.gain],
            },
        }


def judge(
    registration: Registration,
    light: LightMatch,
    *,
    diagonal: float,
    covered: float = 0.0,
    same: bool = False,
    swapped: bool = False,
) -> PairQuality:
    """Finds what limits a pair most.

    Args:
        registration: Of the background to the image.
        light: Of the background to the image.
        diagonal: Of the image, in pixels.
        covered: Share of the image that is taken for foreground.
        same: Whether both are one photo, see `is_same`.
        swapped: Whether they seem to be in the wrong order, see `swap_evidence`.
    """
    if same:
        return PairQuality(0.0, "same", "Both photos are the same: take one with, one without.")
    if is_changed(registration, light, covered):
        return PairQuality(
            0.0, "changed", "The scene changed too much: take both photos from the same place."
        )
    if swapped:
        return PairQuality(
            0.1, "swapped", "The two photos seem to be swapped: exchange background and image."
        )
    moved = registration.shift / diagonal
    score = float(np.clip(1 - 4 * moved - 0.15 * abs(light.stops), 0, 1))
    if registration.reason == TOO_FAR:
        sentence = f"The camera moved by {moved:.0%}, too far: take both photos from one place."
        return PairQuality(min(score, 0.2), "moved", sentence)
    if moved >= MIN_SHIFT_SHARE:
        return PairQuality(score, "moved", f"The camera moved by {moved:.1%} between the photos.")
    if abs(light.stops) >= MIN_EXPOSURE_STOPS:
        sentence = f"The exposure differs by {abs(light.stops):.1f} stops: lock it if you can."
        return PairQuality(score, "exposure", sentence)
    return PairQuality(score, "good", "The photos fit together well.")


def is_changed(registration: Registration, light: LightMatch, covered: float) -> bool:
    """Whether the photos show two scenes: no movement brings them together, nor does a gain.

    A gain is found between many scenes. Then nearly everything is foreground, as it is not where
    fine structure disagrees for want of any: on a plain wall.
    """
    if registration is NOT_REGISTERED or registration.after >= MIN_RELATED_AGREEMENT:
        return False
    return bool(registration.reason) and bool(light.reason or covered > MAX_FOREGROUND_SHARE)


def is_same(background: Picture, image: Picture) -> bool:
    """Whether two pictures, (h, w, 3) and (H, W, 3) uint8, are one, perhaps saved twice."""
    if background.shape != image.shape:
        return False
    red, green, blue = cv2.split(cv2.absdiff(background, image))
    largest = cv2.max(cv2.max(red, green), blue)
    return bool(np.count_nonzero(largest > MAX_SAME_LEVELS) < MAX_CHANGED_SHARE * largest.size)


def swap_evidence(background: Picture, image: Picture, mask: Map) -> float:
    """Tells in which photo the mask's border is an outline.

    What has entered hides the scene, so colours change across its border in the image, and go on
    across the same line in the background. If it is the other way round, the object is in the
    background. The mask may come from either order: the network finds what differs.

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
    normal = _normalised(_slope(cv2.GaussianBlur(mask, (0, 0), 2.0)))
    border = _border(foreground)
    size = (mask.shape[1], mask.shape[0])
    behind, before = (
        _step(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA)), normal, border)
        for picture in (background, image)
    )
    return float(np.log((behind + SOBEL_NOISE_LEVELS) / (before + SOBEL_NOISE_LEVELS)))


def _border(foreground: Mask) -> Mask:
    """The pixels within two of a mask's border; where the picture ends is no border."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    values = foreground.astype(np.uint8)
    return np.asarray(cv2.dilate(values, disc) > cv2.erode(values, disc))


def _step(picture: Picture, normal: Map, border: Mask) -> float:
    """Mean change of colour along the normal (2, h, w) of the border, in levels of Sobel."""
    values = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1.0)
    right, down = (slope[border] for slope in _slope(values))  # (N, 3)
    across = right * normal[0][border][:, None] + down * normal[1][border][:, None]
    return float(np.abs(across).max(axis=1).mean()) if len(across) else 0.0


def _slope(values: npt.ArrayLike) -> Map:
    """Derivatives to the right and downwards, (h, w, ...) -> (2, h, w, ...)."""
    plane = np.asarray(values, dtype=np.float32)
    slopes = [cv2.Sobel(plane, cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))]
    return np.asarray(slopes, dtype=np.float32)


def _normalised(vectors: Map) -> Map:
    """Vectors (2, h, w) of length 1, or 0 where they had hardly any."""
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=0) + 1e-6), dtype=np.float32)
