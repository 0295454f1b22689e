"""`depthmask bench`: how fast each backend predicts on this machine.

The main network in plain PyTorch is measured in the same run, and the backends take turns, so that
whatever else the machine does slows all of them alike. Trust the ratios, not the times. A ceiling
is the time that a network's multiplications would take at the best rate of a large matrix product,
which takes turns as well. Where torch multiplies bytes without the processor's instructions for
them, that product tells nothing, and there is no ceiling.

Beside the network alone stands a whole prediction with it, from two files to the page's pictures.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from depthmask.cli.bench_network import BASELINE, Key, Run, find_runs, noise, probe, with_graph
from depthmask.cli.bench_prediction import OneRun, draw_pair, predict_files
from depthmask.errors import OptionError
from depthmask.files import check_files, write_together
from depthmask.network.architecture import MODELS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from depthmask.network.u2net import U2Net
    from depthmask.pictures import Map, Picture

MIN_ROUNDS = 3
CEILING = "product"  # in a backend's place where times are kept
PRODUCT_SIDE = 1024  # of the matrices
SLOWER = (
    1.1  # times that of floats: a product of bytes that takes longer is none of the processor's
)
BATCH_SIZE = 4  # pairs at once
BATCH_REPEATS = 2  # the fastest counts
WHOLE_SIZE = (720, 1280)  # height and width of the photos of a whole prediction
WHOLE_SHIFT = 3  # pixels that the camera moved between them


@dataclass(frozen=True)
class Row:
    """One backend in one precision at one size."""

    backend: str  # "pytorch" is the main network as it was trained, nothing folded
    precision: str
    device: str  # by torch's names
    size: int  # pixels a side
    median_ms: float  # the network alone
    p95_ms: float
    whole_ms: float  # a whole prediction of `WHOLE_SIZE` pixels, median
    ratio_to_pytorch_fp32: float  # of medians, on the same device; 2 is twice as fast
    ratio_to_ceiling: float | None  # 1 would be as fast as this machine multiplies; None: unknown
    default: bool  # the backend that is chosen on this machine
    pairs_per_s: float  # four pairs at once
    startup_s: float  # from nothing to the first prediction, in a process of its own
    peak_mb: float | None  # peak resident memory of that process; None: unknown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--model", choices=MODELS, default="main", help="the shipped network")
    weights.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights of your own")
    add("--json", type=Path, metavar="FILE", help="write the numbers to a file")
    add("--svg", type=Path, metavar="FILE", help="draw the speed of each")
    add("--quick", action="store_true", help="one size, in under a minute")


def run(options: argparse.Namespace) -> None:
    from depthmask.network.checkpoint import SHIPPED

    check_files(options.json, options.svg)  # before the measurement, which takes minutes
    if options.svg:
        _import_figure()
    progress = _progress()
    rows = bench(
        options.checkpoint or SHIPPED[options.model],
        sizes=(224,) if options.quick else (224, 512),
        seconds=10 if options.quick else 60,
        say=lambda line: print(line, file=sys.stderr),
        show=progress,
    )
    progress("")
    print(as_table(rows))
    files = {}
    if options.json:
        text = json.dumps(as_json(rows), indent=2) + "\n"
        files[options.json] = text.encode()
    if options.svg:
        chart = BytesIO()
        draw_chart(rows).savefig(chart, format="svg")
        files[options.svg] = chart.getvalue()
    write_together(files)


def bench(
    checkpoint: Path,
    *,
    sizes: Sequence[int] = (224, 512),
    seconds: float = 60,
    say: Callable[[str], None] = lambda line: None,
    show: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Measures every backend that works here.

    Args:
        checkpoint: A file that `load_checkpoint` reads.
        sizes: Pixels a side, multiples of 32.
        seconds: To spend on a size. Slow runs take longer: each is run three times at least.
        say: Gets one line for each backend that is missing.
        show: Gets a line whenever something else is measured.
    """
    from depthmask.backends import make_backend
    from depthmask.network.checkpoint import WEIGHTS, load_checkpoint

    model, main = (load_checkpoint(path)[0] for path in (checkpoint, WEIGHTS))
    with tempfile.TemporaryDirectory() as folder:
        place = with_graph(checkpoint, Path(folder))
        runs = dict(find_runs(place, say))
        chosen = make_backend(checkpoint=place)
        photos = draw_pair(Path(folder), *WHOLE_SIZE, shift=WHOLE_SHIFT)
        probes, whole = {}, {}
        for place_of_run, (key, run) in enumerate(runs.items(), 1):
            for size in sizes:
                where = f"backend {place_of_run} of {len(runs)}, {key} at {size} px"
                show(f"{where}: start-up and memory")
                probes[key, size] = probe(key, place, size)
                show(f"{where}: whole predictions")
                whole[key, size] = whole_ms(OneRun(key, run, size), photos)
    ceilings = {Key(CEILING, *key[1:]): product(key.precision, key.device) for key in runs}
    rows = []
    for size in sizes:
        times = take_turns(runs | ceilings, size, seconds, show=show)
        show(f"{size} px: batches of {BATCH_SIZE} pairs")
        work = {net: count_operations(net, size) for net in (model, main)}
        rows += [
            Row(
                backend=key.backend,
                precision=key.precision,
                device=key.device,
                size=size,
                **_speed(key, times, work[main if key.backend == BASELINE else model]),
                whole_ms=whole[key, size],
                default=key == (chosen.name, chosen.precision, chosen.device),
                pairs_per_s=throughput(run, size),
                **probes[key, size]._asdict(),
            )
            for key, run in runs.items()
        ]
    return rows


