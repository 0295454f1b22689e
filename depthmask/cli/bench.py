"""`depthmask bench`: how fast each backend runs the network on this machine.

Plain PyTorch is measured in the same run, and the backends take turns, so that whatever else the
machine does slows all of them alike. Trust the ratios, not the times. A ceiling is the time that
the network's multiplications would take at the best rate of a large matrix product, which takes
turns as well.

Start-up and memory are those of a process of its own, which makes one backend and predicts once:
`python -m depthmask.cli.bench BACKEND PRECISION CHECKPOINT SIZE`. For its sake, nothing here
imports torch before it is needed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from depthmask.errors import BackendError, OptionError
from depthmask.files import check_file, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from depthmask.backends import BatchBackend
    from depthmask.network.u2net import U2Net
    from depthmask.pictures import Map, Picture

Key = tuple[str, str]  # backend and precision
Run = Callable[["Picture", "Picture"], "dict[str, Map]"]  # (B, h, w, 3) twice -> (B, h, w) each

BASELINE = "pytorch"  # the network as it was trained, nothing folded
MIN_ROUNDS = 3
CEILING = "product"  # in a backend's place where times are kept
PRODUCT_SIDE = 1024  # of the matrices
BATCH_SIZE = 4  # pairs at once
BATCH_REPEATS = 2  # the fastest counts


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
    default: bool  # the backend that is chosen on this machine
    pairs_per_s: float  # four pairs at once
    startup_s: float  # from nothing to the first prediction, in a process of its own
    peak_mb: float | None  # peak resident memory of that process; None: unknown


class Probe(NamedTuple):
    """The start-up and the memory of a process that makes a backend and predicts once."""

    startup_s: float
    peak_mb: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--checkpoint", type=Path, metavar="FILE", help="weights (default: the shipped ones)")
    add("--json", type=Path, metavar="FILE", help="write the numbers to a file")
    add("--svg", type=Path, metavar="FILE", help="draw the speed of each")
    add("--quick", action="store_true", help="one size, in under a minute")


def run(options: argparse.Namespace) -> None:
    from depthmask.network.checkpoint import WEIGHTS

    for file in (options.json, options.svg):
        if file:  # before the measurement, which takes minutes
            check_file(file)
    if options.svg:
        _import_figure()
    rows = bench(
        options.checkpoint or WEIGHTS,
        sizes=(224,) if options.quick else (224, 512),
        seconds=10 if options.quick else 60,
        say=lambda line: print(line, file=sys.stderr),
    )
    print(as_table(rows))
    if options.json:
        text = json.dumps(as_json(rows), indent=2) + "\n"
        write_whole(options.json, text.encode())
    if options.svg:
        chart = BytesIO()
        draw_chart(rows).savefig(chart, format="svg")
        write_whole(options.svg, chart.getvalue())


def bench(
    checkpoint: Path,
    *,
    sizes: Sequence[int] = (224, 512),
    seconds: float = 60,
    say: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Measures every backend that works here, on the CPU.

    Args:
        checkpoint: A file that `load_checkpoint` reads.
        sizes: Pixels a side, multiples of 32.
        seconds: To spend on a size. Slow runs take longer: each is run three times at least.
        say: Gets one line for each backend that is missing.
    """
    from depthmask.backends import make_backend
    from depthmask.network.checkpoint import load_checkpoint

    model, _ = load_checkpoint(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        place = _with_graph(checkpoint, Path(folder))
        runs = dict(_find(place, say))
        chosen = make_backend(checkpoint=place, device="cpu")
        probes = {(key, size): probe(*key, place, size) for key in runs for size in sizes}
    ceilings = {(CEILING, precision): product(precision) for _, precision in runs}
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
    """Computes the columns of a row that are about one pair's time."""
    import numpy as np

    median, p95 = (float(np.percentile(times[key], share)) for share in (50, 95))
    rate = 2 * PRODUCT_SIDE**3 / min(times[CEILING, key[1]])
    return {
        "median_ms": median * 1e3,
        "p95_ms": p95 * 1e3,
        "ratio_to_pytorch_fp32": float(np.median(times[BASELINE, "fp32"])) / median,
        "ratio_to_ceiling": work / rate / median,
    }


def as_json(rows: Sequence[Row]) -> dict[str, object]:
    """Describes the rows and the machine, ready for JSON."""
    import torch

    return {
        "rows": [asdict(row) for row in rows],
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }


def as_table(rows: Sequence[Row]) -> str:
    """Formats the rows as text, a line each; the default has a star."""
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


def draw_chart(rows: Sequence[Row]) -> "Figure":
    """Draws how many times as fast as plain PyTorch each row is, the default in red.

    Raises:
        OptionError: Matplotlib is missing.
    """
    sizes = list(dict.fromkeys(row.size for row in rows))
    groups = [[row for row in rows if row.size == size] for size in sizes]
    figure = _import_figure()(figsize=(9, 1 + 0.32 * len(rows)), layout="constrained")
    figure.suptitle("One pair: speed against plain PyTorch fp32, in the same run")
    plots = figure.subplots(
        len(sizes), squeeze=False, height_ratios=[len(group) for group in groups]
    )
    for size, group, plot in zip(sizes, groups, plots[:, 0], strict=True):
        bars = plot.barh(
            [f"{row.backend} {row.precision}" for row in group],
            [row.ratio_to_pytorch_fp32 for row in group],
            color=["#d9480f" if row.default else "#8aa4c8" for row in group],
        )
        plot.bar_label(
            bars,
            [f"{row.ratio_to_pytorch_fp32:.2f} x, {row.median_ms:.0f} ms" for row in group],
            padding=4,
        )
        plot.set_title(f"{size} x {size} pixels", loc="left")
        plot.margins(x=0.2)
        plot.invert_yaxis()
    return figure


def take_turns(runs: dict[Key, Run], size: int, seconds: float) -> dict[Key, list[float]]:
    """Times each run on a pair of noise, in turns, until the time is up; returns seconds."""
    background, image = noise(1, size)
    times: dict[Key, list[float]] = {key: [] for key in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < MIN_ROUNDS:
        for key, run in runs.items():
            run(background, image)  # not timed, as threads of the run before may still spin
            start = time.perf_counter()
            run(background, image)
            times[key].append(time.perf_counter() - start)
    return times


def throughput(run: Run, size: int) -> float:
    """Measures pairs a second, in batches of four; the better of two batches."""
    backgrounds, images = noise(BATCH_SIZE, size)
    run(backgrounds, images)  # not timed, as it allocates the memory
    best = float("inf")
    for _ in range(BATCH_REPEATS):
        start = time.perf_counter()
        run(backgrounds, images)
        best = min(best, time.perf_counter() - start)
    return BATCH_SIZE / best


def probe(name: str, precision: str, checkpoint: Path, size: int) -> Probe:
    """Measures start-up and memory in a process of its own.

    Args:
        name: `BASELINE`, or a backend's.
        precision: Of the backend.
        checkpoint: The weights, their graph beside them.
        size: Pixels a side.

    Raises:
        BackendError: The process failed.
    """
    arguments = [name, precision, str(checkpoint.resolve()), str(size)]
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-m", "depthmask.cli.bench", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was killed"])[-1]
        raise BackendError(f"{name} could not be measured alone: {reason}")
    found = json.loads(done.stdout)
    return Probe(found["ready"] - start, found["peak_mb"])


