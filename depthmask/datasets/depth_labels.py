"""Where a data set's depth comes from: a teacher for the backgrounds, or for every composite.

    contact                 each object is as far as what it stands on; the shipped network labels
                            the backgrounds
    contact:TEACHER         the same, backgrounds labelled by a teacher
    onnx:FILE[:UNIT]        an ONNX network labels every composite
    hf:MODEL[:UNIT]         a depth model of `transformers` does, from its hub or a folder

UNIT is "inverse" (inverse depth of any scale and shift) or "metres".
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depthmask.data.teachers import Teacher, TeacherSpec
from depthmask.datasets.place import Backdrop, Placed
from depthmask.depth import FLOOR, align_inverse_depth, inverse_from_depth, scene_range
from depthmask.errors import TeacherError
from depthmask.files import fingerprint
from depthmask.network.checkpoint import WEIGHTS

_CONTACT = "contact"
HELP = "contact, contact:TEACHER, onnx:FILE[:metres] or hf:MODEL[:metres]"
_LEAST_RANGE = 1e-6  # of inverse depth: less is no landscape but noise
_NOT_COVERED = 13  # of 255: alpha below which a pixel still shows the background

Pictures = NDArray[np.uint8]  # (B, H, W, 3), RGB
Maps = NDArray[np.float32]  # (B, H, W)


class DepthTeacher(Protocol):
    """Tells inverse depth, of any scale and shift."""

    can_use_gpu: bool

    def inverse(self, pictures: Pictures) -> Maps:
        """Labels pictures."""


@dataclass(frozen=True)
class DepthSource:
    """What tells depth, and for which pictures."""

    key: str  # as the user wrote it, files by name and fingerprint instead of their folders
    teacher: DepthTeacher
    per_composite: bool
    least_range: float = _LEAST_RANGE  # of a background's inverse depth, in the teacher's unit
    text: str = "contact"  # with which `open_depth` makes the same, whatever the current folder

    def plate(self, pixels: NDArray[np.uint8]) -> Backdrop:
        """Labels a background, (S, S, 3)."""
        label = torch.from_numpy(np.ascontiguousarray(self.teacher.inverse(pixels[None])))
        low, span = scene_range(label, floor=self.least_range)
        return Backdrop(torch.from_numpy(pixels), (label[0] - low) / span)

    def ratio(self, placed: Placed, plate: Backdrop) -> Tensor:
        """The depth of composites as r, (B, S, S).

        What a teacher says of a composite is brought to the background's scale by the pixels that
        show the background in both.
        """
        if not self.per_composite:
            return placed.ratio
        truth = plate.ratio.numpy()
        aligned = [
            align_inverse_depth(inverse, truth, (mask < _NOT_COVERED).numpy())
            for inverse, mask in zip(
                self.teacher.inverse(placed.image.numpy()), placed.mask, strict=True
            )
        ]
        return torch.from_numpy(np.stack(aligned)).float()


def open_depth(text: str) -> DepthSource:
    """Loads what the user wrote as `--depth`.

    Raises:
        TeacherError: It is none of the forms, or the teacher is missing or unusable.
    """
    if text == _CONTACT:
        key = f"{text}@{fingerprint(WEIGHTS)[:8]}"
        return DepthSource(key, ShippedTeacher(), per_composite=False, least_range=FLOOR)
    per_composite = not text.startswith(f"{_CONTACT}:")
    before = "" if per_composite else f"{_CONTACT}:"
    kind, _, rest = text.removeprefix(before).partition(":")
    if kind not in _TEACHERS or not rest:
        raise TeacherError(f"Write --depth as {HELP}, not {text!r}.")
    name, unit = rest, ""
    for known in ("inverse", "metres"):
        if rest.endswith(f":{known}"):
            name, unit = rest.removesuffix(f":{known}"), known
    ending = f":{unit}" if unit else ""
    file = Path(name)
    content = f"@{fingerprint(file)[:8]}" if file.is_file() else ""
    whole = file.absolute() if file.exists() else name  # a model of a hub is no file
    return DepthSource(
        key=f"{before}{kind}:{file.name}{content}{ending}",
        teacher=_TEACHERS[kind](name, unit),
        per_composite=per_composite,
        text=f"{before}{kind}:{whole}{ending}",
    )


class ShippedTeacher:
    """The network in weights/, shown a background twice."""

    can_use_gpu = False

    def __init__(self) -> None:
        from depthmask.inference.predictor import Predictor

        # whatever else is installed, the same bytes
        self._predictor = Predictor(device="cpu", backend="torch")

    def inverse(self, pictures: Pictures) -> Maps:
        """Labels pictures, one by one."""
        found = [
            self._predictor.predict(p, p, align=False, light=False, refine=False).depth
            for p in pictures
        ]
        inverse: Maps = inverse_from_depth(torch.from_numpy(np.stack(found))).numpy()
        return inverse


class OnnxTeacher:
    """An ONNX network, see `Teacher`."""

    def __init__(self, name: str, unit: str) -> None:
        # blocks are made side by side, and so are their labels
        self._teacher = Teacher(TeacherSpec(Path(name), unit or "inverse"), threads=1)
        self.can_use_gpu = self._teacher.can_use_gpu

    def inverse(self, pictures: Pictures) -> Maps:
        """Labels pictures; on a GPU all at once, where the network takes a batch."""
        return self._teacher.label_batch(pictures)


def _open_huggingface(name: str, unit: str) -> DepthTeacher:
    from depthmask.data.huggingface import HuggingFaceTeacher

    return HuggingFaceTeacher(name, unit)


_TEACHERS: dict[str, Callable[[str, str], DepthTeacher]] = {
    "onnx": OnnxTeacher,
    "hf": _open_huggingface,
}
