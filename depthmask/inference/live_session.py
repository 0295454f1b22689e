"""A live session as a value: the background is learned once, then each frame is a step.

`capture` learns it. This module knows neither a camera nor a page. The caller passes in the
session, a frame and a function that runs the network, and gets the next session back.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import cv2
import numpy as np

from depthmask.errors import CaptureError
from depthmask.inference.background import assemble, closest
from depthmask.inference.capture import (
    MASK,
    MIN_BACKGROUND_SHARE,
    EmptyScene,
    RunNetwork,
    agreement,
    unmasked,
)
from depthmask.inference.drift import Levels, follow_drift, with_drift
from depthmask.inference.light import (
    LIGHT_SIDE,
    MAX_LEVEL,
    MIN_LEVEL,
    MIN_PIXELS,
    MIN_STOPS,
    LightMatch,
    apply_light,
    match_light,
)
from depthmask.inference.outlines import MIN_SWAP_EVIDENCE, swap_evidence
from depthmask.inference.registration import MAX_SHIFT_SHARE, Registration, register, warp
from depthmask.inference.registration_views import fine_structure, to_grey
from depthmask.inference.smoothing import smoothed
from depthmask.inference.stopwatch import Stopwatch
from depthmask.inference.transforms import scaling
from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import fit_size, resize, shrink_by_halves
from depthmask.texts import TEXTS

Health = Literal["good", "dark", "moved", "bumped", "swapped"]

LEVEL_STOPS = 2.2 * np.log2(np.arange(256, dtype=np.float32).clip(1) / 255)  # of each level
MAX_GAIN_STOPS = 2.5  # beyond, a photo has lost its shadows or its highlights
MIN_STILL_AGREEMENT = 0.2  # on a still scene; with less, a bump cannot be told from noise
MIN_AGREEMENT_RATIO = 0.7  # to that of a still scene; below, the camera may have moved
FIRST_ATTEMPT_FRAME = 3  # doubtful frame in a row on which registration is worth its 0.1 s
RETRY_FRAMES = 10  # doubtful frames between further attempts
MAX_ATTEMPTS = 3  # in vain, and the user is told
SWAP_CHECK_FRAMES = 15  # between checks which of background and frame has the object
MIN_SWAP_CHECKS = 3  # in a row that find it in the background

SMOOTHING = 0.65  # share of the last frame's value that is kept where nothing moves
DRIFT_FRAMES = 20  # predicted, from one look at how the light has drifted to the next
MAX_DRIFT_STOPS = 0.15  # up or down: a gain above it comes from the camera

BOTH = ("mask", "depth")  # tasks
CALM = (5, 5)  # pixels of a small copy that are averaged before two frames are compared
SAME_LEVELS = 3  # by which a pixel of a small, blurred copy differs between two frames of a scene
STILL_FRAMES = 3  # in a row are predicted, and so smoothed; like ones after them are not

_TEXT = TEXTS["live"]
SENTENCES: dict[Health, str] = {
    "good": "",
    "dark": _TEXT["dark"],
    "moved": _TEXT["moved"],
    "bumped": _TEXT["bumped"],
    "swapped": _TEXT["swapped"],
}


@dataclass(frozen=True, eq=False)
class Copies:
    """A picture in the sizes that a step needs."""

    picture: Picture  # (H, W, 3)
    small: Picture  # (h, w, 3), as the network sees it
    tiny: Picture  # at most `LIGHT_SIDE` pixels, to check light on
    fine: Map  # of the same size: its fine structure, to check bumps on

    @classmethod
    def make(cls, picture: Picture, size: tuple[int, int]) -> "Copies":
        tiny = shrink_by_halves(picture, *fit_size(picture.shape, LIGHT_SIDE))
        return cls(picture, shrink_by_halves(picture, *size), tiny, fine_structure(to_grey(tiny)))


@dataclass(frozen=True, eq=False)
class Session:
    """What is kept between two frames. Begin with `Session(learn(...))`, see `capture`."""

    learned: EmptyScene
    background: Picture | None = None  # (H, W, 3): `learned`, moved along with the camera
    candidates: tuple[Picture, ...] = ()  # those of `learned`, moved along likewise
    empty: Copies | None = None  # of the background, made when it changes
    choices: tuple[Picture, ...] = ()  # (h, w, 3) each: copies of `candidates`
    drift: Levels | None = None  # (h, w, 3): of the light since the capture; `empty` has it
    mask: Map | None = None  # (h, w), in [0, 1], smoothed over time
    depth: Map | None = None  # (h, w), in (0, 1], smoothed over time
    small: Picture | None = None  # (h, w, 3): the frame of the mask, as the network saw it
    depth_small: Picture | None = None  # (h, w, 3): the frame of the depth, which may be older
    depth_age: int = 0  # frames since then
    calm: Picture | None = None  # the frame of the mask, small and blurred
    still: int = 0  # frames in a row that show the same
    last: "Sight | None" = None  # what was predicted
    health: Health = "good"
    suspicious: int = 0  # frames in a row that do not agree with the background
    attempts: int = 0  # registrations in vain since the frames last agreed
    swaps: int = 0  # looks in a row that found the object in the background
    count: int = 0  # frames so far


@dataclass(frozen=True, eq=False)
class Sight:
    """What is predicted of a frame."""

    mask: Map  # (h, w), in [0, 1], at the network's size
    depth: Map | None  # (h, w), in (0, 1], by depthmask.depth.CONVENTION; None: never asked for
    background: Picture  # (H, W, 3), moved as the frame; `gain` gives it the frame's light
    gain: LightMatch
    health: Health
    milliseconds: dict[str, float] = field(default_factory=dict)  # {stage: time}
    unchanged: bool = False  # the frame shows what the last one did, which was taken over

    @property
    def sentence(self) -> str:
        """A sentence for the user; "" where all is well."""
        return SENTENCES[self.health]


def step(
    session: Session,
    frame: Picture,
    see: RunNetwork,
    *,
    size: tuple[int, int],
    depth_every: int | None = 1,
    keep: float = SMOOTHING,
) -> tuple[Session, Sight]:
    """Predicts one frame; what does not differ from the frames before is not predicted again.

    Args:
        session: As `learn` or the last step left it.
        frame: (H, W, 3), uint8, RGB, of the learned background's size.
        see: Runs the network on two pictures of a size.
        size: Height and width at which the network is run.
        depth_every: Frames from one prediction of depth to the next; None: it is not needed.
        keep: As for `smooth`.

    Returns:
        The session to pass in with the next frame, and what is predicted.

    Raises:
        CaptureError: The frame is not of the learned background's size.
    """
    if frame.shape != session.learned.picture.shape:
        raise CaptureError(_TEXT["other_size"])
    clock = Stopwatch()
    seen = Copies.make(frame, size)
    calm = np.asarray(cv2.blur(seen.tiny, CALM), dtype=np.uint8)
    wants_depth = depth_every is not None and _is_due(session, size, depth_every)
    rested = session.still > STILL_FRAMES
    session = replace(session, still=session.still + 1 if _is_same(session.calm, calm) else 0)
    if _may_rest(session, size, wants_depth=wants_depth):
        assert session.last is not None
        clock.lap("align")
        return session, replace(session.last, milliseconds=clock.milliseconds, unchanged=True)
    session = _follow(_with_copies(session, size), seen)
    session = _with_copies(session, size)
    assert session.empty is not None
    gain, health = _match(session.empty, seen, session)
    shown = _shown(session, gain, seen.small)
    lit = apply_light(shown, gain)
    clock.lap("align")
    maps = see(lit, seen.small, BOTH if wants_depth else MASK)
    clock.lap("network")
    depth = maps["depth"] if wants_depth else None
    session = smooth(session, seen.small, maps["mask"], depth, keep=keep)
    session = _watch_swap(session, lit, seen.small, maps["mask"])
    if rested or session.count % DRIFT_FRAMES == DRIFT_FRAMES - 1:
        session = _follow_drift(session, gain, shown, seen.small)
    session = replace(session, count=session.count + 1, calm=calm)
    clock.lap("smooth")
    assert session.mask is not None
    worst = _worst(session, health)
    sight = Sight(
        session.mask, session.depth, _background(session), gain, worst, clock.milliseconds
    )
    return replace(session, last=sight), sight


def smooth(
    session: Session, small: Picture, mask: Map, depth: Map | None, *, keep: float = SMOOTHING
) -> Session:
    """Smooths mask and depth over time where the picture does not change.

    Where a pixel has changed since the map's last frame, the new value replaces the old one, so
    that moving objects leave no trail and are not late.

    Args:
        session: With the smoothed maps of earlier frames, or none.
        small: (h, w, 3), uint8, RGB: what the network saw.
        mask: (h, w), in [0, 1].
        depth: (h, w), in (0, 1]; None leaves the session's as it is.
        keep: Share of the last frame's value that is kept where nothing moves.
    """
    mixed = smoothed(session.mask, session.small, mask, small, keep)
    if depth is None:
        return replace(session, mask=mixed, small=small, depth_age=session.depth_age + 1)
    deep = smoothed(session.depth, session.depth_small, depth, small, keep)
    return replace(session, mask=mixed, small=small, depth=deep, depth_small=small, depth_age=0)


def _is_due(session: Session, size: tuple[int, int], every: int) -> bool:
    """Whether the depth is too old, or of another size."""
    if session.depth is None or session.depth.shape != size:
        return True
    return session.depth_age + 1 >= every


def _is_same(before: Picture | None, now: Picture) -> bool:
    """Whether two small, blurred copies differ by noise alone."""
    return before is not None and int(cv2.absdiff(before, now).max()) <= SAME_LEVELS


def _may_rest(session: Session, size: tuple[int, int], *, wants_depth: bool) -> bool:
    """Whether the last prediction does for another frame of the same scene.

    It does not while a check needs further frames: whether the camera was bumped, or an object
    was captured with the background.
    """
    if session.still <= STILL_FRAMES or session.mask is None or session.mask.shape != size:
        return False
    checks = session.suspicious or 0 < session.swaps < MIN_SWAP_CHECKS
    return not checks and not (wants_depth and session.depth_age > 0)


def _background(session: Session) -> Picture:
    return session.learned.picture if session.background is None else session.background


def _candidates(session: Session) -> tuple[Picture, ...]:
    return session.learned.candidates if session.background is None else session.candidates


def _shown(session: Session, gain: LightMatch, image: Picture) -> Picture:
    """The background for a frame: of a scene that moves, what is closest to it."""
    assert session.empty is not None
    choices = session.choices or (session.empty.small,)
    return assemble(choices, closest(choices, image, gain))


def _with_copies(session: Session, size: tuple[int, int]) -> Session:
    """Makes copies of the background, if they are not those of the last frame."""
    empty = session.empty
    moved = empty is None or empty.picture is not _background(session)
    if empty is not None and not moved and empty.small.shape[:2] == size:
        return session
    return drifted(session, size, None if moved else session.drift)


def drifted(session: Session, size: tuple[int, int], drift: Levels | None) -> Session:
    """Makes copies of the background, in the network's size, as the light has drifted."""
    empty = Copies.make(_background(session), size)
    if drift is not None:
        tiny = with_drift(empty.tiny, drift)
        small = with_drift(empty.small, drift)
        empty = Copies(empty.picture, small, tiny, fine_structure(to_grey(tiny)))
    copies = (resize(each, *size) for each in _candidates(session))
    choices = tuple(with_drift(copy, drift) for copy in copies)
    return replace(session, empty=empty, choices=choices, drift=drift)


