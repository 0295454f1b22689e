"""How large the static page is, how soon it can be used, and how long a photo takes, beside Python.

    python -m benchmarks.site [--rounds 5] [--seconds 15] [--site DIR]

It opens the page in headless Chromium by WASM, once as a first visit, then as later ones with
threads, and once without the service worker, which leaves one thread. Python predicts the same
example by ONNX Runtime. It prints what the first visit loads, compressed as hosts do, medians of
seconds by the clock, and the figures of each example in the browser and in Python. Live is measured
with a fake camera, as `benchmarks.live_page` does it.
"""

import argparse
import gzip
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, sync_playwright

from benchmarks import live_page
from benchmarks.command import check_folders, run
from depthmask.app.examples import find_examples
from depthmask.app.photos.analysis import analyse
from depthmask.app.photos.dropped import DroppedFiles
from depthmask.app.prediction_cache import PredictionCache
from depthmask.cli.site import find_site
from depthmask.files import EXAMPLES
from depthmask.inference.predictor import Predictor
from depthmask.pictures import read_picture
from tools.browser import FLAGS, require_browser

EXAMPLE = "desk"
PAIRS = ("teddy", EXAMPLE)
Workers = Literal["allow", "block"]
READY = "body[data-network]"
DRAWN = "[data-picture=depth][data-drawn]"
TILES = ("mask", "depth")
LIMIT_MS = 300_000
HEAD = """| example | IoU here | IoU in Python | RMSE here | RMSE in Python |
|---|---|---|---|---|"""
QUIET_MS = 3000  # after which nothing more is fetched


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--seconds", type=float, default=15.0, help="of Live (%(default)s)")
    parser.add_argument("--site", type=Path, metavar="DIR", help="the built page")
    options = parser.parse_args()
    check_folders(options.site)
    site = options.site or find_site()
    executable = require_browser()
    with sync_playwright() as playwright, served(site) as (url, asked):
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS])
        with kept_context(playwright.chromium, executable) as context:
            for until, paths in first_visit(context, url, asked):
                print(f"first visit, {until}: {gzipped(paths, site) / 1e6:.2f} MB by gzip")
            warm = [usable(context, url) for _ in range(options.rounds)]
            print(f"usable with a warm cache: {median(warm):.2f} s")
        for workers in get_args(Workers):
            how, seconds = photos(browser, url, options.rounds, workers)
            print(f"a photo, {how}: {seconds:.2f} s")
        predictor = Predictor(quality="fast", backend="onnxruntime")
        print(f"a photo, Python: {python_seconds(predictor, options.rounds):.2f} s")
        print(HEAD)
        with browser.new_context() as context:
            for row in agreement(opened(context, url), predictor):
                print(row, flush=True)
        browser.close()
        print(live_page.HEAD)
        for workers in get_args(Workers):
            live(playwright.chromium, executable, url, options.seconds, workers)


@contextmanager
def kept_context(chromium: BrowserType, executable: str) -> Iterator[BrowserContext]:
    """A browser that keeps compiled code on the disk, as that of a user does."""
    with tempfile.TemporaryDirectory(prefix="site-") as folder:
        context = chromium.launch_persistent_context(
            folder, executable_path=executable, args=[*FLAGS]
        )
        yield context
        context.close()


