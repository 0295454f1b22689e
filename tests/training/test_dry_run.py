"""The dry run prints what a run takes, and leaves no trace."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import train
from depthmask.errors import TrainingError
from depthmask.network.checkpoint import CheckpointInfo, save_checkpoint
from depthmask.network.u2net import U2Net
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.dry_run import dry_run, duration
from depthmask.training.trainer import Trainer
from tests.conftest import TINY


@pytest.fixture
def two_phases(config: TrainConfig) -> TrainConfig:
    return replace(config, phases=(Phase(32, 100, 4, 1e-3), Phase(48, 10, 2, 1e-3)))


def test_it_says_what_a_run_takes(
    two_phases: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    dry_run(Trainer(replace(two_phases, epoch=40)), timing_s=0)
    said = capsys.readouterr().err
    parameters = sum(p.numel() for p in U2Net(stages=TINY).parameters())
    for part in (
        *("foregrounds: ", "backgrounds: ", f"network: {parameters:,} parameters"),
        *("100 samples in 25 steps of 4", "10 samples in 5 steps of 2", "GiB", "in all: "),
        *("with validation (3x)", "with validation (1x)"),  # one is at the end of a phase
    ):
        assert part in said
    assert not two_phases.out.exists()


@pytest.mark.usefixtures("tiny_train")
def test_the_command_trains_nothing(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began: list[TrainConfig] = []
    monkeypatch.setattr(train, "dry_run", lambda trainer: began.append(trainer.config))
    arguments = ["--data", str(config.data), "--out", str(config.out), "--device", "cpu"]
    assert train.main([*arguments, "--phases", "32:8:4:1e-3", "--dry-run"]) == 0
    assert [found.phases for found in began] == [config.phases]
    assert not config.out.exists()


def test_a_folder_that_cannot_be_written_is_said(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="choose another folder with --out"):
        dry_run(Trainer(replace(config, out=tmp_path / "file" / "run")), timing_s=0)


def test_a_start_that_cannot_be_trained_is_said(config: TrainConfig, tmp_path: Path) -> None:
    start = tmp_path / "broken.safetensors"
    broken = U2Net(stages=TINY)
    torch.nn.init.constant_(next(broken.parameters()), torch.finfo().max)
    save_checkpoint(start, broken.state_dict(), CheckpointInfo(stages=TINY))
    with pytest.raises(TrainingError, match="check --start"):
        dry_run(Trainer(replace(config, start=start)), timing_s=0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (720, "12 min"), (12_240, "3.4 h"), (0.2, "0 s")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("needs_it", ["trainer.Trainer._step", "dry_run.validation_metrics"])
def test_memory_that_does_not_suffice_is_said(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, needs_it: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("MPS backend out of memory (MPS allocated: 5 GB, max allowed: 9 GB).")

    monkeypatch.setattr(f"depthmask.training.{needs_it}", fail)
    with pytest.raises(TrainingError, match="4 samples of 32 px do not fit into the memory"):
        dry_run(Trainer(config), timing_s=0)
