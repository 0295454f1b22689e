"""Makes blocks on the machines of a Ray cluster, with the same bytes as on one machine."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from depthmask.cluster import Cluster, Needs, told_retries
from depthmask.data.folders import say
from depthmask.datasets.build import BlockBuilder, Folders, Runner, one_thread_each
from depthmask.datasets.depth_labels import open_depth
from depthmask.datasets.plan import Plan
from depthmask.datasets.records import PLAN
from depthmask.datasets.sources import Cutouts
from depthmask.errors import DatasetError

_MIN_GPU_SHARE = 0.25  # of a worker: at most four load their teacher on one GPU


class RayTasks(Runner):
    """Makes blocks as tasks of a Ray cluster; arguments and errors as of `Cluster`."""

    def __init__(self, address: str) -> None:
        self._cluster = Cluster(address, tell=say)

    def make(self, builder: BlockBuilder, numbers: list[int]) -> Iterator[int]:
        with self._cluster as cluster:
            needs = block_needs(cluster.machines, on_gpu=builder.source.teacher.can_use_gpu)
            for number, _ in cluster.run(Job.of(builder), numbers, needs):
                yield number
        if told := told_retries(cluster.retries):
            say(told)


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

    def open(self) -> Callable[[int], None]:
        """Loads the teacher; errors: DatasetError where this machine does not see the data set."""
        plan = self.folders.out / PLAN
        if not plan.is_file() or plan.read_text("utf-8") != self.plan.as_text():
            raise DatasetError(
                f"The machine {platform.node()} does not see {self.folders.out}; give folders that "
                "all machines of the cluster share, or use --shard and `merge`."
            )
        builder = BlockBuilder(self.folders, self.plan, self.cutouts, open_depth(self.depth))

        def make(number: int) -> None:
            with one_thread_each():
                builder.make(number)

        return make


def block_needs(machines: Iterable[Mapping[str, float]], *, on_gpu: bool) -> Needs:
    """A worker's needs: one processor, and a share of a GPU if its teacher can use one."""
    listed = list(machines)
    gpus, processors = (sum(each.get(kind, 0.0) for each in listed) for kind in ("GPU", "CPU"))
    if not on_gpu or not gpus:
        return {"num_cpus": 1}
    return {"num_cpus": 1, "num_gpus": min(1.0, max(_MIN_GPU_SHARE, gpus / max(processors, 1)))}
