"""The page under load: visitors who ask for predictions without a pause, and others who are live.

    python -m benchmarks.server_load [--visitors 30] [--live 4] [--slow 10] [--minutes 4]
        [-- DEMO_OPTION ...]

It starts `demo.py` in a process of its own. One visitor alone is the baseline. Then all visitors
upload a pair of the examples, wait for its prediction, fetch the mask, and begin anew. Each pair is
cropped to a width of its own, so that nothing is remembered from another visitor, and a mask tells
whose it is. Those who are live capture a background and send frames. Every other slow visitor sends
a letter of a request now and then, the rest send nothing. In the end one visitor is alone again.

It prints how long the visitors waited beside the baseline, who was refused and with which words,
the memory of the server with all its processes, and the disk space of its temporary files. The exit
code is 1 if a visitor was refused, or got the mask of another.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import numpy as np
from PIL import Image

from benchmarks.command import resident_megabytes, run
from benchmarks.live_session import Clip, rendered
from depthmask.app.live.frames import jpeg_url
from depthmask.errors import LaunchError
from depthmask.evaluation.array_metrics import mask_iou
from depthmask.files import EXAMPLES
from depthmask.pictures import Mask, Picture, read_mask, read_picture

API = "gradio_api/"
START_LIMIT_S, ANSWER_LIMIT_S = 120, 300
ALONE = 5  # requests of the baseline
CLIP_FRAMES = 32  # of those who are live
SAMPLE_S = 2.0
LETTER_S = 2.0  # between two letters of a slow visitor
LEAST_IOU = 0.4  # of a mask with that of its pair
MOST_CROPPED = 200  # columns


class Pair(NamedTuple):
    """An example."""

    background: Picture
    image: Picture
    mask: Mask


@dataclass
class Record:
    """What visitors met; threads only append."""

    seconds: list[float] = field(default_factory=list)  # from the first upload to the result
    refusals: list[str] = field(default_factory=list)
    mistaken: int = 0  # masks that are another visitor's
    frames: list[float] = field(default_factory=list)  # seconds for each live frame
    memory: list[float] = field(default_factory=list)  # MB
    disk: list[float] = field(default_factory=list)  # MB


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--visitors", type=int, default=30, help="(%(default)s)")
    parser.add_argument("--live", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--slow", type=int, default=10, help="(%(default)s)")
    parser.add_argument("--minutes", type=float, default=4.0, help="(%(default)s)")
    parser.add_argument("demo", nargs="*", help="options of demo.py, after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="server-load-") as folder:
        server, url = start(Path(folder), options.demo)
        try:
            kept = measure(options, server.pid, url, Path(folder))
        finally:
            server.kill()
            server.communicate()
    if not kept:
        sys.exit(1)


def start(folder: Path, demo: list[str]) -> tuple["subprocess.Popen[str]", str]:
    """Starts the server with its temporary files in a folder; returns it and its address."""
    server = subprocess.Popen(
        [sys.executable, "-u", "demo.py", *demo],
        cwd=EXAMPLES.parent,
        env={**os.environ, "GRADIO_TEMP_DIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(START_LIMIT_S, server.kill)
    watchdog.start()
    assert server.stdout is not None
    for line in server.stdout:
        found = re.search(r"https?://\S+/", line)
        if found:
            watchdog.cancel()
            return server, found[0]
    raise LaunchError("demo.py did not come up; see its message above.")


def measure(options: argparse.Namespace, pid: int, url: str, folder: Path) -> bool:
    """Runs the baseline and the load, prints both, and returns whether all went well."""
    pairs = [pair for pair in map(read_pair, sorted(EXAMPLES.glob("*/"))) if pair.mask.any()]
    print(f"{'':24}{'served':>8}{'refused':>8}{'median':>9}{'95 %':>8}{'longest':>9}", flush=True)
    baseline = visit_alone("one visitor alone", url, pairs, 0)
    busy, end = Record(), time.monotonic() + 60 * options.minutes

    def ended() -> bool:
        return time.monotonic() > end

    clip = rendered("teddy", CLIP_FRAMES)
    work: list[tuple[Callable[..., None], tuple[object, ...]]] = [
        (sample, (pid, folder, busy, ended)),
        *[(live, (url, clip, busy, ended))] * options.live,
        *((dawdle, (url, number % 2 > 0, ended)) for number in range(options.slow)),
    ]
    for number in range(options.visitors):
        asked = cropped(pairs, number + 1, options.visitors + 1)
        work.append((visit, (url, asked, busy, ended)))
    threads = [threading.Thread(target=task, args=given) for task, given in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    median = tell(f"{options.visitors} visitors, {options.live} live", busy)
    after = visit_alone("one visitor afterwards", url, pairs, 2)
    print(f"ratio of the medians: {median / baseline:.1f}, afterwards {after / baseline:.1f}")
    for words, count in Counter(busy.refusals).most_common(5):
        print(f"refused {count} times: {words}")
    print(f"masks of another visitor: {busy.mistaken}")
    if busy.frames:
        rate = len(busy.frames) / (60 * options.minutes) / options.live
        print(f"live: {rate:.1f} frames a second each, median {np.median(busy.frames):.2f} s")
    for name, values in (("memory", busy.memory), ("disk", busy.disk)):
        course = [values[min(len(values) * part // 4, len(values) - 1)] for part in range(5)]
        numbers = " ".join(f"{value:.0f}" for value in course)
        print(f"{name}: {numbers} MB from quarter to quarter, {max(values):.0f} MB at most")
    return not (busy.refusals or busy.mistaken)


def read_pair(folder: Path) -> Pair:
    background, image = (read_picture(folder / f"{name}.jpg") for name in ("background", "image"))
    return Pair(background, image, read_mask(folder / "mask.png"))


def visit_alone(name: str, url: str, pairs: list[Pair], first: int) -> float:
    """Lets one visitor ask a few times; prints a line, and returns the median wait in seconds."""
    alone = Record()
    asked = cropped(pairs, first, MOST_CROPPED // (2 * ALONE))
    visit(url, asked, alone, lambda: len(alone.seconds) + len(alone.refusals) >= ALONE)
    return tell(name, alone)


def tell(name: str, record: Record) -> float:
    """Prints a line of the table, and returns the median wait in seconds."""
    waits = record.seconds or [float("nan")]
    median, high, longest = np.percentile(waits, (50, 95, 100))
    print(
        f"{name:24}{len(record.seconds):8}{len(record.refusals):8}"
        f"{median:8.2f}s{high:7.2f}s{longest:8.2f}s",
        flush=True,
    )
    return float(median)


def cropped(pairs: list[Pair], first: int, step: int) -> Iterator[Pair]:
    """Takes one pair after another, each narrower by a number of columns that steps on."""
    columns, at = first, first
    while True:
        found = pairs[at % len(pairs)]
        width = found.image.shape[1] - columns % MOST_CROPPED
        yield Pair(found.background[:, :width], found.image[:, :width], found.mask[:, :width])
        columns, at = columns + step, at + 1


def visit(url: str, pairs: Iterator[Pair], record: Record, ended: Callable[[], bool]) -> None:
    """Asks for one prediction after another."""
    session = uuid4().hex
    with httpx.Client(base_url=url, timeout=ANSWER_LIMIT_S) as client:
        while not ended():
            pair = next(pairs)
            files = [jpeg(picture) for picture in (pair.background, pair.image)]
            begin = time.monotonic()
            try:
                path = predict(client, session, *files)
                record.seconds.append(time.monotonic() - begin)
                found = client.get(f"{API}file={quote(path)}").raise_for_status().content
                record.mistaken += not belongs(found, pair)
            except (httpx.HTTPError, LaunchError) as error:
                record.refusals.append(str(error)[:120])
                time.sleep(1)


def jpeg(picture: Picture) -> bytes:
    content = BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=90)
    return content.getvalue()


def belongs(content: bytes, pair: Pair) -> bool:
    """Whether a mask, a PNG, is that of a pair."""
    with Image.open(BytesIO(content)) as picture:
        mask = np.asarray(picture) > 127
    return mask.shape == pair.mask.shape and bool(mask_iou(mask, pair.mask) > LEAST_IOU)


def dawdle(url: str, sends: bool, ended: Callable[[], bool]) -> None:
    """Opens one connection after another; sends a request letter by letter, or nothing."""
    parts = urlsplit(url)
    letters = f"GET / HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode()
    while not ended():
        with suppress(OSError), socket.create_connection((parts.hostname, parts.port)) as line:
            for at in range(len(letters)):
                time.sleep(LETTER_S)
                if ended():
                    return
                if sends:
                    line.sendall(letters[at : at + 1])


def predict(client: httpx.Client, session: str, background: bytes, image: bytes) -> str:
    """Uploads a pair, waits for its prediction, and returns the path of the mask on the server.

    Raises:
        httpx.HTTPError: An answer did not come, or with another status than 200.
        LaunchError: The prediction failed.
    """
    uploaded = upload(client, background, image)
    data = [{"path": path, "meta": {"_type": "gradio.FileData"}} for path in uploaded]
    asked = client.post(f"{API}call/predict", json={"data": data, "session_hash": session})
    number = asked.raise_for_status().json()["event_id"]
    event = ""
    with client.stream("GET", f"{API}call/predict/{number}") as answer:
        for line in answer.iter_lines():
            if line.startswith("event: "):
                event = line.removeprefix("event: ")
            if line.startswith("data: ") and event == "complete":
                return str(json.loads(line.removeprefix("data: "))[0]["path"])
            if line.startswith("data: ") and event == "error":
                raise LaunchError(line.removeprefix("data: "))
    raise LaunchError("the answer ended too early")


def upload(client: httpx.Client, *contents: bytes) -> list[str]:
    """Sends JPEG files, and returns their paths on the server; raises httpx.HTTPError."""
    files = [("files", (f"{number}.jpg", content)) for number, content in enumerate(contents)]
    answer = client.post(f"{API}upload", files=files).raise_for_status()
    return list(answer.json())


def live(url: str, clip: Clip, record: Record, ended: Callable[[], bool]) -> None:
    """Captures a background and sends frames, each when the answer to the last has come."""
    token = uuid4().hex
    background, *frames = (jpeg_url(each) for each in (clip.background, *clip.frames))
    with httpx.Client(base_url=url, timeout=ANSWER_LIMIT_S) as client:
        part = next(
            part["id"]
            for part in client.get("config").json()["components"]
            if part["props"].get("elem_id") == "live"
        )

        def send(message: dict[str, object]) -> dict[str, object]:
            body = {"data": {"token": token, **message}, "component_id": part, "fn_name": "live"}
            answer = client.post(f"{API}component_server/", json=body | {"session_hash": token})
            found = answer.raise_for_status().json()
            if "failed" in found:
                raise LaunchError(str(found["failed"]))
            return dict(found)

        captured, at = False, 0
        while not ended():
            begin = time.monotonic()
            try:
                if captured:
                    frame = frames[at % len(frames)]
                    send({"do": "frame", "frame": frame, "at": 1000 * begin})
                    record.frames.append(time.monotonic() - begin)
                else:
                    captured = "captured" in send(
                        {"do": "capture", "first": at == 0, "frame": background}
                    )
                at += 1
            except (httpx.HTTPError, LaunchError) as error:
                record.refusals.append(f"live: {str(error)[:120]}")
                time.sleep(1)


def sample(pid: int, folder: Path, record: Record, ended: Callable[[], bool]) -> None:
    """Watches memory and disk."""
    while not ended():
        megabytes = [resident_megabytes(each) for each in (pid, *children(pid))]
        record.memory.append(float(np.nansum(megabytes)))
        record.disk.append(used(folder))
        time.sleep(SAMPLE_S)


def children(pid: int) -> list[int]:
    """The processes that a process has started, from any of its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def used(folder: Path) -> float:
    """Megabytes of the files in a folder."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total / 1e6


if __name__ == "__main__":
    sys.exit(run(main))
