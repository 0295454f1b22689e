"""A background that is learned from several photos of one scene, parts of which may move.

Leaves, water and screens look different in each photo, so no single one is the empty scene. A few
photos are kept, and what the network compares an image with is taken from the one that is closest
to it, pixel by pixel. What only passed through is cleaned out of them: the look of a place counts
if it comes back in other photos.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.errors import PictureError
from depthmask.inference.bars import find_scene
from depthmask.inference.channels import largest
from depthmask.inference.light import NOT_MATCHED, LightMatch, apply_light
from depthmask.inference.registration import NOT_REGISTERED, Registration, register, warp
from depthmask.inference.unknown_area import frame_background
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import (
    crop_to_aspect,
    fit_size,
    resize,
    resize_by_halves,
    shrink,
    shrink_by_halves,
)

T = TypeVar("T")
Choice = npt.NDArray[np.uint8]  # (h, w): for each pixel, the index of a candidate

MAX_FRAMES = 24  # are kept, evenly spread over what was given
FRAME_SIDE = 1280  # pixels at most, longest side of the frames that are kept
VOTING_SIDE = 320  # pixels at most, longest side of the copies on which places are compared
VOTING_WINDOW = 9  # pixels of a copy, side of the square around a place that is compared
SAME_LEVELS = 10  # by which a place differs, in the mean of its window, between looks of one kind
MAX_SWAY = 3  # pixels of a copy: how far what moves at a place may come from
SWAY_LEVELS = 14  # beyond the range of colours within that distance is another kind
MIN_MOVE_SHARE = 0.03  # of the diagonal: photos of a camera that moved by more are moved back
MAX_NEEDED_RETURNS = 2  # other photos, not neighbours in time, in which a look comes back
PHOTOS_A_RETURN = 4  # with fewer, what moves at a place cannot be told from what passed there
EDGE = 7  # pixels of a copy, side of the square by which what passed is widened
NEAREST_SIDE = 48  # pixels, of the squares on which the photo nearest to an image is found
CLOSE_LEVELS = 4  # by which the plate differs from an image by noise alone
MAX_COPIES = 6  # sizes in which the candidates are kept
CLOSEST_WINDOW = 5  # pixels of what the network sees, side of the square that is compared


@dataclass(frozen=True, eq=False)
class LearnedBackground:
    """The empty scene, as far as several photos tell."""

    plate: Picture  # (H, W, 3), RGB: what each place looks like most often
    frames: tuple[Picture, ...]  # (H, W, 3) each: photos of the scene, cleaned of what passed
    unseen: Mask  # (H, W): places of which no look came back

    _copies: dict[tuple[int, ...], tuple[Picture, ...]] = field(
        default_factory=dict, init=False, repr=False
    )

    @cached_property
    def candidates(self) -> tuple[Picture, ...]:
        """Every picture of the scene that an image may be compared with."""
        return (self.plate, *self.frames)

    def copies(self, height: int, width: int, aspect: tuple[int, ...]) -> tuple[Picture, ...]:
        """The candidates in a size, cut to an aspect (height, width); the last few are kept."""
        key = (height, width, *aspect[:2])
        found = self._copies.get(key)
        if found is None:
            cut = (crop_to_aspect(each, *aspect[:2]) for each in self.candidates)
            found = tuple(resize_by_halves(each, height, width) for each in cut)
            if len(self._copies) >= MAX_COPIES:
                self._copies.clear()
            self._copies[key] = found
        return found

    @cached_property
    def has_bars(self) -> bool:
        """Whether black bars surround the scene."""
        return _has_bars(self.plate)

    @cached_property
    def is_seen(self) -> bool:
        """Whether no place is unseen."""
        return not self.unseen.any()


Background = Picture | LearnedBackground  # one photo, (h, w, 3), uint8, RGB, or what several taught


@dataclass(frozen=True, eq=False)
class FramedBackground:
    """A background in the frame of an image, and perhaps smaller than that."""

    pictures: tuple[Picture, ...]  # (H, W, 3) each, RGB: one photo, or all candidates
    unknown: Mask | None  # (H, W): what none of them shows; None: nothing
    registration: Registration  # of a photo to the image
    learned: LearnedBackground | None = None  # of which these are copies, as they are

    def copies(self, height: int, width: int) -> tuple[Picture, ...]:
        """The pictures in a size."""
        if self.learned is not None:
            return self.learned.copies(height, width, self.pictures[0].shape)
        return tuple(resize_by_halves(each, height, width) for each in self.pictures)


def frame(background: Background, image: Picture, *, align: bool) -> FramedBackground:
    """Lays a background on an image.

    Args:
        background: One photo, or a learned one.
        image: (H, W, 3), uint8, RGB.
        align: Move the background to where the camera stood for the image.

    Returns:
        It is of the image's size. A learned one has `FRAME_SIDE` pixels at most.
    """
    if not isinstance(background, LearnedBackground):
        registration = register(background, image) if align else NOT_REGISTERED
        framed, unknown = frame_background(background, image, registration)
        return FramedBackground((framed,), unknown, registration)
    height, width = fit_size(image.shape, FRAME_SIDE)
    view = shrink(image, height, width)
    nearest = _nearest(background, view)
    registration = register(nearest, view) if align else NOT_REGISTERED
    still = not (registration.accepted or background.has_bars or _has_bars(view))
    if still:  # the same copies do for every image
        pictures = background.copies(height, width, view.shape)
    else:
        pictures = tuple(frame_background(x, view, registration)[0] for x in background.candidates)
    unknown = None
    if not (still and background.is_seen):
        unseen = np.repeat(background.unseen[..., None], 3, axis=2).astype(np.uint8)
        framed, unknown = frame_background(unseen, view, registration)
        unseen_here = framed[..., 0] > 0
        unknown = unseen_here if unknown is None else unknown | unseen_here
        unknown = unknown if unknown.any() else None
    scale = image.shape[1] / view.shape[1]
    registration = replace(registration, shift=registration.shift * scale)
    return FramedBackground(pictures, unknown, registration, background if still else None)


def learn_background(photos: Iterable[Picture], *, align: bool = True) -> LearnedBackground:
    """Learns the empty scene from photos in the order in which they were taken.

    Objects may stand in some of them. A place is taken from the look that most photos share, so
    each place must be free in more photos than it is hidden in one way.

    Args:
        photos: At least two, (h, w, 3), uint8, RGB. The first gives the frame and the aspect.
        align: Move a photo to where the camera stood for the first, if it stood far from there.

    Raises:
        PictureError: There are fewer than two photos.
    """
    return vote(kept_frames(photos, align=align))


def kept_frames(photos: Iterable[Picture], *, align: bool = True) -> list[Picture]:
    """The frames of a scene that are kept of its photos; see `learn_background`.

    Returns:
        (H, W, 3) each, at most `MAX_FRAMES`. Of more photos, few are in memory at a time.
    """
    frames: list[Picture] = []
    step, first = 1, None
    for index, photo in enumerate(photos):
        if index % step:
            continue
        if len(frames) == 2 * MAX_FRAMES:  # as many again are to come: each second one goes
            frames, step = frames[::2], 2 * step
            if index % step:
                continue
        if first is None:
            first = shrink_by_halves(photo, *fit_size(photo.shape, FRAME_SIDE))
            frames.append(first)
        else:
            frames.append(_framed(photo, first, align=align))
    if len(frames) < 2:
        raise PictureError("A background is learned from two photos or more; give another one.")
    return spread_evenly(frames, MAX_FRAMES)


def vote(
    frames: Sequence[Picture], hidden: npt.NDArray[np.bool_] | None = None
) -> LearnedBackground:
    """Learns the empty scene from frames as `kept_frames` returns them.

    Args:
        frames: N of them, (H, W, 3), uint8, RGB.
        hidden: (N, h, w), of `voting_size`: where something stands before the scene. None: that is
            not known.
    """
    copies = [_blurred(resize(frame, *voting_size(frames[0]))) for frame in frames]
    free = np.ones((len(frames), *copies[0].shape[:2]), bool) if hidden is None else ~hidden
    plate, votes = _plate(frames, copies, free)
    kept = _returns(copies) & free
    height, width = plate.shape[:2]
    cleaned = tuple(
        np.where(_enlarged(back, height, width)[..., None], frame, plate)
        for frame, back in zip(frames, kept, strict=True)
    )
    unseen: Mask = np.logical_not(free.any(axis=0))
    if hidden is None:
        unseen = (votes <= _needed(len(frames))) & ~kept.any(axis=0)
    return LearnedBackground(plate, cleaned, _enlarged(unseen, height, width))


def voting_size(frame: Picture) -> tuple[int, int]:
    """Height and width of the copies of a frame on which places are compared."""
    return fit_size(frame.shape, VOTING_SIDE)


def spread_evenly(items: Sequence[T], count: int) -> list[T]:
    """At most so many of a sequence, from the first to the last."""
    chosen = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in chosen]


def closest(
    candidates: Sequence[Picture], image: Picture, light: LightMatch = NOT_MATCHED
) -> Choice:
    """Tells, for each pixel, which candidate differs least from an image in a square around it.

    The first is taken where it differs by less than `CLOSE_LEVELS`, whatever the others do.

    Args:
        candidates: (h, w, 3), uint8, RGB, in the image's frame; at most 255.
        image: (h, w, 3), uint8, RGB, in the size that the network sees.
        light: What gives the candidates the light of the image.
    """
    choice = np.zeros(image.shape[:2], dtype=np.uint8)
    if len(candidates) == 1:
        return choice
    # one picture is changed instead of all candidates
    alike = apply_light(image, replace(light, gain=1 / light.gain))
    least = _distance(candidates[0], alike, CLOSEST_WINDOW)
    least[least < CLOSE_LEVELS] = 0
    left, top, width, height = cv2.boundingRect(least)
    box = np.s_[top : top + height, left : left + width]
    least = least[box]
    for index, candidate in enumerate(candidates[1:] if width else (), 1):
        distance = _distance(candidate[box], alike[box], CLOSEST_WINDOW)
        np.putmask(choice[box], distance < least, np.uint8(index))
        least = np.minimum(least, distance)
    return choice


def assemble(candidates: Sequence[Picture], choice: Choice) -> Picture:
    """Puts one picture together from candidates, (H, W, 3), by a choice of any size, (h, w)."""
    if not choice.any():
        return candidates[0]
    height, width = candidates[0].shape[:2]
    indices = cv2.resize(choice, (width, height), interpolation=cv2.INTER_NEAREST)
    picture = np.zeros_like(candidates[0])
    for index in np.unique(choice):
        cv2.copyTo(candidates[index], (indices == index).view(np.uint8), picture)
    return picture


def _nearest(background: LearnedBackground, image: Picture) -> Picture:
    """The candidate that differs least from an image in most places."""
    size = (NEAREST_SIDE, NEAREST_SIDE)
    tiny = resize(image, *size)
    differences = [
        np.median(cv2.absdiff(copy, tiny)) for copy in background.copies(*size, image.shape)
    ]
    return background.candidates[int(np.argmin(differences))]


def _has_bars(picture: Picture) -> bool:
    return picture[find_scene(picture)].shape != picture.shape


def _framed(photo: Picture, first: Picture, *, align: bool) -> Picture:
    """A photo in the frame of the first, which has at most `FRAME_SIDE` pixels a side.

    A camera that shakes leaves photos beside each other, and the closest of them is chosen for
    each pixel. So they stay as they are: moved on one another, they would fit one position only.
    """
    height, width = first.shape[:2]
    registration = register(photo, first) if align else NOT_REGISTERED
    if registration.accepted and registration.shift > MIN_MOVE_SHARE * math.hypot(height, width):
        return warp(photo, registration, height, width)
    return resize(crop_to_aspect(photo, height, width), height, width)


def _plate(
    frames: Sequence[Picture], copies: Sequence[Picture], free: npt.NDArray[np.bool_]
) -> tuple[Picture, Map]:
    """What each place looks like most often, (H, W, 3), and in how many frames, (h, w).

    For each place, the frame that most others agree with is found. The plate is their mean. Where
    a frame is not free, (N, h, w), it does not vote, unless none is free there.
    """
    count = len(frames)
    alike = np.zeros((count, count, *copies[0].shape[:2]), dtype=bool)
    for a in range(count):
        alike[a, a] = True
        for b in range(a):
            alike[a, b] = _distance(copies[a], copies[b], VOTING_WINDOW) < SAME_LEVELS
            alike[b, a] = alike[a, b]
    alike &= free | ~free.any(axis=0)
    winner = (alike.sum(axis=1) * np.diagonal(alike).transpose(2, 0, 1)).argmax(axis=0)
    voters = np.take_along_axis(alike, winner[None, None], axis=0)[0]  # (count, h, w)
    height, width = frames[0].shape[:2]
    total = np.zeros(frames[0].shape, dtype=np.float32)
    weight = np.zeros((height, width, 1), dtype=np.float32)
    for frame, voter in zip(frames, voters, strict=True):
        share = cv2.resize(voter.astype(np.float32), (width, height))[..., None]
        total += frame * share
        weight += share
    plate = np.asarray(np.rint(total / np.maximum(weight, 1e-6)), dtype=np.uint8)
    return plate, np.asarray(voters.sum(axis=0), dtype=np.float32)


def _returns(copies: Sequence[Picture]) -> npt.NDArray[np.bool_]:
    """Where the look of a copy comes back in others that are not its neighbours in time.

    Returns:
        (N, h, w) of N copies. A look comes back if its colour is within the range that the other
        copy has around the place: leaves that sway come from a few pixels away.
    """
    square = np.ones((2 * MAX_SWAY + 1,) * 2, dtype=np.uint8)
    ranges = [(cv2.erode(copy, square), cv2.dilate(copy, square)) for copy in copies]
    counts = np.zeros((len(copies), *copies[0].shape[:2]), dtype=np.int16)
    for index, copy in enumerate(copies):
        for other, (low, high) in enumerate(ranges):
            if abs(index - other) > 1:
                beyond = np.maximum(cv2.subtract(low, copy), cv2.subtract(copy, high)).max(axis=2)
                counts[index] += cv2.blur(beyond, (3, 3)) < SWAY_LEVELS
    passed = (counts < _needed(len(copies))).astype(np.uint8)
    for index, mask in enumerate(passed):  # specks are noise; an object's soft edge is the object's
        opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        passed[index] = cv2.dilate(opened, np.ones((EDGE, EDGE), np.uint8))
    return passed == 0


def _needed(photos: int) -> int:
    """In how many others of so many photos a look has to come back."""
    return min(MAX_NEEDED_RETURNS, photos // PHOTOS_A_RETURN)


def _distance(first: Picture, second: Picture, window: int) -> npt.NDArray[np.uint8]:
    """Mean over a square of the largest difference among the channels, in levels, (h, w)."""
    change = largest(cv2.absdiff(first, second))
    return np.asarray(cv2.blur(change, (window, window)))


def _blurred(picture: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.0), dtype=np.uint8)


def _enlarged(mask: Mask, height: int, width: int) -> Mask:
    values = mask.astype(np.uint8)
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST) > 0)
