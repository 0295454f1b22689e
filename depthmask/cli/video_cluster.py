"""`depthmask video --ray`: the workers of a cluster make segments of a clip, which are joined."""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

from depthmask.cli.cluster_options import check_sees, check_weights, find_workers
from depthmask.cli.options import make_predictor, weights_fingerprint
from depthmask.clips import Clip, frame_times
from depthmask.cluster import Cluster
from depthmask.data.folders import say
from depthmask.files import write_whole
from depthmask.inference.clip_look import Look
from depthmask.inference.clip_output import ClipSegment, PictureSegment, join_parts, write_times
from depthmask.inference.clip_run import Job, Outcome, Segment, convert_segment
from depthmask.inference.clip_scene import ClipScene
from depthmask.inference.clip_segments import cut_segments, segment_starts

if TYPE_CHECKING:
    from threading import Event

    from depthmask.backends.base import BatchBackend


@dataclass(frozen=True)
class Made:
    """What a worker tells of a segment."""

    first: int  # the number of its first frame
    frames: int
    lost: int  # as of `Outcome`, likewise what follows
    swapped: int
    damaged: list[str]
    seconds: dict[str, float]
    part: str  # name of its file in the folder of drafts; "" where pictures are written
    rows: list[str]  # of the table of times, of pictures


def convert_on_cluster(
    options: argparse.Namespace,
    job: Job,
    drafts: Path,
    sign: str,
    *,
    stop: "Event",
    tell: Callable[[int], None],
) -> Outcome:
    """Predicts a clip on the cluster that --ray names, and writes what is drawn of it.

    Args:
        options: Of the command.
        job: What to do.
        drafts: A folder on the disk of the output. Segments that are done there are kept.
        sign: See `check_sees`.
        stop: Once set, the segments that are done are joined up to the first that is missing.
        tell: Gets the number of frames that were made.
    """
    times = frame_times(job.clip)
    made = {each.first: each for each in _read_records(drafts)}
    for folder in _folders(options):
        folder.mkdir(parents=True, exist_ok=True)
        write_times(folder, [])  # tells the folder from others
    with Cluster(options.ray, tell=say) as cluster:
        _, needs = find_workers(cluster, options)
        work = _Work.of(options, job, times, drafts, sign)
        segments = cut_segments(job, times, frozenset(made))
        for _, done in cluster.run(work, segments, needs, stop=stop.is_set):
            write_whole(_record(drafts, done.first), json.dumps(asdict(done)).encode())
            made[done.first] = done
            tell(done.frames)
        retries = cluster.retries
    outcome = _finish(options, job.clip, drafts, made, len(times))
    outcome.retries = retries
    return outcome


@dataclass(frozen=True, eq=False)
class _Work:
    """What a worker needs to make segments."""

    options: argparse.Namespace
    clip: Clip
    scenes: Sequence[tuple[Fraction, ClipScene]]
    size: tuple[int, int]
    look: Look
    times: Sequence[Fraction]
    drafts: Path
    weights: str | None
    sign: str

    @classmethod
    def of(
        cls,
        options: argparse.Namespace,
        job: Job,
        times: Sequence[Fraction],
        drafts: Path,
        sign: str,
    ) -> "_Work":
        weights = weights_fingerprint(options)
        drafts = drafts.absolute()
        return cls(options, job.clip, job.scenes, job.size, job.look, times, drafts, weights, sign)

    def open(self) -> Callable[[Segment], Made]:
        """Loads the network; errors: OptionError where files or weights are not those of others."""
        options = self.options
        check_sees(options.output, self.sign)
        check_weights(options, self.weights)
        predictor = make_predictor(options, resolution=options.resolution)
        backend, smooth = cast("BatchBackend", predictor.backend), not options.no_smooth
        job = Job(self.clip, self.scenes, backend, self.size, self.look, smooth)
        return lambda segment: self._make(job, segment)

    def _make(self, job: Job, segment: Segment) -> Made:
        out, clip = self.options.output, job.clip
        file, pictures = None, PictureSegment(out)
        if out.suffix:
            file = ClipSegment(out, clip, job.look.size(clip.height, clip.width), self.drafts)
        depth = PictureSegment(self.options.depth) if self.options.depth else None
        found = convert_segment(job, segment, self.times, file or pictures, depth)
        return Made(
            segment.numbers.start,
            found.frames,
            found.lost,
            found.swapped,
            found.damaged,
            found.seconds,
            file.path.name if file and found.frames else "",
            (depth or pictures).rows,
        )


def _finish(
    options: argparse.Namespace, clip: Clip, drafts: Path, made: dict[int, Made], frames: int
) -> Outcome:
    """Joins the segments up to the first that is missing."""
    ready = []
    starts = segment_starts(frames)
    for first in starts:
        if first not in made:
            break
        ready.append(made[first])
    outcome = Outcome(whole=len(ready) == len(starts))
    for each in ready:
        outcome.frames += each.frames
        outcome.lost += each.lost
        outcome.swapped += each.swapped
        outcome.damaged += each.damaged
        for stage, seconds in each.seconds.items():
            outcome.seconds[stage] = outcome.seconds.get(stage, 0.0) + seconds
    parts = [drafts / each.part for each in ready if each.part]
    if parts:
        join_parts(options.output, clip, parts, drafts, whole=outcome.whole)
    for folder in _folders(options):
        write_times(folder, [row for each in ready for row in each.rows])
        for draft in folder.glob(".*.png.*.tmp"):  # of workers that were lost
            draft.unlink(missing_ok=True)
    return outcome


def _folders(options: argparse.Namespace) -> list[Path]:
    """Those that get pictures."""
    return [path for path in (options.output, options.depth) if path and not path.suffix]


def frames_made(drafts: Path) -> int:
    """How many frames an earlier run has made."""
    return sum(each.frames for each in _read_records(drafts))


def _read_records(drafts: Path) -> Iterator[Made]:
    for path in sorted(drafts.glob("[0-9]*.json")):
        yield Made(**json.loads(path.read_bytes()))


def _record(drafts: Path, first: int) -> Path:
    return drafts / f"{first:09d}.json"
