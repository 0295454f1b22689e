"""`depthmask predict` with a folder of images: a folder in, a folder out."""

import argparse
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.cli.cluster_options import (
    check_sees,
    check_weights,
    find_workers,
    on_all_machines,
)
from depthmask.cli.inputs import STREAM, Input, find_backgrounds
from depthmask.cli.options import (
    make_background,
    make_learn_occupied,
    make_predict,
    make_predictor,
    parse_shard,
    weights_fingerprint,
)
from depthmask.cli.outputs import find_wanted
from depthmask.data.folders import say
from depthmask.errors import OptionError, PictureError
from depthmask.files import reserved
from depthmask.progress import Progress

if TYPE_CHECKING:
    from depthmask.batch.jobs import Job, Scene, Shard
    from depthmask.batch.run import Row
    from depthmask.cluster import Cluster
    from depthmask.inference.background import Background
    from depthmask.inference.outputs import Wanted
    from depthmask.inference.predictor import Prediction, Predictor
    from depthmask.pictures import Picture

SOME_FAILED, INTERRUPTED = 1, 130  # exit codes
MAX_JOBS = 8  # by default
PORTION = 8  # images at most that a worker of a cluster makes before it is given more
PORTIONS_A_WORKER = 4  # at least, if there are images enough
_BY_NAME = "names"


def is_for_folders(options: argparse.Namespace) -> bool:
    """Whether the image is a folder.

    Raises:
        OptionError: It is none, and an option is for folders alone.
    """
    if options.image and Path(options.image).is_dir():
        return True
    for name in ("pairs", "watch", "shard", "jobs", "ray"):
        if getattr(options, name) not in (None, False):
            raise OptionError(f"--{name} is for a folder of images, and {options.image} is none.")
    return False


def run_folder(options: argparse.Namespace, place: Path) -> None:
    """Predicts all images of a folder.

    Args:
        options: Of the command.
        place: A folder for copies of what is no file.

    Raises:
        SystemExit: Some images failed, or it was interrupted.
    """
    shard, threads = _check(options)
    if options.ray:
        on_all_machines(options, "background", "image", "output", "checkpoint", "more_backgrounds")
    out = Path(options.output)
    wanted = find_wanted(options, place)
    inputs: list[Input] = []
    if not options.pairs:
        given = [options.background, *options.more_backgrounds]
        inputs = find_backgrounds(given, place / "backgrounds", allow_private=options.allow_private)
    find = _find_pairs(options) if options.pairs else _find_images(options, inputs)
    work = _Work(options, wanted, inputs)
    rows: dict[str, Row] = {}
    stopped = False
    with ExitStack() as stack:
        part = "" if shard[1] == 1 else f"{shard[0]}-of-{shard[1]}"
        sign = stack.enter_context(reserved(out, part))
        makers = _Makers(work, _connect(options, stack), (sign, part), threads)
        try:
            for jobs in _portions(options, find, shard):
                work.check(jobs)
                _run_jobs(makers, jobs, rows)
                _write_report(out, rows, shard)
        except KeyboardInterrupt:
            stopped = True
            if rows:
                _write_report(out, rows, shard)
    _end(options, rows, shard, makers.retries, stopped=stopped)


def _connect(options: argparse.Namespace, stack: ExitStack) -> "Cluster | None":
    from depthmask.cluster import Cluster

    return stack.enter_context(Cluster(options.ray, tell=say)) if options.ray else None


def _check(options: argparse.Namespace) -> tuple["Shard", int]:
    """Refuses options that do not go together; returns the part to make, and how many threads."""
    if options.output in (None, "", STREAM):
        raise OptionError("A folder of images needs -o FOLDER for the results.")
    for name in ("true_mask", "true_depth"):
        if getattr(options, name):
            raise OptionError(
                f"--{name.replace('_', '-')} is for one image; `depthmask evaluate` compares "
                "folders with ground truth."
            )
    out, images = (os.path.join(os.path.realpath(x), "") for x in (options.output, options.image))
    if images.startswith(out):
        raise OptionError(f"The images would lie among the results; choose another -o than {out}.")
    part, parts = parse_shard(options.shard) if options.shard else (1, 1)
    if not 1 <= part <= parts:
        raise OptionError(f"--shard I/N needs I from 1 to N, not {options.shard}.")
    if options.jobs is not None and options.jobs < 1:
        raise OptionError(f"--jobs must be 1 or more, not {options.jobs}.")
    return (part, parts), options.jobs or _default_jobs(options)


def _default_jobs(options: argparse.Namespace) -> int:
    from depthmask.cluster import CORES

    return CORES if options.ray else min(MAX_JOBS, os.cpu_count() or 1)


