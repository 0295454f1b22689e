"""Registration: moves the background to where the camera stood when the image was taken.

It works on grey copies of at most `REGISTRATION_SIDE` pixels. A transform is a 3 x 3 matrix on
pixel positions (x, y, 1) with pixel centres at whole numbers.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.inference.parallax import (
    MIN_DIFFERENCE_LEVELS,
    Flow,
    Plane,
    enlarge_flow,
    find_parallax,
    follow,
)
from depthmask.pictures import Map, Mask, Picture

Transform = npt.NDArray[np.float64]  # (3, 3)

REGISTRATION_SIDE = 640  # pixels, longest side of the copies that are compared
MIN_SIDE = 32  # pixels, of each side of a copy: with less there are no corners to find
MAX_CORNERS = 1500  # sought in each copy
CORNER_MARGIN = (
    8  # pixels along a copy's edges without corners; ORB's own 31 is a third of a small photo
)
MIN_MATCHES = 12  # corners that agree on one transform; a transform has 8 degrees of freedom
MIN_REST_SCORE = 0.8  # of photos that agree so well that a look at half the size is enough
MAX_TRACKS = 400  # corners of the image that are followed
MAX_TRACK_ERROR_PIXELS = 0.5  # from where a corner began, after following it there and back
MIN_TRACKS = 40  # corners that agree on one transform
MIN_TRACKED_SHARE = 0.3  # of the corners must, too; by chance, a sixth do
MAX_STRAY_SHARE = 0.05  # of the corners that were found again; with more, there may be parallax
MIN_SCORE_GAIN = 0.01  # of the score; less is within what noise does
MIN_SCORE = 0.4  # below, it is chance; two eyes' views of a workshop have 0.5
MIN_SHIFT_PIXELS = 1 / 3  # pixels of the image; to move by less would only blur
MAX_SHIFT_SHARE = 0.2  # of the image's diagonal
MIN_OVERLAP = 0.6  # share of the image that the moved background covers

TOO_SMALL = "the photos are too small to align"
TOO_PLAIN = "there is too little texture to align the photos"
NO_MATCH = "the photos do not show the same view"
TOO_FAR = "the camera moved too far to align the photos"
NO_BETTER = "no movement of the background fits the image better"


@dataclass(frozen=True, eq=False)
class Registration:
    """How the background lies on the image."""

    accepted: bool  # whether the background is to be moved
    reason: str  # one phrase for the user why it is not; "" where nothing is wrong
    shift: float  # pixels of the image, mean over the frame: how far the camera moved it
    overlap: float  # in [0, 1]: share of the image that the background covers
    before: float  # in [-1, 1]: how well fine structure agrees without moving; 1 is perfect
    after: float  # the same with the background as it is used
    homography: Transform | None  # background -> image; None: fitted to the frame, not moved
    flow: Flow | None = None  # of a smaller copy, from the image to the background so moved


NOT_REGISTERED = Registration(False, "not asked for", 0.0, 1.0, 0.0, 0.0, None)


def register(background: Picture, image: Picture, *, foreground: Map | None = None) -> Registration:
    """Finds the movement of the camera between two photos of one scene.

    Photos that match already are recognised at half the size. Otherwise corners are followed from
    one photo into the other (Lucas and Kanade 1981), and a homography is fitted to them (MAGSAC++).
    After a large movement, corners must be matched first (ORB). Where corners are few, all pixels
    that have not changed are correlated (ECC, Evangelidis and Psarakis 2008). The homography is
    accepted if it makes the photos agree better and moves by more than a third of a pixel and at
    most a fifth of the diagonal. It raises nothing, whatever the photos show.

    Args:
        background: (h, w, 3), uint8, RGB, of any size.
        image: (H, W, 3), uint8, RGB.
        foreground: (H, W), in [0, 1], what is known not to be background.
    """
    views = _Views.make(background, image, foreground)
    if min(*views.background.shape, *views.image.shape) < MIN_SIDE:
        return _not_found(views, views.lay(views.start), TOO_SMALL)
    half = views.half()
    still = half.lay(half.start)
    agreement, drift = half.score(still, still), half.drift(still)
    if agreement >= MIN_REST_SCORE and drift < MIN_SHIFT_PIXELS:
        return Registration(False, "", drift, 1.0, agreement, agreement, None)
    still = views.lay(views.start)
    found = _find(views, still)
    if isinstance(found, str):
        return _not_found(views, still, found)
    shift, moved = views.shift(found.transform), views.lay(found.transform)
    before, after = views.score(still, moved), views.score(moved, still)
    overlap = float(moved.covered.mean())
    at_rest = Registration(False, "", shift, 1.0, before, before, None)
    if shift > MAX_SHIFT_SHARE * float(np.hypot(*image.shape[:2])) or overlap < MIN_OVERLAP:
        return replace(at_rest, reason=TOO_FAR)
    if shift < MIN_SHIFT_PIXELS:
        return at_rest
    if after < max(before + MIN_SCORE_GAIN, MIN_SCORE):
        return replace(at_rest, shift=0.0, reason=NO_BETTER)
    flow = None
    if found.stray > MAX_STRAY_SHARE:
        flow = find_parallax(views.warped(found.transform), views.image, moved.covered)
    homography = views.at_full_size(found.transform)
    return Registration(True, "", shift, overlap, before, after, homography, flow)


def _not_found(views: "_Views", still: "_Laid", reason: str) -> Registration:
    agreement = views.score(still, still)
    return Registration(False, reason, 0.0, 1.0, agreement, agreement, None)


def warp(background: Picture, registration: Registration, height: int, width: int) -> Picture:
    """Moves the background into the image's frame, as an accepted registration says.

    The part that the background does not cover is filled with the closest colours that it has. A
    piece of the image there would cut holes into objects at the edge.

    Returns:
        (height, width, 3), uint8, RGB.
    """
    assert registration.homography is not None, "only an accepted registration moves pictures"
    rows, columns = background.shape[:2]
    # shrunk first, by averaging: interpolation alone would alias
    small = _scaled(background, min(1.0, fit(rows, columns, height, width)[0, 0]))
    to_small = _scaling(small.shape[1] / columns, small.shape[0] / rows)
    moved = _warped(small, registration.homography @ np.linalg.inv(to_small), height, width)
    if registration.flow is None:
        return moved
    return follow(moved, enlarge_flow(registration.flow, height, width))


def fit(rows: int, columns: int, height: int, width: int) -> Transform:
    """The transform that lets a picture of rows x columns cover a frame, centre on centre."""
    scale = max(height / rows, width / columns)
    middle = translation((width - columns * scale) / 2, (height - rows * scale) / 2)
    return middle @ _scaling(scale, scale)


def translation(x: float, y: float) -> Transform:
    """The transform that moves a picture to the right and down, by pixels."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


