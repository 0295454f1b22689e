"""How fast each backend runs the network on this machine, beside plain PyTorch in the same run.

The backends take turns, so that whatever else the machine does slows all of them alike; what is to
be trusted are the ratios. A ceiling is the time that the network's multiplications would take at
the rate of a large matrix product.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from depthmask.backends import BackendError, graph_of, make_backend
from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend
from depthmask.backends.protocol import Backend
from depthmask.backends.torch_backend import TorchBackend, best_precision
from depthmask.checkpoint import load_checkpoint
from depthmask.export import export
from depthmask.model import U2Net
from depthmask.pictures import Map, Picture

Run = Callable[[Picture, Picture], object]
BASELINE = "pytorch"
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LEAST_ROUNDS = 3
_PRODUCT = 1024  # side of the matrices of the ceiling


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
        copy = Path(folder) / checkpoint.name
        copy.write_bytes(checkpoint.read_bytes())
        export(copy, graph_of(copy), precision="fp16", dynamic=True)
        backends = list(_find(copy, say))
        default = make_backend(checkpoint=copy, device="cpu")
    runs: dict[tuple[str, str], Run] = {(BASELINE, "fp32"): plain_pytorch(model)}
    runs |= {(backend.name, backend.precision): backend.run for backend in backends}
    rates = {precision: multiply_rate(precision) for _, precision in runs}
    rows = []
    for size in sizes:
        times = take_turns(runs, size, seconds)
        baseline = float(np.median(times[BASELINE, "fp32"]))
        work = count_operations(model, size)
        for (name, precision), values in times.items():
            median, p95 = (float(np.percentile(values, share)) for share in (50, 95))
            rows.append(
                Row(
                    backend=name,
                    precision=precision,
                    size=size,
                    median_ms=median * 1e3,
                    p95_ms=p95 * 1e3,
                    ratio_to_pytorch_fp32=baseline / median,
                    ratio_to_ceiling=work / rates[precision] / median,
                    default=(name, precision) == (default.name, default.precision),
                )
            )
    return rows


def report(rows: Sequence[Row]) -> dict[str, object]:
    """The rows and what they were measured on, ready for JSON."""
    return {
        "rows": [asdict(row) for row in rows],
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }


def as_table(rows: Sequence[Row]) -> str:
    """The rows as text, a line each; the default has a star."""
    lines = ["backend      precision  size   median ms   p95 ms  x pytorch  of ceiling"]
    lines += [
        f"{row.backend:12} {row.precision:9} {row.size:5} {row.median_ms:11.1f} {row.p95_ms:8.1f} "
        f"{row.ratio_to_pytorch_fp32:10.2f} {row.ratio_to_ceiling:11.2f}{' *' * row.default}"
        for row in rows
    ]
    return "\n".join(lines)


def take_turns(
    runs: dict[tuple[str, str], Run], size: int, seconds: float
) -> dict[tuple[str, str], list[float]]:
    """Times runs on noise until the time is up: seconds of each, one a round."""
    background, image = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < _LEAST_ROUNDS:
        for key, run in runs.items():
            run(background, image)  # not timed: the one before leaves its threads spinning
            start = time.perf_counter()
            run(background, image)
            times[key].append(time.perf_counter() - start)
    return times


def plain_pytorch(model: U2Net) -> Run:
    """What one would write first: the network as it was trained, in fp32."""

    @torch.inference_mode()
    def run(background: Picture, image: Picture) -> dict[str, Map]:
        pictures = (
            torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255 for x in (background, image)
        )
        return {task: x[0, 0].sigmoid().numpy() for task, x in model(*pictures).items()}

    return run


def count_operations(model: U2Net, size: int) -> int:
    """Counts multiplications and additions for one pair of size x size pixels."""
    pictures = torch.empty(2, 1, 3, size, size, device="meta")  # nothing is computed
    with FlopCounterMode(display=False) as counter:
        deepcopy(model).to("meta")(*pictures)
    return int(counter.get_total_flops())


def multiply_rate(precision: str) -> float:
    """Multiplications and additions a second in a product of large matrices, the best of five."""
    left, right = torch.ones(2, _PRODUCT, _PRODUCT, dtype=_TYPES[precision])
    best = float("inf")
    for _ in range(6):  # the first one warms up
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return 2 * _PRODUCT**3 / best


def _find(checkpoint: Path, say: Callable[[str], None]) -> Iterator[Backend]:
    best = best_precision(torch.device("cpu"))
    graph = graph_of(checkpoint)
    makers: list[Callable[[], Backend]] = [
        lambda: TorchBackend(checkpoint, device="cpu", precision="fp32"),
        lambda: OnnxRuntimeBackend(graph),
        lambda: OpenVINOBackend(graph, precision="fp32"),
    ]
    if best != "fp32":
        makers += [
            lambda: TorchBackend(checkpoint, device="cpu", precision=best),
            lambda: OpenVINOBackend(graph, precision=best),
        ]
    for make in makers:
        try:
            yield make()
        except BackendError as error:
            say(str(error))
