"""docs/data.md: its commands do what it says, on folders that are drawn here."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from depthmask.cli.main import main
from tests.datasets.sources import write_folders

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "data.md").read_text(), re.S)
START = ["python", "-m", "depthmask"]


def commands(block: str, folder: Path) -> list[list[str]]:
    """The arguments of each depthmask command of a block, with folders for DIR."""
    lines = (shlex.split(line, comments=True) for line in block.splitlines())
    places = {"--foregrounds": folder / "fg", "--backgrounds": folder / "bg"}
    return [
        [
            str(places[line[at - 1]]) if word == "DIR" else word
            for at, word in enumerate(line)
            if at >= len(START)
        ]
        for line in lines
        if line[: len(START)] == START
    ]


@pytest.mark.slow
def test_build_inspect_evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchmetrics", reason="an optional extra: evaluate")
    write_folders(tmp_path)
    monkeypatch.chdir(tmp_path)
    for arguments in commands(BLOCKS[0], tmp_path):
        assert main(arguments) == 0, arguments
    assert (tmp_path / "set" / "dataset.json").is_file()
    assert (tmp_path / "sheet.png").is_file() and (tmp_path / "report.html").is_file()


@pytest.mark.slow
def test_shards_and_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folders(tmp_path)
    monkeypatch.chdir(tmp_path)
    build, merge = commands(BLOCKS[1], tmp_path)
    at, count = build.index("--shard") + 1, int(build[build.index("--shard") + 1].split("/")[1])
    for part in range(1, count + 1):
        build[at], build[build.index("--out") + 1] = f"{part}/{count}", f"part{part}"
        assert main(build) == 0
    assert main(merge) == 0
    assert (tmp_path / "set" / "dataset.json").is_file()


def test_a_cluster_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (arguments,) = commands(BLOCKS[2], tmp_path)
    assert main(arguments) == 2
    assert BLOCKS[2].splitlines()[0] in capsys.readouterr().err


@pytest.mark.slow
def test_the_benchmark_measures(tmp_path: Path) -> None:
    foregrounds, backgrounds = write_folders(tmp_path)
    (line,) = BLOCKS[3].splitlines()
    words = shlex.split(line)
    for option, value in (
        ("--foregrounds", str(foregrounds)),
        ("--backgrounds", str(backgrounds)),
        ("--depth", "contact"),
        ("--samples", "320"),
    ):
        words[words.index(option) + 1] = value
    shown = subprocess.run(
        [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"composites: [\d.]+/s, [\d.]+ ms of CPU each, \d+ MB held", shown)
