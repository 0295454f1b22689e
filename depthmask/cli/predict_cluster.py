"""`depthmask predict --ray`: the workers of a cluster make the images of a folder."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from depthmask.batch.jobs import Job, Scene
from depthmask.batch.run import Row, in_threads
from depthmask.cli.cluster_options import check_sees, check_weights, find_workers
from depthmask.cli.predict_work import Work
from depthmask.cluster import Cluster
from depthmask.inference.background import Background
from depthmask.inference.outputs import Wanted

PORTION = 8  # images at most that a worker makes before it is given more
PORTIONS_A_WORKER = 4  # at least, if there are images enough


class Workers:
    """Makes jobs on a cluster.

    Args:
        cluster: Connected to.
        work: What is done.
        signs: By which the machines know the folder of the results: what `reserved` gave for
            which part.
        threads: Of a worker.
    """

    def __init__(self, cluster: Cluster, work: Work, signs: tuple[str, str], threads: int) -> None:
        self._cluster, self._work, self._signs, self._threads = cluster, work, signs, threads
        self._sent: _Sent | None = None

    @property
    def retries(self) -> int:
        """So many portions were made again, because a worker was lost."""
        return self._cluster.retries

    def make(self, jobs: Sequence[Job], known: Mapping[Scene, Background]) -> Iterator[Row]:
        """Yields the rows of the jobs that are done, one by one; of `known`, see `Work.learn`."""
        work = self._work
        if self._sent is None or known.keys() != self._sent.known.keys():
            self._sent = _Sent(
                work.options, work.wanted, known, work.weights, *self._signs, self._threads
            )
        workers, needs = find_workers(self._cluster, work.options)
        size = max(1, min(PORTION, len(jobs) // (PORTIONS_A_WORKER * workers)))
        portions = [list(jobs[at : at + size]) for at in range(0, len(jobs), size)]
        for _, rows in self._cluster.run(self._sent, portions, needs):
            yield from rows


@dataclass(frozen=True, eq=False)
class _Sent:
    """The part of the work that can be sent to the workers of a cluster."""

    options: argparse.Namespace
    wanted: Wanted
    known: Mapping[Scene, Background]
    weights: str | None  # their SHA-256
    sign: str  # see `check_sees`, likewise `part`
    part: str
    threads: int

    def open(self) -> Callable[[Sequence[Job]], list[Row]]:
        """Loads the network.

        Raises:
            OptionError: This machine does not see the folder of the results, or has other weights.
        """
        check_sees(Path(self.options.output), self.sign, self.part)
        check_weights(self.options, self.weights)
        work = Work(self.options, self.wanted, known=self.known)
        work.open()
        return lambda jobs: [*in_threads(work.batch.make_missing, jobs, self.threads)]
