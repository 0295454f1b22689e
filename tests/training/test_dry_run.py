"""The rehearsal says what a run takes, and leaves no trace."""

from pathlib import Path

import pytest
import torch

import train
from depthmask.network.checkpoint import CheckpointInfo, save_checkpoint
from depthmask.network.u2net import U2Net
from depthmask.training import dry_run as rehearsal
from depthmask.training.dry_run import duration
from tests.data import packs


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(rehearsal, "_SECONDS", 0.0)
    data = packs.write(tmp_path / "pack.safetensors")
    phases = ["--phases", "32:100:4:1e-3", "48:10:2:1e-3"]
    return ["--data", str(data), *phases, "--validation", "4", "--device", "cpu", "--dry-run"]


def test_it_says_what_a_run_takes(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train.main([*options, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().err
    for part in (
        *("foregrounds: ", "backgrounds: ", "1,769,306 parameters"),
        *("100 samples in 25 steps of 4", "10 samples in 5 steps of 2", "GiB", "in all: "),
    ):
        assert part in said
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_said(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert train.main([*options, "--out", str(tmp_path / "file" / "run")]) == 2
    assert "choose another folder with --out" in capsys.readouterr().err


def test_a_start_that_cannot_be_trained_is_said(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "broken.safetensors"
    broken = U2Net()
    torch.nn.init.constant_(next(broken.parameters()), torch.nan)
    save_checkpoint(start, broken.state_dict(), CheckpointInfo())
    assert train.main([*options, "--out", str(tmp_path / "run"), "--start", str(start)]) == 2
    assert "check --start" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (720, "12 min"), (12_240, "3.4 h"), (0.2, "0 s")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
