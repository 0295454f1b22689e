"""The documents: their commands are understood by the programs they name, their links lead
somewhere, and their Python runs.

A command is a line of a `bash` block, or a span of inline code that starts with a program's name.
"""

import argparse
import ast
import importlib
import io
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from unittest.mock import patch

import pytest

import train
from depthmask.cli.main import main as depthmask
from tests.datasets.sources import write_folders

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("weights/README.md", "deploy/space/README.md")),
    *(ROOT / name for name in ("examples/CREDITS.md", "extras/scenery/README.md")),
]
README, DATASETS = ROOT / "README.md", ROOT / "docs" / "datasets.md"
OTHER_PROGRAMS = {"sudo", "apt-get", "cd", "cp", "curl", "docker", "git", "hf", "jq", "source"}
OTHER_PROGRAMS |= {"tensorboard"}
OTHER_OPTIONS = {"--help", "--nproc-per-node"}  # of argparse and of torchrun
# they import the page, and with it Gradio
SLOW = {"benchmarks.live_session", "benchmarks.live_page", "benchmarks.server_load"}
SCENERY = "extras.scenery.make_examples"  # runs in an environment of its own, with Blender


class Command(NamedTuple):
    """A program of this repository and what it is given."""

    program: str  # depthmask, train.py or a module of benchmarks/ or tools/
    arguments: list[str]

    @property
    def words(self) -> tuple[str, ...]:
        return (self.program, *self.arguments)


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text("utf-8"), re.S | re.M)


def shell_lines(document: Path) -> list[list[str]]:
    """The words of each command of the `bash` blocks."""
    found = []
    for block in blocks(document, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split(" && "):
                found.append(shlex.split(part, comments=True))
    return [words for words in found if words]


def code_spans(document: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.S | re.M)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def understand(words: Sequence[str]) -> Command | None:
    """The program that a command starts; None if it is not one of this repository."""
    words = list(words)
    if words[0] == "torchrun" and "train.py" in words:
        return Command("train.py", words[words.index("train.py") + 1 :])
    match words:
        case ["depthmask", *rest] | ["python", "-m", "depthmask", *rest]:
            return Command("depthmask", rest)
        case ["python", "demo.py", *rest]:
            return Command("depthmask", ["demo", *rest])
        case ["python", "train.py", *rest]:
            return Command("train.py", rest)
        case ["python", "-m", module, *rest] if module.split(".")[0] in ("benchmarks", "tools"):
            return Command(module, rest)
    return None


def commands(document: Path, *start: str) -> list[Command]:
    """The commands of the blocks whose program and first arguments are `start`."""
    found = (understand(words) for words in shell_lines(document))
    return [c for c in found if c and c.words[: len(start)] == start]


def every_command() -> list[Any]:
    return [
        pytest.param(
            command,
            id=f"{document.relative_to(ROOT)}: {' '.join(command.words)}"[:100],
            marks=[pytest.mark.slow] if command.program in SLOW else [],
        )
        for document in DOCUMENTS
        for command in commands(document)
    ]


class Parsed(BaseException):
    """The arguments were understood; the program goes no further."""


def entry(program: str) -> Callable[[], object]:
    if program == "depthmask":
        return depthmask
    if program == "train.py":
        return lambda: train.parse(None)
    main: Callable[[], object] = importlib.import_module(program).main
    return main


def parse(command: Command) -> None:
    """Has a program read its arguments and do nothing else. SystemExit if it refuses them."""
    if command.program == "train.py":
        train.parse(command.arguments)  # checks more than argparse does
        return
    read = argparse.ArgumentParser.parse_args

    def read_and_stop(*given: Any, **named: Any) -> NoReturn:
        read(*given, **named)
        raise Parsed

    with (
        patch.object(argparse.ArgumentParser, "parse_args", read_and_stop),
        patch.object(sys, "argv", list(command.words)),
        pytest.raises(Parsed),
    ):
        entry(command.program)()


@cache
def help_of(program: str, *sub_command: str) -> str:
    shown = io.StringIO()
    with (
        patch.object(sys, "argv", [program, *sub_command, "--help"]),
        redirect_stdout(shown),
        pytest.raises(SystemExit) as stopped,
    ):
        entry(program)()
    assert not stopped.value.code, f"there is no {program} {' '.join(sub_command)}"
    return shown.getvalue()


def options_in(words: Sequence[str]) -> set[str]:
    return {word.split("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]+(=.*)?", word)}


def test_every_document_is_found() -> None:
    assert {README, DATASETS} <= set(DOCUMENTS)
    assert all(document.is_file() for document in DOCUMENTS)
    assert len(every_command()) > 20


@pytest.mark.parametrize("command", every_command())
def test_the_program_understands_its_arguments(command: Command) -> None:
    parse(command)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_sentences_name_what_exists(document: Path) -> None:
    for span in code_spans(document):
        command = understand(span.split())
        if command is None or command == Command("depthmask", []):  # the project's name
            continue
        sub_command = command.arguments[:1] if command.program == "depthmask" else []
        known = help_of(command.program, *sub_command)
        for option in options_in(command.arguments):
            assert option in known, f"{span}: there is no {option}"


@cache
def every_option() -> set[str]:
    """The options of all programs of this repository, as their sources have them."""
    folders = ("benchmarks", "tools", "depthmask/cli")
    sources = [path for folder in folders for path in (ROOT / folder).glob("*.py")]
    texts = [path.read_text("utf-8") for path in (*sources, ROOT / "train.py")]
    return set(re.findall(r'"(--[a-z][a-z-]+)"', "\n".join(texts)))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_option_in_a_sentence_exists(document: Path) -> None:
    if document.name == "CHANGELOG.md":
        pytest.skip("it also names what was removed")
    for span in code_spans(document):
        if span.startswith("--"):
            assert options_in(span.split()) <= every_option() | OTHER_OPTIONS, span


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_other_commands_name_what_exists(document: Path) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    for words in (*shell_lines(document), *(span.split() for span in code_spans(document))):
        match words:
            case ["make", target, *_]:
                assert target in targets, words
            case ["pip" | "python3.11" | "/tmp/bpy-venv/bin/pip", *_]:
                check_installation(words)
    for words in shell_lines(document):
        known = understand(words) or words[0] in OTHER_PROGRAMS or SCENERY in words
        assert known or words[0] == "make" or "pip" in words[0] or "venv" in words, words


def check_installation(words: Sequence[str]) -> None:
    """The extras and the files of requirements in a pip command exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = project["optional-dependencies"]
    for extras in re.findall(r"(?:depthmask|\.)\[([\w,]+)\]", " ".join(words)):
        assert set(extras.split(",")) <= set(known), words
    for option, value in pairwise(words):
        assert option != "-r" or (ROOT / value).is_file(), words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text("utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
    folders = "benchmarks|depthmask|deploy|docs|examples|extras|tests|tools|weights"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", text):
        assert (ROOT / name).exists() or document.name == "CHANGELOG.md", name


def anchors(document: Path) -> set[str]:
    """The names that links give to headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("name", "most"), [("README.md", 120), ("weights/README.md", 90)])