def _find_pairs(options: argparse.Namespace) -> Callable[[], list["Job"]]:
    """What lists the pairs anew each time it is called."""
    from depthmask.batch.jobs import jobs_by_name, jobs_of_list

    images, folder = Path(options.image), Path(options.background)
    if not folder.is_dir() or options.more_backgrounds:
        raise OptionError(
            "--pairs needs a folder of backgrounds and a folder of images, and no --background."
        )
    if options.pairs == _BY_NAME:
        out = Path(options.output)
        return partial(jobs_by_name, folder, images, out=out, may_wait=options.watch)
    listed = jobs_of_list(Path(options.pairs), folder, images)
    return lambda: listed


def _find_images(options: argparse.Namespace, inputs: Sequence[Input]) -> Callable[[], list["Job"]]:
    """What lists all images before one scene; photos of it that were named are none of them."""
    from depthmask.batch.jobs import Scene, find_images, jobs_of_scene

    images, out = Path(options.image), Path(options.output)
    given = [options.background, *options.more_backgrounds]
    named = {os.path.realpath(text) for text in given if not Path(text).is_dir()}

    def find() -> list[Path]:
        found = find_images(images, without=out)
        return [path for path in found if os.path.realpath(path) not in named]

    photos = tuple(each.path for each in inputs)
    real = {os.path.realpath(path) for path in photos}
    among = len(photos) > 1 and any(os.path.realpath(path) in real for path in find())
    scene = Scene(", ".join(given), photos, options.never_empty or among)
    return lambda: jobs_of_scene(scene, images, find())


def _portions(
    options: argparse.Namespace, find: Callable[[], list["Job"]], shard: "Shard"
) -> Iterator[list["Job"]]:
    """All jobs of a part; or those that are ready, again and again."""
    from depthmask.batch.jobs import shard_of
    from depthmask.batch.watch import watch

    if options.watch:
        say(f"Watching {options.image}; Ctrl-C ends it.")
        yield from watch(lambda: shard_of(find(), shard), tell=say)
    jobs = find()
    if not jobs:
        raise PictureError(f"The folder {options.image} holds no picture; name one that does.")
    yield shard_of(jobs, shard)


class _Work:
    """The batch, and the network, which is loaded when something is to be predicted."""

    def __init__(
        self,
        options: argparse.Namespace,
        wanted: "Wanted",
        inputs: Sequence[Input] = (),
        known: "Mapping[Scene, Background] | None" = None,
    ) -> None:
        from depthmask.batch.run import Backgrounds, Batch
        from depthmask.inference.outputs import describe

        self.options, self.wanted = options, wanted
        self.weights = weights_fingerprint(options)
        names = {each.path: each.name for each in inputs}
        self.backgrounds: Backgrounds = Backgrounds(
            self._make_background, tell=say, names=names, known=known
        )
        self.batch: Batch = Batch(
            Path(options.output),
            wanted,
            {**_facts(options, wanted), "weights": self.weights},
            self.backgrounds,
            predict=lambda *pair: self._predict(*pair),
            describe=lambda prediction: describe(self.predictor, prediction),
        )

    @cached_property
    def predictor(self) -> "Predictor":
        return make_predictor(self.options, resolution=self.options.resolution)

    @cached_property
    def _predict(self) -> Callable[["Background", "Picture"], "Prediction"]:
        return make_predict(self.predictor, self.options)

    def open(self) -> None:
        """Loads the network; here, where errors end all."""
        self._predict  # noqa: B018

    def learn(self, jobs: Iterable["Job"]) -> "dict[Scene, Background]":
        """Reads the background, if there is one for all; likewise."""
        scenes = set() if self.options.pairs else {job.scene for job in jobs}
        return {scene: self.backgrounds.of(scene) for scene in scenes}

    def check(self, jobs: Sequence["Job"]) -> None:
        """Makes the folder of the results; raises OptionError where an input would be lost."""
        from depthmask.batch.run import refuse_inputs

        options = self.options
        others = [Path(text) for text in (options.backdrop, options.pairs) if text]
        refuse_inputs(self.batch, jobs, others)
        self.batch.begin()

    def _make_background(self, pictures: Sequence["Picture"], occupied: bool) -> "Background":
        learn = None
        if occupied and len(pictures) > 1:
            learn = make_learn_occupied(self.predictor, self.options)
        return make_background(pictures, self.options, learn)


def _facts(options: argparse.Namespace, wanted: "Wanted") -> dict[str, object]:
    """The options on which the results depend, but for the weights."""
    from hashlib import sha256

    backdrop = wanted.backdrop
    names = ["quality", "resolution", "backend", "no_align", "no_light", "no_refine"]
    names += ("mirror_background", "depth", "format", "scale", "crop", "mask_only", "unknown")
    return {
        **{name: getattr(options, name) for name in names},
        "backdrop": None if backdrop is None else sha256(backdrop.tobytes()).hexdigest(),
    }


