"""Registration: moves the background to where the camera stood when the image was taken.

It works on grey copies of at most `REGISTRATION_SIDE` pixels. A transform is a 3 x 3 matrix on
pixel positions (x, y, 1) with pixel centres at whole numbers.
"""

from dataclasses import dataclass, replace

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

    Corners (ORB) are matched, a homography is fitted to them (MAGSAC++) and refined on all pixels
    that have not changed (ECC, Evangelidis and Psarakis 2008). It is accepted if it makes the
    photos agree better and moves by more than a third of a pixel and at most a fifth of the
    diagonal. It raises nothing, whatever the photos show.

    Args:
        background: (h, w, 3), uint8, RGB, of any size.
        image: (H, W, 3), uint8, RGB.
        foreground: (H, W), in [0, 1], what is known not to be background.
    """
    views = _Views.make(background, image, foreground)
    found, reason = _find(views)
    if found is None:
        agreement = views.score(views.start, views.start)
        return Registration(False, reason, 0.0, 1.0, agreement, agreement, None)
    shift = views.shift(found)
    before, after = views.score(views.start, found), views.score(found, views.start)
    overlap = float(views.covered(found).mean())
    at_rest = Registration(False, "", shift, 1.0, before, before, None)
    if shift > MAX_SHIFT_SHARE * float(np.hypot(*image.shape[:2])) or overlap < MIN_OVERLAP:
        return replace(at_rest, reason=TOO_FAR)
    if shift < MIN_SHIFT_PIXELS:
        return at_rest
    if after < max(before + MIN_SCORE_GAIN, MIN_SCORE):
        return replace(at_rest, shift=0.0, reason=NO_BETTER)
    flow = find_parallax(views.warped(found), views.image, views.covered(found))
    return Registration(True, "", shift, overlap, before, after, views.at_full_size(found), flow)


def warp(background: Picture, registration: Registration, height: int, width: int) -> Picture:
    """Moves the background into the image's frame, as an accepted registration says.

    The part that the background does not cover is filled with its mirror image, as in training. A
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
    move = np.eye(3)
    move[0, 2] = (width - columns * scale) / 2
    move[1, 2] = (height - rows * scale) / 2
    return move @ _scaling(scale, scale)


@dataclass(frozen=True, eq=False)
class _Views:
    """Both photos in small and grey."""

    background: Plane  # (h, w)
    image: Plane  # (H, W)
    usable: Plane  # (H, W), 255 where no foreground is known
    start: Transform  # background -> image, the camera at rest
    to_background: Transform  # from the given background to its copy
    to_image: Transform  # from the given image to its copy

    @classmethod
    def make(cls, background: Picture, image: Picture, foreground: Map | None) -> "_Views":
        rows, columns = background.shape[:2]
        height, width = image.shape[:2]
        scale = min(1.0, REGISTRATION_SIDE / max(height, width))
        image_copy = to_grey(_scaled(image, scale))
        cover = fit(rows, columns, height, width)
        # as large as it will be in the frame, but never larger than it is
        back_scale = min(1.0, cover[0, 0] * scale)
        background_copy = to_grey(_scaled(background, back_scale))
        to_background = _scaling(
            background_copy.shape[1] / columns, background_copy.shape[0] / rows
        )
        to_image = _scaling(image_copy.shape[1] / width, image_copy.shape[0] / height)
        usable = np.full(image_copy.shape, 255, np.uint8)
        if foreground is not None:
            size = (image_copy.shape[1], image_copy.shape[0])
            known = cv2.resize(foreground, size, interpolation=cv2.INTER_AREA)
            usable[np.asarray(known) > 0.5] = 0
        start = to_image @ cover @ np.linalg.inv(to_background)
        return cls(background_copy, image_copy, usable, start, to_background, to_image)

    def warped(self, transform: Transform) -> Plane:
        return _warped(self.background, transform, *self.image.shape)

    def covered(self, transform: Transform) -> Mask:
        """Which pixels of the image the background covers."""
        height, width = self.image.shape
        whole = np.full(self.background.shape, 255, np.uint8)
        return np.asarray(cv2.warpPerspective(whole, transform, (width, height))) > 254

    def score(self, transform: Transform, other: Transform) -> float:
        """Correlation of fine structure, in [-1, 1], where both photos overlap; 0 if there is none.

        Fine structure is compared because brightness may differ. Pixels that fit under neither
        transform are foreground and do not count.
        """
        counts = self.covered(transform) & self.covered(other)
        counts &= (self.unchanged(transform) > 0) | (self.unchanged(other) > 0)
        if counts.sum() < 2:
            return 0.0
        fine = fine_structure(self.warped(transform)), fine_structure(self.image)
        first, second = (plane[counts] for plane in fine)
        energy = float(np.sqrt((first**2).mean() * (second**2).mean()))
        return float((first * second).mean()) / energy if energy > 1e-3 else 0.0

    def unchanged(self, transform: Transform) -> Plane:
        """Where the photos have the same fine structure: (H, W), 255 there, 0 elsewhere."""
        difference = cv2.blur(
            np.abs(fine_structure(self.warped(transform)) - fine_structure(self.image)), (9, 9)
        )
        limit = max(MIN_DIFFERENCE_LEVELS, 2.5 * float(np.median(difference)))
        return np.where(difference < limit, self.usable, 0).astype(np.uint8)

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


def _find(views: _Views) -> tuple[Transform | None, str]:
    """The best homography from background to image, or None and why there is none."""
    if min(*views.background.shape, *views.image.shape) < MIN_SIDE:
        return None, TOO_SMALL
    rough, reason = _from_corners(views)
    if rough is None:
        rough = views.start
    refined = _refine(views, rough)
    if refined is not None:
        return refined, ""
    return None, reason or NO_MATCH


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


def _refine(views: _Views, rough: Transform) -> Transform | None:
    """Maximises the correlation of all unchanged pixels (ECC); None if that diverges."""
    # ECC's matrix leads from the image to the background
    inverse = np.linalg.inv(rough)
    inverse = (inverse / inverse[2, 2]).astype(np.float32)
    whole = np.full(views.background.shape, 255, np.uint8)
    try:
        _, found = cv2.findTransformECCWithMask(
            views.image,
            views.background,
            views.unchanged(rough),
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


def _scaled(picture: Picture, scale: float) -> Picture:
    """Shrinks by averaging; as it is where the scale is 1."""
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    if (height, width) == picture.shape[:2]:
        return picture
    return np.asarray(
        cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8
    )


def _warped(picture: Picture, transform: Transform, height: int, width: int) -> Picture:
    """Moves a picture, or a grey one, into a frame; what it does not cover is its mirror image."""
    moved = cv2.warpPerspective(
        picture,
        transform,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(moved, dtype=np.uint8)


def to_grey(picture: Picture) -> Plane:
    """(H, W, 3) uint8 -> (H, W) uint8."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY))


def fine_structure(plane: Plane) -> Map:
    """Structure finer than about 15 pixels and coarser than noise: (H, W) uint8 -> float32."""
    values = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 1.0)
    return np.asarray(values - cv2.blur(values, (15, 15)))
