"""Cuts a clip into segments that workers make at the same time, so that no seam shows.

The network runs some frames before a segment, until its state has settled, and some after it, over
which the masks are smoothed. What light has done slowly since the scene began is found by a look
at one frame a segment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from depthmask.clips import read_frames_from
from depthmask.inference.clip import ClipState, see_frame
from depthmask.inference.clip_run import Job, Segment, scene_at
from depthmask.inference.clip_scene import ClipScene
from depthmask.inference.live_session import DRIFT_FRAMES

SEGMENT_FRAMES = 10 * DRIFT_FRAMES
WARM_UP = 3 * DRIFT_FRAMES  # frames: each look at slow light halves what is left


def cut_segments(
    job: Job, times: Sequence[Fraction], done: frozenset[int] = frozenset()
) -> Iterator[Segment]:
    """Cuts a clip, and finds the state before each segment.

    Args:
        job: What is done to the clip.
        times: Of its frames, see `depthmask.clips.frame_times`.
        done: First frames of segments that are left out.
    """
    state: ClipState | None = None
    scene: ClipScene | None = None
    for first in segment_starts(len(times)):
        begin = max(0, first - WARM_UP)
        frame = next(read_frames_from(job.clip, times, begin), None) if begin else None
        if frame is not None:
            before, scene = scene, scene_at(job, frame.time)
            state = ClipState.of(scene) if state is None or scene is not before else state
            due = replace(state.session, count=DRIFT_FRAMES - 1)
            state = replace(state, session=due)
            state, _ = see_frame(state, scene, frame.picture, job.backend, size=job.size)
            session = replace(state.session, count=0, swaps=0)
            state = replace(state, session=session, lost=0, swapped=0)
        if first not in done:
            numbers = range(first, min(first + SEGMENT_FRAMES, len(times)))
            yield Segment(numbers, begin, state.to_arrays() if state and frame else {})


def segment_starts(frames: int) -> range:
    """The first frames of the segments of so many frames."""
    return range(0, frames, SEGMENT_FRAMES)