class _Makers:
    """Makes jobs: in threads of this process, or on a cluster.

    Args:
        work: What is done.
        cluster: Connected to; None: this process does it.
        signs: By which the machines of a cluster know the folder of the results: what `reserved`
            gave for which part.
        threads: Of a process.
    """

    def __init__(
        self, work: _Work, cluster: "Cluster | None", signs: tuple[str, str], threads: int
    ) -> None:
        self.work, self.threads = work, threads
        self._cluster, self._signs = cluster, signs
        self._sent: _Sent | None = None

    @property
    def retries(self) -> int | None:
        """So many portions were made again, because a worker was lost; None without a cluster."""
        return self._cluster.retries if self._cluster else None

    def make(self, jobs: Sequence["Job"]) -> Iterator["Row"]:
        """Loads what the jobs need, and returns the rows of those that are done, one by one."""
        from depthmask.batch.run import in_threads

        if self._cluster is None:
            self.work.open()
        known = self.work.learn(jobs)
        if self._cluster is None:
            return in_threads(self.work.batch.make, jobs, self.threads)
        return self._make_on(self._cluster, jobs, known)

    def _make_on(
        self, cluster: "Cluster", jobs: Sequence["Job"], known: "dict[Scene, Background]"
    ) -> Iterator["Row"]:
        if self._sent is None or known.keys() != self._sent.known.keys():
            work = self.work
            self._sent = _Sent(
                work.options, work.wanted, known, work.weights, *self._signs, self.threads
            )
        workers, needs = find_workers(cluster, self.work.options)
        size = max(1, min(PORTION, len(jobs) // (PORTIONS_A_WORKER * workers)))
        portions = [list(jobs[at : at + size]) for at in range(0, len(jobs), size)]
        for _, rows in cluster.run(self._sent, portions, needs):
            yield from rows


@dataclass(frozen=True, eq=False)
class _Sent:
    """The part of the work that can be sent to the workers of a cluster."""

    options: argparse.Namespace
    wanted: "Wanted"
    known: "Mapping[Scene, Background]"
    weights: str | None  # their SHA-256
    sign: str  # see `check_sees`, likewise `part`
    part: str
    threads: int

    def open(self) -> Callable[[Sequence["Job"]], list["Row"]]:
        """Loads the network.

        Raises:
            OptionError: This machine does not see the folder of the results, or has other weights.
        """
        from depthmask.batch.run import in_threads

        check_sees(Path(self.options.output), self.sign, self.part)
        check_weights(self.options, self.weights)
        work = _Work(self.options, self.wanted, known=self.known)
        work.open()
        return lambda jobs: [*in_threads(work.batch.make_missing, jobs, self.threads)]


def _run_jobs(makers: _Makers, jobs: Sequence["Job"], rows: dict[str, "Row"]) -> None:
    """Predicts what is not done, and adds a row for each job."""
    from depthmask.batch.run import in_threads

    work = makers.work
    new = list(in_threads(lambda job: (job, work.batch.kept(job)), jobs, makers.threads))
    rows.update((row.name, row) for _, row in new if row)
    waiting = sorted((job for job, row in new if row is None), key=lambda job: job.name)
    if len(waiting) < len(jobs):
        say(f"{len(jobs) - len(waiting):,} of {len(jobs):,} pictures are there already.")
    if not waiting:
        return
    made = makers.make(waiting)
    progress = Progress(len(jobs), "pictures", say, before=len(jobs) - len(waiting))
    for row in made:
        rows[row.name] = row
        if row.failed:
            say(row.reason if row.image in row.reason else f"{row.image}: {row.reason}")
        progress.add()


def _write_report(out: Path, rows: dict[str, "Row"], shard: "Shard") -> None:
    from depthmask.batch.report import write_report

    write_report(out, rows.values(), shard)


def _end(
    options: argparse.Namespace,
    rows: dict[str, "Row"],
    shard: "Shard",
    retries: int | None,
    *,
    stopped: bool,
) -> None:
    """Prints what became of the pictures; the exit code says whether all is well."""
    from depthmask.batch.report import count, report_files, summary

    counts = count(rows.values())
    _, page = report_files(Path(options.output), shard)
    where = f" See {page}." if rows else ""
    if stopped and not options.watch:
        say(f"Stopped: {summary(counts)}. The same command goes on.{where}")
        raise SystemExit(INTERRUPTED)
    say(f"{summary(counts)}.{where}")
    more = {} if retries is None else {"retries": retries}
    print(json.dumps({**counts, **more, "report": str(page)}, indent=2))
    if counts["failed"]:
        raise SystemExit(SOME_FAILED)
