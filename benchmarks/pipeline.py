"""Where the time of a whole prediction goes, stage by stage, with each backend.

    python -m benchmarks.pipeline [--sizes 640x480 1280x720 4000x3000] [--rounds 7] [--clock wall]
        [--backends "pytorch fp32" ...] [--page] [--json FILE] [--plot FILE] [--baseline FILE]

A prediction goes from two files to the answer from which the page draws its first picture. What the
page asks for once it shows that is told, too, and is no part of the whole: the background at full
size, the second look, the refined maps, and the "scene", which is the files for all views. The
photos are an example, enlarged. In the second case of each size the camera moved between them. The
backends take turns, and plain PyTorch is always among them. `--page` starts `demo.py` and adds what
its visitors wait for: "page" is a request for a prediction from upload to result, "transport" the
upload alone. `--baseline` compares with the JSON file of another run, of an earlier commit say;
only `--clock cpu` bears a machine that is busy otherwise.

A live frame would be a further case: see `CASES`.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np

from benchmarks.command import check_outputs, run
from benchmarks.server_load import ANSWER_LIMIT_S, predict, start, upload
from depthmask.cli.bench_network import BASELINE, find_runs, with_graph
from depthmask.cli.bench_prediction import OneRun, draw_pair, predict_files
from depthmask.errors import OptionError
from depthmask.files import write_whole
from depthmask.inference.predictor import Predictor
from depthmask.inference.stopwatch import Stopwatch
from depthmask.network.checkpoint import WEIGHTS
from depthmask.schema import SchemaError, from_json

SIZES = ("640x480", "1280x720", "4000x3000")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
STAGES = (
    "decode",
    "register",
    "light",
    "network",
    "quality",
    "answer",
    "background",
    "second look",
    "refine",
    "scene",
)
LATER = STAGES[-4:]  # are not part of the whole
NETWORK = "network"
WHOLE, REST = "whole", "all but the network"

Work = Callable[[Stopwatch], object]  # has a lap for each stage
# name -> what makes the work of a predictor, a folder for files, a height and a width
CASES: dict[str, Callable[[Predictor, Path, int, int], Work]] = {
    name: partial(lambda shift, *where: photo_work(*where, shift=shift), shift)
    for name, shift in (("photo", 0.0), ("photo, camera moved", 4.0))
}


@dataclass(frozen=True)
class Row:
    """The time of one stage."""

    size: str  # width x height, in pixels
    case: str
    backend: str
    stage: str
    median_ms: float
    p95_ms: float

    @property
    def place(self) -> tuple[str, str, str, str]:
        return self.size, self.case, self.backend, self.stage


@dataclass(frozen=True)
class Report:
    """What a run measured, as its JSON file holds it."""

    clock: str
    rows: list[Row]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--checkpoint", type=Path, default=WEIGHTS, help="default: the shipped one")
    add("--sizes", nargs="+", default=SIZES, metavar="WxH", help="of the photos")
    add("--backends", nargs="+", metavar="NAME", help="such as 'openvino fp32' (default: all)")
    add("--rounds", type=int, default=7, help="(%(default)s)")
    add("--clock", choices=CLOCKS, default="wall", help="time on the wall, or of the processor")
    add("--page", action="store_true", help="also through the running page")
    add("--json", type=Path, metavar="FILE", help="write the numbers to a file")
    add("--plot", type=Path, metavar="FILE", help="draw the stages, an SVG")
    add("--baseline", type=Path, metavar="FILE", help="compare with the numbers of such a file")
    options = parser.parse_args()
    check_outputs(options.json, options.plot)
    sizes = [parse_size(text) for text in options.sizes]
    old = read_report(options.baseline, options.clock) if options.baseline else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        predictors = find_predictors(options.checkpoint, options.backends, folder)
        rows: list[Row] = []
        for width, height in sizes:
            for case, make in CASES.items():
                works = {
                    backend: make(predictor, folder, height, width)
                    for backend, predictor in predictors.items()
                }
                found = measure(works, CLOCKS[options.clock], options.rounds)
                rows += to_rows(f"{width}x{height}", case, found)
                print_table(rows[-1], rows, old)
        if options.page:
            rows += measure_page(folder, sizes, options.rounds)
    if options.json:
        text = json.dumps(asdict(Report(options.clock, rows)), indent=1) + "\n"
        write_whole(options.json, text.encode())
    if options.plot:
        write_whole(options.plot, draw(rows))


def parse_size(text: str) -> tuple[int, int]:
    """Reads "WxH"; raises OptionError."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise OptionError(f"{text!r} is no size; write WIDTHxHEIGHT, such as 1280x720.")
    return int(width), int(height)


def read_report(path: Path, clock: str) -> Report:
    """Reads the JSON file of another run; raises OptionError."""
    try:
        report = from_json(path.read_text(), Report)
    except SchemaError as error:
        raise OptionError(f"{path} was not written by this benchmark: {error}.") from error
    if report.clock != clock:
        raise OptionError(f"{path} holds times of the {report.clock} clock; use --clock {clock}.")
    return report


def find_predictors(
    checkpoint: Path, names: list[str] | None, folder: Path
) -> dict[str, Predictor]:
    """Makes a predictor with each backend that works here, plain PyTorch first."""
    place = with_graph(checkpoint, folder)
    found = {}
    for key, run_batch in find_runs(place, lambda line: print(line, file=sys.stderr)):
        if names is None or str(key) in names or key.backend == BASELINE:
            predictor = Predictor(place, backend="torch")
            backend = OneRun(key, run_batch, predictor.info.resolution)
            found[str(key)] = Predictor(place, backend=backend)
    missing = set(names or ()) - found.keys()
    if missing:
        raise OptionError(f"There is no backend {missing.pop()!r} here; use: {', '.join(found)}.")
    return found


