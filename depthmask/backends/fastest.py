"""Which of several backends is fastest on this machine: measured at the first use, then recalled.

Whether 8-bit integers are faster than floats depends on the CPU's instructions, and on how well a
library uses them. No flag tells both.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Annotated

import numpy as np

from depthmask.backends.base import Backend
from depthmask.backends.user_cache import recall, remember
from depthmask.schema import SchemaError, Within, from_json

SIDE = 128  # pixels, of the pair that is timed
ROUNDS = 5
TIME_LIMIT_S = 0.8  # no round is begun after it


@dataclass(frozen=True)
class Timings:
    """What was measured."""

    seconds: dict[str, Annotated[float, Within(0, 3600)]]  # for a pair, by the backend's name


def make_fastest(key: object, make: Mapping[str, Callable[[], Backend]]) -> Backend:
    """Makes the fastest of several backends.

    Args:
        key: What the outcome depends on; its `repr` is the same in each process.
        make: What makes each backend, by a name.

    Raises:
        BackendError: As what makes a backend does. Which ones are made depends on what is recalled.
    """
    file = f"fastest-{sha256(repr(key).encode()).hexdigest()[:32]}.json"
    seconds = _recall_seconds(file)
    if seconds.keys() == make.keys():
        return make[min(make, key=seconds.__getitem__)]()
    backends = {name: make_one() for name, make_one in make.items()}
    if len(backends) > 1:
        seconds = measure(backends)
        remember(file, json.dumps(asdict(Timings(seconds)), indent=2).encode())
    return backends[min(backends, key=lambda name: seconds.get(name, 0))]


def measure(backends: Mapping[str, Backend]) -> dict[str, float]:
    """Returns the shortest time of a pair of `SIDE` pixels, in seconds; the backends take turns."""
    background, image = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    for backend in backends.values():  # the first run of a size prepares the others
        backend.run(background, image)
    seconds = dict.fromkeys(backends, float("inf"))
    end = time.perf_counter() + TIME_LIMIT_S
    for _ in range(ROUNDS):
        for name, backend in backends.items():
            start = time.perf_counter()
            backend.run(background, image)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
        if time.perf_counter() > end:
            break
    return seconds


def _recall_seconds(file: str) -> dict[str, float]:
    """By name; empty where nothing usable is there."""
    try:
        return from_json(recall(file) or b"", Timings).seconds
    except SchemaError:
        return {}
