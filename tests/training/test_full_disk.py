"""A full disk ends a run with a sentence, and the run goes on from what it had saved."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import train
from depthmask.errors import TrainingError
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.trainer import Trainer
from tests.limits import files_of_at_most


def test_a_run_stops_with_a_sentence_and_goes_on(config: TrainConfig) -> None:
    config = replace(config, phases=(Phase(32, 16, 4, 1e-3),), save_minutes=0)
    whole = Trainer(replace(config, out=config.out.with_name("whole"), save_minutes=60))
    whole.fit()
    stopped = Trainer(config)
    save = stopped._save_state

    def fills_up() -> None:
        with files_of_at_most(10**9 if stopped.position.samples < 12 else 1000):
            save()

    stopped._save_state = fills_up  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"^The disk is full \(.*weights.pt: File too large\)"):
        stopped.fit()
    assert not list(config.out.rglob("*.tmp")) and not (config.out / "state.new").exists()
    resumed = Trainer(config, resume=True)
    assert resumed.position.samples == 8
    resumed.fit()
    assert all(torch.equal(whole.average[name], resumed.average[name]) for name in whole.average)


@pytest.mark.usefixtures("tiny_train")
@pytest.mark.parametrize("most", [10, 3000])
def test_the_program_ends_without_a_traceback(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], most: int
) -> None:
    arguments = ["--data", str(data), "--out", str(tmp_path / "run"), "--validation", "2"]
    arguments += ["--phases", "32:8:4:1e-3", "--device", "cpu"]
    with files_of_at_most(most):
        assert train.main(arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("train.py: The disk is full") and "too large" in last
    assert "The run stopped at sample 8; nothing was saved yet: free some space" in last
    assert train.main(arguments) == 0


def test_a_disk_error_of_a_thread_shows_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """TensorBoard's thread fails as well as what waits for it."""
    for error in (OSError(28, "No space left on device"), TypeError("another")):
        train.pass_over_disk_errors(
            threading.ExceptHookArgs((type(error), error, None, threading.current_thread()))
        )
    told = capsys.readouterr().err
    assert "another" in told and "No space" not in told


def test_a_log_is_not_written_through_a_link(config: TrainConfig, tmp_path: Path) -> None:
    config.out.mkdir()
    (tmp_path / "victim").write_text("victim")
    for name in (
        "log.csv",
        ".log.csv.tmp",
        "log.csv.tmp",
        "last.safetensors",
        "predictions-0000008.png",
    ):
        (config.out / name).symlink_to(tmp_path / "victim")
    Trainer(config).fit()
    assert (tmp_path / "victim").read_text() == "victim"
