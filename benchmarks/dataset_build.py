"""Composites a second of `build`, and whether its memory grows.

    python -m benchmarks.dataset_build --foregrounds DIR --backgrounds DIR [--depth TEACHER] [--samples N]

Whole blocks are made in threads, coded and written, as `build` does, at 224 px, into a folder that
is removed. CPU time is told beside the rate, because it does not depend on what else runs. Memory
is told ten times: what the process holds then, and the most it has held.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.command import run
from benchmarks.memory import held
from depthmask.datasets.blocks import FOLDER
from depthmask.datasets.build import Folders, Maker, Threads, begin, one_thread_each
from depthmask.datasets.plan import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--foregrounds", type=Path, required=True, metavar="DIR")
    parser.add_argument("--backgrounds", type=Path, required=True, metavar="DIR")
    parser.add_argument("--depth", default="contact", metavar="TEACHER")
    parser.add_argument("--layout", choices=("plain", "original"), default="plain")
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--jobs", type=int, help="threads (default: as many as processors)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders(options.foregrounds, options.backgrounds, Path(folder) / "set")
        settings = Settings(flip=True, depth=options.depth, layout=options.layout)
        measure(folders, settings, options.samples, options.jobs)


def measure(folders: Folders, settings: Settings, samples: int, jobs: int | None) -> None:
    """Makes as many blocks as hold so many samples, and prints what they took."""
    maker = Maker.prepare(folders, settings)
    plan = maker.plan
    begin(folders.out, plan)
    with one_thread_each():
        maker.make(0)  # loads what is loaded once
        wall, cpu, made, told = time.perf_counter(), time.process_time(), 0, 0
        numbers = list(range(1, plan.block_count))[: max(1, samples // plan.samples_per_block)]
        for number in Threads(jobs).make(maker, numbers):
            block = plan.block(number)
            made += block.last - block.first
            if made - told >= samples // 10:
                told = made
                seconds, used = time.perf_counter() - wall, time.process_time() - cpu
                print(
                    f"{made:,} composites: {made / seconds:.0f}/s, {used / made * 1000:.2f} ms of "
                    f"CPU each, {held():.0f} MB held, {_most():.0f} at most",
                    flush=True,
                )
    records = folders.out / FOLDER
    print(f"{settings.layout}, {settings.depth}, {len(list(records.iterdir()))} blocks")


def _most() -> float:
    """The most memory that this process has held, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(run(main))
