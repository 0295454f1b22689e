"""Registration: moves the background to where the camera stood when the image was taken.

It works on small grey copies of the photos, without black bars.
"""

from dataclasses import dataclass, replace

import numpy as np

from depthmask.inference.bars import Box, find_scene
from depthmask.inference.movement import NO_MATCH as NO_MATCH  # all reasons are to be had here
from depthmask.inference.movement import TOO_PLAIN as TOO_PLAIN
from depthmask.inference.movement import Found, find_movement
from depthmask.inference.parallax import Flow, enlarge_flow, find_parallax, follow
from depthmask.inference.registration_views import Views
from depthmask.inference.transforms import (
    Transform,
    contain,
    fit,
    scaled,
    scaling,
    translation,
    warped,
)
from depthmask.pictures import Map, Picture
from depthmask.texts import TEXTS

MIN_SIDE = 32  # pixels, of each side of a copy: with less there are no corners to find
MIN_REST_SCORE = 0.8  # of photos that agree so well that a look at half the size is enough
MAX_STRAY_SHARE = 0.02  # of the corners that were found again; with more, there may be parallax
MIN_SCORE_GAIN = 0.01  # of the score; less is within what noise does
MIN_SCORE = 0.4  # below, it is chance; two eyes' views of a workshop have 0.5
MIN_SHIFT_PIXELS = 1 / 3  # pixels of the image; to move by less would only blur
MAX_SHIFT_SHARE = 0.2  # of the image's diagonal
MIN_OVERLAP = 0.25  # share of the image that the moved background covers
MIN_FRAMING_SHARE = 0.01  # of the longest side: framings that differ by less are one

_TEXT = TEXTS["registration"]
TOO_SMALL = _TEXT["too_small"]
TOO_FAR = _TEXT["too_far"]
NO_BETTER = _TEXT["no_better"]


@dataclass(frozen=True, eq=False)
class Registration:
    """How the background lies on the image."""

    accepted: bool  # whether the background is to be moved
    reason: str  # one phrase for the user why it is not; "" where nothing is wrong
    shift: (
        float  # pixels of the image, mean over the frame: movement that no crop, no zoom explains
    )
    overlap: float  # in [0, 1]: share of the image that the background covers
    before: float  # in [-1, 1]: how well fine structure agrees without moving; 1 is perfect
    after: float  # the same with the background as it is used
    homography: Transform | None  # background -> image; None: fitted to the frame, not moved
    flow: Flow | None = None  # of a smaller copy, from the image to the background so moved


NOT_REGISTERED = Registration(False, _TEXT["not_asked"], 0.0, 1.0, 0.0, 0.0, None)


def register(background: Picture, image: Picture, *, foreground: Map | None = None) -> Registration:
    """Finds the movement of the camera between two photos of one scene.

    Photos that match already are recognised at half the size, those that differ by a crop along one
    axis too. Otherwise corners are followed from one photo into the other (Lucas and Kanade 1981),
    and a homography is fitted to them (MAGSAC++). Where the photos then do not agree well, corners
    are matched first (ORB, then SIFT), or all pixels that have not changed are correlated (ECC,
    Evangelidis and Psarakis 2008). Of all that is found, what makes the photos agree best counts.
    It is accepted if they agree better than at rest, and it moves by more than a third of a pixel
    and at most a fifth of the diagonal. It raises nothing, whatever the photos show.

    Args:
        background: (h, w, 3), uint8, RGB, of any size.
        image: (H, W, 3), uint8, RGB.
        foreground: (H, W), in [0, 1], what is known not to be background.
    """
    scene, seen = find_scene(background), find_scene(image)
    known = None if foreground is None else foreground[seen]
    starts = _framings(background, scene, image, seen)
    found = _register(Views.make(background[scene], image[seen], known, starts[0]), starts)
    if found.homography is None:
        return found
    whole = _offset(seen) @ found.homography @ np.linalg.inv(_offset(scene))
    return replace(found, homography=whole / whole[2, 2])