def _follow_drift(session: Session, gain: LightMatch, shown: Picture, image: Picture) -> Session:
    """Lets the background follow the light, unless it may be the wrong one."""
    assert session.mask is not None
    if session.suspicious or session.swaps or session.health == "bumped":
        return session
    jumped = np.abs(np.log2(gain.gain)).max() > MAX_DRIFT_STOPS
    alike = apply_light(image, replace(gain, gain=1 / gain.gain)) if jumped else image
    drift = follow_drift(session.drift, shown, alike, session.mask)
    return drifted(session, (image.shape[0], image.shape[1]), drift)


def _follow(session: Session, seen: Copies) -> Session:
    """Checks whether the camera was bumped, and moves the background along if it was."""
    assert session.empty is not None
    frame = seen.picture
    limit = MIN_AGREEMENT_RATIO * session.learned.agreement
    score = agreement(session.empty.fine, seen.fine, session.mask)
    if session.learned.agreement < MIN_STILL_AGREEMENT or not _is_doubtful(
        session, seen, score, limit
    ):
        health: Health = "good" if session.health == "bumped" else session.health
        return replace(session, suspicious=0, attempts=0, health=health)
    session = replace(session, suspicious=session.suspicious + 1)
    if session.suspicious != FIRST_ATTEMPT_FRAME and session.suspicious % RETRY_FRAMES:
        return session
    found = register(session.learned.picture, frame)
    if _is_usable(found, frame):
        background = warp(session.learned.picture, found, *frame.shape[:2])
        candidates = tuple(_moved(each, found, frame) for each in session.learned.candidates)
        moved = replace(session, background=background, candidates=candidates, health="moved")
        return replace(moved, suspicious=0, attempts=0)
    if not found.reason and session.background is not None:  # back where it was
        return replace(session, background=None, suspicious=0, attempts=0, health="good")
    # the camera is at rest, or enough of the scene is visible to see that it has not moved
    if not found.reason or (score is not None and score >= limit):
        return session
    attempts = session.attempts + 1
    health = "bumped" if attempts >= MAX_ATTEMPTS else session.health
    return replace(session, attempts=attempts, health=health)


