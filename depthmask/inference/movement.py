"""Finds how a camera moved between two photos, as a homography."""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from depthmask.inference.registration_views import Laid, Views
from depthmask.inference.transforms import Transform
from depthmask.texts import TEXTS

MAX_CORNERS = 1500  # sought in each copy
CORNER_MARGIN = (
    8  # pixels along a copy's edges without corners; ORB's own 31 is a third of a small photo
)
MIN_MATCHES = 12  # corners that agree on one transform; a transform has 8 degrees of freedom
MAX_TRACKS = 400  # corners of the image that are followed
MAX_TRACK_ERROR_PIXELS = 0.5  # from where a corner began, after following it there and back
MIN_TRACKS = 40  # corners that agree on one transform
MIN_TRACKED_SHARE = 0.3  # of the corners must, too; by chance, a sixth do
MIN_SURE_SCORE = 0.8  # with more, no other movement is looked for; wrong ones had at most 0.7
MAX_STRETCH = 2.0  # of a side, either way
MAX_UNEVEN_STRETCH = 1.5  # between sides

TOO_PLAIN = TEXTS["registration"]["too_plain"]
NO_MATCH = TEXTS["registration"]["no_match"]


class Found(NamedTuple):
    """A movement of the camera."""

    transform: Transform  # background -> image
    stray: float  # in [0, 1]: share of what was followed that moved otherwise; 1 if unknown


def find_movement(views: Views, still: Laid) -> Found | str:
    """The homography from background to image that fits best, or why there is none.

    Args:
        views: The photos.
        still: The background as it lies when the camera is at rest.
    """
    best, best_score, reason = None, -1.0, ""
    for found in _candidates(views, still):
        if isinstance(found, str):
            reason = reason or found
            continue
        score = views.score(views.lay(found.transform), still)
        if score > best_score:
            best, best_score = found, score
        if score >= MIN_SURE_SCORE:
            break
    return best or reason or NO_MATCH


def _candidates(views: Views, still: Laid) -> Iterator[Found | str]:
    """Movements, or why one was not found, the quickest first."""
    tracked = _from_tracks(views, views.still, still)
    if tracked is not None:
        yield tracked
    is_rough_known = False
    orb = cv2.ORB.create(MAX_CORNERS, edgeThreshold=CORNER_MARGIN)
    for detector, norm in ((orb, cv2.NORM_HAMMING), (cv2.SIFT.create(MAX_CORNERS), cv2.NORM_L2)):
        rough = _from_corners(views, detector, norm)
        if isinstance(rough, str):
            yield rough
            continue
        is_rough_known = True
        laid = views.lay(rough)
        again = _from_tracks(views, rough, laid)
        if again is not None:
            yield again
            continue
        yield Found(rough, 1.0)
        refined = _refine(views, rough, laid)
        if refined is not None:
            yield Found(refined, 1.0)
    if tracked is None and not is_rough_known:
        refined = _refine(views, views.still, still)
        if refined is not None:
            yield Found(refined, 1.0)


def _from_tracks(views: Views, rough: Transform, laid: Laid) -> Found | None:
    """Follows corners of the image into the background that was laid roughly, and back.

    Objects that entered the scene hide some corners, and do not mislead the others as they do where
    all pixels count. None where too few corners are found again on one transform.
    """
    corners = cv2.goodFeaturesToTrack(views.image, MAX_TRACKS, 0.01, 8, mask=views.usable)
    if corners is None:
        return None
    # fine structure, as brightness may differ; in 8 bits, as the method wants it
    planes = [np.clip(2 * fine + 128, 0, 255).astype(np.uint8) for fine in (views.fine, laid.fine)]
    there, found, _ = cv2.calcOpticalFlowPyrLK(planes[0], planes[1], corners, corners.copy())
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(planes[1], planes[0], there, there.copy())
    sure = np.linalg.norm(np.asarray(back) - corners, axis=2)[:, 0] < MAX_TRACK_ERROR_PIXELS
    sure &= (np.asarray(found) & np.asarray(found_back))[:, 0] > 0
    needed = max(MIN_TRACKS, MIN_TRACKED_SHARE * len(corners))
    if sure.sum() < needed:
        return None
    there, corners = there[sure], corners[sure]
    _, agrees = cv2.findHomography(there, corners, cv2.USAC_MAGSAC, 1.0)
    if agrees is None or agrees.sum() < needed:
        return None
    agreeing = agrees[:, 0] > 0
    closest, _ = cv2.findHomography(there[agreeing], corners[agreeing], 0)  # least squares
    if closest is None:
        return None
    exact = closest @ rough
    exact = exact / exact[2, 2]
    return Found(exact, 1 - float(agreeing.mean())) if _is_plausible(exact, views) else None


