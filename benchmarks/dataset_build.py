"""How many composites `build` makes per second, and whether its memory grows.

    python -m benchmarks.dataset_build --foregrounds DIR --backgrounds DIR [--samples N]

It makes, codes and writes whole blocks in threads at 224 px, as `build` does, and removes them. It
prints the CPU time beside the rate, because the CPU time does not depend on what else runs. Ten
times it prints the memory that the process holds and the most that it has held.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.command import resident_megabytes, run
from depthmask.datasets.build import BlockBuilder, Folders, Threads, begin_dataset, one_thread_each
from depthmask.datasets.plan import Settings
from depthmask.datasets.records import BLOCK_RECORDS


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
        time_blocks(folders, settings, options.samples, options.jobs)


def time_blocks(folders: Folders, settings: Settings, samples: int, jobs: int | None) -> None:
    """Makes blocks that hold so many samples, and prints their time and memory."""
    builder = BlockBuilder.prepare(folders, settings)
    plan = builder.plan
    begin_dataset(folders.out, plan)
    with one_thread_each():
        builder.make(0)  # not timed, because it loads the network
        wall, cpu, made, told = time.perf_counter(), time.process_time(), 0, 0
        numbers = list(range(1, plan.block_count))[: max(1, samples // plan.samples_per_block)]
        for number in Threads(jobs).make(builder, numbers):
            block = plan.block(number)
            made += block.last - block.first
            if made - told >= samples // 10:
                told = made
                seconds, used = time.perf_counter() - wall, time.process_time() - cpu
                print(
                    f"{made:,} composites: {made / seconds:.0f}/s, {used / made * 1000:.2f} ms of "
                    f"CPU each, {resident_megabytes():.0f} MB held, {_peak_memory():.0f} at most",
                    flush=True,
                )
    records = folders.out / BLOCK_RECORDS
    print(f"{settings.layout}, {settings.depth}, {len(list(records.iterdir()))} blocks")


def _peak_memory() -> float:
    """The most memory that this process has held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    sys.exit(run(main))
