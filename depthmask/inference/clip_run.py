"""Runs a clip through the network: decoding, finishing and encoding are done beside it."""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from depthmask.backends.base import BatchBackend
from depthmask.clips import Clip, Frame, read_frames, read_frames_from
from depthmask.files import write_whole
from depthmask.inference.clip import Arrays, ClipState, Seen, finish_frame, see_frame
from depthmask.inference.clip_look import Look, draw
from depthmask.inference.clip_output import Output
from depthmask.inference.clip_scene import ClipScene
from depthmask.inference.clip_smoothing import REACH, Smoother
from depthmask.inference.stopwatch import Stopwatch
from depthmask.pictures.write import depth_levels

T = TypeVar("T")

AHEAD = 4  # frames that are decoded, and that wait to be written
PART_FRAMES = 500  # of a part, where a run can go on


@dataclass(frozen=True, eq=False)
class Job:
    """What is done to a clip."""

    clip: Clip
    scenes: Sequence[tuple[Fraction, ClipScene]]  # and from which second on; the first from 0
    backend: BatchBackend
    size: tuple[int, int]  # height and width at which the network runs
    look: Look
    smooth: bool = True  # over time, where the picture does not change


@dataclass(frozen=True, eq=False)
class Segment:
    """Frames of a clip that are made apart from the others."""

    numbers: range  # of the frames
    begin: int  # the frame from which on the network runs, so that its state has settled
    state: Arrays = field(default_factory=dict)  # before that, see `ClipState`; empty: a new one


@dataclass
class Outcome:
    """What a run has done."""

    frames: int = 0  # are written, with those of earlier runs
    whole: bool = False  # whether these are all of the clip
    rate: float = 0.0  # frames a second
    lost: int = 0  # frames in which the camera could not be followed
    swapped: int = 0  # frames in which something of the background seems to be gone
    damaged: list[str] = field(default_factory=list)  # a text for each piece that was passed over
    seconds: dict[str, float] = field(default_factory=dict)  # of the loop, by stage
    retries: int | None = None  # segments that were made again, where a cluster made them


