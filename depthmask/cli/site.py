"""`depthmask site`: writes the static page, which predicts in the browser and needs no server."""

import argparse
import shutil
from pathlib import Path

from depthmask.errors import LaunchError, OptionError

MARK = "service_worker.js"  # a folder that holds one may be written again


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="a new or empty folder, or one with an earlier page",
    )


def run(options: argparse.Namespace) -> None:
    write_site(find_site(), options.output)
    size = sum(path.stat().st_size for path in options.output.rglob("*") if path.is_file())
    print(f"{options.output} holds the page, {size / 1e6:.0f} MB: any web server can serve it.")
    print(f"On this computer: python -m http.server --directory {options.output}")


def find_site(package: Path | None = None) -> Path:
    """The folder of the built page: in the installed package, else that of the checkout.

    Args:
        package: The folder of the package; default: that of this module.

    Raises:
        LaunchError: The page was not built.
    """
    package = package or Path(__file__).resolve().parents[1]
    for folder in (package / "site", package.parent / "web" / "dist"):
        if (folder / "index.html").is_file():
            return folder
    raise LaunchError(
        "The static page was not built into this installation; in a checkout, run `make site`, "
        "which needs Node, and install that."
    )


def write_site(site: Path, output: Path) -> None:
    """Copies the page into a folder.

    Raises:
        OptionError: The folder holds something else.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        if not (output / MARK).is_file():
            raise OptionError(f"{output} is not empty; name another folder.")
        shutil.rmtree(output / "assets", ignore_errors=True)  # those of an earlier page
    shutil.copytree(site, output, dirs_exist_ok=True)
