"""Building on a Ray cluster: the same bytes, and lost workers and machines do not matter."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from depthmask.cli.main import main
from depthmask.datasets.build import BlockBuilder, Folders
from depthmask.datasets.plan import Settings
from depthmask.datasets.ray import Job, RayTasks, finished_block, resources
from depthmask.errors import DatasetError
from tests.datasets.sources import contents, write_folders

WITHOUT_RAY = "an optional extra: distributed"
OPTIONS = ("--size", "32", "--placements", "45", "--flip")
BLOCKS = 6
PATIENCE = 300  # seconds
ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # elsewhere too, this makes Ray stay on the loopback
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # else workers wait for whatever else runs
}

TWO_NODES = """
import sys
from ray.cluster_utils import Cluster
node = dict(num_cpus=1, object_store_memory=80_000_000, node_ip_address="127.0.0.1",
            include_dashboard=False)
cluster = Cluster(initialize_head=True, head_node_args=node)
nodes = [cluster.head_node, cluster.add_node(**node)]
pids = [node.all_processes["raylet"][0].process.pid for node in nodes]
print("nodes", cluster.address, *pids, flush=True)
sys.stdin.readline()
cluster.remove_node(nodes[1], allow_graceful=False)
print("removed", flush=True)
sys.stdin.read()
cluster.shutdown()
"""


class Cluster(NamedTuple):
    """Two nodes with a processor each."""

    process: subprocess.Popen[str]
    address: str
    raylets: tuple[int, int]  # process ids

    def lose_a_node(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "removed\n"

    def workers(self) -> dict[int, int]:
        """Processes that make a block, by their node's raylet."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
        ).stdout
        found = (line.split(maxsplit=2) for line in listed.splitlines())
        return {
            int(parent): int(pid)
            for pid, parent, command in (line for line in found if len(line) == 3)
            if int(parent) in self.raylets and command.startswith("ray::_make_block")
        }


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    pytest.importorskip("ray", reason=WITHOUT_RAY)
    with subprocess.Popen(
        [sys.executable, "-c", TWO_NODES],
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        line = next((line for line in process.stdout if line.startswith("nodes ")), None)
        assert line is not None, "the cluster did not come up, see its message above"
        _, address, head, other = line.split()
        yield Cluster(process, address, (int(head), int(other)))
        assert process.stdin
        process.stdin.close()  # the cluster ends


@pytest.mark.slow
def test_lost_worker_and_lost_node(cluster: Cluster, tmp_path: Path) -> None:
    foregrounds, backgrounds = write_folders(tmp_path)
    out = tmp_path / "out"

    def command(folder: Path) -> list[str]:
        where = ["--foregrounds", str(foregrounds), "--backgrounds", str(backgrounds)]
        return ["build", *where, "--out", str(folder), *OPTIONS]

    build = subprocess.Popen(
        [sys.executable, "-m", "depthmask", *command(out), "--ray", cluster.address],
        env={**os.environ, **ENVIRONMENT},
    )
    stopped: dict[int, int] = {}
    end = time.monotonic() + PATIENCE
    while len(stopped) < 2:  # each node is stopped in the middle of a block
        assert build.poll() is None and time.monotonic() < end
        for raylet, pid in cluster.workers().items():
            if raylet not in stopped:
                os.kill(pid, signal.SIGSTOP)
                stopped[raylet] = pid
        time.sleep(0.02)
    assert stopped.keys() == set(cluster.raylets)
    assert len(list((out / "blocks").glob("*.json"))) < BLOCKS
    os.kill(stopped[cluster.raylets[0]], signal.SIGKILL)
    cluster.lose_a_node()
    assert build.wait(timeout=PATIENCE) == 0
    assert main(command(tmp_path / "alone")) == 0
    assert contents(out) == contents(tmp_path / "alone")


@pytest.fixture
def builder(tmp_path: Path, rows_teacher: None) -> BlockBuilder:
    folders = Folders(*write_folders(tmp_path), tmp_path / "out")
    return BlockBuilder.prepare(folders, Settings(size=48, placements=1))


def test_a_machine_that_does_not_see_the_folders(builder: BlockBuilder) -> None:
    with pytest.raises(DatasetError, match=r"does not see .*; give folders that all machines"):
        Job.of(builder).open()


def test_a_job_can_be_done_anywhere(
    builder: BlockBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    near = Folders(Path("fg"), Path("bg"), Path("out"))
    job = Job.of(BlockBuilder(near, builder.plan, builder.cutouts, builder.source))
    assert job.folders == builder.folders and job.depth == "contact"


def test_shares_of_gpus() -> None:
    assert resources({"CPU": 8, "GPU": 2}, on_gpu=False) == {"num_cpus": 1}
    assert resources({"CPU": 8}, on_gpu=True) == {"num_cpus": 1}
    for machine, share in (((8, 4), 0.5), ((64, 1), 0.25), ((1, 8), 1.0)):
        cluster = dict(zip(("CPU", "GPU"), machine, strict=True))
        assert resources(cluster, on_gpu=True) == {"num_cpus": 1, "num_gpus": share}


def test_errors_of_another_machine() -> None:
    ray = pytest.importorskip("ray", reason=WITHOUT_RAY)
    full = OSError(errno.ENOSPC, "No space left on device")
    for raised, expected, message in (
        (ray.exceptions.RayTaskError("f", "traceback", full), OSError, "No space left"),
        (ray.exceptions.WorkerCrashedError(), DatasetError, r"workers were lost 5 times; give"),
    ):

        def get(done: object, raised: Exception = raised) -> None:
            raise raised

        failing = SimpleNamespace(get=get, exceptions=ray.exceptions)
        with pytest.raises(expected, match=message) as found:
            finished_block(failing, None)
        if expected is OSError:
            assert found.value is full


@pytest.mark.parametrize("address", ["head", "ray://head:1", ":6379", "head:x"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(DatasetError, match="auto or HOST:PORT"):
        RayTasks(address)


def test_no_cluster_is_told_at_once(builder: BlockBuilder) -> None:
    pytest.importorskip("ray", reason=WITHOUT_RAY)
    with pytest.raises(DatasetError, match=r"no Ray cluster at 127.0.0.1:9; start one"):
        next(RayTasks("127.0.0.1:9").make(builder, [0]))


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DatasetError, match=r"pip install -e '\.\[distributed\]'"):
        RayTasks("auto")


def test_threads_are_not_for_clusters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foregrounds, backgrounds = write_folders(tmp_path)
    folders = ["--foregrounds", str(foregrounds), "--backgrounds", str(backgrounds)]
    for options in (["--jobs", "2", "--ray", "auto"], ["--jobs", "0"]):
        assert main(["build", *folders, "--out", str(tmp_path / "out"), *options]) == 2
        assert "--jobs must be" in capsys.readouterr().err
