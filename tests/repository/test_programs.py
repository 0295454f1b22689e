"""The programs of benchmarks/ and tools/ answer bad input with one sentence and no traceback."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOPE = "NOPE"  # stands for a path at which nothing is, and nothing can be made
PROGRAMS = {
    "benchmarks.baselines": [NOPE, "--checkpoint", NOPE],
    "benchmarks.dataset_build": ["--foregrounds", NOPE, "--backgrounds", NOPE, "--depth", NOPE],
    "benchmarks.composites": ["--data", NOPE],
    "benchmarks.empty_scenes": ["--data", NOPE],
    "benchmarks.folder": ["--size", "64x48", "--options", "--checkpoint", NOPE],
    "benchmarks.examples": ["--checkpoint", NOPE],
    "benchmarks.depth_labels": ["--data", NOPE, "--teacher", f"{NOPE}.onnx:metres"],
    "benchmarks.live_session": [NOPE],
    "benchmarks.pipeline": ["--checkpoint", NOPE],
    "benchmarks.measured_depth": [NOPE],
    "benchmarks.moving_scenes": ["--sheet", f"{NOPE}/sheet.png"],
    "benchmarks.never_empty": [NOPE],
    "benchmarks.photo_pairs": [NOPE, "--data", NOPE],
    "benchmarks.troubles": ["--real", NOPE],
    "benchmarks.registration": [NOPE],
    "benchmarks.resolution": [NOPE],
    "benchmarks.refinement": ["--sequences", NOPE],
    "benchmarks.run_table": [NOPE],
    "benchmarks.second_look": ["--sequences", NOPE],
    "benchmarks.site": ["--site", NOPE],
    "benchmarks.shadows": ["--data", NOPE],
    "benchmarks.stage": ["--image", NOPE],
    "benchmarks.drop": ["--baseline", NOPE],
    "benchmarks.start": ["--baseline", NOPE],
    "benchmarks.video": ["--sizes", NOPE],
    "benchmarks.video_smoothing": ["--sequences", NOPE],
    "benchmarks.training_kernels": ["--data", NOPE],
    "benchmarks.training_rate": ["--device", NOPE],
    "tools.average_checkpoints": [NOPE, "--data", NOPE, "-r", "64", "-o", NOPE],
    "tools.pack_examples": [NOPE],
    "tools.plot_run": [NOPE],
    "tools.screenshot": ["http://127.0.0.1:9", NOPE],
}
SLOW = {"benchmarks.live_session", "benchmarks.empty_scenes"}  # they load the app, or the network


def find_programs(folder: str) -> set[str]:
    """The modules of a folder that can be run."""
    return {
        f"{folder}.{path.stem}"
        for path in (ROOT / folder).glob("*.py")
        if '__name__ == "__main__"' in path.read_text()
    }


def run_program(name: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs a program as `python -m` does, in this process: torch is imported once for all."""
    monkeypatch.setattr(sys, "argv", [f"{name.split('.')[1]}.py", *arguments])
    monkeypatch.delitem(sys.modules, name, raising=False)  # or runpy warns of it
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module(name, run_name="__main__")
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in PROGRAMS],
)
def test_bad_input_is_told_in_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "nowhere")
    arguments = [word.replace(NOPE, nowhere) for word in PROGRAMS[name]]
    assert run_program(name, arguments, monkeypatch) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(f"{name.split('.')[1]}: ") and last.endswith(".")
    assert "nowhere" in last and "Errno" not in last


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("benchmarks.examples", "--sheet"),
        ("benchmarks.resolution", "--svg"),
        ("benchmarks.resolution", "--json"),
        ("benchmarks.pipeline", "--json"),
        ("benchmarks.pipeline", "--plot"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_the_work(
    name: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    assert run_program(name, [option, str(tmp_path / "file" / "nowhere")], monkeypatch) == 2
    told = capsys.readouterr()
    assert "nowhere cannot be written" in told.err and not told.out


@pytest.mark.slow
def test_the_ablation_ends_with_the_sentence_of_train_py(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    nowhere = str(tmp_path / "nowhere")
    arguments = ["--data", nowhere, "--out", str(tmp_path)]
    assert run_program("benchmarks.ablation", arguments, monkeypatch) == 2
    *_, last = capfd.readouterr().err.splitlines()
    assert last.startswith("train.py: ") and nowhere in last


@pytest.mark.parametrize("name", sorted(find_programs("tools")))
def test_a_tool_tells_its_options(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(name, ["--help"], monkeypatch) == 0
    assert "usage: " in capsys.readouterr().out
    assert run_program(name, ["--no-such-option"], monkeypatch) == 2
    assert "error: " in capsys.readouterr().err


def test_no_program_is_forgotten() -> None:
    found = find_programs("benchmarks") | find_programs("tools")
    parts = ("ablation", "live_page", "prediction_memory", "server_load")
    of_their_own = {f"benchmarks.{name}" for name in parts}
    names = ("axe", "browser", "build_site", "draw_clip", "draw_preview", "fuzz", "reachable")
    read_no_files = {
        f"tools.{name}" for name in (*names, "solve_examples", "stage_page", "web_fixtures")
    }
    assert found - of_their_own - read_no_files == set(PROGRAMS)
