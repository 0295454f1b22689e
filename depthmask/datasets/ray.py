"""Makes blocks on the machines of a Ray cluster, each block as a task.

If a worker or a machine is lost, another makes its block again. Every machine needs depthmask, and
must see the same folders under the same paths. The files have the same bytes as on one machine.
"""

import platform
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from depthmask.datasets.build import BlockBuilder, Folders, Runner, one_thread_each
from depthmask.datasets.depth_labels import open_depth
from depthmask.datasets.plan import Plan
from depthmask.datasets.records import PLAN
from depthmask.datasets.sources import Cutouts
from depthmask.errors import DatasetError

AUTO = "auto"
_INSTALL = "--ray needs Ray: pip install -e '.[distributed]'."
_MAX_TRIES = 5  # of a block whose workers or machines are lost
_MIN_GPU_SHARE = 0.25  # of a task: at most four workers load their teacher on one GPU
_CONNECT_TIMEOUT_S = 10.0


class RayTasks(Runner):
    """Makes blocks as tasks of a Ray cluster.

    Args:
        address: HOST:PORT of the cluster's head, or "auto" for the one this machine belongs to.

    Raises:
        DatasetError: The address is none, or Ray is not installed.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        if address != AUTO and not (host and port.isdecimal() and "/" not in host):
            raise DatasetError(f"Write --ray as auto or HOST:PORT, not {address!r}.")
        self._address, self._ray = address, _load_ray()

    def make(self, builder: BlockBuilder, numbers: list[int]) -> Iterator[int]:
        ray = self._ray
        with _connected(ray, self._address):
            needs = resources(ray.cluster_resources(), on_gpu=builder.source.teacher.can_use_gpu)
            task = ray.remote(**needs, max_retries=_MAX_TRIES - 1)(_make_block)
            job = ray.put(Job.of(builder))
            waiting = [task.remote([job], number) for number in numbers]
            while waiting:
                done, waiting = ray.wait(waiting)
                yield finished_block(ray, done[0])


@dataclass(frozen=True)
class Job:
    """The part of a builder that can be sent to a worker."""

    folders: Folders
    plan: Plan
    cutouts: Cutouts
    depth: str  # for `open_depth`

    @classmethod
    def of(cls, builder: BlockBuilder) -> "Job":
        """Takes what other processes need."""
        return cls(builder.folders.absolute(), builder.plan, builder.cutouts, builder.source.text)

    def open(self) -> BlockBuilder:
        """Loads the teacher; errors: DatasetError where this machine does not see the data set."""
        plan = self.folders.out / PLAN
        if not plan.is_file() or plan.read_text("utf-8") != self.plan.as_text():
            raise DatasetError(
                f"The machine {platform.node()} does not see {self.folders.out}; give folders that "
                "all machines of the cluster share, or use --shard and `merge`."
            )
        return BlockBuilder(self.folders, self.plan, self.cutouts, open_depth(self.depth))


def resources(cluster: Mapping[str, float], *, on_gpu: bool) -> dict[str, float]:
    """The resources of a task: one processor, and a share of a GPU if its teacher can use one."""
    gpus, processors = cluster.get("GPU", 0.0), max(cluster.get("CPU", 1.0), 1.0)
    if not on_gpu or not gpus:
        return {"num_cpus": 1}
    return {"num_cpus": 1, "num_gpus": min(1.0, max(_MIN_GPU_SHARE, gpus / processors))}


def finished_block(ray: Any, done: Any) -> int:
    """The number of a block that a task has made.

    Args:
        ray: The module.
        done: The reference to the task's result.

    Raises:
        DatasetError: The workers were lost too often. An error of the task is raised as it is.
    """
    try:
        number: int = ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        raise DatasetError(
            f"A block was given up after its workers were lost {_MAX_TRIES} times; give the same "
            "command again to go on."
        ) from error
    return number


def _make_block(jobs: list[Any], number: int) -> int:
    """Runs in a worker. `jobs` is a list, because Ray replaces a reference that is not in one."""
    with one_thread_each():
        _open(jobs[0]).make(number)
    return number


@lru_cache(maxsize=1)
def _open(job: Any) -> BlockBuilder:
    """Loads what a worker needs for all blocks of a job, once."""
    opened: Job = _load_ray().get(job)
    return opened.open()


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    if address != AUTO:
        _check_address(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError) as error:
        raise _no_cluster(address) from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Fails early, because Ray waits for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address) from error


def _no_cluster(address: str) -> DatasetError:
    where = "on this machine" if address == AUTO else f"at {address}"
    return DatasetError(
        f"There is no Ray cluster {where}; start one with `ray start --head`, or leave out --ray."
    )


def _load_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise DatasetError(_INSTALL) from error
    return ray
