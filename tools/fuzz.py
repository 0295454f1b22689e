"""Attacks what reads other people's files and requests: `python -m tools.fuzz`.

Each target runs in a process of its own, with a bound on memory. A case is at fault if it raises
what is no sentence for the user, ends or blocks the process, takes more than 5 seconds, or leaves
files outside of its folder. It follows from the target, its number and the seed: `--target T
--first N --cases 1` runs it again.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.fuzz_cases import Target
from tools.fuzz_commands import commands, datasets
from tools.fuzz_files import arrays, checkpoints, clips, graphs, packs, pictures
from tools.fuzz_pages import batches, live
from tools.fuzz_web import addresses, requests

TARGETS: dict[str, Target] = {
    **{"pictures": pictures, "arrays": arrays, "clips": clips, "packs": packs, "graphs": graphs},
    **{"checkpoints": checkpoints, "datasets": datasets, "commands": commands, "live": live},
    **{"batches": batches, "requests": requests, "addresses": addresses},
}
MEMORY_BYTES = 8 * 2**30  # address space of a process
MAX_S = 5.0  # of a case
GIVE_UP_S = 60.0  # then its process is killed


@dataclass
class Found:
    """What became of a target's cases."""

    cases: int = 0
    longest_s: float = 0.0
    peak_mb: float = 0.0
    faults: dict[int, str] = field(default_factory=dict)  # by the number of the case


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--cases", type=int, default=500, help="of each target (%(default)s)")
    add("--first", type=int, default=0, help="number of the first case (%(default)s)")
    add("--seed", type=int, default=0, help="another one, other cases (%(default)s)")
    add("--target", action="append", choices=TARGETS, help="default: all; can be repeated")
    add("--here", action="store_true", help="run one target in this process, and print JSON")
    options = parser.parse_args()
    names = options.target or [*TARGETS]
    if options.here:
        run_here(names[0], range(options.first, options.first + options.cases), options.seed)
        return
    at_fault = 0
    for name in names:
        found = watch(name, range(options.first, options.first + options.cases), options.seed)
        at_fault += len(found.faults)
        print(
            f"{name}: {found.cases:,} cases, {len(found.faults)} at fault, longest "
            f"{found.longest_s:.1f} s, peak {found.peak_mb:.0f} MB",
            flush=True,
        )
        for number, fault in found.faults.items():
            print(f"case {number}: {fault}", flush=True)
    sys.exit(1 if at_fault else 0)


def run_here(name: str, numbers: range, seed: int) -> None:
    """Runs cases in this process, and tells of the beginning and the end of each on stdout."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with os.fdopen(os.dup(1), "w") as tell, tempfile.TemporaryDirectory(prefix="fuzz-") as text:
        os.dup2(2, 1)  # what is attacked may print
        folder = Path(text, "inside")
        folder.mkdir()
        os.chdir(folder)
        os.environ.update(HOME=str(folder), TMPDIR=str(folder))
        tempfile.tempdir = None
        run = TARGETS[name](folder)
        for number in numbers:
            print(json.dumps({"begins": number}), file=tell, flush=True)
            began, fault = time.monotonic(), ""
            try:
                run(rng_of(name, number, seed))
            except Exception:
                fault = traceback.format_exc()
            if os.listdir(text) != ["inside"]:
                fault = "It left files outside of its folder."
            seconds = time.monotonic() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(json.dumps({"s": seconds, "mb": peak, "fault": fault}), file=tell, flush=True)


def rng_of(name: str, number: int, seed: int) -> random.Random:
    """What decides a case."""
    return random.Random(f"{name} {number} {seed}")


def watch(name: str, numbers: range, seed: int) -> Found:
    """Lets a process run cases; starts another behind a case that ended it."""
    found = Found()
    while found.cases < len(numbers):
        left = numbers[found.cases :]
        begun = None
        for told in _told(name, left, seed):
            if "begins" in told:
                begun = told["begins"]
                continue
            found.cases += 1
            found.longest_s = max(found.longest_s, told["s"])
            found.peak_mb = max(found.peak_mb, told["mb"])
            slow = f"It took {told['s']:.1f} s." if told["s"] > MAX_S else ""
            if fault := told["fault"] or slow:
                found.faults[begun or 0] = fault
            begun = None
        if found.cases < len(numbers):
            found.faults[left[0] if begun is None else begun] = "It ended the process."
            found.cases += 1
    return found


def _told(name: str, numbers: range, seed: int) -> Iterator[Any]:
    """What a process tells of its cases; it is killed when it tells nothing for too long."""
    words = ["--here", "--target", name, "--first", str(numbers.start), "--seed", str(seed)]
    with subprocess.Popen(
        [sys.executable, "-m", "tools.fuzz", *words, "--cases", str(len(numbers))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        timer = threading.Timer(GIVE_UP_S, process.kill)
        for line in process.stdout:
            timer.cancel()
            timer = threading.Timer(GIVE_UP_S, process.kill)
            timer.daemon = True
            timer.start()
            yield json.loads(line)
        timer.cancel()


if __name__ == "__main__":
    main()
