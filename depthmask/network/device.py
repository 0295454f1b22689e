"""Chooses where to compute, and in which type."""

from contextlib import AbstractContextManager, nullcontext

import torch

from depthmask.errors import OptionError

# what errors say that have no type of their own: of CUDA and MPS, of MPS for one array, of the CPU,
# and of CUDA's libraries
_NO_MEMORY = ("out of memory", "Invalid buffer size", "DefaultCPUAllocator", "STATUS_ALLOC_FAILED")


def choose_device(name: str) -> torch.device:
    """Turns "auto" or the name of a device into one that is there; else ValueError."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu" and torch.backends.mps.is_available():
            name = "mps"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    found = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if device is None or (device.index or 0) >= found.get(device.type, 0):
        there = ", ".join(kind for kind, number in found.items() if number)
        raise OptionError(f"There is no device {name!r} here; use auto or one of: {there}.")
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Tells whether torch found no memory, on any device: for CUDA's alone it has a type."""
    told = isinstance(error, RuntimeError) and any(sign in str(error) for sign in _NO_MEMORY)
    return told or isinstance(error, torch.OutOfMemoryError)


def free_memory(device: torch.device) -> None:
    """Gives back what torch keeps of a GPU's memory for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def has_fast_bfloat16(device: torch.device) -> bool:
    """Tells whether a device is a CPU with instructions for bfloat16: it takes 0.6 of the time.

    The network is trained in bfloat16; `tests/inference/test_predictor.py` bounds what it changes.
    """
    if device.type != "cpu":
        return False
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Computes in bfloat16 where that is faster: on CUDA, and on CPUs with instructions for it.

    CPUs without them emulate bfloat16, and then need 10 to 20 times as long as in float32.
    """
    if device.type == "cuda" or has_fast_bfloat16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