def _from_corners(views: Views, detector: cv2.Feature2D, norm: int) -> Transform | str:
    """Matches corners by what is around them, wherever they are; else why that failed."""
    points, codes = detector.detectAndCompute(views.background, None)
    other_points, other_codes = detector.detectAndCompute(views.image, views.usable)
    if min(len(points), len(other_points)) < MIN_MATCHES:
        return TOO_PLAIN
    pairs = cv2.BFMatcher(norm).knnMatch(codes, other_codes, k=2)
    # a corner that resembles two others equally is ambiguous
    clear = [
        pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < 0.8 * pair[1].distance
    ]
    if len(clear) < MIN_MATCHES:
        return NO_MATCH
    source = np.array([points[match.queryIdx].pt for match in clear], np.float32)
    target = np.array([other_points[match.trainIdx].pt for match in clear], np.float32)
    try:
        found, inliers = cv2.findHomography(
            source, target, cv2.USAC_MAGSAC, 2.0, maxIters=2000, confidence=0.999
        )
    except cv2.error:  # all corners on one line, say
        return NO_MATCH
    if found is None or inliers.sum() < MIN_MATCHES:
        return NO_MATCH
    rough = np.asarray(found, dtype=np.float64)
    return rough if _is_plausible(rough, views) else NO_MATCH


def _refine(views: Views, rough: Transform, laid: Laid) -> Transform | None:
    """Maximises the correlation of all unchanged pixels (ECC); None if that diverges.

    Args:
        views: The photos.
        rough: Where to begin, background -> image.
        laid: The background there.
    """
    # ECC's matrix leads from the image to the background
    inverse = np.linalg.inv(rough)
    inverse = (inverse / inverse[2, 2]).astype(np.float32)
    whole = np.full(views.background.shape, 255, np.uint8)
    try:
        _, found = cv2.findTransformECCWithMask(
            views.image,
            views.background,
            laid.unchanged,
            whole,
            inverse,
            cv2.MOTION_HOMOGRAPHY,
            (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 1e-4),
            5,
        )
        refined = np.linalg.inv(found.astype(np.float64))
    except (cv2.error, np.linalg.LinAlgError):  # no texture, no overlap, or no convergence
        return None
    return refined / refined[2, 2] if _is_plausible(refined, views) else None


def _is_plausible(transform: Transform, views: Views) -> bool:
    """Whether a camera can move so: no mirror image, and no side stretched too much."""
    if not np.isfinite(transform).all() or abs(transform[2, 2]) < 1e-9:
        return False
    height, width = views.image.shape
    corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float64)
    moved = cv2.perspectiveTransform(corners, transform @ np.linalg.inv(views.still))
    sides, moved_sides = (
        np.roll(points[:, 0], -1, axis=0) - points[:, 0] for points in (corners, moved)
    )
    stretch = np.linalg.norm(moved_sides, axis=1) / np.linalg.norm(sides, axis=1)
    turn = moved_sides[:, 0] * np.roll(moved_sides[:, 1], -1) - moved_sides[:, 1] * np.roll(
        moved_sides[:, 0], -1
    )
    most, least = stretch.max(), stretch.min()
    is_even = least > 1 / MAX_STRETCH and most < min(MAX_STRETCH, MAX_UNEVEN_STRETCH * least)
    return bool((turn > 0).all() and is_even)
