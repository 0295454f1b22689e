"""A run that was stopped, however, goes on exactly where it was; several processes act as one."""

import io
import multiprocessing
import multiprocessing.process
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from depthmask.errors import CheckpointError
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.run_log import read_log
from depthmask.training.state import load_state
from depthmask.training.trainer import StepResult, Trainer
from tests.conftest import TINY
from tests.data import packs
from tests.training import programs

ROOT = Path(__file__).resolve().parents[2]
TWO_PHASES = (Phase(32, 8, 4, 1e-3), Phase(48, 4, 2, 1e-3))


class Killed(Exception):
    pass


def stop_after(trainer: Trainer, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a trainer die before its step number `steps` + 1."""
    real, taken = trainer.advance, 0

    def dying(step_model: nn.Module, phase: Phase) -> StepResult:
        nonlocal taken
        if taken == steps:
            raise Killed
        taken += 1
        return real(step_model, phase)

    monkeypatch.setattr(trainer, "advance", dying)


@pytest.mark.parametrize(
    ("steps", "fields"),
    [
        (1, {"candidates": 2}),
        (1, {"ahead": 2}),
        pytest.param(1, {}, marks=pytest.mark.slow),
        pytest.param(3, {"phases": TWO_PHASES}, marks=pytest.mark.slow),
        pytest.param(1, {"only": "mask", "candidates": 2}, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    config: TrainConfig,
    start: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    fields: dict[str, Any],
) -> None:
    fields = fields | ({"start": start} if "only" in fields else {})
    config = replace(config, save_minutes=0, **fields)
    whole = Trainer(replace(config, out=config.out.with_name("whole"), save_minutes=60))
    whole.fit()
    killed = Trainer(config)
    stop_after(killed, steps, monkeypatch)
    with pytest.raises(Killed):
        killed.fit()
    resumed = Trainer(config, resume=True)
    assert resumed.position == killed.position
    resumed.fit()
    assert all(torch.equal(whole.average[name], resumed.average[name]) for name in whole.average)


def test_a_kill_while_a_phase_ends_leaves_no_row_twice(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, save_minutes=0)
    killed = Trainer(config)

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(killed.log, "add_sheet", die)
    with pytest.raises(Killed):
        killed.fit()
    Trainer(config, resume=True).fit()
    rows = [(point.kind, point.samples) for point in read_log(config.out / "log.csv")]
    assert rows == [("training", 8), ("validation", 8)]


def test_a_run_does_not_go_on_with_other_options(finished: TrainConfig, tmp_path: Path) -> None:
    moved = tmp_path / "moved" / "other-name"
    moved.parent.mkdir()
    moved.write_bytes(finished.data.read_bytes())
    assert Trainer(replace(finished, data=moved), resume=True).position.samples == 12
    packs.write(moved, step=20)
    others: list[dict[str, Any]] = [{"data": moved}, {"seed": 5}, {"stages": TINY[1:]}]
    for fields in others:
        with pytest.raises(
            CheckpointError, match=rf"other options \({min(fields)}\): give the same"
        ):
            Trainer(replace(finished, **fields), resume=True)
    harmless: dict[str, Any] = {"epoch": 4, "save_minutes": 1, "report_seconds": 1}
    Trainer(replace(finished, **harmless), resume=True)


def test_no_file_of_the_state_passes_16_mb(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the network that is trained by default, after a step: its optimizer has moments then."""
    phases = (Phase(16, 4, 2, 1e-3),)
    config = TrainConfig(data=data, out=tmp_path, phases=phases, save_minutes=0, device="cpu")
    trainer = Trainer(config)
    stop_after(trainer, 1, monkeypatch)
    with pytest.raises(Killed):
        trainer.fit()
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "state").iterdir()}
    assert set(sizes) == {"weights.pt", "average.pt", "optimizer.pt", "run.pt"}
    assert sizes["optimizer.pt"] > 4 * 1.7e6 and max(sizes.values()) < 16e6
    assert not (tmp_path / "state.new").exists() and not (tmp_path / "state.old").exists()


def test_a_kill_between_the_two_renames_loses_nothing(finished: TrainConfig) -> None:
    (finished.out / "state").rename(finished.out / "state.old")
    assert Trainer(finished, resume=True).position.samples == 12


