"""docs/training.md: its commands can be given, and its table of files is complete."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import train

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "training.md").read_text()


def commands(program: str) -> list[list[str]]:
    """The arguments of each command that runs `program`."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", TEXT, re.S))
    lines = blocks.replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines if program in line]
    return [line[line.index(program) + 1 :] for line in words]


def test_every_training_command_is_understood() -> None:
    found = commands("train.py")
    assert len(found) >= 4
    for arguments in found:
        train.parse(arguments)


def test_every_option_it_names_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.parse(["--help"])
    known = capsys.readouterr().out
    named = set(re.findall(r"`(--[a-z-]+)", TEXT))
    assert named and all(option in known for option in named)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["ablation", "run_table", "composites", "empty_scenes", "depth_labels", "training_rate"],
)
def test_every_benchmark_takes_its_options(name: str) -> None:
    found = commands(f"benchmarks.{name}")
    assert found
    shown = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    options = [word for arguments in found for word in arguments if word.startswith("--")]
    assert all(option in shown for option in options)
