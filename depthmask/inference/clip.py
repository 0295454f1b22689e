"""Predicts the frames of a clip, one after the other: a value goes in and comes out with each.

A frame of a camera that shakes is first moved back to where the background has it. There it is a
step of a live session without its smoothing: the light is matched, the network runs, and the
background follows slow changes. What is found is smoothed by `clip_smoothing`, which knows the
frames that follow, and then moved to where the frame is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from depthmask.backends.base import BatchBackend
from depthmask.inference import live_session as live
from depthmask.inference.clip_scene import ClipScene
from depthmask.inference.drift import Levels, with_drift
from depthmask.inference.light import LightMatch, apply_light
from depthmask.inference.predictor import MIN_DEPTH
from depthmask.inference.refinement import enlarge_mask, refine_depth, steepen
from depthmask.inference.steadying import moved_back
from depthmask.inference.transforms import Transform, warped
from depthmask.inference.unknown_area import keep_joined
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import resize

Arrays = dict[str, npt.NDArray[Any]]
_MAPS = ("mask", "small", "depth", "depth_small", "drift")  # of a session, that go on
_NUMBERS = ("depth_age", "count", "swaps")


@dataclass(frozen=True, eq=False)
class ClipState:
    """What is kept between two frames. Begin with `ClipState.of(scene)`."""

    session: live.Session
    transform: Transform = field(default_factory=lambda: np.eye(3))  # background -> last frame
    lost: int = 0  # frames in which the camera could not be followed
    swapped: int = 0  # frames in which something of the background seems to be gone

    @classmethod
    def of(cls, scene: ClipScene) -> "ClipState":
        return cls(live.Session(scene.empty))

    def to_arrays(self) -> Arrays:
        """What a run needs to go on from here, by name."""
        kept = {name: getattr(self.session, name) for name in _MAPS}
        numbers = [getattr(self.session, name) for name in _NUMBERS]
        arrays: Arrays = {name: values for name, values in kept.items() if values is not None}
        arrays["numbers"] = np.array([*numbers, self.lost, self.swapped])
        return arrays | {"transform": self.transform}

    @classmethod
    def from_arrays(cls, arrays: Arrays, scene: ClipScene, size: tuple[int, int]) -> "ClipState":
        """The opposite; size is the height and width at which the network runs."""
        *numbers, lost, swapped = (int(value) for value in arrays["numbers"])
        kept: dict[str, Any] = dict(zip(_NUMBERS, numbers, strict=True))
        kept |= {name: arrays[name] for name in _MAPS if name in arrays}
        session = replace(live.Session(scene.empty), **kept)
        session = live.drifted(session, size, session.drift)
        return cls(session, arrays["transform"], lost, swapped)


@dataclass(frozen=True, eq=False)
class Seen:
    """What is predicted of a frame, as the network sees it."""

    mask: Map  # (h, w), in [0, 1], where the background has it
    depth: Map | None  # (h, w), in (0, 1]; None: not asked for
    small: Picture  # (h, w, 3): the frame, likewise
    transform: Transform  # background -> frame
    gain: LightMatch  # gives the background the frame's light
    drift: Levels | None  # how the light has drifted


@dataclass(frozen=True, eq=False)
class Finished:
    """What is predicted of a frame, of its own size."""

    mask: Map  # (H, W), in [0, 1]
    depth: Map | None  # (H, W), in (0, 1], by depthmask.depth.CONVENTION
    background: Picture  # (H, W, 3), moved and lit as the frame
    unknown: Mask | None  # (H, W)


def see_frame(
    state: ClipState,
    scene: ClipScene,
    frame: Picture,
    backend: BatchBackend,
    *,
    size: tuple[int, int],
    depth: bool = False,
) -> tuple[ClipState, Seen]:
    """Predicts one frame.

    Args:
        state: As the last frame left it.
        scene: What the frame is compared with.
        frame: (H, W, 3), uint8, RGB, of the scene's size.
        backend: Runs the network.
        size: Height and width at which it runs.
        depth: Predict depth, too.
    """
    steadier = scene.steadier
    transform = None if steadier is None else steadier.find(frame)
    if transform is None:
        transform = state.transform
        state = replace(state, lost=state.lost + (steadier is not None and not steadier.is_plain))
    unknown = None
    if scene.unknown is not None:
        unknown = resize(scene.unknown.astype(np.float32), *size) > 0.5

    def see(background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
        found = run_pair(backend, background, image, tasks)
        if unknown is not None:
            found["mask"] = keep_joined(found["mask"], unknown, image)
        return found

    steady = frame if is_rest(transform) else moved_back(frame, transform)
    session, sight = live.step(
        state.session, steady, see, size=size, depth_every=1 if depth else None, keep=0.0
    )
    swapped = state.swapped + (sight.health == "swapped")
    assert session.small is not None, "a step keeps what the network saw"
    seen = Seen(sight.mask, sight.depth, session.small, transform, sight.gain, session.drift)
    return ClipState(session, transform, state.lost, swapped), seen


def run_pair(
    backend: BatchBackend, background: Picture, image: Picture, tasks: Sequence[str]
) -> dict[str, Map]:
    """Runs the network on one pair, (h, w, 3) each, for the maps that are needed."""
    maps = backend.run_batch(background[None], image[None], tasks=tasks)
    return {task: values[0] for task, values in maps.items()}


def finish_frame(scene: ClipScene, seen: Seen) -> Finished:
    """Brings what was seen to the frame's own size and place; frames may be finished at once."""
    background = scene.empty.picture
    height, width = background.shape[:2]
    mask = steepen(enlarge_mask(seen.mask, height, width))
    depth = None
    if seen.depth is not None:
        depth = np.clip(refine_depth(seen.depth, seen.mask, mask), MIN_DEPTH, 1)
    lit = apply_light(with_drift(background, seen.drift), seen.gain)
    unknown = scene.unknown
    if not is_rest(seen.transform):
        size = height, width
        mask = warped(mask, seen.transform, *size)
        depth = None if depth is None else warped(depth, seen.transform, *size)
        lit = warped(lit, seen.transform, *size)
        if unknown is not None:
            unknown = warped(unknown.astype(np.uint8), seen.transform, *size) > 0
    return Finished(mask, depth, lit, unknown)


def is_rest(transform: Transform) -> bool:
    return bool(np.array_equal(transform, np.eye(3)))