def photo_work(
    predictor: Predictor, folder: Path, height: int, width: int, *, shift: float
) -> Work:
    """A prediction of two photos, the camera moved between them by some pixels."""
    background, image = draw_pair(folder, height, width, shift=shift)
    return lambda stopwatch: predict_files(predictor, background, image, stopwatch)


def measure(
    works: dict[str, Work], clock: Callable[[], float], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Times works in turns: {work: {stage: seconds of each round}}, the first round left out."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in works}
    for number in range(1 + rounds):
        for name, work in works.items():
            watch = Stopwatch(clock)
            work(watch)
            whole = sum(s for stage, s in watch.seconds.items() if stage not in LATER)
            rest = whole - watch.seconds.get(NETWORK, 0)
            stages = watch.seconds | {WHOLE: whole, REST: rest}
            for stage, seconds in stages.items():
                if number:
                    found[name].setdefault(stage, []).append(seconds)
    return found


def to_rows(size: str, case: str, found: dict[str, dict[str, list[float]]]) -> Iterator[Row]:
    for backend, stages in found.items():
        for stage, seconds in stages.items():
            median, p95 = (1e3 * float(np.percentile(seconds, share)) for share in (50, 95))
            yield Row(size, case, backend, stage, median, p95)


def print_table(last: Row, rows: list[Row], old: Report | None) -> None:
    """Prints the rows of the last row's size and case: median and p95 of each, and ratios."""
    here = {(row.backend, row.stage): row for row in rows if row.place[:2] == last.place[:2]}
    backends = list(dict.fromkeys(backend for backend, _ in here))
    print(f"\n{last.size}, {last.case}: median and p95 in ms")
    print(
        "| |"
        + "".join(f" {backend} |" for backend in backends)
        + "\n|"
        + "---|" * (len(backends) + 1)
    )
    stages = list(dict.fromkeys(stage for _, stage in here))
    for stage in sorted(stages, key=lambda stage: (*STAGES, REST, WHOLE).index(stage)):
        cells = [here[backend, stage] for backend in backends]
        print(f"| {stage} |" + "".join(f" {x.median_ms:.1f} {x.p95_ms:.1f} |" for x in cells))
    base = here[f"{BASELINE} fp32", WHOLE].median_ms
    ratios = [f" {base / here[backend, WHOLE].median_ms:.2f} |" for backend in backends]
    print("| whole: times as fast as plain PyTorch |" + "".join(ratios))
    before = {row.place: row.median_ms for row in old.rows} if old else {}
    for stage in (REST, WHOLE) if old else ():
        pairs = [(before.get(here[x, stage].place), here[x, stage].median_ms) for x in backends]
        ratios = [f" {was / now:.2f} |" if was else " |" for was, now in pairs]
        print(f"| {stage}: times as fast as the baseline |" + "".join(ratios), flush=True)


def measure_page(folder: Path, sizes: list[tuple[int, int]], rounds: int) -> list[Row]:
    """Measures requests to the running page, each with photos that it has not seen."""
    server, url = start(folder, [])
    rows: list[Row] = []
    print("\n| the page: median and p95 in ms | page | transport |\n|---|---|---|")
    try:
        with httpx.Client(base_url=url, timeout=ANSWER_LIMIT_S) as client:
            for width, height in sizes:
                size = f"{width}x{height}"
                found: dict[str, list[float]] = {"page": [], "transport": []}
                photos = [x.read_bytes() for x in draw_pair(folder, height, width, shift=4.0)]
                for number in range(1 + rounds):
                    # bytes after the end of a JPEG file make it another file, and not another photo
                    fresh, sent = ([x + bytes([n, number]) for x in photos] for n in range(2))
                    begin = time.perf_counter()
                    predict(client, "pipeline", fresh[0], fresh[1])
                    done = time.perf_counter()
                    upload(client, *sent)
                    if number:
                        found["page"].append(done - begin)
                        found["transport"].append(time.perf_counter() - done)
                rows += to_rows(size, "through the page", {"page": found})
                cells = [f"{row.median_ms:.0f} {row.p95_ms:.0f}" for row in rows[-2:]]
                print(f"| {size} | {' | '.join(cells)} |", flush=True)
    finally:
        server.kill()
        server.communicate()
    return rows


def draw(rows: list[Row]) -> bytes:
    """Draws the stages of each backend as a bar, a plot for each size and case; an SVG."""
    from matplotlib.figure import Figure

    places = list(dict.fromkeys(row.place[:2] for row in rows if row.stage == WHOLE))
    figure = Figure(figsize=(9, 2.4 * len(places)), layout="constrained")
    for plot, place in zip(figure.subplots(len(places), squeeze=False)[:, 0], places, strict=True):
        here = {row.place[2:]: row.median_ms for row in rows if row.place[:2] == place}
        backends = list(dict.fromkeys(backend for backend, _ in here))
        left = np.zeros(len(backends))
        for number, stage in enumerate(STAGES):
            widths = np.array([here.get((backend, stage), 0.0) for backend in backends])
            plot.barh(backends, widths, left=left, label=stage, color=f"C{number}")
            left += widths
        plot.set_title(", ".join(place), loc="left")
        plot.set_xlabel("ms")
        plot.invert_yaxis()
    figure.axes[0].legend(ncols=len(STAGES), fontsize="x-small", loc="lower right")
    file = BytesIO()
    figure.savefig(file, format="svg")
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(run(main))