def _moved(candidate: Picture, found: Registration, frame: Picture) -> Picture:
    """Moves a candidate, which is smaller, as a registration moves the background."""
    height, width = candidate.shape[:2]
    assert found.homography is not None, "only an accepted registration moves pictures"
    smaller = scaling(width / frame.shape[1], height / frame.shape[0])
    homography = smaller @ found.homography @ np.linalg.inv(smaller)
    return warp(candidate, replace(found, homography=homography), height, width)


def _is_doubtful(session: Session, seen: Copies, score: float | None, limit: float) -> bool:
    """Whether the background does not fit the visible part of it in the frame.

    A mask of more than half of the picture may come from the bump itself; then all pixels count.
    """
    if score is None or score < limit:
        return True
    assert session.empty is not None
    if session.mask is None or (session.mask > 0.5).mean() < 0.5:
        return False
    whole = agreement(session.empty.fine, seen.fine, None)
    return whole is not None and whole < limit


def _is_usable(found: Registration, frame: Picture) -> bool:
    diagonal = float(np.hypot(*frame.shape[:2]))
    return found.accepted and found.shift < MAX_SHIFT_SHARE * diagonal


def _match(empty: Copies, seen: Copies, session: Session) -> tuple[LightMatch, Health]:
    """Finds the gains that give the background the frame's light; faster where a mask is known.

    A mask that covers nearly everything may come from a change of light. Then, and for the first
    frame, the gains are found without a mask.
    """
    counts = unmasked(session.mask, seen.tiny.shape[:2])
    if session.mask is None or counts.mean() < MIN_BACKGROUND_SHARE:
        found = match_light(empty.tiny, seen.tiny)
        return found, "dark" if found.reason else "good"
    # a quarter of the pixels is enough for the median
    places = np.flatnonzero(counts[::2, ::2])
    pixels = (copy[::2, ::2].reshape(-1, 3)[places] for copy in (empty.tiny, seen.tiny))
    levels = np.concatenate(tuple(pixels), axis=1)  # (N, 6)
    levels = levels[((levels > MIN_LEVEL) & (levels < MAX_LEVEL)).all(axis=1)]
    if len(levels) < MIN_PIXELS:
        return match_light(empty.tiny, seen.tiny), "good"
    values, middle = LEVEL_STOPS[levels.T], len(levels) // 2  # (6, N)
    ratios = np.partition(values[3:] - values[:3], middle, axis=1)
    stops = ratios[:, middle].astype(np.float64)
    if np.abs(stops).max() > MAX_GAIN_STOPS:
        return LightMatch(np.ones(3), 0.0, False, "too far"), "dark"
    accepted = bool(np.abs(stops).max() > MIN_STOPS)
    gain = np.exp2(stops) if accepted else np.ones(3)
    return LightMatch(gain, float(stops.mean()), accepted, ""), "good"


def _watch_swap(session: Session, background: Picture, frame: Picture, mask: Map) -> Session:
    """Checks every `SWAP_CHECK_FRAMES` frames whether the background has the object."""
    if session.count % SWAP_CHECK_FRAMES:
        return session
    found = swap_evidence(background, frame, mask) > MIN_SWAP_EVIDENCE
    return replace(session, swaps=session.swaps + 1 if found else 0)


def _worst(session: Session, light: Health) -> Health:
    if session.health == "bumped":
        return "bumped"
    if light != "good" and not session.suspicious:  # no gain can be expected for another view
        return light
    return "swapped" if session.swaps >= MIN_SWAP_CHECKS else session.health