def test_it_stays_short(name: str, most: int) -> None:
    assert len((ROOT / name).read_text("utf-8").splitlines()) <= most


def test_the_model_card_has_its_headings() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "weights" / "README.md").read_text("utf-8"), re.M)
    assert headings == [
        *("Uses", "Out of scope", "Training data", "Procedure", "Metrics"),
        *("Speed and size", "Limitations"),
    ]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the repository, to write into; the working directory."""
    for name in ("benchmarks", "depthmask", "examples", "tools", "train.py", "weights"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(arguments: Sequence[str]) -> str:
    return subprocess.run(
        [sys.executable, *arguments], check=True, timeout=300, capture_output=True, text=True
    ).stdout


@pytest.mark.slow
def test_predict_writes_what_the_readme_says(checkout: Path) -> None:
    (command,) = commands(README, "depthmask", "predict")
    run(["-m", "depthmask", *command.arguments])
    written = {path.name for path in (checkout / "out").iterdir()}
    assert written == {"mask.png", "depth.png", "cutout.png"}
    assert all(f"`{name}`" in README.read_text("utf-8") for name in written)


def test_python_is_python() -> None:
    for document in DOCUMENTS:
        for block in blocks(document, "python"):
            ast.parse(block)


@pytest.mark.slow
@pytest.mark.usefixtures("checkout")
def test_python_of_the_readme_runs() -> None:
    assert blocks(README, "python")
    for program in blocks(README, "python"):
        run(["-c", program])


def with_folders(command: Command, foregrounds: Path, backgrounds: Path) -> list[str]:
    """The arguments of a command, with folders for its DIR."""
    places = {"--foregrounds": str(foregrounds), "--backgrounds": str(backgrounds)}
    before = ["", *command.arguments]
    return [
        places[before[at]] if word == "DIR" else word for at, word in enumerate(command.arguments)
    ]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Drawn cut-outs and backgrounds, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return write_folders(tmp_path)


@pytest.mark.slow
def test_a_data_set_is_built_inspected_and_evaluated(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    plain = [c for c in commands(DATASETS, "depthmask", "build") if "--flip" in c.arguments]
    looks = [
        *commands(DATASETS, "depthmask", "inspect"),
        *commands(DATASETS, "depthmask", "evaluate"),
    ]
    assert plain and len(looks) >= 2
    for command in (*plain, *looks):
        few = ["2" if word == "20" else word for word in with_folders(command, *folders)]
        assert depthmask(few) == 0, command
    assert (tmp_path / "set" / "dataset.json").is_file()
    assert (tmp_path / "sheet.png").is_file() and (tmp_path / "report.html").is_file()


@pytest.mark.slow
def test_parts_are_made_and_merged(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    (build,) = (c for c in commands(DATASETS, "depthmask", "build") if "--shard" in c.arguments)
    (merge,) = commands(DATASETS, "depthmask", "merge")
    words = with_folders(build, *folders)
    shard, out = words.index("--shard") + 1, words.index("--out") + 1
    count = int(words[shard].split("/")[1])
    for part in range(1, count + 1):
        words[shard], words[out] = f"{part}/{count}", f"part{part}"
        assert depthmask(words) == 0
    assert depthmask(merge.arguments) == 0
    assert (tmp_path / "set" / "dataset.json").is_file()


def test_a_cluster_without_ray_is_told_how_to_install_it(
    folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    (build,) = (c for c in commands(DATASETS, "depthmask", "build") if "--ray" in c.arguments)
    assert ["pip", "install", ".[distributed]"] in shell_lines(DATASETS)
    assert depthmask(with_folders(build, *folders)) == 2
    assert "[distributed]'" in capsys.readouterr().err


@pytest.mark.slow
def test_the_rate_of_building_is_measured(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    command, *_ = commands(DATASETS, "benchmarks.dataset_build")
    words = with_folders(command, *folders)
    for option, value in (("--depth", "contact"), ("--samples", "320")):
        words[words.index(option) + 1] = value
    monkeypatch.chdir(ROOT)
    shown = run(["-m", command.program, *words])
    assert re.search(r"composites: [\d.]+/s, [\d.]+ ms of CPU each, \d+ MB held", shown)
