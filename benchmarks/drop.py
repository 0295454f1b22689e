"""From the second photo's drop to mask and depth on screen, in a real browser.

    python -m benchmarks.drop [--rounds 9] [--width 1280] [--baseline DIR]

For each checkout it starts `demo.py` and opens its page in a headless browser on the same machine.
Each round gives both zones a pair of photos that was never predicted, by their file choosers, and
measures from the second file to the frame that shows both pictures. The baseline is another
checkout, such as `git worktree add DIR COMMIT` makes. The checkouts take turns. It prints medians
and the 95th percentile, in seconds by the clock.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.command import run
from benchmarks.start import (
    PORT,
    ZONE,
    environment_of,
    find_checkouts,
    started,
    wait_for,
    wait_until_loaded,
)
from depthmask.files import EXAMPLES
from depthmask.pictures import Picture, read_picture
from depthmask.pictures.resize import resize
from tools.browser import FLAGS, require_browser

LIMIT_MS = 60_000
# Waits for both pictures of this page, or of older ones, and for the frame that presents them. To
# look in every frame would let the browser draw 60 of them a second.
SHOWN = """() => new Promise((done) => {
    const isShown = () => (document.querySelector(".photos")
        ? document.querySelector(".photos.solved") && !document.querySelector(".stage-empty")
        : ["#mask img", "#depth img"].every((each) => {
            const picture = document.querySelector(each);
            return picture && picture.complete && picture.naturalWidth;
        }));
    const look = () => {
        if (!isShown()) return;
        watcher.disconnect();
        requestAnimationFrame(() => setTimeout(done));
    };
    const watcher = new MutationObserver(look);
    watcher.observe(document.body, { subtree: true, attributes: true, childList: true });
    document.addEventListener("load", look, true);
    look();
})"""
EMPTIED = """() => !document.querySelector(".photos.solved, #mask img")"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9, help="(%(default)s)")
    parser.add_argument("--width", type=int, default=1280, help="of the photos (%(default)s)")
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="another checkout")
    options = parser.parse_args()
    checkouts = find_checkouts(options.baseline)
    executable = require_browser()
    pair = [read_picture(EXAMPLES / "desk" / f"{name}.jpg") for name in ("background", "image")]
    height = round(options.width * pair[0].shape[0] / pair[0].shape[1])
    pair = [resize(picture, height, options.width) for picture in pair]
    times: dict[str, list[float]] = {name: [] for name in checkouts}
    with tempfile.TemporaryDirectory(prefix="drop-") as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS])
        with ExitStack() as stack:
            pages = {
                name: stack.enter_context(opened(browser, checkout, Path(place, name), PORT + n))
                for n, (name, checkout) in enumerate(checkouts.items())
            }
            for number in range(options.rounds + 1):  # the first one warms up
                for name, page in pages.items():
                    files = vary(pair, Path(place), number)
                    times[name].append(measure(page, files))
        browser.close()
    print(f"{'':10}{'median':>10}{'p95':>10}")
    for name, found in times.items():
        middle, late = np.percentile(found[1:], (50, 95))
        print(f"{name:10}{middle:8.2f} s{late:8.2f} s")
    if len(times) > 1:
        first, second = (np.median(found[1:]) for found in times.values())
        print(f"{second / first:.2f} times as fast as the baseline")


@contextmanager
def opened(browser: Browser, checkout: Path, cache: Path, port: int) -> Iterator[Page]:
    """Starts a checkout's demo, and opens its page once the network is loaded."""
    url = f"http://127.0.0.1:{port}/"
    with started(checkout, environment_of(checkout, cache), port=port) as server:
        wait_for(url, server)
        wait_until_loaded(server)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(LIMIT_MS)
        page.goto(url)
        page.locator(ZONE).first.wait_for(state="attached")
        yield page


def vary(pair: list[Picture], folder: Path, number: int) -> list[Path]:
    """Writes the photos with noise of their own, as JPEG."""
    random = np.random.default_rng(number)
    paths = []
    for name, picture in zip(("background", "image"), pair, strict=True):
        noise = random.integers(-3, 4, picture.shape)
        paths.append(folder / f"{name}.jpg")
        noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(paths[-1], quality=92)
    return paths


def measure(page: Page, files: list[Path]) -> float:
    """Seconds from the second file to both pictures on screen."""
    background, image = files
    page.reload()
    page.locator(ZONE).first.wait_for(state="attached")
    page.locator("#background input[type=file]").set_input_files(background)
    page.wait_for_function(EMPTIED)
    page.locator("#background img").wait_for()
    time.sleep(1.5)  # the server has read it
    start = time.perf_counter()
    page.locator("#image input[type=file]").set_input_files(image)
    page.evaluate(SHOWN)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(run(main))
