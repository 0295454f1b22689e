"""How large the static page is, how soon it can be used, and how long a photo takes, beside Python.

    python -m benchmarks.site [--rounds 5] [--site DIR]

It opens the page in headless Chromium by WASM, once as a first visit, then as later ones with
threads, and once without the service worker, which leaves one thread. Python predicts the same
example by ONNX Runtime. It prints what the first visit loads,
compressed as hosts do, and medians of seconds by the clock.
"""

import argparse
import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Literal, get_args
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.command import check_folders, run
from depthmask.cli.site import find_site
from depthmask.files import EXAMPLES
from depthmask.inference.predictor import Predictor
from depthmask.pictures import read_picture
from tools.browser import FLAGS, require_browser

EXAMPLE = "desk"
PAIRS = ("teddy", EXAMPLE)
Workers = Literal["allow", "block"]
READY = "body[data-network]"
LIMIT_MS = 300_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--site", type=Path, metavar="DIR", help="the built page")
    options = parser.parse_args()
    check_folders(options.site)
    site = options.site or find_site()
    executable = require_browser()
    with sync_playwright() as playwright, served(site) as url:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS])
        with browser.new_context() as context:
            print(f"first visit: {first_visit(context, url, site) / 1e6:.2f} MB, by gzip")
            warm = [usable(context, url) for _ in range(options.rounds)]
            print(f"usable with a warm cache: {median(warm):.2f} s")
        for workers in get_args(Workers):
            how, seconds = photos(browser, url, options.rounds, workers)
            print(f"a photo, {how}: {seconds:.2f} s")
        browser.close()
    print(f"a photo, Python: {python_seconds(options.rounds):.2f} s")


@contextmanager
def served(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(LIMIT_MS)
    page.goto(f"{url}?runtime=wasm")
    page.wait_for_selector(READY)
    return page


def first_visit(context: BrowserContext, url: str, site: Path) -> float:
    """Bytes of all files that a first visit loads, each once."""
    asked: set[str] = set()
    context.on("request", lambda request: asked.add(urlsplit(request.url).path))
    page = opened(context, url)
    page.wait_for_selector("[data-picture=depth][data-drawn]")
    page.wait_for_load_state("networkidle")
    page.close()
    files = {site / (path.strip("/") or "index.html") for path in asked}
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
        page.wait_for_selector("[data-picture=depth][data-drawn]")
        for number in range(2 * rounds):  # a pair that was just predicted is not predicted again
            name = PAIRS[number % 2]
            page.click(f"#examples [data-name={name}]")
            page.wait_for_selector(f"[data-picture=depth][data-drawn='depth {number + 3}']")
            if name == EXAMPLE:
                seconds.append(float(page.inner_text(".took").split()[2]))
        how = page.inner_text(".runtime span").split(":")[0].removeprefix("Runs here by ")
    return how, median(seconds)


def python_seconds(rounds: int) -> float:
    """The same in Python, by ONNX Runtime with its own number of threads."""
    predictor = Predictor(quality="fast", backend="onnxruntime")
    files = [EXAMPLES / EXAMPLE / f"{name}.jpg" for name in ("background", "image")]
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        predictor.predict(*(read_picture(file) for file in files))
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:])


if __name__ == "__main__":
    raise SystemExit(run(main))
