"""How long the first page and the first prediction take from a cold process.

    python -m benchmarks.start [--rounds 5] [--baseline DIR]

For each checkout it starts `demo.py`, waits for its first answer, opens it in a headless browser,
and waits until photos can be dropped; then it runs `depthmask predict` on an example. The baseline
is another checkout, such as `git worktree add DIR COMMIT` makes. The checkouts take turns. It
prints medians, in seconds by the clock and of processor time. Each keeps what it caches in a folder
of its own; one round before the first fills it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, sync_playwright

from benchmarks.command import check_folders, run
from depthmask.errors import LaunchError
from depthmask.files import EXAMPLES
from tools.browser import FLAGS, require_browser

PORT = 7990
START_LIMIT_S = 120.0
# There once photos can be dropped; older checkouts have no more than the second.
ZONE = ":is(.photos[data-ready], body:not(:has(.photos))) #background input[type=file]"
Times = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="another checkout")
    options = parser.parse_args()
    checkouts = find_checkouts(options.baseline)
    executable = require_browser()
    with tempfile.TemporaryDirectory(prefix="start-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS])
        found: dict[str, Times] = {name: {} for name in checkouts}
        for number in range(options.rounds + 1):
            for name, checkout in checkouts.items():
                cache = Path(folder, name)
                times = measure(checkout, cache, browser)
                for step, value in times.items() if number else ():
                    found[name].setdefault(step, []).append(value)
        browser.close()
    print(as_table(found))


def find_checkouts(baseline: Path | None) -> dict[str, Path]:
    """Names the folders of "this" checkout and, where one is given, of the "baseline".

    Raises:
        OptionError: The baseline is no folder.
    """
    check_folders(baseline)
    checkouts = {"this": EXAMPLES.parent}
    return checkouts | ({"baseline": baseline.resolve()} if baseline else {})


def measure(checkout: Path, cache: Path, browser: Browser) -> dict[str, float]:
    """Seconds of each step in one checkout."""
    environment = environment_of(checkout, cache)
    times: dict[str, float] = {}
    url = f"http://127.0.0.1:{PORT}/"
    start = time.perf_counter()
    with started(checkout, environment) as server:
        wait_for(url, server)
        times["page: first answer"] = time.perf_counter() - start
        page = browser.new_page()
        page.goto(url, wait_until="commit")
        page.locator(ZONE).first.wait_for(state="attached")
        times["page: usable"] = time.perf_counter() - start
        page.close()
        wait_until_loaded(server)
        times["page: processor time"] = processor_time(server.pid)
    pair = [str(EXAMPLES / "desk" / f"{name}.jpg") for name in ("background", "image")]
    command = [sys.executable, "-m", "depthmask", "predict", *pair, "-o", str(cache / "out")]
    start, before = time.perf_counter(), os.times()
    subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)
    after = os.times()
    times["predict"] = time.perf_counter() - start
    times["predict: processor time"] = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return times


def environment_of(checkout: Path, cache: Path) -> dict[str, str]:
    """Variables for the programs of a checkout, which keep what they cache in a folder."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "PYTHONPYCACHEPREFIX": str(cache / "bytecode"),
        "DEPTHMASK_CACHE": str(cache),
        "GRADIO_TEMP_DIR": str(cache / "gradio"),
        "PYTHONPATH": str(checkout),
    }


@contextmanager
def started(
    checkout: Path, environment: Mapping[str, str], *, port: int = PORT
) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs `demo.py` of a checkout."""
    server = subprocess.Popen(
        [sys.executable, "demo.py", "--port", str(port)],
        cwd=checkout,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield server
    finally:
        server.kill()
        server.communicate()


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Waits until the page is served.

    Raises:
        LaunchError: The server has ended, or does not answer.
    """
    end = time.perf_counter() + START_LIMIT_S
    while time.perf_counter() < end and server.poll() is None:
        try:
            if httpx.get(url, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise LaunchError(f"demo.py gave no page at {url}; close what uses the port, or see its error.")


def wait_until_loaded(server: "subprocess.Popen[bytes]") -> None:
    """Waits until a server has nothing to do, so that its network is loaded."""
    before = -1.0
    while (now := processor_time(server.pid)) > before + 0.1:
        before = now
        time.sleep(0.5)


def processor_time(process: int) -> float:
    """Seconds of processor time that a process has used, without those that it started (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def as_table(found: Mapping[str, Times]) -> str:
    """A line for each step: its median here, and, beside a baseline, that one's and the ratio."""
    lines = [f"{'step':26}" + "".join(f"{name:>12}" for name in found)]
    for step in found["this"]:
        medians = [median(times[step]) for times in found.values()]
        ratio = f"{medians[1] / medians[0]:10.2f} x" if len(medians) > 1 else ""
        lines.append(f"{step:26}" + "".join(f"{value:10.2f} s" for value in medians) + ratio)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run(main))
