"""Finds a Chromium for the browser tests; with `--install`, installs one if there is none."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from depthmask.errors import LaunchError

# It has no window, and takes a third of the time of a whole browser.
SHELL = "chromium-headless-shell"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# Without these, Chromium does not start as root, and sends requests to its maker's hosts.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# The 3D view needs WebGL, which these compute on the CPU if there is no graphics card.
WEBGL = ("--enable-unsafe-swiftshader", "--ignore-gpu-blocklist")
MISSING = (
    "no Chromium or Chrome found, and none could be installed: the browser tests are skipped "
    "(install one, or name it in DEPTHMASK_BROWSER)"
)
INSTALL_LIMIT_S = 600


def find_browser(*, shell: bool = False) -> str | None:
    """Returns the first browser that starts: DEPTHMASK_BROWSER, PATH, macOS, Playwright's own.

    Args:
        shell: Whether a headless shell is looked for first. Otherwise it is taken last.
    """
    names = (SHELL, *NAMES) if shell else (*NAMES, SHELL)
    candidates = [os.environ.get("DEPTHMASK_BROWSER"), *map(shutil.which, names), *MAC_APPS]
    for candidate in candidates:
        if candidate and starts(candidate):
            return candidate
    own = playwright_browser()
    return own if own and starts(own) else None


def require_browser() -> str:
    """Returns what `find_browser` finds; LaunchError if there is none."""
    found = find_browser()
    if found is None:
        raise LaunchError(MISSING)
    return found


def starts(executable: str) -> bool:
    """Tells whether the browser can print its version, which needs all its libraries."""
    try:
        process = subprocess.run([executable, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return process.returncode == 0


def playwright_browser() -> str | None:
    """Returns the path of Playwright's own download, if it exists."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def install_browser() -> str | None:
    """Tries Playwright's download, then Debian's package if root; returns a browser that starts."""
    run([sys.executable, "-m", "playwright", "install", "chromium"])
    found = find_browser(shell=True)
    if found or not can_apt():
        return found
    run(["apt-get", "update", "-qq"])
    for package in (SHELL, "chromium"):  # Ubuntu has no shell
        run(["apt-get", "install", "-qq", "-y", package])
        if found := find_browser(shell=True):
            break
    return found


def can_apt() -> bool:
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def run(command: list[str]) -> None:
    """Runs a command that may fail; the caller looks for a browser afterwards."""
    try:
        subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=INSTALL_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="install one if there is none")
    options = parser.parse_args()
    found = find_browser(shell=True)
    if found is None and options.install:
        print("setup: installing a browser for the tests", file=sys.stderr)
        found = install_browser()
    print(f"setup: {found or MISSING}", file=sys.stderr)


if __name__ == "__main__":
    main()
