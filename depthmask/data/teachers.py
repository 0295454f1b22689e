"""Teachers: networks that label the depth of backgrounds before training.

A teacher is an ONNX file with one picture in and one map out. Several make an ensemble.
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

_INSTALL = (
    "Teachers need ONNX Runtime: pip install 'depthmask[teachers]', in a checkout "
    "pip install -e '.[teachers]'."
)
_MIN_METRES = 0.1  # less is a hole: no answer, often exactly 0
_MAX_METRES = 1e3  # more counts as this, such as an infinite sky
_HOLE_BLUR = 0.04  # sigma of the zone around a hole that is wrong, as a share of the longer side
_HOLE_SHARE = 0.02  # share of holes in a pixel's neighbourhood at which its weight is 1 / e
_VIEW_SHARE = 0.85  # of either side of a picture that a corner's view shows
_MAX_SIDE = 4096  # pixels; of what a network takes
_MULTIPLE = 32  # pixels; a network that takes any size gets sides that are multiples
_SPEC = re.compile(r"(?P<path>.+):(?P<unit>inverse|metres)(:(?P<weight>\d*\.?\d+))?")
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")  # in order of preference

Label = Callable[[Picture], Map]  # RGB to inverse depth of any scale and shift


@dataclass(frozen=True)
class TeacherSpec:
    """One member of an ensemble, written FILE:UNIT[:WEIGHT] on the command line."""

    path: Path
    unit: str  # "inverse": inverse depth of any scale and shift; "metres": depth
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "TeacherSpec":
        """Reads `FILE:UNIT[:WEIGHT]`.

        Raises:
            TeacherError: The text has another form.
        """
        found = _SPEC.fullmatch(text)
        weight = float(found["weight"] or 1) if found else 0.0
        if found is None or not 0 < weight < math.inf:
            raise TeacherError(
                f"{text!r} is no teacher. Write FILE:inverse or FILE:metres, followed by :WEIGHT "
                "above 0 where that is not 1."
            )
        return cls(Path(found["path"]), found["unit"], weight)


class Teacher:
    """One ONNX network that labels pictures.

    Args:
        spec: The file and its unit.
        short_side: Of the pictures that a network gets which takes any size, in pixels.
        threads: For one picture; 1 if several threads label pictures at the same time.

    Raises:
        TeacherError: ONNX Runtime or the file is missing, or the file is no network.
    """

    def __init__(self, spec: TeacherSpec, *, short_side: int = 256, threads: int = 2) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise TeacherError(_INSTALL) from error
        if not spec.path.is_file():
            raise TeacherError(f"There is no teacher at {spec.path}; check the path.")
        self.spec = spec
        self._short_side = short_side
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # no warnings about weights that exporters left unused
        available = onnxruntime.get_available_providers()
        providers = [provider for provider in _PROVIDERS if provider in available]
        self.can_use_gpu = _PROVIDERS[0] in providers
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(spec.path), options, providers=providers
            )
        except Exception as error:  # onnxruntime has an exception type for each cause
            raise TeacherError(
                f"{spec.path} is not an ONNX network that can be run; choose another file."
            ) from error
        self._check_input()

    def label(self, picture: Picture) -> Map:
        """Labels one picture: uint8 RGB (H, W, 3) to inverse depth (H, W), any scale and shift."""
        return np.asarray(self.label_batch(picture[None])[0], dtype=np.float32)

    def label_batch(self, pictures: Picture) -> Map:
        """Labels pictures of one size: uint8 RGB (B, H, W, 3) to inverse depth (B, H, W).

        Raises:
            TeacherError: The network does not take pictures, or gives labels that are not finite.
        """
        height, width = pictures.shape[1:3]
        entry = self._session.get_inputs()[0]
        size = self._input_size(entry.shape, height, width)
        resized = np.stack([resize(picture, *size) for picture in pictures])
        tensor = resized.astype(np.float32).transpose(0, 3, 1, 2) / 255
        # Many networks take one picture at a time. On a CPU that is fastest anyway.
        takes_batch = self.can_use_gpu and not isinstance(entry.shape[0], int)
        parts = [tensor] if takes_batch else np.split(tensor, len(tensor))
        try:
            maps = np.concatenate([self._session.run(None, {entry.name: p})[0] for p in parts])
        except Exception as error:  # onnxruntime has an exception type for each cause
            raise TeacherError(
                f"{self.spec.path} cannot label a picture of {size[1]}x{size[0]} pixels. A teacher "
                "takes (1, 3, H, W), RGB in [0, 1], of one size or of multiples of 32."
            ) from error
        found = maps[:, 0] if maps.ndim == 4 else maps
        if found.shape[:1] != pictures.shape[:1] or found.ndim != 3:
            raise TeacherError(
                f"{self.spec.path} gives no map for each picture; choose another teacher."
            )
        inverse = map(inverse_from_metres, found) if self.spec.unit == "metres" else found
        labels = np.stack([cv2.resize(one, (width, height)) for one in inverse])
        if not np.isfinite(labels).all():
            raise TeacherError(
                f"{self.spec.path} gives labels that are not finite; choose another teacher."
            )
        return np.asarray(labels, dtype=np.float32)

    def _check_input(self) -> None:
        """Raises TeacherError unless the network takes one batch of pictures of possible sides."""
        shapes = [entry.shape for entry in self._session.get_inputs()]
        sides = [side for shape in shapes for side in shape[2:] if isinstance(side, int)]
        if [len(shape) for shape in shapes] != [4] or not all(1 <= n <= _MAX_SIDE for n in sides):
            raise TeacherError(
                f"{self.spec.path} is no teacher: a teacher takes (1, 3, H, W), with sides of at "
                f"most {_MAX_SIDE} pixels. Choose another."
            )

    def _input_size(self, shape: Sequence[Any], height: int, width: int) -> tuple[int, int]:
        """Height and width that the network takes: its own, or multiples of 32 near the aspect."""
        if isinstance(shape[2], int) and isinstance(shape[3], int):
            return shape[2], shape[3]
        scale = self._short_side / min(height, width) / _MULTIPLE
        rows, columns = (max(1, round(side * scale)) for side in (height, width))
        return rows * _MULTIPLE, columns * _MULTIPLE


class Ensemble:
    """A weighted sum of teachers, each standardised first.

    Args:
        specs: The teachers.
        views: Whether each labels several views of a picture, see `label_views`.

    Raises:
        TeacherError: There is none, or one cannot be used.
    """

    def __init__(self, specs: Sequence[TeacherSpec], *, views: bool = False) -> None:
        if not specs:
            raise TeacherError("Name at least one teacher with --teacher FILE:inverse|metres.")
        self._teachers = [Teacher(spec) for spec in specs]
        self._views = views
        names = [f"{s.path.stem}-{fingerprint(s.path)[:8]}:{s.unit}:{s.weight:g}" for s in specs]
        self.key = "+".join([*names, "views"] if views else names)  # tells labels apart in a cache

    def label(self, picture: Picture, *, views: bool = True) -> Map:
        """Labels one picture: uint8 RGB (H, W, 3) to relative inverse depth (H, W).

        With `views` false it labels one view, whatever the ensemble does otherwise. The result is r
        of the depth convention over the whole picture: its 2nd percentile is 0, its 98th is 1.
        """
        total = np.zeros(picture.shape[:2], dtype=np.float32)
        for teacher in self._teachers:
            label = teacher.label
            found = label_views(label, picture) if self._views and views else label(picture)
            total += teacher.spec.weight * _standardised(found)
        return whole_range(total)


def whole_range(inverse: Map) -> Map:
    """Brings inverse depth, (H, W), to the unit of its range: 2nd percentile 0, 98th 1."""
    low, high = np.percentile(inverse, (2, 98))
    return np.asarray((inverse - low) / max(high - low, 1e-6), dtype=np.float32)


def label_views(label: Label, picture: Picture) -> Map:
    """Labels a picture as the mean over ten views (test-time augmentation).

    The views are the picture and its four corners, each also mirrored. The label of a corner gets
    the scale and shift of the whole picture's label. Its weight falls to 0 towards the middle, so
    that it leaves no edge.
    """
    whole = _label_with_mirror(label, picture)
    total, weights = whole.copy(), np.ones_like(whole)
    for part, weight in _corners(*whole.shape):
        found = _label_with_mirror(label, np.ascontiguousarray(picture[part]))
        total[part] += weight * align_inverse_depth(found, whole[part])
        weights[part] += weight
    return np.asarray(total / weights, dtype=np.float32)


def inverse_from_metres(metres: Map) -> Map:
    """Turns depth in metres, (H, W), into inverse depth, 1 / m. Holes are filled from around."""
    holes = ~(metres >= _MIN_METRES)  # so that NaN is a hole
    metres = np.where(holes, 0, np.minimum(metres, _MAX_METRES)).astype(np.float32)
    if holes.any() and not holes.all():
        metres = _filled(metres, holes)
    return np.asarray(1 / np.maximum(metres, _MIN_METRES), dtype=np.float32)


def _filled(metres: Map, holes: Mask) -> Map:
    """Replaces holes, and pixels near them, by the mean of the neighbourhood."""
    sigma = max(metres.shape) * _HOLE_BLUR
    hole_share = cv2.GaussianBlur(holes.astype(np.float32), (0, 0), sigma)
    weight = np.where(holes, 0, np.exp(-hole_share / _HOLE_SHARE)).astype(np.float32)
    total = cv2.GaussianBlur(metres * weight, (0, 0), 2 * sigma)
    weights = np.maximum(cv2.GaussianBlur(weight, (0, 0), 2 * sigma), 1e-6)
    return np.asarray(weight * metres + (1 - weight) * (total / weights), dtype=np.float32)


def _standardised(inverse: Map) -> Map:
    """Subtracts the median, then divides by the mean absolute deviation."""
    centred = inverse - np.median(inverse)
    return np.asarray(centred / max(float(np.abs(centred).mean()), 1e-6), dtype=np.float32)


def _label_with_mirror(label: Label, picture: Picture) -> Map:
    mirrored = label(np.ascontiguousarray(picture[:, ::-1]))
    return np.asarray((label(picture) + mirrored[:, ::-1]) / 2, dtype=np.float32)


def _corners(height: int, width: int) -> Iterator[tuple[tuple[slice, slice], Map]]:
    """Yields each corner and its pixels' weights: 1 in the picture's corner, 0 at the far sides."""
    tall, wide = max(1, round(height * _VIEW_SHARE)), max(1, round(width * _VIEW_SHARE))
    down = np.linspace(1, 0, tall, dtype=np.float32)
    along = np.linspace(1, 0, wide, dtype=np.float32)
    for rows, vertical in ((slice(tall), down), (slice(height - tall, height), down[::-1])):
        for columns, level in ((slice(wide), along), (slice(width - wide, width), along[::-1])):
            yield (rows, columns), np.outer(vertical, level)
