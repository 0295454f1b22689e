"""What the image tab does with the files it is given: no Gradio here, and no HTML."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from depthmask.inference import Prediction
from depthmask.metrics import THRESHOLD, depth_rmse, mask_iou
from depthmask.pictures import PictureError, read_mask, read_picture, read_true_depth

T = TypeVar("T")
Picture = NDArray[np.uint8]  # (H, W, 3), RGB

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

# Below this share of the picture a mask is called empty.
EMPTY_SHARE = 0.001


class Predicts(Protocol):
    """What this page needs of a `Predictor`; tests bring a fake."""

    def predict(self, background: Picture, image: Picture) -> Prediction: ...


@dataclass(frozen=True)
class Files:
    """Paths of what lies in the drop zones."""

    background: str | None = None
    image: str | None = None
    true_mask: str | None = None
    true_depth: str | None = None


@dataclass(frozen=True)
class Analysis:
    """What there is to show. `prediction` is None unless both pictures were there and readable."""

    message: str  # one or more sentences for the user
    failed: bool = False  # the message tells of something that went wrong
    unreadable: frozenset[str] = field(default_factory=frozenset)  # keys of ZONES
    prediction: Prediction | None = None
    iou: float | None = None  # in [0, 1]; None without a true mask
    rmse: float | None = None  # in units of depth; None without a true depth


def analyse(predictor: Predicts, files: Files) -> Analysis:
    """Reads the files, predicts, and compares with the truth where there is one.

    Never raises for what a user did: what cannot be read or compared ends up in the message.
    """
    desk = _Desk()
    background = desk.read("background", files.background, read_picture)
    image = desk.read("image", files.image, read_picture)
    true_mask = desk.read("true_mask", files.true_mask, read_mask)
    true_depth = desk.read("true_depth", files.true_depth, read_true_depth)
    if background is None or image is None:
        return desk.nothing(missing(background is not None, image is not None))
    try:
        prediction = predictor.predict(background, image)
    except (RuntimeError, ValueError, MemoryError) as error:
        logging.getLogger(__name__).exception("prediction failed")
        desk.complaints.append(f"The network failed on this pair: {_first_line(error)}")
        return desk.nothing("")
    iou = desk.compare("true_mask", prediction.mask, true_mask, mask_iou)
    rmse = desk.compare("true_depth", prediction.depth, true_depth, depth_rmse)
    return Analysis(
        message=" ".join((*desk.complaints, verdict(prediction, background.shape[:2]))),
        failed=bool(desk.complaints),
        unreadable=frozenset(desk.unreadable),
        prediction=prediction,
        iou=iou,
        rmse=rmse,
    )


def missing(has_background: bool, has_image: bool) -> str:
    """Says which picture to drop next; empty when both are there."""
    if has_background and has_image:
        return ""
    if has_background:
        return NEEDS_IMAGE
    return NEEDS_BACKGROUND if has_image else START


def verdict(prediction: Prediction, background_size: tuple[int, ...]) -> str:
    """Says in a sentence or two what was found. `background_size` is (H, W), in pixels."""
    share = float((prediction.mask > THRESHOLD).mean())
    covered = f"{share:.0%}" if share >= 0.01 else "less than 1%"
    found = NOTHING_NEW if share < EMPTY_SHARE else f"What is new covers {covered} of the picture."
    if background_size == prediction.mask.shape:
        return found
    return f"{found} The photos differ in size, so the background was fitted to the image."


@dataclass
class _Desk:
    """Collects what went wrong while files are read."""

    complaints: list[str] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)

    def read(self, zone: str, path: str | None, reader: Callable[[Path], T]) -> T | None:
        if path is None:
            return None
        try:
            return reader(Path(path))
        except PictureError as error:
            self.unreadable.add(zone)
            # the user knows the file by its name, not by where the upload was put
            reason = str(error).replace(path, Path(path).name)
            self.complaints.append(f"The {ZONES[zone]} cannot be used: {reason}")
            return None

    def compare(
        self,
        zone: str,
        pred: NDArray[np.float32],
        true: NDArray[np.bool_] | NDArray[np.float32] | None,
        metric: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> float | None:
        if true is None:
            return None
        if true.shape != pred.shape:
            self.complaints.append(
                f"The {ZONES[zone]} is {_size(true.shape)} and the image {_size(pred.shape)}: "
                "they must be of one size to be compared."
            )
            return None
        return float(metric(torch.from_numpy(pred)[None], torch.from_numpy(true)[None]))

    def nothing(self, hint: str) -> Analysis:
        return Analysis(
            message=" ".join(self.complaints) or hint,
            failed=bool(self.complaints),
            unreadable=frozenset(self.unreadable),
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} × {shape[0]}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
