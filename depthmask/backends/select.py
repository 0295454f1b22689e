"""Which backend runs the network: the named one, or the fastest that works here."""

import platform
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from depthmask.backends.base import Backend
from depthmask.backends.fastest import make_fastest
from depthmask.backends.graphs import (
    OnnxRuntimeBackend,
    OpenVINOBackend,
    checked_graph,
    describe_machine,
)
from depthmask.errors import BackendError
from depthmask.files import checked_fingerprint


def make_backend(
    name: str = "auto",
    *,
    checkpoint: Path,
    device: str = "auto",
    say: Callable[[str], None] = lambda line: None,
) -> Backend:
    """Makes a backend by name, or the fastest that works here.

    Args:
        name: "auto", or one of `backend_names()`.
        checkpoint: The weights; OpenVINO and ONNX Runtime need its graph beside it, `graph_of`.
        device: "auto", or a name of torch's; all but "cpu" leave only torch to choose from.
        say: Gets a line if a GPU cannot be used, and one if the fastest backend cannot.

    Raises:
        BackendError: The named backend is unknown or cannot be used, or none can.
        CheckpointError: A file is another than `SHA256SUMS` beside it names.
        ValueError: As the checkpoint or the device may raise.
    """
    if name != "auto":
        if name not in BACKENDS:
            raise BackendError(
                f"There is no backend {name!r}; use auto or one of: {', '.join(BACKENDS)}."
            )
        return BACKENDS[name](checkpoint, device)
    complaint = unusable_gpu() if device == "auto" else None
    if complaint:
        say(complaint)
    *first, last = preferred_backends(device)
    problems: list[str] = []
    for choice in first:
        try:
            backend = BACKENDS[choice](checkpoint, device)
            if backend.device != "cpu":
                _try(backend)
            break
        except (BackendError, ImportError, OSError, RuntimeError) as error:
            problems.append((str(error).splitlines() or [type(error).__name__])[0])
    else:
        backend = BACKENDS[last](checkpoint, device)
    if problems:  # the others are seldom there, and their problems then of no interest
        say(f"{first[0]} is passed over for {backend.name}: {problems[0]}")
    return backend


def backend_names() -> list[str]:
    """The names a user can give, without "auto"."""
    return list(BACKENDS)


def preferred_backends(device: str = "auto") -> list[str]:
    """What to try on this machine, fastest first; `python -m depthmask bench` measures it."""
    if device not in ("auto", "cpu"):
        return ["torch"]
    on_x86 = platform.machine().lower() in ("x86_64", "amd64")
    on_cpu = ["openvino", "onnxruntime"] if on_x86 else ["onnxruntime"]
    if device == "auto" and has_gpu() and unusable_gpu() is None:
        return ["torch", *on_cpu]
    return [*on_cpu, "torch"]


def has_gpu() -> bool:
    """Tells without torch whether there is a GPU that torch may be able to use."""
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    nvidia = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    return apple or nvidia


def unusable_gpu() -> str | None:
    """Says what to do about a GPU that this torch cannot use; None where all is well."""
    if not has_gpu():
        return None
    try:
        import torch
    except ImportError:
        return "There is a GPU, and no torch; run `pip install torch` to use it."
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return None
    if torch.version.cuda is None and sys.platform != "darwin":
        version = torch.__version__.partition("+")[0]
        return (
            "There is an NVIDIA GPU, and a torch that was built without CUDA; run "
            f"`pip install --force-reinstall torch=={version}` to use it."
        )
    return "There is a GPU that torch cannot use; update its driver."


def graph_of(checkpoint: Path, precision: str = "fp32") -> Path:
    """Where the graph of a checkpoint lies: the one for int8, OpenVINO's, or the one for floats."""
    return checkpoint.with_suffix(".int8.xml" if precision == "int8" else ".onnx")


def _try(backend: Backend) -> None:
    """Runs a small pair: a GPU that is full, or too old for this torch, only says so then."""
    from depthmask.backends.pytorch import TorchBackend  # no other runs on a GPU

    if isinstance(backend, TorchBackend):
        backend.try_device()


def _make_torch(checkpoint: Path, device: str) -> Backend:
    from depthmask.backends.pytorch import TorchBackend

    return TorchBackend(checkpoint, device=device)


def _make_openvino(checkpoint: Path, device: str) -> Backend:
    _check_cpu("OpenVINO", device)
    graphs = [graph_of(checkpoint, precision) for precision in ("int8", "fp32")]
    graphs = [graph for graph in graphs if graph.is_file()] or graphs[1:]
    load = partial(_load, OpenVINOBackend, checkpoint)
    try:
        key = (describe_machine(), *map(checked_graph, graphs))
        return make_fastest(key, {graph.name: partial(load, graph) for graph in graphs})
    except BackendError:
        return load(graphs[-1])  # a graph in int8 that is of other weights is passed over


def _make_onnxruntime(checkpoint: Path, device: str) -> Backend:
    _check_cpu("ONNX Runtime", device)
    return _load(OnnxRuntimeBackend, checkpoint, graph_of(checkpoint))


# a name for the user to give -> what makes the backend of a checkpoint and a device
BACKENDS: dict[str, Callable[[Path, str], Backend]] = {
    "torch": _make_torch,
    "openvino": _make_openvino,
    "onnxruntime": _make_onnxruntime,
}


def _check_cpu(name: str, device: str) -> None:
    if device not in ("auto", "cpu"):
        raise BackendError(
            f"{name} runs on the CPU only, not on {device!r}; use the torch backend."
        )


GraphBackendT = TypeVar("GraphBackendT", OpenVINOBackend, OnnxRuntimeBackend)


def _load(kind: Callable[[Path], GraphBackendT], checkpoint: Path, graph: Path) -> GraphBackendT:
    """Makes a backend whose graph is of these weights and takes pictures of any shape."""
    export = _export_command(checkpoint)
    if not graph.is_file():
        raise BackendError(f"There is no {graph}; write it with {export}.")
    backend = kind(graph)
    if checkpoint.is_file() and checked_fingerprint(checkpoint) != backend.info.checkpoint:
        raise BackendError(f"{graph} was made from other weights; write it anew with {export}.")
    if not backend.takes_any_size:
        raise BackendError(f"{graph} takes pictures of one size only; write it anew with {export}.")
    return backend


def _export_command(checkpoint: Path) -> str:
    return f"`python -m depthmask export --dynamic --checkpoint {checkpoint}`"