@dataclass(frozen=True, eq=False)
class _Laid:
    """The background as a transform lays it on the image."""

    covered: Mask  # (H, W): which pixels of the image it covers
    fine: Map  # (H, W): its fine structure
    unchanged: Plane  # (H, W): 255 where the photos have the same fine structure, 0 elsewhere


@dataclass(frozen=True, eq=False)
class _Views:
    """Both photos in small and grey."""

    background: Plane  # (h, w)
    image: Plane  # (H, W)
    fine: Map  # (H, W): fine structure of the image
    usable: Plane  # (H, W), 255 where no foreground is known
    start: Transform  # background -> image, the camera at rest
    to_background: Transform  # from the given background to its copy
    to_image: Transform  # from the given image to its copy

    @classmethod
    def make(cls, background: Picture, image: Picture, foreground: Map | None) -> "_Views":
        rows, columns = background.shape[:2]
        height, width = image.shape[:2]
        scale = min(1.0, REGISTRATION_SIDE / max(height, width))
        image_copy = _scaled(to_grey(image), scale)
        cover = fit(rows, columns, height, width)
        # as large as it will be in the frame, but never larger than it is
        background_copy = _scaled(to_grey(background), min(1.0, cover[0, 0] * scale))
        usable = np.full(image_copy.shape, 255, np.uint8)
        if foreground is not None:
            size = (image_copy.shape[1], image_copy.shape[0])
            known = cv2.resize(foreground, size, interpolation=cv2.INTER_AREA)
            usable[np.asarray(known) > 0.5] = 0
        to_background = _between(background.shape, background_copy.shape)
        to_image = _between(image.shape, image_copy.shape)
        start = to_image @ cover @ np.linalg.inv(to_background)
        fine = fine_structure(image_copy)
        return cls(background_copy, image_copy, fine, usable, start, to_background, to_image)

    def half(self) -> "_Views":
        """The same in half the size."""
        background, image, usable = (
            _scaled(plane, 0.5) for plane in (self.background, self.image, self.usable)
        )
        smaller = _between(self.background.shape, background.shape)
        to_image = _between(self.image.shape, image.shape)
        return _Views(
            background,
            image,
            fine_structure(image),
            np.where(usable > 254, usable, 0).astype(np.uint8),
            to_image @ self.start @ np.linalg.inv(smaller),
            smaller @ self.to_background,
            to_image @ self.to_image,
        )

    def lay(self, transform: Transform) -> _Laid:
        """Lays the background on the image."""
        height, width = self.image.shape
        whole = np.full(self.background.shape, 255, np.uint8)
        covered = np.asarray(cv2.warpPerspective(whole, transform, (width, height))) > 254
        fine = fine_structure(self.warped(transform))
        difference = cv2.blur(cv2.absdiff(fine, self.fine), (9, 9))
        # a sixteenth of the pixels have the same median
        limit = max(MIN_DIFFERENCE_LEVELS, 2.5 * float(np.median(difference[::4, ::4])))
        unchanged = np.where(difference < limit, self.usable, 0).astype(np.uint8)
        return _Laid(covered, fine, unchanged)

    def warped(self, transform: Transform) -> Plane:
        return _warped(self.background, transform, *self.image.shape)

    def score(self, laid: _Laid, other: _Laid) -> float:
        """Correlation of fine structure, in [-1, 1], where both overlap; 0 if there is none.

        Fine structure is compared because brightness may differ. Pixels that fit in neither are
        foreground and do not count.
        """
        counts = laid.covered & other.covered & ((laid.unchanged | other.unchanged) > 0)
        number = np.count_nonzero(counts)
        if number < 2:
            return 0.0
        first, second = (np.where(counts, fine, 0) for fine in (laid.fine, self.fine))
        energy = float(np.sqrt(np.vdot(first, first) * np.vdot(second, second)))
        return float(np.vdot(first, second)) / energy if energy > 1e-3 * number else 0.0

    def drift(self, laid: _Laid) -> float:
        """How far unchanged fine structure is off, in pixels of the image, mean over the frame.

        It is one step of Lucas and Kanade (1981) for an affine movement, right for less than
        a pixel of the copies. Infinite where there is not enough structure to tell.
        """
        counts = laid.covered & (laid.unchanged > 0)
        height, width = counts.shape
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        here = [plane[counts].astype(np.float32) for plane in (np.ones_like(x), x, y)]
        right, down = (
            cv2.Sobel(laid.fine, cv2.CV_32F, *axis, scale=1 / 8)[counts]
            for axis in ((1, 0), (0, 1))
        )
        slopes = np.stack([slope * place for slope in (right, down) for place in here])
        behind, before = laid.fine[counts], self.fine[counts]
        gain = float(before @ behind) / max(float(behind @ behind), 1e-6)
        try:
            found = np.linalg.solve(slopes @ slopes.T * gain, slopes @ (before - gain * behind))
        except np.linalg.LinAlgError:
            return float("inf")
        x, y = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9))
        moved = found.reshape(2, 3) @ np.stack([np.ones_like(x), x, y]).reshape(3, -1)
        return float(np.linalg.norm(moved, axis=0).mean() / self.to_image[0, 0])

    def shift(self, transform: Transform) -> float:
        """Mean distance, in pixels of the image, from where the camera at rest puts a pixel."""
        height, width = self.image.shape
        x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
        points = np.stack((x, y), axis=-1).reshape(-1, 1, 2)
        moved = cv2.perspectiveTransform(points, transform @ np.linalg.inv(self.start))
        return float(np.linalg.norm(moved - points, axis=-1).mean() / self.to_image[0, 0])

    def at_full_size(self, transform: Transform) -> Transform:
        """The same transform between the pictures as they were given."""
        full = np.linalg.inv(self.to_image) @ transform @ self.to_background
        return full / full[2, 2]


