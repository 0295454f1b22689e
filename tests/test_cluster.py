"""Work on a Ray cluster: the same results, and lost workers and machines do not matter."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from depthmask.cli.main import main
from depthmask.cluster import Cluster, network_needs
from depthmask.errors import OptionError
from tests.clips.drawing import HEIGHT, STEADY, WIDTH, decoded, loudness, write
from tests.datasets.sources import contents, write_folders

ROOT = Path(__file__).resolve().parents[1]
WITHOUT_RAY = "an optional extra: distributed"
OPTIONS = ("--size", "32", "--placements", "45", "--flip")
BLOCKS = 6
PATIENCE = 300  # seconds
ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # elsewhere too, this makes Ray stay on the loopback
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # else workers wait for whatever else runs
    "PYTHONPATH": str(ROOT),
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
# the command, with segments that are short enough for a short clip
COMMAND = """
import sys
from depthmask.cli.main import main
from depthmask.inference import clip_segments
clip_segments.SEGMENT_FRAMES, clip_segments.WARM_UP = 5, 3
sys.exit(main(sys.argv[1:]))
"""


class Nodes(NamedTuple):
    """Two nodes with a processor each."""

    process: subprocess.Popen[str]
    address: str
    raylets: tuple[int, int]  # process ids

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Starts a command that works here."""
        words = [*map(str, arguments), "--ray", self.address]
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words],
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.PIPE,
            text=True,
        )

    def lose_a_node(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "removed\n"

    def workers(self) -> dict[int, int]:
        """Processes that make something, by their node's raylet."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=True
        ).stdout
        found = (line.split(maxsplit=2) for line in listed.splitlines())
        return {
            int(parent): int(pid)
            for pid, parent, command in (line for line in found if len(line) == 3)
            if int(parent) in self.raylets and command.startswith("ray::_make_item")
        }

    def stop_workers(self, command: subprocess.Popen[str], count: int) -> dict[int, int]:
        """Stops workers of so many nodes while they make something, by their node's raylet."""
        stopped: dict[int, int] = {}
        end = time.monotonic() + PATIENCE
        while len(stopped) < count:
            assert command.poll() is None and time.monotonic() < end
            for raylet, pid in self.workers().items():
                if raylet not in stopped and len(stopped) < count:
                    os.kill(pid, signal.SIGSTOP)
                    stopped[raylet] = pid
            time.sleep(0.02)
        return stopped

    def lose_a_worker(self, command: subprocess.Popen[str]) -> dict[str, Any]:
        """Kills a worker while it makes something; returns what the command reports in the end."""
        (worker,) = self.stop_workers(command, 1).values()
        os.kill(worker, signal.SIGKILL)
        printed, _ = command.communicate(timeout=PATIENCE)
        assert command.returncode == 0
        return dict(json.loads(printed))


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
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
        yield Nodes(process, address, (int(head), int(other)))
        if process.poll() is None:
            process.communicate("\n")  # the cluster ends


@pytest.fixture
def network(exported_checkpoint: Path) -> list[str]:
    # not torch, which takes long to be loaded
    return ["--checkpoint", str(exported_checkpoint), "--backend", "onnxruntime"]


@pytest.mark.slow
def test_images_of_a_lost_worker(nodes: Nodes, pair_folder: Path, network: list[str]) -> None:
    images = pair_folder / "in"
    images.mkdir()
    with Image.open(pair_folder / "image.png") as image:
        for number in range(12):
            image.rotate(number).save(images / f"{number}.png")
    common = ["predict", pair_folder / "background.png", images, *network, "-o"]
    out, alone = pair_folder / "out", pair_folder / "alone"
    report = nodes.lose_a_worker(nodes.start(*common, out))
    assert (report["made"], report["failed"], report["retries"]) == (12, 0, 1)
    assert main([*map(str, common), str(alone)]) == 0
    for kind in ("mask", "depth", "cutout", "preview"):
        assert contents(out / kind) == contents(alone / kind)
        assert len(contents(out / kind)) == 12
    rows = (out / "report.csv").read_text().splitlines()
    assert len(rows) == 13 and all(",made," in row for row in rows[1:])


@pytest.mark.slow
def test_segments_of_a_lost_worker(nodes: Nodes, tmp_path: Path, network: list[str]) -> None:
    clip = write(tmp_path / "clip.mkv", sound="libopus")
    out, alone, depth = tmp_path / "out.webm", tmp_path / "alone.webm", tmp_path / "depth"
    wall = tmp_path / "wall.png"
    Image.new("RGB", (WIDTH, HEIGHT), (40, 60, 80)).save(wall)
    common = ["video", clip, "--background", wall, *network]
    report = nodes.lose_a_worker(nodes.start(*common, "-o", out, "--depth", depth))
    assert (report["frames"], report["whole"], report["retries"]) == (len(STEADY), True, 1)
    assert main([*map(str, common), "-o", str(alone), "--depth", f"{depth}-alone"]) == 0
    (found, times), (expected, true_times) = decoded(out), decoded(alone)
    assert times == true_times and loudness(out) == loudness(alone)
    for pair in zip(found, expected, strict=True):
        assert np.abs(np.subtract(*pair, dtype=np.float32)).mean() < 4
    assert contents(depth).keys() == contents(tmp_path / "depth-alone").keys()
    assert (depth / "times.csv").read_text().count("\n") == len(STEADY) + 1
    assert not [*tmp_path.glob(".*")]


@pytest.mark.slow
def test_blocks_of_a_lost_worker_and_a_lost_node(nodes: Nodes, tmp_path: Path) -> None:
    """The last test of the two nodes: one is lost."""
    foregrounds, backgrounds = write_folders(tmp_path)
    out = tmp_path / "out"

    def command(folder: Path) -> list[str]:
        where = ["--foregrounds", str(foregrounds), "--backgrounds", str(backgrounds)]
        return ["build", *where, "--out", str(folder), *OPTIONS]

    build = nodes.start(*command(out))
    stopped = nodes.stop_workers(build, 2)  # each node in the middle of a block
    assert stopped.keys() == set(nodes.raylets)
    assert len(list((out / "blocks").glob("*.json"))) < BLOCKS
    os.kill(stopped[nodes.raylets[0]], signal.SIGKILL)
    nodes.lose_a_node()
    build.communicate(timeout=PATIENCE)
    assert build.returncode == 0
    assert main(command(tmp_path / "alone")) == 0
    assert contents(out) == contents(tmp_path / "alone")


class Ray(SimpleNamespace):
    """Stands in for Ray: tasks are made when they are waited for, some with an error."""

    def __init__(self, outcomes: Sequence[object]) -> None:
        import ray

        super().__init__(exceptions=ray.exceptions)
        self._outcomes, self._begun = iter(outcomes), 0
        self.nodes = lambda: [{"Alive": True, "Resources": {"CPU": 1.0}}]

    def put(self, work: object) -> object:
        return work

    def remote(self, **_: object) -> Callable[..., Any]:
        return lambda function: SimpleNamespace(remote=self._begin)

    def _begin(self, works: object, item: object) -> int:
        self._begun += 1
        return self._begun

    def wait(self, references: list[int], **_: object) -> tuple[list[int], list[int]]:
        return references[:1], references[1:]

    def get(self, reference: int) -> object:
        outcome = next(self._outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def run_with(ray: Any, items: Sequence[int], told: list[str]) -> list[tuple[int, Any]]:
    cluster = Cluster("auto", tell=told.append)
    cluster._ray = ray
    try:
        return list(cluster.run(SimpleNamespace(), items, {"num_cpus": 1}))
    finally:
        assert cluster.retries == len(told)


def test_what_is_lost_is_made_again_and_counted() -> None:
    ray = pytest.importorskip("ray", reason=WITHOUT_RAY)
    lost, told = ray.exceptions.WorkerCrashedError(), list[str]()
    assert run_with(Ray([lost, "b", lost, "a"]), [1, 2], told) == [(2, "b"), (1, "a")]
    assert told == [
        "A worker was lost; another does its part again (try 2 of 5).",
        "A worker was lost; another does its part again (try 3 of 5).",
    ]
    with pytest.raises(OptionError, match="lost 5 times; give the same command again"):
        run_with(Ray([lost] * 5), [1], [])


def test_few_items_are_handed_out_ahead() -> None:
    pytest.importorskip("ray", reason=WITHOUT_RAY)
    cluster, fetched = Cluster("auto"), []

    def items() -> Iterator[int]:
        for number in range(5):
            fetched.append(number)
            yield number

    cluster._ray = Ray("abcde")
    found = cluster.run(SimpleNamespace(), items(), {"num_cpus": 1}, stop=lambda: False)
    assert next(found) == (0, "a") and fetched == [0, 1]
    assert list(found) == [(1, "b"), (2, "c"), (3, "d"), (4, "e")]


def test_an_error_of_another_machine_is_raised_here() -> None:
    ray = pytest.importorskip("ray", reason=WITHOUT_RAY)
    full = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space left") as found:
        run_with(Ray([ray.exceptions.RayTaskError("f", "traceback", full)]), [1], [])
    assert found.value is full


def test_a_worker_has_a_gpu_or_two_cores() -> None:
    assert network_needs([{"CPU": 8.0}, {"CPU": 8.0, "GPU": 2.0}], on_gpu=True) == {
        "num_cpus": 1,
        "num_gpus": 1,
    }
    assert network_needs([{"CPU": 8.0, "GPU": 2.0}], on_gpu=False) == {"num_cpus": 2}
    assert network_needs([{"CPU": 1.0}, {"CPU": 1.0}], on_gpu=True) == {"num_cpus": 1}


@pytest.mark.parametrize("address", ["head", "ray://head:1", ":6379", "head:x"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(OptionError, match="auto or HOST:PORT"):
        Cluster(address)


def test_no_cluster_is_told_at_once() -> None:
    pytest.importorskip("ray", reason=WITHOUT_RAY)
    with (
        pytest.raises(OptionError, match=r"no Ray cluster at 127.0.0.1:9; start one"),
        Cluster("127.0.0.1:9"),
    ):
        pass


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(OptionError, match=r"pip install -e '\.\[distributed\]'"):
        Cluster("auto")
