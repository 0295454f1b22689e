"""Which backend runs the network: the named one, or the fastest that works here."""

import platform
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend
from depthmask.backends.protocol import Backend, BackendError, GraphInfo


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
        say: Gets one line for each backend that was tried in vain.

    Raises:
        BackendError: The named backend is unknown or cannot be used, or none can.
        ValueError: As the checkpoint or the device may raise.
    """
    if name != "auto":
        if name not in _BACKENDS:
            raise BackendError(
                f"There is no backend {name!r}; use auto or one of: {', '.join(_BACKENDS)}."
            )
        return _BACKENDS[name](checkpoint, device)
    complaint = unusable_gpu() if device == "auto" else None
    if complaint:
        say(complaint)
    *first, last = preferred_backends(device)
    for choice in first:
        try:
            return _BACKENDS[choice](checkpoint, device)
        except (BackendError, ImportError, OSError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            say(f"{choice} is passed over: {reason}")
    return _BACKENDS[last](checkpoint, device)


def backend_names() -> list[str]:
    """The names a user can give, without "auto"."""
    return list(_BACKENDS)


def preferred_backends(device: str = "auto") -> list[str]:
    """What to try on this machine, fastest first; `benchmarks/backends.py` measures it."""
    gpu = device not in ("auto", "cpu")
    if gpu or (device == "auto" and has_gpu() and unusable_gpu() is None):
        return ["torch"]
    if platform.machine().lower() in ("x86_64", "amd64"):
        return ["openvino", "onnxruntime", "torch"]
    return ["onnxruntime", "torch"]


def has_gpu() -> bool:
    """Tells without torch whether there is a GPU that torch may be able to use."""
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    nvidia = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    return apple or nvidia


def unusable_gpu() -> str | None:
    """Says what to do about a GPU that this torch cannot use; None where all is well."""
    if not has_gpu():
        return None
    import torch

    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return None
    if torch.version.cuda is None and sys.platform != "darwin":
        version = torch.__version__.partition("+")[0]
        return (
            "There is an NVIDIA GPU, and a torch that was built without CUDA; run "
            f"`pip install --force-reinstall torch=={version}` to use it."
        )
    return "There is a GPU that torch cannot use; update its driver."


def graph_of(checkpoint: Path) -> Path:
    """Where the graph of a checkpoint lies."""
    return checkpoint.with_suffix(".onnx")


def _make_torch(checkpoint: Path, device: str) -> Backend:
    from depthmask.backends.torch_backend import TorchBackend

    return TorchBackend(checkpoint, device=device)


def _make_openvino(checkpoint: Path, device: str) -> Backend:
    _check_cpu("OpenVINO", device)
    backend = OpenVINOBackend(graph_of(checkpoint))
    _check_fresh(checkpoint, backend.info)
    return backend


def _make_onnxruntime(checkpoint: Path, device: str) -> Backend:
    _check_cpu("ONNX Runtime", device)
    backend = OnnxRuntimeBackend(graph_of(checkpoint))
    _check_fresh(checkpoint, backend.info)
    return backend


_BACKENDS: dict[str, Callable[[Path, str], Backend]] = {
    "torch": _make_torch,
    "openvino": _make_openvino,
    "onnxruntime": _make_onnxruntime,
}


def _check_cpu(name: str, device: str) -> None:
    if device not in ("auto", "cpu"):
        raise BackendError(
            f"{name} runs on the CPU only, not on {device!r}; use the torch backend."
        )


def _check_fresh(checkpoint: Path, info: GraphInfo) -> None:
    """Raises BackendError if the graph was made from other weights than the checkpoint's."""
    if checkpoint.is_file() and sha256(checkpoint.read_bytes()).hexdigest() != info.checkpoint:
        raise BackendError(
            f"{graph_of(checkpoint)} was made from other weights; write it anew with "
            "`python -m depthmask export`."
        )
