"""Pictures a second of `depthmask predict` on a folder, beside a command for each picture.

    python -m benchmarks.folder [--pictures 12] [--size 1280x720] [--jobs 1 2] [--rounds 3]
        [--options ...]

All run in this process, one after the other, in turns. Each command for one picture reads the
background and loads the network, which is compiled already. The ratios are to those: of time by the
clock, and of the processor's time, which bears a machine that is busy otherwise. A picture is a
drawn photo, shifted by a pixel more in each. `--options` go to every command, such as `--options
--quality fast`.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.command import run
from benchmarks.pipeline import parse_size
from depthmask.cli.bench_prediction import draw_pair
from depthmask.cli.main import main as depthmask
from depthmask.errors import OptionError

ALONE = "a command a picture"
Work = Callable[[Path], None]  # writes into a folder


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--pictures", type=int, default=12, help="in the folder (%(default)s)")
    add("--size", default="1280x720", metavar="WxH", help="of each (%(default)s)")
    add("--jobs", type=int, nargs="+", default=(1, 2), metavar="N", help="(%(default)s)")
    add("--rounds", type=int, default=3, help="(%(default)s)")
    add("--options", nargs=argparse.REMAINDER, default=[], help="of every command")
    options = parser.parse_args()
    if min(options.pictures, options.rounds, *options.jobs) < 1:
        raise OptionError("--pictures, --jobs and --rounds must be 1 or more.")
    width, height = parse_size(options.size)
    with tempfile.TemporaryDirectory() as name:
        background, images = draw_folder(Path(name), height, width, options.pictures)
        works: dict[str, Work] = {ALONE: partial(each_alone, background, images, options.options)}
        for jobs in options.jobs:
            works[f"folder, --jobs {jobs}"] = partial(
                whole_folder, background, images, [*options.options, "--jobs", str(jobs)]
            )
        seconds = measure(works, Path(name), options.rounds)
    print(f"{options.pictures} pictures of {options.size}, median of {options.rounds}")
    print("\n| | pictures a second | times as many | processor, s a picture | ratio |")
    print("|---|---|---|---|---|")
    for work, (wall, cpu) in seconds.items():
        print(
            f"| {work} | {options.pictures / wall:.2f} | {seconds[ALONE][0] / wall:.2f} | "
            f"{cpu / options.pictures:.2f} | {seconds[ALONE][1] / cpu:.2f} |"
        )


def draw_folder(folder: Path, height: int, width: int, pictures: int) -> tuple[Path, Path]:
    """Draws a background and a folder of images; returns both paths."""
    background, image = draw_pair(folder, height, width, shift=4.0)
    images = folder / "images"
    images.mkdir()
    with Image.open(image) as photo:
        pixels = np.asarray(photo)
    for number in range(pictures):  # by a little, so that all are as much work
        moved = np.roll(pixels, number, axis=1)
        Image.fromarray(moved).save(images / f"{number:04}.jpg", quality=95)
    return background, images


def each_alone(background: Path, images: Path, options: list[str], out: Path) -> None:
    for image in sorted(images.iterdir()):
        command(background, image, options, out / image.stem)


def whole_folder(background: Path, images: Path, options: list[str], out: Path) -> None:
    command(background, images, options, out)


def command(background: Path, images: Path, options: list[str], out: Path) -> None:
    """Runs `depthmask predict`, and keeps what it prints to itself unless it fails."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = depthmask(["predict", str(background), str(images), "-o", str(out), *options])
    if code:
        raise OptionError(told.getvalue().strip().rpartition("\n")[2].removeprefix("depthmask: "))


def measure(works: dict[str, Work], folder: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Median seconds of each work, by the clock and of the processor, without the first round."""
    clocks = (time.perf_counter, time.process_time)
    found: dict[str, list[list[float]]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for index, (name, work) in enumerate(works.items()):
            starts = [clock() for clock in clocks]
            work(folder / f"out-{number}-{index}")
            taken = [clock() - start for clock, start in zip(clocks, starts, strict=True)]
            if number:
                found[name].append(taken)
    medians = {name: np.median(taken, axis=0) for name, taken in found.items()}
    return {name: (float(wall), float(cpu)) for name, (wall, cpu) in medians.items()}


if __name__ == "__main__":
    sys.exit(run(main))
