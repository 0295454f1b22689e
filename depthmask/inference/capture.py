"""The capture of a live session: the background is learned from frames of the empty scene."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from depthmask.errors import CaptureError
from depthmask.inference.background import (
    MAX_FRAMES,
    assemble,
    closest,
    learn_background,
    spread_evenly,
)
from depthmask.inference.light import LIGHT_SIDE
from depthmask.inference.registration_views import fine_structure, to_grey
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import fit_size, resize, shrink_by_halves
from depthmask.texts import TEXTS

CAPTURE_FRAMES = 15  # the background is their median
MOVING_FRAMES = 30  # of a scene that moves, over several seconds
CANDIDATE_SIDE = 320  # pixels at most, longest side of the frames that are kept of such a scene
CHECKED_FRAMES = 3  # of them, on which the network must find nothing
MAX_STILL_LEVELS = 18.0  # by which a pixel of a small copy changes without motion
MAX_MOTION_SHARE = 0.004  # of the picture: the area of a moving blob that is taken for noise
MAX_CAPTURE_DRIFT_STOPS = 0.15  # up or down between the frames of a capture
MAX_FALSE_SHARE = 0.02  # of the empty scene may be taken for foreground
MIN_BACKGROUND_SHARE = 0.1  # of the picture must be background to compare with

MASK = ("mask",)  # tasks
_TEXT = TEXTS["live"]


class RunNetwork(Protocol):
    """Runs the network on two pictures of a size.

    It takes background and image, (h, w, 3), uint8, and the tasks that are needed, and returns at
    least these: "mask" and "depth", (h, w).
    """

    def __call__(
        self, background: Picture, image: Picture, tasks: Sequence[str]
    ) -> dict[str, Map]: ...


@dataclass(frozen=True, eq=False)
class EmptyScene:
    """The learned background."""

    picture: Picture  # (H, W, 3), RGB
    self_check: float  # in [0, 1]: share of the empty scene that is taken for foreground
    agreement: float  # of fine structure, between it and a frame of the empty scene
    candidates: tuple[Picture, ...] = ()  # (h, w, 3) each, smaller: of a scene that moves


def learn(frames: Sequence[Picture], see: RunNetwork, *, size: tuple[int, int]) -> EmptyScene:
    """Learns the background from frames of the empty scene.

    It is their median, pixel by pixel. With `MOVING_FRAMES` or more, parts of the scene may move.

    Args:
        frames: (H, W, 3), uint8, RGB, all of one size; about `CAPTURE_FRAMES` over a second or two.
        see: Runs the network on two pictures of a size.
        size: Height and width at which the network is run.

    Raises:
        CaptureError: Something moved, the light changed, or the network sees something in it.
    """
    if len(frames) < 3 or len({frame.shape for frame in frames}) > 1:
        raise CaptureError(_TEXT["too_few_frames"])
    _check_light(frames)
    moves = is_moving(frames)
    if moves and len(frames) < MOVING_FRAMES:
        raise CaptureError(_TEXT["motion"])
    picture, candidates = _plate_of_moving(frames) if moves else (_median(frames), ())
    check = _false_share(candidates or (picture,), frames, see, size)
    if check > MAX_FALSE_SHARE and moves:
        raise CaptureError(_TEXT["motion"])
    if check > MAX_FALSE_SHARE:
        raise CaptureError(_TEXT["not_empty"].format(share=check))
    first, last = (
        fine_structure(to_grey(shrink_by_halves(each, *fit_size(each.shape, LIGHT_SIDE))))
        for each in (picture, frames[-1])
    )
    return EmptyScene(picture, check, agreement(first, last, None) or 0.0, candidates)


def is_moving(frames: Sequence[Picture]) -> bool:
    """Whether a part of the scene moves, in frames (H, W, 3) of one size."""
    size = fit_size(frames[0].shape, LIGHT_SIDE)
    small = [shrink_by_halves(frame, *size) for frame in frames]
    still = _median(small).astype(np.int16)
    moved = np.zeros(size, np.uint8)
    for copy in small:
        change = np.abs(copy - still).max(axis=2)
        # a change of light of the whole frame is not motion; it is checked apart
        moved |= (change - np.median(change) > MAX_STILL_LEVELS).astype(np.uint8)
    _, _, blobs, _ = cv2.connectedComponentsWithStats(moved)
    largest = blobs[1:, cv2.CC_STAT_AREA].max(initial=0) / moved.size
    return bool(largest > MAX_MOTION_SHARE)


def _plate_of_moving(frames: Sequence[Picture]) -> tuple[Picture, tuple[Picture, ...]]:
    """The background of a scene that moves, and smaller frames of it, cleaned of what passed."""
    learned = learn_background(frames, align=False)
    height, width = frames[0].shape[:2]
    small = fit_size(frames[0].shape, CANDIDATE_SIDE)
    candidates = tuple(shrink_by_halves(each, *small) for each in learned.candidates)
    return resize(learned.plate, height, width), candidates


def _false_share(
    candidates: Sequence[Picture],
    frames: Sequence[Picture],
    see: RunNetwork,
    size: tuple[int, int],
) -> float:
    """Share of some of the frames in which the network finds foreground.

    Args:
        candidates: The background; or of one that moves, its plate and the kept frames. A frame is
            compared with others than itself and its neighbours.
        frames: As they were captured.
        see: Runs the network on two pictures of a size.
        size: Height and width at which the network is run.
    """
    known = [shrink_by_halves(candidate, *size) for candidate in candidates]
    kept = spread_evenly(frames, MAX_FRAMES) if len(known) > 1 else frames
    shares = []
    for place in np.linspace(0, len(kept) - 1, min(CHECKED_FRAMES, len(kept))).astype(int):
        frame = shrink_by_halves(kept[place], *size)
        others = [x for index, x in enumerate(known) if index == 0 or not 0 <= index - place <= 2]
        others = others if len(known) > 1 else known
        mask = see(assemble(others, closest(others, frame)), frame, MASK)["mask"]
        shares.append((mask > 0.5).mean())
    return float(np.mean(shares))


def _median(frames: Sequence[Picture]) -> Picture:
    return np.median(np.stack(frames), axis=0).astype(np.uint8)


def agreement(first: Map, second: Map, mask: Map | None) -> float | None:
    """Correlation of two pictures' fine structure where no foreground is known, in [-1, 1].

    None where too little of the background is visible, or it has no structure.
    """
    counts = unmasked(mask, second.shape)
    if counts.mean() < MIN_BACKGROUND_SHARE:
        return None
    # sums as products of vectors: choosing the pixels one by one would take longer than all else
    first, second = ((fine * counts).ravel() for fine in (first, second))
    energy = float(np.sqrt(np.dot(first, first) * np.dot(second, second)))
    return float(np.dot(first, second)) / energy if energy > counts.sum() else None


def _check_light(frames: Sequence[Picture]) -> None:
    """Raises CaptureError if exposure or white balance drift from frame to frame."""
    means = np.array([frame[::4, ::4].mean(axis=(0, 1)) for frame in frames])
    stops = np.log2((means + 1) / (np.median(means, axis=0) + 1))
    if np.ptp(stops, axis=0).max() > 2 * MAX_CAPTURE_DRIFT_STOPS:
        raise CaptureError(_TEXT["light_changes"])


def unmasked(mask: Map | None, size: tuple[int, ...]) -> Mask:
    """Where the background is visible, in a size: (h, w)."""
    if mask is None:
        return np.ones(size, dtype=bool)
    # widened: shadows and soft edges are not background
    small = cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    wide = cv2.dilate(small, np.ones((5, 5), np.uint8))
    return np.asarray(wide) < 0.2
