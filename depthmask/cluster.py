"""Shares work out to the machines of a Ray cluster.

If a worker or its machine is lost, another does its item again. Every machine needs depthmask, and
must see the same folders under the same paths.
"""

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, redirect_stdout
from functools import lru_cache
from itertools import islice
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from depthmask.errors import OptionError, counted

AUTO = "auto"
MAX_TRIES = 5  # of an item whose workers or machines are lost
AHEAD = 2  # items of each worker that are handed out, so that none waits for its next
CORES = 2  # of a worker that runs the network without a GPU
_INSTALL = "--ray needs Ray: pip install -e '.[distributed]'."
_CONNECT_TIMEOUT_S = 10.0
_LOOK_S = 1.0  # between two looks at whether to stop

Item = TypeVar("Item")
Made = TypeVar("Made")
Made_co = TypeVar("Made_co", covariant=True)
Item_contra = TypeVar("Item_contra", contravariant=True)
Needs = Mapping[str, float]  # of a worker: "num_cpus", and "num_gpus" if it uses them


class Work(Protocol[Item_contra, Made_co]):
    """What is sent to the workers, once each."""

    def open(self) -> Callable[[Item_contra], Made_co]:
        """Loads in a worker what all items need, and returns what makes one of them."""


class Cluster:
    """A Ray cluster, connected to inside a `with`.

    Args:
        address: HOST:PORT of the cluster's head, or "auto" for the one this machine belongs to.
        tell: Gets a line for each item that is done again.

    Raises:
        OptionError: The address is none, or Ray is not installed; or, by `with`, there is no
            cluster.
    """

    def __init__(self, address: str, *, tell: Callable[[str], None] = lambda line: None) -> None:
        host, _, port = address.rpartition(":")
        if address != AUTO and not (host and port.isdecimal() and "/" not in host):
            raise OptionError(f"Write --ray as auto or HOST:PORT, not {address!r}.")
        self.retries = 0  # so many items were done again, because a worker was lost
        self._address, self._tell, self._ray = address, tell, _load_ray()
        self._stack = ExitStack()
        self._sent: tuple[Any, Any] = None, None  # the last work, and its reference

    def __enter__(self) -> Self:
        if self._address != AUTO:
            _check_address(self._address)
        # Ray prints long texts about lost workers; `tell` gets a line
        nowhere = self._stack.enter_context(open(os.devnull, "w"))
        self._stack.enter_context(redirect_stdout(nowhere))
        self._stack.callback(self._ray.shutdown)
        try:
            self._ray.init(address=self._address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError) as error:
            self._stack.close()
            raise _no_cluster(self._address) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def machines(self) -> list[Mapping[str, float]]:
        """The resources of each: "CPU", and "GPU" where it has some."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def workers(self, needs: Needs) -> int:
        """How many workers have room at once."""
        kinds = {kind.removeprefix("num_")[:-1].upper(): many for kind, many in needs.items()}
        rooms = (
            min(int(machine.get(kind, 0) / many) for kind, many in kinds.items() if many)
            for machine in self.machines
        )
        return max(1, sum(rooms))

    def run(
        self,
        work: Work[Item, Made],
        items: Iterable[Item],
        needs: Needs,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[Item, Made]]:
        """Has items made, and yields each with what was made of it when it is done.

        Args:
            work: Sent to each worker once; the same object is not sent again by a further call.
            items: To make; some are fetched ahead.
            needs: Of one worker.
            stop: Asked now and then; once it says so, nothing further is yielded.

        Raises:
            OptionError: The workers of an item were lost too often. An error in a worker is raised
                as it is.
        """
        ray = self._ray
        if self._sent[0] is not work:
            self._sent = work, ray.put(work)
        # retries are made here, as Ray does not tell how often it made some
        task = ray.remote(max_retries=0, **needs)(_make_item)
        waiting: dict[Any, tuple[Item, int]] = {}
        coming = iter(items)
        while not stop():
            for item in islice(coming, max(0, AHEAD * self.workers(needs) - len(waiting))):
                waiting[task.remote([self._sent[1]], item)] = item, 1
            if not waiting:
                return
            for done in ray.wait(list(waiting), timeout=_LOOK_S)[0]:
                item, tries = waiting.pop(done)
                if (made := self._result(done, tries)) is None:
                    waiting[task.remote([self._sent[1]], item)] = item, tries + 1
                else:
                    yield item, made[0]
        for reference in waiting:
            ray.cancel(reference, force=True)

    def _result(self, done: Any, tries: int) -> tuple[Any] | None:
        """What a task has made; None if its worker was lost."""
        exceptions = self._ray.exceptions
        try:
            return (self._ray.get(done),)
        except exceptions.RayTaskError as error:
            raise error.cause from error
        except exceptions.RayError as error:
            if tries == MAX_TRIES:
                raise OptionError(
                    f"The work was given up after the workers of one part were lost {MAX_TRIES} "
                    "times; give the same command again to go on."
                ) from error
        self.retries += 1
        self._tell(
            f"A worker was lost; another does its part again (try {tries + 1} of {MAX_TRIES})."
        )
        return None


def network_needs(machines: Iterable[Mapping[str, float]], *, on_gpu: bool) -> Needs:
    """What a worker needs that runs the network: a GPU, or else two cores if a machine has them.

    Args:
        machines: The resources of each.
        on_gpu: Whether the network may run on one.
    """
    listed = list(machines)
    if on_gpu and any(machine.get("GPU", 0) >= 1 for machine in listed):
        return {"num_cpus": 1, "num_gpus": 1}
    return {"num_cpus": min(CORES, max(machine.get("CPU", 1.0) for machine in listed))}


def told_retries(retries: int) -> str:
    """A sentence on how many parts were done again; "" if none was."""
    was = "was" if retries == 1 else "were"
    return f"{counted(retries, 'part')} {was} done again, as workers were lost." if retries else ""


def _make_item(works: list[Any], item: Any) -> Any:
    """Runs in a worker. `works` is a list, because Ray replaces a reference that is not in one."""
    return _opened(works[0])(item)


@lru_cache(maxsize=1)
def _opened(reference: Any) -> Callable[[Any], Any]:
    work: Work[Any, Any] = _load_ray().get(reference)
    return work.open()


def _check_address(address: str) -> None:
    """Fails early, because Ray waits for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address) from error


def _no_cluster(address: str) -> OptionError:
    where = "on this machine" if address == AUTO else f"at {address}"
    return OptionError(
        f"There is no Ray cluster {where}; start one with `ray start --head`, or leave out --ray."
    )


def _load_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise OptionError(_INSTALL) from error
    return ray
