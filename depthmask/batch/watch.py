"""Looks for pictures in folders that fill."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from depthmask.batch.jobs import Job

INTERVAL_S = 2.0

State = tuple[tuple[int, int], ...]  # size in bytes and time of change of each file


def watch(
    find: Callable[[], Sequence[Job]],
    *,
    rest: Callable[[float], None] = time.sleep,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[list[Job]]:
    """Yields jobs for ever, each when its files are there and have stopped growing.

    A job comes again after its files have changed. Files have stopped growing when they are the
    same at two looks, `INTERVAL_S` apart.

    Args:
        find: Lists all jobs.
        rest: Waits for some seconds.
        tell: Gets a line, once, for each image whose background is missing at two looks.
    """
    before: dict[Job, State | None] = {}
    taken: dict[Job, State | None] = {}
    told: set[Path] = set()
    while True:
        now = {job: _state(job) for job in find()}
        ready = [
            job
            for job, state in now.items()
            if state and state == before.get(job) and state != taken.get(job)
        ]
        for job in now.keys() & before.keys():
            if job.image not in told and (missing := _missing(job)):
                told.add(job.image)
                tell(f"{job.image} waits: {missing}")
        before = now
        if ready:
            taken.update((job, now[job]) for job in ready)
            yield ready
        rest(INTERVAL_S)


def _missing(job: Job) -> str:
    """A sentence on the background that is not there yet; "" if it is."""
    if not job.scene.photos:
        return job.trouble
    return next((f"there is no {path}." for path in job.scene.photos if not path.exists()), "")


def _state(job: Job) -> State | None:
    """None where a file is missing or empty."""
    if not job.scene.photos:
        return None
    try:
        found = [path.stat() for path in (job.image, *job.scene.photos)]
    except OSError:
        return None
    state = tuple((one.st_size, one.st_mtime_ns) for one in found)
    return state if all(size for size, _ in state) else None
