"""Teachers: networks that label the depth of a background, once, before training.

A teacher is an ONNX file with one picture in and one map out. Several together make an ensemble.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from depthmask.depth import align_inverse_depth
from depthmask.errors import TeacherError
from depthmask.files import fingerprint
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import resize

_NEAREST = 0.1  # metres; what a network puts nearer than this is no answer, often exactly 0
_FARTHEST = 1e3  # metres; an infinite sky is as far
_REACH = 0.04  # share of a map's longer side as far as such a hole spoils what is around it
_SPOILT = 0.02  # share of holes thereabouts at which a pixel counts for 1 / e
_SPEC = re.compile(r"(?P<path>.+):(?P<unit>inverse|metres)(:(?P<weight>\d*\.?\d+))?")
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # the first that can be used

Label = Callable[[Picture], Map]  # inverse depth of any scale and shift
Part = tuple[slice, slice]
_SHARE = 0.85  # of either side of a picture that a corner's view shows


@dataclass(frozen=True)
class TeacherSpec:
    """One member of an ensemble, written FILE:UNIT[:WEIGHT] on the command line."""

    path: Path
    unit: str  # "inverse": inverse depth of any scale and shift; "metres": depth
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "TeacherSpec":
        """Reads `FILE:UNIT[:WEIGHT]`; raises TeacherError for anything else."""
        found = _SPEC.fullmatch(text)
        weight = float(found["weight"] or 1) if found else 0.0
        if found is None or not 0 < weight < math.inf:
            raise TeacherError(
                f"Write a teacher as FILE:inverse or FILE:metres, and :WEIGHT above 0 where it is "
                f"not 1, not {text!r}."
            )
        return cls(Path(found["path"]), found["unit"], weight)


class Teacher:
    """One ONNX network; `label` gives inverse depth of any scale and shift.

    Args:
        spec: The file, and what it tells.
        short_side: Of what a network sees that takes any size, in pixels.
        threads: For one picture; 1, if several threads label pictures side by side.

    Raises:
        TeacherError: ONNX Runtime or the file is missing, or the file is no network.
    """

    def __init__(self, spec: TeacherSpec, *, short_side: int = 256, threads: int = 2) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise TeacherError(
                "Teachers need ONNX Runtime: pip install -e '.[teachers]'."
            ) from error
        if not spec.path.is_file():
            raise TeacherError(f"There is no teacher at {spec.path}; check the path.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.spec = spec
        self.short_side = short_side
        options.log_severity_level = 3  # exporters leave unused weights behind; not our concern
        known = onnxruntime.get_available_providers()  # onnxruntime-gpu knows more
        providers = [provider for provider in _PROVIDERS if provider in known]
        self.can_use_gpu = _PROVIDERS[0] in providers
        try:
            self.session: Any = onnxruntime.InferenceSession(
                str(spec.path), options, providers=providers
            )
        except Exception as error:  # onnxruntime has an exception type for each cause
            raise TeacherError(f"{spec.path} is not an ONNX network that can be run.") from error

    def label(self, picture: Picture) -> Map:
        """Labels one picture: uint8 RGB (H, W, 3) to inverse depth (H, W)."""
        return np.asarray(self.label_batch(picture[None])[0], dtype=np.float32)

    def label_batch(self, pictures: Picture) -> Map:
        """Labels pictures of one size: uint8 RGB (B, H, W, 3) to inverse depth (B, H, W)."""
        height, width = pictures.shape[1:3]
        entry = self.session.get_inputs()[0]
        size = self._input_size(entry.shape, height, width)
        resized = np.stack([resize(picture, *size) for picture in pictures])
        tensor = resized.astype(np.float32).transpose(0, 3, 1, 2) / 255
        # Many exported networks take one picture at a time; on a CPU, that is the fastest anyway.
        together = self.can_use_gpu and not isinstance(entry.shape[0], int)
        parts = [tensor] if together else np.split(tensor, len(tensor))
        try:
            maps = np.concatenate([self.session.run(None, {entry.name: p})[0] for p in parts])
        except Exception as error:  # onnxruntime has an exception type for each cause
            raise TeacherError(
                f"{self.spec.path} cannot label a picture of {size[1]}x{size[0]} pixels: it is to "
                "take (1, 3, H, W), RGB in [0, 1], of a size of its own or of multiples of 32."
            ) from error
        found = maps[:, 0] if maps.ndim == 4 else maps
        inverse = map(inverse_from_metres, found) if self.spec.unit == "metres" else found
        labels = np.stack([cv2.resize(one, (width, height)) for one in inverse])
        if not np.isfinite(labels).all():
            raise TeacherError(f"{self.spec.path} gives labels that are no numbers; take another.")
        return np.asarray(labels, dtype=np.float32)

    def _input_size(self, shape: Sequence[Any], height: int, width: int) -> tuple[int, int]:
        """Height and width that the network takes: its own, or multiples of 32 near the aspect."""
        if isinstance(shape[2], int) and isinstance(shape[3], int):
            return shape[2], shape[3]
        scale = self.short_side / min(height, width)
        return max(32, round(height * scale / 32) * 32), max(32, round(width * scale / 32) * 32)


class Ensemble:
    """A weighted sum of teachers, each brought to the same centre and spread first.

    Args:
        specs: The teachers.
        views: Whether each labels several views of a picture, see `label_views`.
    """

    def __init__(self, specs: Sequence[TeacherSpec], *, views: bool = False) -> None:
        if not specs:
            raise TeacherError("Name at least one teacher with --teacher FILE:inverse|metres.")
        self.teachers = [Teacher(spec) for spec in specs]
        self.views = views
        names = [f"{s.path.stem}-{fingerprint(s.path)[:8]}:{s.unit}:{s.weight:g}" for s in specs]
        self.key = "+".join([*names, "views"] if views else names)

    def label(self, picture: Picture) -> Map:
        """Labels one picture: uint8 RGB (H, W, 3) to relative inverse depth (H, W).

        The result is r of the depth convention over the whole picture: its 2nd percentile is 0,
        its 98th is 1.
        """
        total = np.zeros(picture.shape[:2], dtype=np.float32)
        for teacher in self.teachers:
            seen = label_views(teacher.label, picture) if self.views else teacher.label(picture)
            total += teacher.spec.weight * _standardised(seen)
        low, high = np.percentile(total, (2, 98))
        return np.asarray((total - low) / max(high - low, 1e-6), dtype=np.float32)


def label_views(label: Label, picture: Picture) -> Map:
    """Labels the picture and its four corners, each also mirrored: ten calls of `label`.

    A corner is brought to the whole picture's scale and shift, and fades towards the middle, so
    that none ends in an edge.
    """
    whole = _label_with_mirror(label, picture)
    total, weights = whole.copy(), np.ones_like(whole)
    for part, weight in _corners(*whole.shape):
        seen = _label_with_mirror(label, np.ascontiguousarray(picture[part]))
        total[part] += weight * align_inverse_depth(seen, whole[part])
        weights[part] += weight
    return np.asarray(total / weights, dtype=np.float32)


def inverse_from_metres(metres: Map) -> Map:
    """Inverse depth (H, W), 1 / m, of depth (H, W) in metres; holes get what is around them."""
    holes = ~(metres >= _NEAREST)  # NaN is one, too
    metres = np.where(holes, 0, np.minimum(metres, _FARTHEST)).astype(np.float32)
    if holes.any() and not holes.all():
        metres = _filled(metres, holes)
    return np.asarray(1 / np.maximum(metres, _NEAREST), dtype=np.float32)


def _filled(metres: Map, holes: Mask) -> Map:
    """Replaces holes, and what is near one, by the mean of the neighbourhood."""
    reach = max(metres.shape) * _REACH
    spoilt = cv2.GaussianBlur(holes.astype(np.float32), (0, 0), reach)
    trust = np.where(holes, 0, np.exp(-spoilt / _SPOILT)).astype(np.float32)
    around = cv2.GaussianBlur(metres * trust, (0, 0), 2 * reach)
    known = np.maximum(cv2.GaussianBlur(trust, (0, 0), 2 * reach), 1e-6)
    return np.asarray(trust * metres + (1 - trust) * (around / known), dtype=np.float32)


def _standardised(inverse: Map) -> Map:
    """Centres on the median, divides by the mean absolute deviation."""
    centred = inverse - np.median(inverse)
    return np.asarray(centred / max(float(np.abs(centred).mean()), 1e-6), dtype=np.float32)


def _label_with_mirror(label: Label, picture: Picture) -> Map:
    mirrored = label(np.ascontiguousarray(picture[:, ::-1]))
    return np.asarray((label(picture) + mirrored[:, ::-1]) / 2, dtype=np.float32)


def _corners(height: int, width: int) -> Iterator[tuple[Part, Map]]:
    """Each corner, and how much its pixels count: 1 in the picture's corner, 0 at the far sides."""
    tall, wide = max(1, round(height * _SHARE)), max(1, round(width * _SHARE))
    down = np.linspace(1, 0, tall, dtype=np.float32)
    along = np.linspace(1, 0, wide, dtype=np.float32)
    for rows, vertical in ((slice(tall), down), (slice(height - tall, height), down[::-1])):
        for columns, level in ((slice(wide), along), (slice(width - wide, width), along[::-1])):
            yield (rows, columns), np.outer(vertical, level)