def test_a_damaged_state_is_said(finished: TrainConfig) -> None:
    files = {path.stem: path for path in (finished.out / "state").iterdir()}
    other = io.BytesIO()
    torch.save({"other": torch.zeros(1)}, other)
    weights = files["weights"].read_bytes()
    damages: dict[str, list[bytes | None]] = {name: [other.getvalue()] for name in files}
    damages["weights"] += [b"", weights[:-100], None]
    assert files.keys() == {"weights", "average", "optimizer", "run"}
    for name, contents in damages.items():
        whole = files[name].read_bytes()
        for content in contents:
            files[name].unlink() if content is None else files[name].write_bytes(content)
            with pytest.raises(CheckpointError, match=r"cannot be resumed \(.+\): give another"):
                Trainer(finished, resume=True)
        files[name].write_bytes(whole)
    assert Trainer(finished, resume=True).position.samples == 12


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_killed_at_any_moment_it_ends_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    """SIGKILL while it computes, validates or writes; --save-minutes 0 makes writing likely."""
    options = ["--data", str(data), "--phases", "32:24:4:1e-3", "48:4:2:1e-3"]
    options += ["--validation", "2", "--epoch", "8", "--save-minutes", "0", "--device", "cpu"]
    processes = multiprocessing.get_context("forkserver")  # torch is imported once for all
    processes.set_forkserver_preload(["tests.training.programs"])

    def begin(name: str, *more: str) -> multiprocessing.process.BaseProcess:
        arguments = [*options, "--out", str(tmp_path / name), *more]
        process = processes.Process(target=programs.train_tiny, args=(arguments,))
        process.start()
        return process

    def finish(process: multiprocessing.process.BaseProcess) -> None:
        process.join(timeout=600)
        assert process.exitcode == 0

    finish(begin("whole"))
    seed = random.randrange(2**32)
    killed, dice = tmp_path / "killed", random.Random(seed)
    print(f"killed after the dice of {seed}")  # shown if it fails
    for kill in range(3):
        process = begin("killed", "--resume")
        saves = kill + 1 + dice.randrange(3)
        wait_for(lambda: samples_of(killed) >= 4 * saves or not process.is_alive())  # noqa: B023
        time.sleep(dice.random() * 0.3)
        process.kill()
        process.join()
    finish(begin("killed", "--resume"))
    expected, found = (
        load_file(tmp_path / name / "last.safetensors") for name in ("whole", "killed")
    )
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    rows = [point.samples for point in read_log(killed / "log.csv") if point.kind == "validation"]
    assert rows == sorted(set(rows)), "what a killed process wrote too much is dropped"


@pytest.mark.slow
def test_two_processes_train_as_one(data: Path, tmp_path: Path) -> None:
    """With frozen batch statistics a global batch is the same however it is shared."""
    programs.take_steps(data, tmp_path / "one")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [
            *(sys.executable, *launcher, "-m", "tests.training.programs"),
            *(str(data), str(tmp_path / "two")),
        ],
        check=True,
        timeout=240,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
    )
    for kind, tolerance in (("grad", 1e-3), ("data", 1e-4)):
        one, two = (load_file(tmp_path / f"{name}.{kind}") for name in ("one", "two"))
        for name, value in one.items():
            torch.testing.assert_close(value, two[name], rtol=tolerance, atol=tolerance)


def samples_of(out: Path) -> int:
    """How far the stored state of a run is; 0 while there is none."""
    try:
        stored = load_state(out, ("run",))
    except CheckpointError:  # it is being replaced
        return 0
    return int(stored["run"]["position"]["samples"]) if stored else 0


def wait_for(is_true: Callable[[], bool], limit_s: float = 600) -> None:
    end = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("part", "place", "value"),
    [
        ("run", ("position",), None),
        ("run", ("position", "samples"), 2**70),
        ("run", ("position", "samples"), "3"),
        ("run", ("position", "phase"), 7),
        ("run", ("position", "step"), 1000),
        ("run", ("position", "seconds"), float("nan")),
        ("run", ("options",), [1]),
        ("run", ("options", "seed"), torch.zeros(2).to_sparse()),
        ("average", ("encoder.stages.0.stem.0.bias",), torch.zeros(1)),
        ("average", ("encoder.stages.0.stem.0.bias",), "x"),
        ("weights", ("encoder.stages.0.stem.0.bias",), torch.zeros(2, device="meta")),
        ("optimizer", ("Muon",), None),
        ("optimizer", ("AdamW", 0), {}),
        ("optimizer", ("AdamW", 99), {}),
        ("optimizer", ("AdamW", 0, "exp_avg"), torch.zeros(7)),
        ("optimizer", ("AdamW", 0, "exp_avg"), None),
    ],
)
def test_a_state_with_another_value_is_refused(
    config: TrainConfig, part: str, place: tuple[Any, ...], value: object
) -> None:
    trainer = Trainer(config)
    step_model = trainer.ready()
    trainer.advance(step_model, config.phases[0])
    trainer._save_state()
    file = config.out / "state" / f"{part}.pt"
    content = inner = torch.load(file)
    *path, last = place
    for key in path:
        inner = inner[key]
    inner[last] = value
    torch.save(content, file)
    with pytest.raises(CheckpointError, match=r"cannot be resumed \(.*\): give another --out"):
        Trainer(config, resume=True)
