"""`depthmask predict` with a folder of images: a folder in, a folder out."""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.cli.cluster_options import on_all_machines
from depthmask.cli.inputs import STREAM, Input, find_backgrounds
from depthmask.cli.options import parse_shard
from depthmask.cli.outputs import find_wanted
from depthmask.cli.predict_work import Work
from depthmask.data.folders import say
from depthmask.errors import OptionError, PictureError
from depthmask.files import reserved
from depthmask.progress import Progress

if TYPE_CHECKING:
    from depthmask.batch.jobs import Job, Shard
    from depthmask.batch.run import Row
    from depthmask.cli.predict_cluster import Workers

SOME_FAILED, INTERRUPTED = 1, 130  # exit codes
MAX_JOBS = 8  # by default
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
    work = Work(options, wanted, inputs)
    rows: dict[str, Row] = {}
    stopped = False
    with ExitStack() as stack:
        part = "" if shard[1] == 1 else f"{shard[0]}-of-{shard[1]}"
        sign = stack.enter_context(reserved(out, part))
        workers = _connect(work, stack, (sign, part), threads)
        try:
            for jobs in _portions(options, find, shard):
                work.check(jobs)
                _run_jobs(work, workers, jobs, rows, threads=threads)
                _write_report(out, rows, shard)
        except KeyboardInterrupt:
            stopped = True
            if rows:
                _write_report(out, rows, shard)
    retries = workers.retries if workers else None
    _end(options, rows, shard, retries, stopped=stopped)


def _connect(
    work: Work, stack: ExitStack, signs: tuple[str, str], threads: int
) -> "Workers | None":
    """The workers of the cluster that --ray names, until a stack ends."""
    from depthmask.cli.predict_cluster import Workers
    from depthmask.cluster import Cluster

    if not work.options.ray:
        return None
    cluster = stack.enter_context(Cluster(work.options.ray, tell=say))
    return Workers(cluster, work, signs, threads)


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


def _run_jobs(
    work: Work,
    workers: "Workers | None",
    jobs: Sequence["Job"],
    rows: dict[str, "Row"],
    *,
    threads: int,
) -> None:
    """Predicts what is not done, and adds a row for each job."""
    from depthmask.batch.run import in_threads

    new = list(in_threads(lambda job: (job, work.batch.kept(job)), jobs, threads))
    rows.update((row.name, row) for _, row in new if row)
    waiting = sorted((job for job, row in new if row is None), key=lambda job: job.name)
    if len(waiting) < len(jobs):
        say(f"{len(jobs) - len(waiting):,} of {len(jobs):,} pictures are there already.")
    if not waiting:
        return
    made = _make(work, workers, waiting, threads=threads)
    progress = Progress(len(jobs), "pictures", say, before=len(jobs) - len(waiting))
    for row in made:
        rows[row.name] = row
        if row.failed:
            say(row.reason if row.image in row.reason else f"{row.image}: {row.reason}")
        progress.add()


def _make(
    work: Work, workers: "Workers | None", jobs: Sequence["Job"], *, threads: int
) -> Iterator["Row"]:
    """Loads what the jobs need, and returns the rows of those that are done, one by one."""
    from depthmask.batch.run import in_threads

    if workers is not None:
        return workers.make(jobs, work.learn(jobs))
    work.open()
    work.learn(jobs)
    return in_threads(work.batch.make, jobs, threads)


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