class _Found(NamedTuple):
    """A movement of the camera."""

    transform: Transform  # background -> image
    stray: float  # in [0, 1]: share of what was followed that moved otherwise; 1 if unknown


def _find(views: _Views, still: _Laid) -> _Found | str:
    """The best homography from background to image, or why there is none."""
    tracked = _from_tracks(views, views.start, still)
    if tracked is not None:
        return tracked
    rough, reason = _from_corners(views)
    if rough is None:
        refined = _refine(views, views.start, still)
    else:
        laid = views.lay(rough)
        tracked = _from_tracks(views, rough, laid)
        if tracked is not None:
            return tracked
        refined = _refine(views, rough, laid)
    return reason or NO_MATCH if refined is None else _Found(refined, 1.0)


def _from_tracks(views: _Views, rough: Transform, laid: _Laid) -> _Found | None:
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
    return _Found(exact, 1 - float(agreeing.mean())) if _is_plausible(exact, views) else None


def _from_corners(views: _Views) -> tuple[Transform | None, str]:
    detector = cv2.ORB.create(MAX_CORNERS, edgeThreshold=CORNER_MARGIN)
    points, codes = detector.detectAndCompute(views.background, None)
    other_points, other_codes = detector.detectAndCompute(views.image, views.usable)
    if min(len(points), len(other_points)) < MIN_MATCHES:
        return None, TOO_PLAIN
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(codes, other_codes, k=2)
    # a corner that resembles two others equally is ambiguous
    clear = [
        pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < 0.8 * pair[1].distance
    ]
    if len(clear) < MIN_MATCHES:
        return None, NO_MATCH
    source = np.array([points[match.queryIdx].pt for match in clear], np.float32)
    target = np.array([other_points[match.trainIdx].pt for match in clear], np.float32)
    try:
        found, inliers = cv2.findHomography(
            source, target, cv2.USAC_MAGSAC, 2.0, maxIters=2000, confidence=0.999
        )
    except cv2.error:  # all corners on one line, say
        return None, NO_MATCH
    if found is None or inliers.sum() < MIN_MATCHES:
        return None, NO_MATCH
    rough = np.asarray(found, dtype=np.float64)
    return (rough, "") if _is_plausible(rough, views) else (None, NO_MATCH)


