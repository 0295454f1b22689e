"""What the static page takes from Python is up to date, and its modules compute the same."""

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest

from tools.build_site import WEB, has_node
from tools.site_colours import make_sheet
from tools.web_fixtures import COLOURS, GOLDEN, SHARED, make, make_shared

WRITE = "run `python -m tools.web_fixtures`"


def test_the_golden_numbers_are_those_of_python() -> None:
    assert_alike(json.loads(GOLDEN.read_text("utf-8")), json.loads(json.dumps(make())), "golden")


def test_markup_and_constants_are_those_of_python() -> None:
    written = json.loads(SHARED.read_text("utf-8"))
    assert written == json.loads(json.dumps(make_shared())), WRITE


def test_the_colours_are_those_of_the_theme() -> None:
    for path, make_file in COLOURS.items():
        assert path.read_text("utf-8") == make_file(), WRITE


def test_the_browser_draws_the_same_colours_around_the_page() -> None:
    """Files that cannot take them from the style sheet."""
    light, dark = re.findall(r"--body-background-fill: (.+);", make_sheet())
    manifest = json.loads((WEB / "public" / "manifest.webmanifest").read_text("utf-8"))
    assert manifest["background_color"] == manifest["theme_color"] == light
    page = (WEB / "index.html").read_text("utf-8")
    themes = re.findall(r'name="theme-color" media="\(.*?: (\w+)\)" content="(.+)"', page)
    assert themes == [("light", light), ("dark", dark)]


def test_the_modules_compute_the_golden_numbers() -> None:
    if not has_node():
        if os.environ.get("CI"):
            pytest.fail("no Node for the tests in web/tests")
        pytest.skip("no Node: the modules of the static page are not tested")
    command = [str(shutil.which("node")), "--test", "--no-warnings", "tests/"]
    done = subprocess.run(command, cwd=WEB, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_alike(written: Any, made: Any, place: str) -> None:
    """Numbers may differ a little, as OpenCV computes otherwise on another processor."""
    if isinstance(made, dict):
        assert written.keys() == made.keys(), f"{place}: {WRITE}"
        for name in made:
            assert_alike(written[name], made[name], f"{place}, {name}")
    elif isinstance(made, list):
        assert len(written) == len(made), f"{place}: {WRITE}"
        for number, (one, other) in enumerate(zip(written, made, strict=True)):
            assert_alike(one, other, f"{place}, {number}")
    elif isinstance(made, int | float) and not isinstance(made, bool):
        most = 1 if isinstance(made, int) else 0.01  # levels; all others are shares and stops
        assert written == pytest.approx(made, abs=most), f"{place}: {WRITE}"
    else:
        assert written == made, f"{place}: {WRITE}"
