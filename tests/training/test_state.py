"""The state of a run on disk: whole at any moment, whatever the last call was."""

import contextlib
import itertools
import os
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from depthmask.errors import CheckpointError
from depthmask.training import state
from tests.limits import files_of_at_most

NAMES = ("weights", "run")


def parts(samples: int) -> state.Parts:
    return {"weights": {"weight": torch.full((2,), samples)}, "run": {"samples": samples}}


class Killed(Exception):
    pass


def die_at(monkeypatch: pytest.MonkeyPatch, module: object, name: str, call: int) -> None:
    """Replaces a function by one that raises at its call number `call`."""
    real, calls = getattr(module, name), itertools.count(1)

    def dying(*arguments: object, **options: object) -> object:
        if next(calls) == call:
            raise Killed
        return real(*arguments, **options)

    monkeypatch.setattr(module, name, dying)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    assert state.load_state(tmp_path, NAMES) is None
    assert not state.holds_run(tmp_path)
    state.save_state(tmp_path, parts(3))
    found = state.load_state(tmp_path, NAMES)
    assert found is not None and found["run"] == {"samples": 3}
    assert torch.equal(found["weights"]["weight"], torch.full((2,), 3))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert state.holds_run(tmp_path)


@pytest.mark.parametrize(
    ("module", "name"),
    [(torch, "save"), (state, "flush"), (shutil, "rmtree"), (Path, "rename")],
)
def test_a_save_that_is_killed_leaves_a_whole_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """Kills follow one another without a successful save in between."""
    state.save_state(tmp_path, parts(1))
    for call in (2, 1, 3, 4, 5):
        die_at(monkeypatch, module, name, call)
        with contextlib.suppress(Killed):
            state.save_state(tmp_path, parts(2))
        monkeypatch.undo()
        assert state.holds_run(tmp_path)
        found = state.load_state(tmp_path, NAMES)
        assert found is not None and found["run"]["samples"] in {1, 2}
        assert found["weights"]["weight"][0] == found["run"]["samples"]


def test_a_state_reaches_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.save_state(tmp_path, parts(1))
    flushed = []

    def fsync(handle: int) -> None:
        found = os.fstat(handle).st_ino
        (name,) = (p.name for p in (tmp_path, *tmp_path.rglob("*")) if p.stat().st_ino == found)
        stored = state.load_state(tmp_path, ("run",))
        assert stored is not None
        flushed.append((name, stored["run"]["samples"]))

    monkeypatch.setattr(os, "fsync", fsync)
    state.save_state(tmp_path, parts(2))
    before = [(f".{name}.pt.tmp", 1) for name in NAMES]
    before = [one for file in before for one in (file, ("state.new", 1))]
    assert flushed == [*before, (tmp_path.name, 2)]


def test_damage_is_said_in_a_sentence(tmp_path: Path) -> None:
    state.save_state(tmp_path, parts(1))
    (tmp_path / "state" / "run.pt").write_text("{")
    with pytest.raises(
        CheckpointError, match=r"cannot be resumed .*: give another --out"
    ) as caught:
        state.load_state(tmp_path, NAMES)
    assert "\n" not in str(caught.value)


def test_a_state_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "progress.json").write_text('{"samples": 3}')
    with pytest.raises(CheckpointError, match="an earlier version of depthmask wrote it"):
        state.load_state(tmp_path, NAMES)


def test_nothing_in_a_state_is_run(tmp_path: Path) -> None:
    """A state may come from another machine."""
    state.save_state(tmp_path, parts(1))

    class Program:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "was_run",)

    torch.save({"samples": Program()}, tmp_path / "state" / "run.pt")
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        state.load_state(tmp_path, NAMES)
    assert not (tmp_path / "was_run").exists()


def test_a_full_disk_leaves_the_state_and_no_rest(tmp_path: Path) -> None:
    state.save_state(tmp_path, parts(1))
    large: state.Parts = {"weights": {"weight": torch.rand(5000)}, "run": {"samples": 2}}
    with files_of_at_most(10_000), pytest.raises(OSError, match="too large"):
        state.save_state(tmp_path, large)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    found = state.load_state(tmp_path, NAMES)
    assert found is not None and found["run"] == {"samples": 1}


@pytest.mark.parametrize("name", ["state", "state.new", "state.old"])
def test_a_state_is_not_written_through_a_link(tmp_path: Path, name: str) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "run"
    state.save_state(elsewhere, parts(1))
    before = {path: path.read_bytes() for path in elsewhere.rglob("*.pt")}
    out.mkdir()
    (out / name).symlink_to(elsewhere / "state")
    for samples in (2, 3):
        state.save_state(out, parts(samples))
    assert {path: path.read_bytes() for path in elsewhere.rglob("*.pt")} == before
    assert [(path.name, path.is_symlink()) for path in out.iterdir()] == [("state", False)]


def test_a_state_is_not_unpacked(tmp_path: Path) -> None:
    state.save_state(tmp_path, parts(1))
    path = tmp_path / "state" / "weights.pt"
    with zipfile.ZipFile(path) as plain:
        files = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content + bytes(10**5))
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        state.load_state(tmp_path, NAMES)


@pytest.mark.parametrize("content", [None, [1], "text", torch.zeros(2)])
def test_a_part_is_a_group_of_fields(tmp_path: Path, content: object) -> None:
    state.save_state(tmp_path, parts(1))
    torch.save(content, tmp_path / "state" / "run.pt")
    with pytest.raises(CheckpointError, match="no groups of fields"):
        state.load_state(tmp_path, NAMES)
