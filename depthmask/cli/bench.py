"""How fast each backend runs the network on this machine, beside plain PyTorch in the same run.

The backends take turns, so that whatever else the machine does slows all of them alike; what is to
be trusted are the ratios. A ceiling is the time that the network's multiplications would take at
the best rate of a large matrix product, which takes its turn as well. Start-up and memory are those
of a process of its own, which makes the backend and predicts once.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from depthmask.backends import graph_of, make_backend
from depthmask.backends.pytorch import best_precision
from depthmask.cli.charts import Bar, draw_bars
from depthmask.cli.contenders import BASELINE, Run, make_run, noise
from depthmask.errors import BackendError
from depthmask.export.exporter import export
from depthmask.network.checkpoint import load_checkpoint
from depthmask.network.u2net import U2Net
from depthmask.pictures import Map, Picture

Key = tuple[str, str]  # backend and precision
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
_LEAST_ROUNDS = 3
_CEILING = "product"  # in a backend's place where times are kept
_PRODUCT = 1024  # side of its matrices
_BATCH = 4  # pairs at once
_BATCHES = 2  # of them, the better of which counts


@dataclass(frozen=True)
class Row:
    """One backend in one precision at one size."""

    backend: str  # "pytorch" is the network as it was trained, nothing folded
    precision: str
    size: int  # pixels a side
    median_ms: float
    p95_ms: float
    ratio_to_pytorch_fp32: float  # of medians; 2 is twice as fast
    ratio_to_ceiling: float  # 1 would be as fast as this machine multiplies
    default: bool  # what is chosen here
    pairs_per_s: float  # four pairs at once
    startup_s: float  # from nothing to the first prediction, in a process of its own
    peak_mb: float | None  # resident memory of that process, at most; None: not told here


class Probe(NamedTuple):
    """What a process takes that makes a backend and predicts once."""

    startup_s: float
    peak_mb: float | None


def bench(
    checkpoint: Path,
    *,
    sizes: Sequence[int] = (224, 512),
    seconds: float = 60,
    say: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Measures what can be had here on the CPU.

    Args:
        checkpoint: A file that `load_checkpoint` reads.
        sizes: Pixels a side, multiples of 32.
        seconds: To spend on a size, a little more for few and slow runs.
        say: Gets one line for each backend that is missing.
    """
    model, _ = load_checkpoint(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        place = _with_graph(checkpoint, Path(folder))
        runs = dict(_find(place, say))
        chosen = make_backend(checkpoint=place, device="cpu")
        probes = {(key, size): probe(*key, place, size) for key in runs for size in sizes}
    ceilings = {(_CEILING, precision): product(precision) for _, precision in runs}
    rows = []
    for size in sizes:
        times = take_turns(runs | ceilings, size, seconds)
        work = count_operations(model, size)
        rows += [
            Row(
                backend=key[0],
                precision=key[1],
                size=size,
                **_speed(key, times, work),
                default=key == (chosen.name, chosen.precision),
                pairs_per_s=throughput(run, size),
                **probes[key, size]._asdict(),
            )
            for key, run in runs.items()
        ]
    return rows


def _speed(key: Key, times: dict[Key, list[float]], work: int) -> dict[str, float]:
    """The columns of a row that tell of one pair's time."""
    median, p95 = (float(np.percentile(times[key], share)) for share in (50, 95))
    rate = 2 * _PRODUCT**3 / min(times[_CEILING, key[1]])
    return {
        "median_ms": median * 1e3,
        "p95_ms": p95 * 1e3,
        "ratio_to_pytorch_fp32": float(np.median(times[BASELINE, "fp32"])) / median,
        "ratio_to_ceiling": work / rate / median,
    }


def report(rows: Sequence[Row]) -> dict[str, object]:
    """The rows and what they were measured on, ready for JSON."""
    return {
        "rows": [asdict(row) for row in rows],
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }


def as_table(rows: Sequence[Row]) -> str:
    """The rows as text, a line each; the default has a star."""
    lines = [
        "backend      precision  size   median ms   p95 ms  x pytorch  of ceiling  pairs/s  "
        "start-up s  peak MB"
    ]
    lines += [
        f"{row.backend:12} {row.precision:9} {row.size:5} {row.median_ms:11.1f} {row.p95_ms:8.1f} "
        f"{row.ratio_to_pytorch_fp32:10.2f} {row.ratio_to_ceiling:11.2f} {row.pairs_per_s:8.2f} "
        f"{row.startup_s:11.2f} {row.peak_mb or 0:8.0f}{' *' * row.default}"
        for row in rows
    ]
    return "\n".join(lines)


def draw(rows: Sequence[Row]) -> str:
    """The rows as a chart (SVG): how many times as fast as plain PyTorch, the default in red."""
    sizes = dict.fromkeys(row.size for row in rows)
    groups = {
        f"{size} x {size} pixels": [
            Bar(
                f"{row.backend} {row.precision}",
                row.ratio_to_pytorch_fp32,
                f"{row.ratio_to_pytorch_fp32:.2f} x, {row.median_ms:.0f} ms",
                row.default,
            )
            for row in rows
            if row.size == size
        ]
        for size in sizes
    }
    return draw_bars("One pair: speed against plain PyTorch fp32, in the same run", groups)


def take_turns(runs: dict[Key, Run], size: int, seconds: float) -> dict[Key, list[float]]:
    """Times runs of one pair of noise until the time is up: seconds of each, one a round."""
    background, image = noise(1, size)
    times: dict[Key, list[float]] = {key: [] for key in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < _LEAST_ROUNDS:
        for key, run in runs.items():
            run(background, image)  # not timed: the one before leaves its threads spinning
            start = time.perf_counter()
            run(background, image)
            times[key].append(time.perf_counter() - start)
    return times


def throughput(run: Run, size: int) -> float:
    """Pairs a second, of four at once, the better of two."""
    backgrounds, images = noise(_BATCH, size)
    run(backgrounds, images)  # not timed: memory for so many is taken
    best = float("inf")
    for _ in range(_BATCHES):
        start = time.perf_counter()
        run(backgrounds, images)
        best = min(best, time.perf_counter() - start)
    return _BATCH / best


def probe(name: str, precision: str, checkpoint: Path, size: int) -> Probe:
    """Measures start-up and memory in a process of its own.

    Args:
        name: `BASELINE`, or a backend's.
        precision: Of the backend.
        checkpoint: The weights, their graph beside them.
        size: Pixels a side.

    Raises:
        RuntimeError: The process failed.
    """
    arguments = [name, precision, str(checkpoint), str(size)]
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "depthmask.cli.contenders", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was ended"])[-1]
        raise RuntimeError(f"{name} could not be measured alone: {reason}")
    found = json.loads(done.stdout)
    return Probe(found["ready"] - start, found["peak_mb"])


def count_operations(model: U2Net, size: int) -> int:
    """Counts multiplications and additions for one pair of size x size pixels."""
    pictures = torch.empty(2, 1, 3, size, size, device="meta")  # nothing is computed
    with FlopCounterMode(display=False) as counter:
        deepcopy(model).to("meta")(*pictures)
    return int(counter.get_total_flops())


def product(precision: str) -> Run:
    """Makes what multiplies two large matrices in a precision, whatever pictures it is given."""
    left, right = torch.ones(2, _PRODUCT, _PRODUCT).to(_TYPES[precision])
    # of bytes, torch has no product with a public name
    multiply = torch._int_mm if precision == "int8" else torch.mm

    def run(backgrounds: Picture, images: Picture) -> dict[str, Map]:
        multiply(left, right)
        return {}

    return run


def _with_graph(checkpoint: Path, folder: Path) -> Path:
    """A checkpoint with a graph beside it: the one given, or a copy in the folder."""
    if graph_of(checkpoint).is_file():
        return checkpoint
    copy = folder / checkpoint.name
    copy.write_bytes(checkpoint.read_bytes())
    export(copy, graph_of(copy), precision="fp16", dynamic=True)
    return copy


def _find(checkpoint: Path, say: Callable[[str], None]) -> Iterator[tuple[Key, Run]]:
    """What can be had here: each backend in fp32 and the best floats of this CPU, and int8."""
    best = best_precision(torch.device("cpu"))
    keys = [(name, "fp32") for name in (BASELINE, "torch", "onnxruntime", "openvino")]
    if best != "fp32":
        keys += [(name, best) for name in ("torch", "openvino")]
    if graph_of(checkpoint, "int8").is_file():
        keys.append(("openvino", "int8"))
    for key in keys:
        try:
            yield key, make_run(*key, checkpoint)
        except BackendError as error:
            say(str(error))
