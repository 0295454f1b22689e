"""The live tab the whole way: a real browser with a fake camera, beside what the page itself says.

    python -m benchmarks.live_page [--seconds 15] [--visitors 1] [--view NAME] [-- DEMO_OPTION ...]

It starts `demo.py` and opens its page in Chromium, whose camera plays 30 frames a second of
640x480: an empty scene of `examples/`, then the object moving through it. Each frame of the clip
has its number in its corner, as black and white squares. The script reads the numbers of the
camera's pictures and of those that the page draws, and so measures from outside:

    frames a second   pictures drawn that show another moment than the one before
    latency           from the camera's picture on the page to its answer on the page
    dropped           share of the camera's pictures that were never drawn
    CPU               milliseconds of the processor a drawn picture takes in server and browser

With --visitors, the others are programs that send the same moving frames as fast as they are
answered; one visitor alone is the baseline in the same run.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from benchmarks.command import run
from benchmarks.live_session import Clip, rendered
from benchmarks.server_load import Record, children, live, start
from depthmask.errors import LaunchError
from depthmask.pictures import Picture
from tools.browser import FLAGS, MISSING, find_browser

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

RATE = 30  # frames a second of the camera
FRAMES = 180  # of the clip, which is played over and over
BITS, SQUARE = 8, 16  # of a frame's number, and the pixels of a side of each
FIRST_FRAMES = 3  # drawn, before anything is measured
WARM_UP_S = 6.0  # until the quality has settled
WAIT_MS = 240_000
HEAD = (
    f"{'':12}{'frames/s':>9}{'median':>10}{'95 %':>10}{'dropped':>9}"
    f"{'server':>10}{'browser':>10}  the page says"
)
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")

# Notes [number, time] of the camera's pictures and of those that the page draws.
WATCH = """([bits, square]) => {
    const [video, shown] = ["video", "canvas"].map(name => document.querySelector(`#live ${name}`));
    const small = document.createElement("canvas");
    [small.width, small.height] = [bits * square, square];
    const pencil = small.getContext("2d", { willReadFrequently: true });
    const read = (picture) => {
        pencil.drawImage(picture, 0, 0, small.width, square, 0, 0, small.width, square);
        const pixels = pencil.getImageData(0, square / 2, small.width, 1).data;
        let number = 0;
        for (let bit = 0; bit < bits; bit += 1) { // in blue, which the overlay's tint has none of
            number = 2 * number + (pixels[4 * (bit * square + square / 2) + 2] > 80);
        }
        return number;
    };
    window.seen = { camera: [], page: [] };
    const note = (list, number) => {
        if (number && (!list.length || list[list.length - 1][0] !== number)) {
            list.push([number, performance.now()]);
        }
    };
    const next = () => video.requestVideoFrameCallback(() => {
        note(window.seen.camera, read(video));
        next();
    });
    next();
    new MutationObserver(() => note(window.seen.page, read(shown))).observe(
        shown, { attributeFilter: ["data-frames"] });
}"""
SAID = """() => ["fps", "latency", "quality"].map(name =>
    (document.querySelector(`#live [data-live="${name}"]`) || {}).textContent || "-")"""


class Seen(NamedTuple):
    """What was measured over some seconds."""

    rate: float  # frames a second
    latencies: list[float]  # milliseconds
    dropped: float  # share
    server: float  # milliseconds of the processor for a drawn picture
    browser: float
    said: list[str]  # by the page: frames a second, latency, quality


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="of each row (%(default)s)")
    parser.add_argument("--visitors", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--view", default="composite", choices=["composite", "cutout"])
    parser.add_argument("demo", nargs="*", help="options of demo.py, after --")
    options = parser.parse_args()
    executable = find_browser()
    if executable is None:
        raise LaunchError(f"{MISSING[0].upper()}{MISSING[1:]}.")
    with tempfile.TemporaryDirectory(prefix="live-page-") as folder:
        camera = Path(folder, "camera.y4m")
        clip = numbered()
        write_clip(camera, [clip.background] * FRAMES)
        server, url = start(Path(folder), options.demo)
        try:
            measure(options, executable, camera, clip, server.pid, url)
        finally:
            server.kill()
            server.communicate()


def numbered() -> Clip:
    """The object moving back and forth; the last picture of a loop is beside its first."""
    clip = rendered("teddy", FRAMES // 2)  # in the first half of which nothing moves
    moving = clip.frames[FRAMES // 4 :]
    frames = 2 * (moving + moving[::-1])
    return clip._replace(
        background=with_number(clip.background, 0),
        frames=[with_number(frame, 1 + place) for place, frame in enumerate(frames)],
    )


def with_number(picture: Picture, number: int) -> Picture:
    bits = [number >> place & 1 for place in reversed(range(BITS))]
    squares = np.repeat(np.array(bits, np.uint8) * 255, SQUARE)
    shown = picture.copy()
    shown[:SQUARE, : BITS * SQUARE] = squares[None, :, None]
    return shown


def write_clip(path: Path, frames: list[Picture]) -> None:
    """Writes raw video in its place: Chromium reads each frame as it plays it."""
    height, width = frames[0].shape[:2]
    path.touch()
    with path.open("r+b") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            file.write(
                b"FRAME\n" + np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)).tobytes()
            )


def measure(
    options: argparse.Namespace, executable: str, camera: Path, clip: Clip, server: int, url: str
) -> None:
    """Prints a row for one visitor alone, and one for all."""
    from playwright.sync_api import sync_playwright

    print(HEAD, flush=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=flags(camera))
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        capture(page, url, options.view)
        write_clip(camera, clip.frames)
        page.evaluate(WATCH, [BITS, SQUARE])
        alone = watch(page, server, options.seconds)
        tell("1 visitor", alone)
        if options.visitors > 1:
            with others(url, clip, options.visitors - 1):
                busy = watch(page, server, options.seconds)
            tell(f"{options.visitors} visitors", busy)
            print(f"ratio of the rates: {busy.rate / alone.rate:.2f}")
        browser.close()


def flags(camera: Path) -> list[str]:
    """Of a Chromium whose camera plays a clip."""
    return [
        *FLAGS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]


def capture(page: "Page", url: str, view: str) -> None:
    """Opens the tab, chooses a view and captures the background, as a visitor does."""

    def part(name: str) -> "Locator":
        return page.locator(f'#live [data-live="{name}"]')

    page.goto(url)
    page.get_by_role("tab", name="Live").click()
    page.locator(f'#live [data-view="{view}"]').click()
    part("start").click()
    part("capture").click()
    end = time.monotonic() + WAIT_MS / 1000
    while int(part("shown").get_attribute("data-frames") or 0) < FIRST_FRAMES:
        if time.monotonic() > end:
            raise LaunchError(f"{url} draws no frames; look at what its server printed.")
        time.sleep(0.2)  # the static page forbids the scripts by which Playwright waits


@contextmanager
def others(url: str, clip: Clip, count: int) -> Iterator[None]:
    """Lets so many programs visit the page meanwhile."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=live, args=(url, clip, Record(), stop.is_set)) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def watch(page: "Page", server: int | None, seconds: float) -> Seen:
    """Measures for some seconds, once the quality has settled."""
    time.sleep(WARM_UP_S)
    servers = descendants(server) if server else set()
    mine = descendants(os.getpid()) - servers
    page.evaluate("window.seen.camera.length = window.seen.page.length = 0")
    begin = [processor_ms(pids) for pids in (servers, mine)]
    time.sleep(seconds)
    seen = page.evaluate("window.seen")
    end = [processor_ms(pids) for pids in (servers, mine)]
    camera, drawn = seen["camera"], seen["page"]
    shares = [
        (after - before) / max(1, len(drawn)) for before, after in zip(begin, end, strict=True)
    ]
    return Seen(
        rate=len(drawn) / seconds,
        latencies=latencies(camera, drawn),
        dropped=1 - len(drawn) / max(1, len(camera)),
        server=shares[0],
        browser=shares[1],
        said=page.evaluate(SAID),
    )