def count_operations(model: "U2Net", size: int) -> int:
    """Counts the convolutions' multiplications and additions for a pair of size x size pixels."""
    import torch

    counted = 0

    def count(layer: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, torch.nn.Conv2d)
        counted += 2 * output[0].numel() * layer.weight[0].numel()

    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.inference_mode():
        model(*torch.zeros(2, 1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return counted


def product(precision: str) -> Run:
    """Makes what multiplies two large matrices in a precision; the pictures are ignored."""
    import torch

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.int8}
    left, right = torch.ones(2, PRODUCT_SIDE, PRODUCT_SIDE).to(kinds[precision])
    # torch's product of bytes has no public name
    multiply = torch._int_mm if precision == "int8" else torch.mm

    def run(backgrounds: "Picture", images: "Picture") -> "dict[str, Map]":
        multiply(left, right)
        return {}

    return run


def make_run(name: str, precision: str, checkpoint: Path) -> Run:
    """Makes a function that runs batches on the CPU.

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
    """Makes the baseline: the network as it was trained, in fp32."""
    import torch

    from depthmask.network.checkpoint import load_checkpoint

    model, _ = load_checkpoint(checkpoint)

    @torch.inference_mode()
    def run(backgrounds: "Picture", images: "Picture") -> "dict[str, Map]":
        pictures = (
            torch.from_numpy(x).permute(0, 3, 1, 2).float() / 255 for x in (backgrounds, images)
        )
        return {task: x[:, 0].sigmoid().numpy() for task, x in model(*pictures).items()}

    return run


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


def _with_graph(checkpoint: Path, folder: Path) -> Path:
    """Returns the checkpoint, or, if it has no graph, a copy in the folder with one."""
    from depthmask.backends import graph_of

    if graph_of(checkpoint).is_file():
        return checkpoint
    from depthmask.export.exporter import export

    copy = folder / checkpoint.name
    copy.write_bytes(checkpoint.read_bytes())
    export(copy, graph_of(copy), precision="fp16", dynamic=True)
    return copy


def _find(checkpoint: Path, say: Callable[[str], None]) -> Iterator[tuple[Key, Run]]:
    """Yields each backend that works here, in fp32, in this CPU's best floats, and in int8."""
    import torch

    from depthmask.backends import graph_of
    from depthmask.backends.pytorch import best_precision

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


def _import_figure() -> "type[Figure]":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError(
            "--svg needs Matplotlib; run `pip install 'depthmask[plots]'`."
        ) from error
    return Figure


def _make_backend(name: str, precision: str, checkpoint: Path) -> "BatchBackend":
    from depthmask.backends import graph_of
    from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend

    if name == "openvino":
        floats = None if precision == "int8" else precision
        return OpenVINOBackend(graph_of(checkpoint, precision), precision=floats)
    if name == "onnxruntime":
        return OnnxRuntimeBackend(graph_of(checkpoint))
    from depthmask.backends.pytorch import TorchBackend

    return TorchBackend(checkpoint, device="cpu", precision=precision)


def _run_alone(name: str, precision: str, checkpoint: str, size: str) -> None:
    """Makes one backend and predicts once; prints the time of day and the peak memory as JSON."""
    make_run(name, precision, Path(checkpoint))(*noise(1, int(size)))
    print(json.dumps({"ready": time.time(), "peak_mb": peak_megabytes()}))


if __name__ == "__main__":
    _run_alone(*sys.argv[1:])
