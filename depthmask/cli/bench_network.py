"""What runs the network on this machine: each backend, on each device, in each precision.

Start-up and memory are those of a process of its own, which makes one backend and predicts once:
`python -m depthmask.cli.bench_network BACKEND PRECISION DEVICE CHECKPOINT SIZE`. For its sake,
nothing here imports torch before it is needed.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from depthmask.errors import BackendError

if TYPE_CHECKING:
    from depthmask.backends import BatchBackend
    from depthmask.pictures import Map, Picture

BASELINE = "pytorch"  # the main network as it was trained, nothing folded


class Key(NamedTuple):
    """What is measured."""

    backend: str  # `BASELINE`, or a backend's name
    precision: str
    device: str = "cpu"  # by torch's names

    def __str__(self) -> str:
        place = "" if self.device == "cpu" else f" on {self.device}"
        return f"{self.backend} {self.precision}{place}"


class Probe(NamedTuple):
    """The start-up and the memory of a process that makes a backend and predicts once."""

    startup_s: float
    peak_mb: float | None


Run = Callable[["Picture", "Picture"], "dict[str, Map]"]  # (B, h, w, 3) twice -> (B, h, w) each


def find_runs(checkpoint: Path, say: Callable[[str], None]) -> Iterator[tuple[Key, Run]]:
    """Yields what works here: on the CPU, and on the GPU if torch can use one.

    Args:
        checkpoint: The weights, their graph beside them.
        say: Gets a line for each backend that is missing.
    """
    import torch

    from depthmask.backends import graph_of
    from depthmask.backends.pytorch import best_precision
    from depthmask.network.device import choose_device

    devices = dict.fromkeys(("cpu", choose_device("auto").type))
    best = {device: best_precision(torch.device(device)) for device in devices}
    for key in list_keys(best, int8=graph_of(checkpoint, "int8").is_file()):
        try:
            yield key, make_run(key, checkpoint)
        except BackendError as error:
            say(str(error))


def list_keys(best: dict[str, str], *, int8: bool) -> list[Key]:
    """Lists what to measure.

    Args:
        best: The fastest precision of each device.
        int8: Whether there is a graph for int8.
    """
    keys = [Key(name, "fp32") for name in (BASELINE, "torch", "onnxruntime", "openvino")]
    if best["cpu"] != "fp32":
        keys += [Key(name, best["cpu"]) for name in ("torch", "openvino")]
    if int8:
        keys.append(Key("openvino", "int8"))
    for device, precision in best.items():
        if device != "cpu":
            keys += [Key(BASELINE, "fp32", device), Key("torch", "fp32", device)]
            keys += [Key("torch", precision, device)] if precision != "fp32" else []
    return keys


def make_run(key: Key, checkpoint: Path) -> Run:
    """Makes a function that runs batches.

    Args:
        key: A backend, and a precision and a device that it has.
        checkpoint: The weights, their graph beside them.

    Raises:
        BackendError: The backend cannot be used.
        ValueError: The checkpoint cannot be read.
    """
    if key.backend == BASELINE:
        return _plain_pytorch(key.device)
    return _make_backend(key, checkpoint).run_batch


def probe(key: Key, checkpoint: Path, size: int) -> Probe:
    """Measures start-up and memory in a process of its own.

    Args:
        key: What runs the network.
        checkpoint: The weights, their graph beside them.
        size: Pixels a side.

    Raises:
        BackendError: The process failed.
    """
    arguments = [*key, str(checkpoint.resolve()), str(size)]
    start = time.monotonic()  # the same for all processes
    done = subprocess.run(
        [sys.executable, "-m", "depthmask.cli.bench_network", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise BackendError(f"{key.backend} could not be measured alone: {reason}")
    found = json.loads(done.stdout)
    return Probe(found["ready"] - start, found["peak_mb"])


def noise(pairs: int, size: int) -> "tuple[Picture, Picture]":
    """Makes random backgrounds and images, (pairs, size, size, 3) uint8 each."""
    import numpy as np

    shape = (2, pairs, size, size, 3)
    backgrounds, images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return backgrounds, images


def peak_megabytes() -> float | None:
    """Returns the peak resident memory of this process; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():  # On Linux, getrusage counts the parent's memory too.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS, in bytes


def with_graph(checkpoint: Path, folder: Path) -> Path:
    """Returns the checkpoint, or, if it has no graph, a copy in the folder with one."""
    from depthmask.backends import graph_of

    if graph_of(checkpoint).is_file():
        return checkpoint
    from depthmask.export.exporter import export

    copy = folder / checkpoint.name
    copy.write_bytes(checkpoint.read_bytes())
    export(copy, graph_of(copy), precision="fp16", dynamic=True)
    return copy


def _plain_pytorch(device: str) -> Run:
    """Makes the baseline: the main network as it was trained, in fp32."""
    import torch

    from depthmask.network.checkpoint import WEIGHTS, load_checkpoint

    model, _ = load_checkpoint(WEIGHTS)
    model.to(device)

    @torch.inference_mode()
    def run(backgrounds: "Picture", images: "Picture") -> "dict[str, Map]":
        pictures = (
            torch.from_numpy(x).to(device).permute(0, 3, 1, 2).float() / 255
            for x in (backgrounds, images)
        )
        return {task: x[:, 0].sigmoid().cpu().numpy() for task, x in model(*pictures).items()}

    return run


def _make_backend(key: Key, checkpoint: Path) -> "BatchBackend":
    from depthmask.backends import graph_of
    from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend

    if key.backend == "openvino":
        floats = None if key.precision == "int8" else key.precision
        return OpenVINOBackend(graph_of(checkpoint, key.precision), precision=floats)
    if key.backend == "onnxruntime":
        return OnnxRuntimeBackend(graph_of(checkpoint))
    from depthmask.backends.pytorch import TorchBackend

    return TorchBackend(checkpoint, device=key.device, precision=key.precision)


def _run_alone(backend: str, precision: str, device: str, checkpoint: str, size: str) -> None:
    """Makes one backend and predicts once; prints the time and the peak memory as JSON."""
    make_run(Key(backend, precision, device), Path(checkpoint))(*noise(1, int(size)))
    print(json.dumps({"ready": time.monotonic(), "peak_mb": peak_megabytes()}))


if __name__ == "__main__":
    _run_alone(*sys.argv[1:])
