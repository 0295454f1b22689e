"""The source of a data set's depth: a teacher that labels the backgrounds, or every composite.

    contact                 the shipped network labels the backgrounds; each object is as far away
                            as the place where it stands
    contact:TEACHER         the same, but a teacher labels the backgrounds
    onnx:FILE[:UNIT]        an ONNX network labels every composite
    hf:MODEL[:UNIT]         a depth model of `transformers`, from its hub or a folder, labels every
                            composite

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

from depthmask.data.measured import measured_label
from depthmask.data.teachers import Teacher, TeacherSpec
from depthmask.datasets.place import Backdrop, Placed
from depthmask.depth import MIN_RANGE, align_inverse_depth, inverse_from_depth, scene_range
from depthmask.errors import TeacherError
from depthmask.files import fingerprint
from depthmask.network.checkpoint import WEIGHTS
from depthmask.pictures import Map

_CONTACT = "contact"
HELP = "contact, contact:TEACHER, onnx:FILE[:metres] or hf:MODEL[:metres]"
_MIN_INVERSE_RANGE = 1e-6  # of a background, in the teacher's unit; a smaller range is noise
_MIN_COVERED_ALPHA = 13  # of 255; a pixel below it shows the background

Pictures = NDArray[np.uint8]  # (B, H, W, 3), RGB
Maps = NDArray[np.float32]  # (B, H, W)


class DepthTeacher(Protocol):
    """Predicts inverse depth of any scale and shift."""

    can_use_gpu: bool

    def inverse(self, pictures: Pictures) -> Maps:
        """Labels pictures, (B, H, W, 3) -> (B, H, W)."""


@dataclass(frozen=True)
class DepthSource:
    """A teacher, and which pictures it labels."""

    key: str  # for the plan: the user's text, with a file's name and fingerprint for its path
    teacher: DepthTeacher
    per_composite: bool
    min_range: float = _MIN_INVERSE_RANGE  # of a background, in the teacher's unit
    text: str = "contact"  # for `open_depth`, with absolute paths

    def backdrop(self, pixels: NDArray[np.uint8], metres: Map | None = None) -> Backdrop:
        """Labels a background, (S, S, 3), from its measured depth, (S, S), where there is one."""
        inverse = self.teacher.inverse(pixels[None])
        if metres is not None:
            inverse = measured_label(metres, inverse[0])[None]
        label = torch.from_numpy(np.ascontiguousarray(inverse))
        low, span = scene_range(label, min_range=self.min_range)
        return Backdrop(torch.from_numpy(pixels), (label[0] - low) / span)

    def ratio(self, placed: Placed, backdrop: Backdrop) -> Tensor:
        """The depth of composites as r, (B, S, S).

        A teacher's label of a composite is fitted to the label of its background, by a scale and a
        shift, where the composite shows the background.
        """
        if not self.per_composite:
            return placed.ratio
        background = backdrop.ratio.numpy()
        aligned = [
            align_inverse_depth(inverse, background, (mask < _MIN_COVERED_ALPHA).numpy())
            for inverse, mask in zip(
                self.teacher.inverse(placed.image.numpy()), placed.mask, strict=True
            )
        ]
        return torch.from_numpy(np.stack(aligned)).float()


def open_depth(text: str) -> DepthSource:
    """Loads the teacher that the option `--depth` names.

    Raises:
        TeacherError: The text has none of the forms, or the teacher is missing or cannot be used.
    """
    if text == _CONTACT:
        key = f"{text}@{fingerprint(WEIGHTS)[:8]}"
        return DepthSource(key, ShippedTeacher(), per_composite=False, min_range=MIN_RANGE)
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
    absolute = file.absolute() if file.exists() else name  # a model of a hub is no file
    return DepthSource(
        key=f"{before}{kind}:{file.name}{content}{ending}",
        teacher=_TEACHERS[kind](name, unit),
        per_composite=per_composite,
        text=f"{before}{kind}:{absolute}{ending}",
    )


class ShippedTeacher:
    """The network in `weights/`, which gets each background as both photos."""

    can_use_gpu = False

    def __init__(self) -> None:
        from depthmask.inference.predictor import Predictor

        # one backend, so that the bytes are the same whatever else is installed
        self._predictor = Predictor(device="cpu", backend="torch")

    def inverse(self, pictures: Pictures) -> Maps:
        """Labels pictures one by one."""
        found = [
            self._predictor.predict(p, p, align=False, light=False, refine=False).depth
            for p in pictures
        ]
        return inverse_from_depth(np.stack(found))


class OnnxTeacher:
    """An ONNX network, see `Teacher`."""

    def __init__(self, name: str, unit: str) -> None:
        # one thread, because blocks and their labels are made in parallel
        self._teacher = Teacher(TeacherSpec(Path(name), unit or "inverse"), threads=1)
        self.can_use_gpu = self._teacher.can_use_gpu

    def inverse(self, pictures: Pictures) -> Maps:
        """Labels pictures. On a GPU it labels them in one batch, if the network takes batches."""
        return self._teacher.label_batch(pictures)


def _open_huggingface(name: str, unit: str) -> DepthTeacher:
    from depthmask.data.huggingface import HuggingFaceTeacher

    return HuggingFaceTeacher(name, unit)


_TEACHERS: dict[str, Callable[[str, str], DepthTeacher]] = {
    "onnx": OnnxTeacher,
    "hf": _open_huggingface,
}