def latencies(camera: list[list[float]], drawn: list[list[float]]) -> list[float]:
    """Milliseconds from each picture of the camera to its answer.

    Numbers begin anew with each loop of the clip, and the page does not see every picture: places
    count on from loop to loop, and the times between two known places are interpolated.
    """
    numbers, times = (np.array(column) for column in zip(*camera, strict=True))
    places = np.concatenate(([0], np.cumsum(np.diff(numbers) % FRAMES)))
    found = []
    for number, when in drawn:
        place = np.interp(when, times, places)
        place -= (place + numbers[0] - number) % FRAMES
        if place >= 0:
            found.append(float(when - np.interp(place, places, times)))
    return found


def descendants(pid: int) -> set[int]:
    return {pid}.union(*(descendants(child) for child in children(pid)))


def processor_ms(pids: set[int]) -> float:
    """Milliseconds that processes have computed, all of their threads."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            total += int(user) + int(system)
    return TICK_MS * total


def tell(name: str, seen: Seen) -> None:
    median, high = np.percentile(seen.latencies or [np.nan], (50, 95))
    print(
        f"{name:12}{seen.rate:9.1f}{median:7.0f} ms{high:7.0f} ms{seen.dropped:9.0%}"
        f"{seen.server:7.0f} ms{seen.browser:7.0f} ms  {' · '.join(seen.said)}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(run(main))
