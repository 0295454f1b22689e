"""What the README shows is run: its Python, and its commands that need no data of one's own."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def commands(start: str) -> list[list[str]]:
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith(start)]


def run(arguments: list[str], folder: Path) -> None:
    subprocess.run(
        [sys.executable, *arguments], cwd=folder, check=True, timeout=180, capture_output=True
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder that looks like the repository, to write into."""
    for name in ("depthmask", "examples", "weights", "train.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def test_predict_does_what_it_says(copy: Path) -> None:
    (command,) = commands("python -m depthmask predict")
    run(command[1:], copy)
    assert {path.name for path in (copy / "out").iterdir()} == {
        *("mask.png", "depth.png", "cutout.png")
    }


def test_the_python_runs(copy: Path) -> None:
    program, _ = blocks("python")  # the second asks a running demo, as tests/browser does
    run(["-c", program], copy)


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert {command[1] for command in commands("make")} <= targets


def test_every_option_it_names_exists() -> None:
    for start, program in (
        ("python -m depthmask pack", ["-m", "depthmask", "pack"]),
        ("torchrun", ["train.py"]),
    ):
        (command,) = commands(start)
        shown = subprocess.run(
            [sys.executable, *program, "--help"], cwd=ROOT, capture_output=True, text=True
        ).stdout
        options = {word for word in command if word.startswith("-")} - {"-m", "--nproc-per-node"}
        assert options and all(option in shown for option in options)


def test_every_file_it_links_exists() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
