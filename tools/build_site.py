"""Builds the static page of web/ into web/dist, if something has changed since the last time.

    python -m tools.build_site

It needs Node, and the npm registry for what package-lock.json names.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from depthmask.errors import LaunchError

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "web"
DIST, STAMP = WEB / "dist", WEB / "node_modules" / ".built"
NODE = (20, 19)  # the oldest that Vite runs on
MISSING = (
    "the static page was not built, so its tests are skipped: install Node "
    f"{NODE[0]}.{NODE[1]} or newer, then run `make site`"
)
_SOURCES = (
    "web/*.*",
    "web/public/*",
    "web/src/**/*",
    "depthmask/texts.json",
    "depthmask/app/frame.css",
    "depthmask/app/photos/*.js",
    "depthmask/app/photos/*.css",
    "depthmask/app/live/*.js",
    "depthmask/app/live/*.css",
    "weights/*.onnx",
    "examples/*/*.*",
)


def is_built() -> bool:
    """Whether web/dist was built of what is there now."""
    return (
        (DIST / "index.html").is_file()
        and STAMP.is_file()
        and STAMP.read_text("utf-8") == fingerprint()
    )


def build() -> None:
    """Builds the page.

    Raises:
        LaunchError: Node is missing or too old, or npm failed; its output tells why.
    """
    if not has_node():
        raise LaunchError(f"Node {NODE[0]}.{NODE[1]} or newer was not found; install it.")
    npm = [shutil.which("npm") or "npm"]
    steps = (["ci", "--no-audit", "--no-fund", "--silent"], ["run", "build", "--silent"])
    for step in steps:
        done = subprocess.run([*npm, *step], cwd=WEB, capture_output=True, text=True)
        if done.returncode:
            raise LaunchError(f"`npm {step[0]}` failed in {WEB}: {done.stderr or done.stdout}")
    STAMP.write_text(fingerprint(), "utf-8")


def has_node() -> bool:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return False
    told = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    found = re.match(r"v(\d+)\.(\d+)", told)
    return found is not None and (int(found[1]), int(found[2])) >= NODE


def fingerprint() -> str:
    """SHA-256 of all that the page is made of."""
    total = hashlib.sha256()
    for path in _sources():
        total.update(f"{path.relative_to(ROOT).as_posix()}\n".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _sources() -> Iterator[Path]:
    for pattern in _SOURCES:
        yield from (path for path in sorted(ROOT.glob(pattern)) if path.is_file())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--optional", action="store_true", help="where that fails, only say so: for the tests"
    )
    optional = parser.parse_args().optional
    if is_built():
        return 0
    print("setup: building web/dist", file=sys.stderr)
    try:
        build()
    except LaunchError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 0 if optional else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