def _speed(key: Key, times: dict[Key, list[float]], work: int) -> dict[str, Any]:
    """Computes the columns of a row that are about one pair's time."""
    import numpy as np

    median, p95 = (float(np.percentile(times[key], share)) for share in (50, 95))
    fastest, plain = (
        min(times[Key(CEILING, precision, key.device)]) for precision in (key.precision, "fp32")
    )
    rate = 2 * PRODUCT_SIDE**3 / fastest
    return {
        "median_ms": median * 1e3,
        "p95_ms": p95 * 1e3,
        "ratio_to_pytorch_fp32": float(np.median(times[Key(BASELINE, "fp32", key.device)]))
        / median,
        "ratio_to_ceiling": work / rate / median if fastest <= SLOWER * plain else None,
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
        "backend      precision  device  size   median ms   p95 ms  whole ms  x pytorch  of ceiling"
        "  pairs/s  start-up s  peak MB"
    ]
    lines += [
        f"{row.backend:12} {row.precision:9} {row.device:6} {row.size:5} {row.median_ms:11.1f} "
        f"{row.p95_ms:8.1f} {row.whole_ms:9.1f} {row.ratio_to_pytorch_fp32:10.2f} "
        f"{_ratio(row.ratio_to_ceiling):>11} {row.pairs_per_s:8.2f} {row.startup_s:11.2f} "
        f"{row.peak_mb or 0:8.0f}{' *' * row.default}"
        for row in rows
    ]
    return "\n".join(lines)


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


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
            [str(Key(row.backend, row.precision, row.device)) for row in group],
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


def take_turns(
    runs: dict[Key, Run],
    size: int,
    seconds: float,
    *,
    show: Callable[[str], None] = lambda line: None,
) -> dict[Key, list[float]]:
    """Times each run on a pair of noise, in turns, until the time is up; returns seconds."""
    background, image = noise(1, size)
    times: dict[Key, list[float]] = {key: [] for key in runs}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, times.values())) < MIN_ROUNDS:
        left = max(0.0, end - time.perf_counter())
        show(f"{size} px: all backends in turns, {left:.0f} s left")
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


def whole_ms(backend: OneRun, photos: "tuple[Path, Path]") -> float:
    """Measures the median of some whole predictions with a backend, in milliseconds."""
    import numpy as np

    from depthmask.inference.predictor import Predictor

    predictor = Predictor(backend=backend, resolution=backend.resolution)
    times = []
    for _ in range(1 + MIN_ROUNDS):
        start = time.perf_counter()
        predict_files(predictor, *photos)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times[1:]))  # the first run takes longest


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


def product(precision: str, device: str) -> Run:
    """Makes what multiplies two large matrices; it ignores the pictures that it gets."""
    import torch

    kinds = {
        "fp32": torch.float32,
        "bf16": torch.bfloat16,
        "fp16": torch.float16,
        "int8": torch.int8,
    }
    left, right = torch.ones(2, PRODUCT_SIDE, PRODUCT_SIDE).to(device, kinds[precision])
    # torch's product of bytes has no public name
    multiply = torch._int_mm if precision == "int8" else torch.mm

    def run(backgrounds: "Picture", images: "Picture") -> "dict[str, Map]":
        multiply(left, right)[0, 0].item()  # it waits for the device
        return {}

    return run


def _progress() -> Callable[[str], None]:
    """Returns what shows a line in the place of the one before, on a terminal only."""
    if not sys.stderr.isatty():
        return lambda line: None
    return lambda line: print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def _import_figure() -> "type[Figure]":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError(
            "--svg needs Matplotlib; run `pip install 'depthmask[plots]'`."
        ) from error
    return Figure