class Parts:
    """What is known of a run that is made in parts, in a folder.

    Args:
        folder: Of the drafts; made if it is missing.
        plan: Tells one run from another. What another has left is forgotten.
    """

    def __init__(self, folder: Path, plan: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._state, told = folder / "state.npz", folder / "plan.json"
        self.is_other = told.is_file() and told.read_text("utf-8") != plan
        if self.is_other or not told.is_file():
            for path in folder.iterdir():
                path.unlink()
            write_whole(told, plan.encode("utf-8"))

        self.state: dict[str, Any] = {}  # after the last part; empty before the first
        if self._state.is_file():
            with np.load(self._state, allow_pickle=False) as arrays:
                self.state = dict(arrays)
        self.frames = int(self.state.pop("frames", 0))  # are done

    def keep(self, frames: int, state: ClipState) -> None:
        """Keeps the state after so many frames."""
        file = BytesIO()
        arrays: dict[str, Any] = {"frames": np.array(frames), **state.to_arrays()}
        np.savez(file, **arrays)
        write_whole(self._state, file.getvalue(), durable=True)


def convert(
    job: Job,
    picture: Output,
    depth: Output | None,
    *,
    stop: threading.Event,
    tell: Callable[[int], None],
    parts: Parts | None = None,
) -> Outcome:
    """Predicts a clip and writes what is drawn of its frames.

    Args:
        job: What to do.
        picture: Takes what is drawn.
        depth: Takes depth, (H, W), uint16, 65535 is depth 1.
        stop: Once set, no further frame is begun. What is written then is whole, too.
        tell: Gets the number of frames that are written, after each.
        parts: Keeps the state from part to part, and has that of an earlier run.
    """
    outcome = Outcome(frames=parts.frames if parts else 0)
    source = read_frames(job.clip, skip=outcome.frames, damaged=outcome.damaged)
    _run(job, source, (picture, depth), outcome, stop=stop, tell=tell, parts=parts)
    return outcome


def convert_segment(
    job: Job,
    segment: Segment,
    times: Sequence[Fraction],
    picture: Output,
    depth: Output | None,
) -> Outcome:
    """Predicts a segment of a clip, and writes what is drawn of its frames; else as `convert`.

    Args:
        job: What to do.
        segment: Which frames.
        times: Of all frames of the clip, see `frame_times`.
        picture: Takes what is drawn.
        depth: Takes depth.
    """
    outcome = Outcome()
    source = read_frames_from(job.clip, times, segment.begin, damaged=outcome.damaged)
    _run(job, source, (picture, depth), outcome, segment=segment)
    return outcome


def _run(
    job: Job,
    source: Iterator[Frame],
    outputs: tuple[Output, Output | None],
    outcome: Outcome,
    *,
    stop: threading.Event | None = None,
    tell: Callable[[int], None] = lambda count: None,
    parts: Parts | None = None,
    segment: Segment | None = None,
) -> None:
    picture, depth = outputs
    used = [picture] if depth is None else [picture, depth]
    with (
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor() as pool,
        ThreadPoolExecutor(1) as writer,
    ):
        writing = _Writing(job, used, pool, writer, tell, segment)
        frames = _ahead(source, reader)
        _predict(job, frames, writing, outcome, stop or threading.Event(), parts, segment)
    for output in used:
        output.finish(whole=outcome.whole)


def _predict(
    job: Job,
    frames: Iterator[Frame],
    writing: "_Writing",
    outcome: Outcome,
    stop: threading.Event,
    parts: Parts | None,
    segment: Segment | None,
) -> None:
    """Predicts frames, in their order, and has them written."""
    watch = Stopwatch()
    outcome.seconds = watch.seconds
    kept = segment.state if segment else parts.state if parts else {}
    state: ClipState | None = None
    lost = swapped = 0  # before the segment
    scene = job.scenes[0][1]
    for frame in frames:
        watch.lap("wait for the decoder")
        if stop.is_set():
            break
        if segment and frame.number >= segment.numbers.stop + REACH:
            outcome.whole = True
            break
        before, scene = scene, scene_at(job, frame.time)
        if state is None and kept:
            state = ClipState.from_arrays(kept, scene, job.size)
        elif state is None or before is not scene:
            writing.cut()
            state = _begin(state, scene)
        state, seen = see_frame(
            state, scene, frame.picture, job.backend, size=job.size, depth=writing.has_depth
        )
        watch.lap("network and all that needs an order")
        writing.put((frame, scene), seen)
        if segment is None or frame.number in segment.numbers:
            outcome.frames = outcome.frames + 1 if segment else frame.number + 1
            outcome.lost, outcome.swapped = state.lost - lost, state.swapped - swapped
        elif frame.number < segment.numbers.start:
            lost, swapped = state.lost, state.swapped
        if parts and outcome.frames % PART_FRAMES == 0:
            writing.end_part()
            parts.keep(outcome.frames, state)
            state = ClipState.from_arrays(state.to_arrays(), scene, job.size)
        watch.lap("wait for the encoder")
    else:
        outcome.whole = True
    writing.end()
    watch.lap("wait for the encoder")


class _Writing:
    """Smooths, draws and writes what is predicted, some frames behind."""

    def __init__(
        self,
        job: Job,
        outputs: Sequence[Output],
        pool: ThreadPoolExecutor,
        writer: ThreadPoolExecutor,
        tell: Callable[[int], None],
        segment: Segment | None,
    ) -> None:
        self._job, self._outputs, self._tell = job, outputs, tell
        self._segment = segment
        self._pool, self._writer = pool, writer
        self._smoother: Smoother[tuple[Frame, ClipScene]] = Smoother(REACH if job.smooth else 0)
        self._waiting: deque[Future[None]] = deque()
        self.has_depth = len(outputs) > 1

    def put(self, item: tuple[Frame, ClipScene], seen: Seen) -> None:
        self._submit(self._smoother.add(item, seen))

    def cut(self) -> None:
        """Smooths nothing over this moment."""
        self._submit(self._smoother.flush())

    def end(self) -> None:
        """Waits until all is written."""
        self.cut()
        self._drain(0)

    def end_part(self) -> None:
        self.end()
        for output in self._outputs:
            output.end_part()

    def _submit(self, ready: Iterator[tuple[tuple[Frame, ClipScene], Seen]]) -> None:
        for (frame, scene), seen in ready:
            if self._segment and frame.number not in self._segment.numbers:
                continue
            drawn = self._pool.submit(_draw, self._job, scene, frame, seen, self._outputs)
            self._waiting.append(self._writer.submit(_write, drawn, frame, self._outputs))
            self._drain(AHEAD)

    def _drain(self, left: int) -> None:
        while len(self._waiting) > left:
            self._waiting.popleft().result()
            self._tell(1)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Gives an event that the first Ctrl-C or SIGTERM sets; the second has its usual effect."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, _: object) -> None:
        stop.set()
        for which, handler in before.items():
            signal.signal(which, handler)

    for which in before:
        signal.signal(which, end)
    try:
        yield stop
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def _ahead(items: Iterator[T], pool: ThreadPoolExecutor) -> Iterator[T]:
    """The items of an iterator, of which some are fetched ahead, in a pool of one thread."""
    waiting = deque(pool.submit(next, items, None) for _ in range(AHEAD))
    while (item := waiting.popleft().result()) is not None:
        waiting.append(pool.submit(next, items, None))
        yield item


def scene_at(job: Job, time: Fraction) -> ClipScene:
    """The scene that counts at a time of the clip."""
    return [scene for start, scene in job.scenes if start <= time or start == 0][-1]


def _begin(before: ClipState | None, scene: ClipScene) -> ClipState:
    """The state before the first frame of a scene; what was counted goes on."""
    state = ClipState.of(scene)
    if before is None:
        return state
    return ClipState(state.session, state.transform, before.lost, before.swapped)


def _draw(
    job: Job, scene: ClipScene, frame: Frame, seen: Seen, outputs: Sequence[Output]
) -> list[Any]:
    found = finish_frame(scene, seen)
    prepared = [outputs[0].prepare(draw(frame.picture, found, job.look))]
    if found.depth is not None and len(outputs) > 1:
        prepared.append(outputs[1].prepare(depth_levels(found.depth)))
    return prepared


def _write(drawn: "Future[list[Any]]", frame: Frame, outputs: Sequence[Output]) -> None:
    for output, prepared in zip(outputs, drawn.result(), strict=True):
        output.write(prepared, frame.time, frame.number)
