"""Tables of training runs: the original's columns, and the ablation."""

import argparse
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

import train
from benchmarks import ablation, run_table
from benchmarks.command import run
from depthmask.network.checkpoint import CheckpointInfo, save_checkpoint
from depthmask.training.config import Phase
from depthmask.training.run_log import RunLog, RunPosition


def make_run(out: Path, *phases: Phase, iou: float = 0.9) -> Path:
    """Writes what a run leaves, 0.1 s a sample."""
    log = RunLog(out)
    samples = 0
    for phase in phases:
        for _ in range(phase.steps):
            samples += phase.batch
            position = RunPosition(samples=samples, seconds=samples / 10)
            log.write("training", phase.size, position, {"loss": 100 / samples})
        log.write("validation", phase.size, position, {"batch_iou": iou, "batch_rmse": 0.1})
    training: dict[str, object] = {"phases": [asdict(phase) for phase in phases]}
    info = CheckpointInfo(samples=samples, training=training, metrics={"batch_iou": iou})
    save_checkpoint(out / "last.safetensors", {"weight": torch.zeros(1)}, info)
    return out


def test_a_run_stands_beside_the_original(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", Phase(64, 400, 100, 1e-3), Phase(64, 200, 50, 1e-3))
    assert run_table.main([str(run)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert rows[0].split("|")[2:-1] == [
        *(" epochs ", " batch ", " image size ", " time taken ", " IoU ", " RMSE ", " loss ")
    ]
    assert sum("the original" in row for row in rows) == 4
    assert rows[-2:] == [
        f"| {run} | 0.001 | 100 | 64 px | 0.7 min | 0.9000 | 0.1000 | 0.250 |",
        f"| {run} | 0.0005 | 50 | 64 px | 0.3 min | 0.9000 | 0.1000 | 0.167 |",
    ]


def test_a_folder_without_a_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: run_table.main([str(tmp_path)])) == 2
    assert "no checkpoint" in capsys.readouterr().err


def test_the_ablation_ends_with_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(2, command)

    monkeypatch.setattr(subprocess, "run", fail)
    assert ablation.main(["--data", "pack", "--out", str(tmp_path)]) == 2


def test_every_row_of_the_ablation_is_a_command_that_can_be_given() -> None:
    options = argparse.Namespace(
        data=Path("pack"), out=Path("out"), samples=3000, size=64, rate="3e-3", validation=8
    )
    folders = set()
    for name, (_, batch) in ablation.ROWS.items():
        parsed = train.parse(ablation.command_of(name, options)[1:])
        assert parsed.phases == (Phase(64, 3000, batch, 3e-3),) and parsed.resume
        folders.add(parsed.out)
    assert len(folders) == len(ablation.ROWS)


def test_the_ablation_trains_what_is_missing_and_prints_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = []

    def pretend(command: list[str], **_: object) -> None:
        options = train.parse(command[2:])
        started.append(options.out.name)
        make_run(options.out, *options.phases)

    monkeypatch.setattr(subprocess, "run", pretend)
    arguments = ["--data", "pack", "--out", str(tmp_path), "--samples", "64"]
    rows = ["--rows", "depth by l1", "batch 16"]
    assert ablation.main(arguments + rows) == ablation.main(arguments + rows) == 0
    assert started == ["depth-by-l1", "batch-16"]
    *_, l1, small = capsys.readouterr().out.splitlines()
    assert "| 0.9000 |" in l1 and "--depth-loss l1" in l1 and ":64:32:3e-3" in l1
    assert ":64:16:3e-3" in small
