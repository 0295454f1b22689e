"""What the image tab does with the files it is given: no Gradio here, and no HTML.

Nothing heavy is imported before the first pair comes, so that the page is up soon.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from depthmask.app.loading import Predicts
from depthmask.app.prediction_cache import Seen, Shelf
from depthmask.depth import align_inverse_depth
from depthmask.errors import PictureError
from depthmask.evaluation.array_metrics import THRESHOLD, mask_iou
from depthmask.pictures import Map, Mask, check_size, read_mask, read_photo, read_true_depth

if TYPE_CHECKING:
    from depthmask.inference.pair_quality import PairQuality

T = TypeVar("T")
Truth = TypeVar("Truth", Mask, Map)

# The names of the drop zones, in their order on the page, as a sentence names them.
ZONES = {
    "background": "background",
    "image": "image",
    "true_mask": "true mask",
    "true_depth": "true depth",
}

START = "Drop a photo of the empty scene, and one from the same spot with something in it."
NEEDS_IMAGE = "Now drop the image, taken from the same spot."
NEEDS_BACKGROUND = "Now drop the background: the same view, empty."
NOTHING_NEW = "Nothing new in this picture: the mask is empty."
GONE = "it was deleted here, an hour after its last use; drop it again."

MAX_BYTES = 25_000_000  # of a file that is dropped
EMPTY_SHARE = 0.001  # of the picture; below it a mask is called empty
DOUBTFUL = 0.2  # quality of a pair, in [0, 1]; up to here it is hardly what the visitor meant


@dataclass(frozen=True)
class DroppedFiles:
    """Paths of what lies in the drop zones."""

    background: str | None = None
    image: str | None = None
    true_mask: str | None = None
    true_depth: str | None = None


@dataclass(frozen=True)
class Convention:
    """How the true depth is to be read."""

    near_is_bright: bool = False  # instead of far
    align: bool = False  # fit the prediction to it by a scale and a shift first


@dataclass(frozen=True, eq=False)
class Analysis:
    """What there is to show. `seen` is None unless both pictures were there and readable."""

    message: str  # one or more sentences for the user
    failed: bool = False  # the message tells of something that went wrong
    unreadable: frozenset[str] = field(default_factory=frozenset)  # keys of ZONES
    seen: Seen | None = None
    true_mask: Mask | None = None  # (H, W); None unless of the image's size
    depth_error: Map | None = None  # (H, W), above 0: predicted too far; None without a truth
    iou: float | None = None  # in [0, 1]; None without a true mask
    rmse: float | None = None  # of the depth error; None without a true depth

    @property
    def doubtful(self) -> bool:
        """Whether the pair is hardly what the visitor meant."""
        return self._quality is not None and self._quality.score <= DOUBTFUL

    @property
    def verdict(self) -> str:
        """The verdict on the pair, see quality.py; "" where there is none."""
        return self._quality.verdict if self._quality else ""

    @property
    def _quality(self) -> "PairQuality | None":
        pair = self.seen.prediction.pair if self.seen else None
        return pair.quality if pair else None


def analyse(
    predictor: Predicts, shelf: Shelf, files: DroppedFiles, convention: Convention | None = None
) -> Analysis:
    """Reads the files, predicts, and compares with the truth where there is one.

    Never raises for what a user did: what cannot be read or compared ends up in the message.
    """
    desk = _Desk()
    pair = (files.background, files.image)
    seen = shelf.get_or_make(pair, lambda: _look(predictor, desk, files))
    true_mask = desk.read("true_mask", files.true_mask, read_mask)
    true_depth = desk.read("true_depth", files.true_depth, read_true_depth)
    if seen is None:
        return desk.nothing(missing(files.background is not None, files.image is not None))
    mask, depth = seen.prediction.mask, seen.prediction.depth
    true_mask = desk.check("true_mask", true_mask, mask)
    true_depth = desk.check("true_depth", true_depth, mask)
    iou = error = None
    if true_mask is not None:
        iou = mask_iou(mask, true_mask)
    if true_depth is not None:
        error = depth_error(depth, true_depth, convention or Convention())
    return Analysis(
        message=" ".join((*desk.complaints, *verdict(seen))),
        failed=bool(desk.complaints),
        unreadable=frozenset(desk.unreadable),
        seen=seen,
        true_mask=true_mask,
        depth_error=error,
        iou=iou,
        rmse=None if error is None else float(np.sqrt(np.mean(np.square(error)))),
    )


def missing(has_background: bool, has_image: bool) -> str:
    """Says which picture to drop next; empty when both are there."""
    if has_background and has_image:
        return ""
    if has_background:
        return NEEDS_IMAGE
    return NEEDS_BACKGROUND if has_image else START


def verdict(seen: Seen) -> tuple[str, ...]:
    """Says how the pair fits, and what was found, in sentences."""
    mask, pair = seen.prediction.mask, seen.prediction.pair
    share = float((mask > THRESHOLD).mean())
    covered = f"{share:.0%}" if share >= 0.01 else "less than 1%"
    found = NOTHING_NEW if share < EMPTY_SHARE else f"What is new covers {covered} of the picture."
    fits = (pair.quality.sentence,) if pair else ()
    cropped = "The photos differ in size, so the background was fitted to the image."
    fitted = (cropped,) if seen.background_size != mask.shape else ()
    return (*fits, found, *fitted, *seen.notes)


def depth_error(pred: Map, true: Map, convention: Convention) -> Map:
    """Compares depth with a truth of some convention.

    Args:
        pred: (H, W), in (0, 1], by depthmask.depth.CONVENTION.
        true: (H, W), in [0, 1].
        convention: Aligned, a truth whose near is bright is taken for inverse depth, as most
            such maps are, and one whose far is bright for depth.

    Returns:
        (H, W), in units of the truth, above 0 where the prediction is too far.
    """
    if not convention.align:
        return pred - (1 - true if convention.near_is_bright else true)
    values = 1 / np.maximum(pred, np.float32(1e-6)) if convention.near_is_bright else pred
    # the fit asks for numbers that are linear in each other, whatever they mean
    error = align_inverse_depth(values, true).astype(np.float32) - true
    return -error if convention.near_is_bright else error


def _look(predictor: Predicts, desk: "_Desk", files: DroppedFiles) -> Seen | None:
    """Reads and predicts a pair; None where that was not possible."""
    background = desk.read("background", files.background, read_photo)
    image = desk.read("image", files.image, read_photo)
    if background is None or image is None:
        return None
    try:
        prediction = predictor.predict(background.picture, image.picture)
    except (RuntimeError, ValueError, MemoryError, cv2.error) as error:
        logging.getLogger(__name__).exception("prediction failed")
        desk.complaints.append(f"The network failed on this pair: {_first_line(error)}")
        return None
    notes = tuple(
        f"{ZONES[zone].capitalize()}: {note}"
        for zone, photo in (("background", background), ("image", image))
        for note in photo.notes
    )
    height, width = background.picture.shape[:2]
    return Seen(image.picture, prediction, (height, width), notes)


@dataclass
class _Desk:
    """Collects what went wrong while files are read."""

    complaints: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)

    def read(self, zone: str, path: str | None, reader: Callable[..., T]) -> T | None:
        if path is None:
            return None
        try:
            return reader(Path(path), max_bytes=MAX_BYTES)
        except PictureError as error:
            self.unreadable.add(zone)
            # the user knows the file by its name, not by where the upload was put
            reason = str(error).replace(path, Path(path).name) if Path(path).exists() else GONE
            self.complaints.append(f"The {ZONES[zone]} cannot be used: {reason}")
            return None

    def check(self, zone: str, true: Truth | None, pred: Map) -> Truth | None:
        """Returns the truth if it is of the size of the prediction."""
        if true is None:
            return None
        try:
            check_size(true, pred, f"The {ZONES[zone]}")
        except PictureError as error:
            self.complaints.append(str(error))
            return None
        return true

    def nothing(self, hint: str) -> Analysis:
        return Analysis(
            message=" ".join(self.complaints) or hint,
            failed=bool(self.complaints),
            unreadable=frozenset(self.unreadable),
        )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
