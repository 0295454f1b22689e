"""What a backend is, and what the graphs that some of them run say about themselves."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np

from depthmask.errors import BackendError
from depthmask.pictures import Map, Picture
from depthmask.schema import Among, Count, SchemaError, Within, from_json

STRIDE = 32  # the network halves five times; sizes divisible by 32 halve without a remainder
INPUTS = ("background", "image")  # of a graph: (B, h, w, 3), uint8
OUTPUTS = ("mask", "depth")  # of a graph: (B, h, w), float32 in [0, 1]
VOTES = "votes"  # of a graph: prefix of the names of nodes that work on the votes of all tasks
INFO_KEY = "depthmask"  # of a graph's metadata; holds a GraphInfo as JSON


class Backend(Protocol):
    """Runs the network on one pair; an object serves any number of threads, one at a time."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def precision(self) -> str:
        """What it computes in: fp32, bf16, fp16 or int8."""

    @property
    def device(self) -> str:
        """Where it computes, by torch's names: "cpu", "cuda", "mps"."""

    @property
    def resolution(self) -> int:
        """Square root of the number of pixels the weights are meant to see."""

    def run(self, background: Picture, image: Picture) -> dict[str, Map]:
        """Predicts both maps.

        Args:
            background: (h, w, 3), uint8, RGB; h and w are multiples of 32.
            image: The same.

        Returns:
            "mask" and "depth", each (h, w), float32 in [0, 1].

        Raises:
            ValueError: The pictures are not of one such size.
            BackendError: The network gives no finite numbers, or its graph is damaged.
        """


@dataclass(frozen=True)
class GraphInfo:
    """What a graph says about itself."""

    # square root of the number of pixels the weights are meant to see
    resolution: Annotated[int, Within(1, 4096)]
    checkpoint: str  # SHA-256 of the checkpoint it was made from, hexadecimal
    samples: Count  # composites that the checkpoint has seen
    metrics: dict[str, float]  # on validation composites, as the checkpoint has them
    # of the arithmetic: fp32 (a backend may take less), or int8
    precision: Annotated[str, Among("fp32", "int8")] = "fp32"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_metadata(cls, path: Path, metadata: Mapping[str, str]) -> "GraphInfo":
        try:
            return from_json(metadata[INFO_KEY], cls)
        except (KeyError, SchemaError) as error:
            raise BackendError(
                f"{path} is not a graph of depthmask; write one with `python -m depthmask export`."
            ) from error


class BatchBackend(Backend, Protocol):
    """A backend that can run several pairs at once."""

    def run_batch(
        self, backgrounds: Picture, images: Picture, *, tasks: Sequence[str] = OUTPUTS
    ) -> dict[str, Map]:
        """Predicts the maps of several pairs of one size.

        Args:
            backgrounds: (B, h, w, 3), uint8, RGB; h and w are multiples of 32.
            images: The same.
            tasks: Which maps are needed. With fewer, OpenVINO leaves a decoder out; the other
                backends predict both maps all the same.

        Returns:
            At least the maps that are needed, each (B, h, w), float32 in [0, 1].

        Raises:
            ValueError: The pictures are not of one such size.
        """


class LockedBackend(ABC):
    """What all backends share: they check the pictures and run one batch at a time.

    A backend adds its attributes (see `Backend`) and `_run_batch`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def run(self, background: Picture, image: Picture) -> dict[str, Map]:
        """See `Backend.run`."""
        check_pair(background, image)
        maps = self.run_batch(background[None], image[None])
        return {task: values[0] for task, values in maps.items()}

    def run_batch(
        self, backgrounds: Picture, images: Picture, *, tasks: Sequence[str] = OUTPUTS
    ) -> dict[str, Map]:
        """See `BatchBackend.run_batch`."""
        check_batch(backgrounds, images)
        with self._lock:
            if set(tasks) == set(OUTPUTS):
                maps = self._run_batch(backgrounds, images)
            else:
                maps = self._run_tasks(backgrounds, images, tasks)
        check_maps(maps, images)
        return maps

    def _run_tasks(
        self, backgrounds: Picture, images: Picture, tasks: Sequence[str]
    ) -> dict[str, Map]:
        """As `_run_batch`; a backend that can leave a decoder out does so."""
        return self._run_batch(backgrounds, images)

    @abstractmethod
    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        """Predicts the maps of checked pictures; the maps are the caller's to keep."""


def check_pair(background: Picture, image: Picture) -> None:
    """Raises ValueError unless two pictures are (h, w, 3) uint8, sides multiples of 32."""
    if image.ndim != 3:
        raise ValueError(f"two RGB pictures, not arrays of shape {image.shape}")
    check_batch(background[None], image[None])


def check_batch(backgrounds: Picture, images: Picture) -> None:
    """Raises ValueError unless both are (B, h, w, 3) uint8, sides multiples of 32."""
    height, width = images.shape[1:3]
    if backgrounds.shape != images.shape or images.shape[3:] != (3,):
        raise ValueError(f"RGB pictures of one size, not {backgrounds.shape}, {images.shape}")
    if height % STRIDE or width % STRIDE or not images.size:
        raise ValueError(f"sides must be multiples of {STRIDE}, not {height} and {width}")
    if backgrounds.dtype != np.uint8 or images.dtype != np.uint8:
        raise ValueError(f"pictures must be uint8, not {backgrounds.dtype} and {images.dtype}")


def check_maps(maps: Mapping[str, Map], images: Picture) -> None:
    """Raises BackendError unless the maps of (B, h, w, 3) pictures are (B, h, w) and finite."""
    if any(values.shape != images.shape[:3] for values in maps.values()):
        raise BackendError(
            "The network gave maps of another size: its graph is damaged; write it anew with "
            "`python -m depthmask export`."
        )
    if not all(np.isfinite(values).all() for values in maps.values()):
        raise BackendError(
            "The network gave no finite numbers: its weights are damaged; use another checkpoint, "
            "or install depthmask again."
        )
