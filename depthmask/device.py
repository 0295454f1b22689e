"""Where to compute."""

import torch


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
        raise ValueError(f"There is no device {name!r} here; use auto or one of: {there}.")
    return device
