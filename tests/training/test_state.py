"""The state of a run on disk: whole at any moment, whatever the last call was."""

import contextlib
import itertools
from pathlib import Path

import pytest
import torch

from depthmask.errors import CheckpointError
from depthmask.training import state
from depthmask.training.journal import RunPosition

TENSORS = {"model": {"weight": torch.zeros(2)}, "average": {"weight": torch.ones(2)}}
OPTIONS = {"seed": 1, "phases": [[64, 100]]}


class Killed(Exception):
    pass


def die_at(monkeypatch: pytest.MonkeyPatch, module: object, name: str, call: int) -> None:
    """Replaces a function by one that raises at its call number `call`."""
    real, calls = getattr(module, name), itertools.count(1)

    def dying(*arguments: object) -> object:
        if next(calls) == call:
            raise Killed
        return real(*arguments)

    monkeypatch.setattr(module, name, dying)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert state.load_state(tmp_path, OPTIONS) is None
    progress = RunPosition(phase=1, step=2, samples=3, seconds=4.5)
    state.save_state(tmp_path, TENSORS, progress, OPTIONS)
    found = state.load_state(tmp_path, OPTIONS)
    assert found is not None and found[1] == progress
    assert torch.equal(found[0]["average"]["weight"], torch.ones(2))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize(
    ("module", "name"),
    [(state, "save_file"), (state, "flush"), (Path, "write_text"), (Path, "rename")],
)
def test_a_save_that_is_killed_leaves_a_whole_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """Kills follow one another without a successful save in between."""
    state.save_state(tmp_path, TENSORS, RunPosition(samples=1), OPTIONS)
    for call in (2, 1, 3, 4, 5):
        die_at(monkeypatch, module, name, call)
        with contextlib.suppress(Killed):
            state.save_state(tmp_path, TENSORS, RunPosition(samples=2), OPTIONS)
        monkeypatch.undo()
        found = state.load_state(tmp_path, OPTIONS)
        assert found is not None and found[1].samples in {1, 2}
        assert found[0].keys() == TENSORS.keys()


def test_damage_is_said_in_a_sentence(tmp_path: Path) -> None:
    state.save_state(tmp_path, TENSORS, RunPosition(), OPTIONS)
    (tmp_path / "state" / "progress.json").write_text("{")
    with pytest.raises(CheckpointError, match="start without --resume"):
        state.load_state(tmp_path, OPTIONS)


def test_a_run_with_other_options_is_not_gone_on_with(tmp_path: Path) -> None:
    state.save_state(tmp_path, TENSORS, RunPosition(), OPTIONS)
    with pytest.raises(CheckpointError, match=r"other options \(phases\): give another --out"):
        state.load_state(tmp_path, OPTIONS | {"phases": [[64, 200]]})
    (tmp_path / "state" / "options.json").unlink()  # of a run that an earlier version began
    assert state.load_state(tmp_path, OPTIONS) is not None
