"""What `depthmask.cli.bench` compares, and one of them in a process of its own.

`python -m depthmask.cli.contenders NAME PRECISION CHECKPOINT SIZE` makes one, lets it predict once,
and prints JSON: when that was, and how much memory the process took at most.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from depthmask.backends import BatchBackend, graph_of
from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend
from depthmask.pictures import Map, Picture

Run = Callable[[Picture, Picture], dict[str, Map]]  # (B, h, w, 3) twice -> (B, h, w) each
BASELINE = "pytorch"  # the network as it was trained, nothing folded


def make_run(name: str, precision: str, checkpoint: Path) -> Run:
    """Makes what runs batches on the CPU.

    Args:
        name: `BASELINE`, or a backend's.
        precision: "fp32", or "bf16" or "int8" where the backend has it.
        checkpoint: The weights, their graph beside them.

    Raises:
        BackendError: The backend cannot be used.
        ValueError: The checkpoint cannot be read.
    """
    if name == BASELINE:
        return plain_pytorch(checkpoint)
    return _make_backend(name, precision, checkpoint).run_batch


def plain_pytorch(checkpoint: Path) -> Run:
    """What one would write first: the network as it was trained, in fp32."""
    import torch

    from depthmask.network.checkpoint import load_checkpoint

    model, _ = load_checkpoint(checkpoint)

    @torch.inference_mode()
    def run(backgrounds: Picture, images: Picture) -> dict[str, Map]:
        pictures = (
            torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 for x in (backgrounds, images)
        )
        return {task: x[:, 0].sigmoid().numpy() for task, x in model(*pictures).items()}

    return run


def noise(pairs: int, size: int) -> tuple[Picture, Picture]:
    """Backgrounds and images, (pairs, size, size, 3) each."""
    shape = (2, pairs, size, size, 3)
    backgrounds, images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return backgrounds, images


def peak_megabytes() -> float | None:
    """The most memory this process has had resident; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux, whose getrusage also counts what the parent had at the start
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS, in bytes


def _make_backend(name: str, precision: str, checkpoint: Path) -> BatchBackend:
    if name == "openvino":
        floats = None if precision == "int8" else precision
        return OpenVINOBackend(graph_of(checkpoint, precision), precision=floats)
    if name == "onnxruntime":
        return OnnxRuntimeBackend(graph_of(checkpoint))
    from depthmask.backends.pytorch import TorchBackend

    return TorchBackend(checkpoint, device="cpu", precision=precision)


def main() -> None:
    name, precision, checkpoint, size = sys.argv[1:]
    make_run(name, precision, Path(checkpoint))(*noise(1, int(size)))
    print(json.dumps({"ready": time.time(), "peak_mb": peak_megabytes()}))


if __name__ == "__main__":
    main()