def _register(views: Views, starts: list[Transform]) -> Registration:
    """Registers photos without bars, which a camera at rest may have framed in some ways."""
    if min(*views.background.shape, *views.image.shape) < MIN_SIDE:
        return _not_found(views, TOO_SMALL)
    half, closest, best = views.half(), views, -1.0
    for start in starts:
        half = half if start is half.start else replace(half, start=start)
        still = half.lay(half.still)
        agreement, drift = half.score(still, still), half.drift(still)
        if agreement >= MIN_REST_SCORE and drift < MIN_SHIFT_PIXELS:
            if start is starts[0]:
                return Registration(False, "", drift, 1.0, agreement, agreement, None)
            return _judge(views, Found(replace(views, start=start).still, 0.0))
        if agreement > best + MIN_SCORE_GAIN:
            closest = views if start is views.start else replace(views, start=start)
            best = agreement
    found = find_movement(closest, closest.lay(closest.still))
    if isinstance(found, str):
        if closest.start is starts[0]:
            return _not_found(views, found)
        found = Found(closest.still, 1.0)
    return _judge(views, found)


def _judge(views: Views, found: Found) -> Registration:
    """Accepts a movement if it is likely, and does more than what the camera at rest does."""
    still, moved = views.lay(views.still), views.lay(found.transform)
    shift, distance = views.movement(found.transform), views.distance(found.transform)
    before, after = views.score(still, moved), views.score(moved, still)
    overlap = float(moved.covered.mean())
    at_rest = Registration(False, "", shift, 1.0, before, before, None)
    height, width = views.image.shape
    if shift * views.to_image[0, 0] > MAX_SHIFT_SHARE * np.hypot(height, width):
        return replace(at_rest, reason=TOO_FAR)
    if overlap < MIN_OVERLAP:
        return replace(at_rest, reason=TOO_FAR)
    if distance < MIN_SHIFT_PIXELS:
        return at_rest
    if after < max(before + MIN_SCORE_GAIN, MIN_SCORE):
        return replace(at_rest, shift=0.0, reason=NO_BETTER)
    flow = None
    if found.stray > MAX_STRAY_SHARE:
        flow = find_parallax(views.warped(found.transform), views.image, moved.covered)
    homography = views.at_full_size(found.transform)
    return Registration(True, "", shift, overlap, before, after, homography, flow)


def _not_found(views: Views, reason: str) -> Registration:
    still = views.lay(views.still)
    agreement = views.score(still, still)
    return Registration(False, reason, 0.0, 1.0, agreement, agreement, None)


def _framings(background: Picture, scene: Box, image: Picture, seen: Box) -> list[Transform]:
    """Where a camera at rest may put the background's scene in the image's, frame on frame first.

    The two may have been cropped to different shapes, or one of them may have got bars.
    """
    sizes = (*background[scene].shape[:2], *image[seen].shape[:2])
    frame = fit(*background.shape[:2], *image.shape[:2])
    frames = np.linalg.inv(_offset(seen)) @ frame @ _offset(scene)
    ends = np.array([[0, sizes[1]], [0, sizes[0]], [1, 1]])  # two opposite corners
    tolerance = MIN_FRAMING_SHARE * max(sizes[2:])
    found: list[Transform] = []
    for start in (frames, fit(*sizes), contain(*sizes)):
        if all(np.abs((start - other) @ ends).max() > tolerance for other in found):
            found.append(start)
    return found


def _offset(box: Box) -> Transform:
    """From positions in a part of a picture to those in the whole."""
    return translation(box[1].start, box[0].start)


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
    small = scaled(background, min(1.0, fit(rows, columns, height, width)[0, 0]))
    to_small = scaling(small.shape[1] / columns, small.shape[0] / rows)
    moved = warped(small, registration.homography @ np.linalg.inv(to_small), height, width)
    if registration.flow is None:
        return moved
    return follow(moved, enlarge_flow(registration.flow, height, width))