def _refine(views: _Views, rough: Transform, laid: _Laid) -> Transform | None:
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


def _is_plausible(transform: Transform, views: _Views) -> bool:
    """Whether a camera can move so: no mirror image, and no side stretched by more than 1.5."""
    if not np.isfinite(transform).all() or abs(transform[2, 2]) < 1e-9:
        return False
    height, width = views.image.shape
    corners = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], np.float64)
    moved = cv2.perspectiveTransform(corners, transform @ np.linalg.inv(views.start))
    sides, moved_sides = (
        np.roll(points[:, 0], -1, axis=0) - points[:, 0] for points in (corners, moved)
    )
    stretch = np.linalg.norm(moved_sides, axis=1) / np.linalg.norm(sides, axis=1)
    turn = moved_sides[:, 0] * np.roll(moved_sides[:, 1], -1) - moved_sides[:, 1] * np.roll(
        moved_sides[:, 0], -1
    )
    return bool((turn > 0).all() and (stretch < 1.5).all() and (stretch > 1 / 1.5).all())


def _scaling(x: float, y: float) -> Transform:
    """Scales pixel positions whose centres are at whole numbers, as cv2.resize does."""
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], np.float64)


def _between(size: tuple[int, ...], other: tuple[int, ...]) -> Transform:
    """From pixel positions in a picture to those in a copy of another size."""
    return _scaling(other[1] / size[1], other[0] / size[0])


def _scaled(picture: Picture, scale: float) -> Picture:
    """Shrinks by averaging; as it is where the scale is 1."""
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    if (height, width) == picture.shape[:2]:
        return picture
    return np.asarray(
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


def _warped(picture: Picture, transform: Transform, height: int, width: int) -> Picture:
    """Moves a picture, or a grey one, into a frame; its edges go on where it does not cover it."""
    moved = cv2.warpPerspective(
        picture,
        transform,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, dtype=np.uint8)


def to_grey(picture: Picture) -> Plane:
    """(H, W, 3) uint8 -> (H, W) uint8."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY))


def fine_structure(plane: Plane) -> Map:
    """Structure finer than about 15 pixels and coarser than noise: (H, W) uint8 -> float32."""
    values = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 1.0)
    return np.asarray(values - cv2.blur(values, (15, 15)))