@contextmanager
def served(site: Path) -> Iterator[tuple[str, set[str]]]:
    """Serves the page; yields its address, and the paths that are asked for."""
    asked: set[str] = set()
    files = partial(_Files, directory=str(site), asked=asked)
    server = ThreadingHTTPServer(("127.0.0.1", 0), files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", asked
    server.shutdown()
    server.server_close()


class _Files(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, asked: set[str], **options: Any) -> None:
        self._asked = asked
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        self._asked.add(urlsplit(self.path).path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(f"{url}?runtime=wasm")
    page.wait_for_selector(READY)
    return page


def first_visit(context: BrowserContext, url: str, asked: set[str]) -> list[tuple[str, set[str]]]:
    """The files that a first visit loads until its first result, and until it works offline."""
    page = opened(context, url)
    page.wait_for_selector(DRAWN)
    found = [("until its first result", set(asked))]
    count = 0
    while count < len(asked):  # the service worker fetches the examples
        count = len(asked)
        page.wait_for_timeout(QUIET_MS)
    page.close()
    return [*found, ("until it works offline", set(asked))]


def gzipped(paths: set[str], site: Path) -> int:
    """Bytes of files, each once."""
    files = {site / (path.strip("/") or "index.html") for path in paths}
    return sum(len(gzip.compress(file.read_bytes(), 6)) for file in files if file.is_file())


def usable(context: BrowserContext, url: str) -> float:
    """Seconds from the address to a page that predicts what is dropped."""
    start = time.perf_counter()
    page = opened(context, url)
    seconds = time.perf_counter() - start
    page.close()
    return seconds


def photos(browser: Browser, url: str, rounds: int, workers: Workers) -> tuple[str, float]:
    """What ran the network, and seconds of a prediction from files to arrays."""
    seconds = []
    with browser.new_context(service_workers=workers) as context:
        page = opened(context, url)
        page.wait_for_selector(DRAWN)
        for number in range(2 * rounds):  # a pair that was just predicted is not predicted again
            name = PAIRS[number % 2]
            show(page, name)
            if name == EXAMPLE:
                seconds.append(float(page.inner_text(".took").split()[2]))
        how = page.inner_text(".runtime span").split(":")[0].removeprefix("Runs here by ")
    return how, median(seconds)


def live(
    chromium: BrowserType, executable: str, url: str, seconds: float, workers: Workers
) -> None:
    """Prints a row of Live: what is seen from outside, and what the page says."""
    clip = live_page.numbered()
    with tempfile.TemporaryDirectory(prefix="site-") as folder:
        camera = Path(folder, "camera.y4m")
        live_page.write_clip(camera, [clip.background] * live_page.FRAMES)
        browser = chromium.launch(executable_path=executable, args=live_page.flags(camera))
        page = browser.new_context(service_workers=workers).new_page()
        page.set_default_timeout(LIMIT_MS)
        live_page.capture(page, f"{url}?runtime=wasm", "composite")
        live_page.write_clip(camera, clip.frames)
        page.evaluate(live_page.WATCH, [live_page.BITS, live_page.SQUARE])
        seen = live_page.watch(page, None, seconds)
        live_page.tell("1 thread" if workers == "block" else "threads", seen)
        browser.close()


def show(page: Page, name: str) -> None:
    """Opens an example, and waits until its result is drawn."""
    before = page.get_attribute(DRAWN, "data-drawn")
    page.click(f"#examples [data-name={name}]")
    page.wait_for_selector(f"{DRAWN}:not([data-drawn='{before}'])")


def agreement(page: Page, predictor: Predictor) -> Iterator[str]:
    """Lines of a table: the figures of each example in the browser and in Python."""
    page.wait_for_selector(DRAWN)
    for example in reversed(find_examples()):  # the page opens with the first
        show(page, example.name)
        cells = [page.inner_text(f"[data-tile={tile}] .stage-figure dd >> nth=0") for tile in TILES]
        found = analyse(predictor, PredictionCache(), DroppedFiles(*example.files))
        iou, rmse = ("" if x is None else f"{x:.3f}" for x in (found.iou, found.rmse))
        yield f"| {example.name} | {cells[0]} | {iou} | {cells[1]} | {rmse} |"


def python_seconds(predictor: Predictor, rounds: int) -> float:
    """The same in Python, by ONNX Runtime with its own number of threads."""
    files = [EXAMPLES / EXAMPLE / f"{name}.jpg" for name in ("background", "image")]
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        predictor.predict(*(read_picture(file) for file in files))
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


if __name__ == "__main__":
    raise SystemExit(run(main))
