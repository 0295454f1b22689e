"""Checkpoints: what is written is read, and what cannot be used is said in one sentence."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from depthmask.errors import CheckpointError
from depthmask.network.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from depthmask.network.u2net import Stage, U2Net
from tests.network import original

STAGES = (Stage(3, 2, 4), Stage(3, 2, 4), Stage(2, 2, 4, dilated=True))
INFO = CheckpointInfo(stages=STAGES, resolution=96, samples=7, metrics={"iou": 0.5})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, U2Net(stages=STAGES).state_dict(), INFO)
    return path


def test_a_checkpoint_describes_itself(saved: Path) -> None:
    model, info = load_checkpoint(saved)
    assert info == INFO
    assert not model.training
    assert [path.name for path in saved.parent.iterdir()] == ["net.safetensors"]


def test_reading_and_writing_again_changes_nothing(saved: Path) -> None:
    model, info = load_checkpoint(saved)
    again = saved.with_name("again.safetensors")
    save_checkpoint(again, model.state_dict(), info)
    copy, copied = load_checkpoint(again)  # bytes may differ: the header's order is not fixed
    assert copied == info
    for name, tensor in model.state_dict().items():
        assert torch.equal(copy.state_dict()[name], tensor), name


def test_a_file_of_the_original_loads(tmp_path: Path) -> None:
    state = original.random_state()
    path = tmp_path / "model.pt"
    torch.save(state, path)
    model, info = load_checkpoint(path)
    assert info.tasks == ("depth", "mask")
    name = "stage1.rebnconvin.conv_s1.weight"
    assert torch.equal(model.state_dict()["encoder.stages.0.stem.0.weight"], state[name])


class _Trap:
    """Pickled, it would create a file when read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


def test_no_pickle_is_ever_executed(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    for protocol in (2, 4):
        path = tmp_path / f"trap{protocol}.pt"
        path.write_bytes(pickle.dumps(_Trap(sprung), protocol))
        with pytest.raises(CheckpointError, match="only plain state dicts"):
            load_checkpoint(path)
    path = tmp_path / "zipped.pt"
    torch.save({"state_dict": _Trap(sprung)}, path)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not sprung.exists()


def damaged(saved: Path, how: str) -> Path:
    path = saved.with_name(f"{how}.safetensors")
    content = saved.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("these are not weights")
    elif how == "foreign":
        save_file({"weight": torch.zeros(3)}, path)
    elif how == "future":
        save_file({"weight": torch.zeros(3)}, path, {"depthmask": "{}", "format_version": "99"})
    elif how == "misdescribed":
        header = {"depthmask": json.dumps({"tasks": 3}), "format_version": "1"}
        save_file({"weight": torch.zeros(3)}, path, header)
    elif how == "other":
        save_checkpoint(path, U2Net(stages=STAGES[:2]).state_dict(), INFO)
    return path


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("missing", "There is no checkpoint"),
        ("truncated", "damaged or not a checkpoint"),
        ("empty", "damaged or not a checkpoint"),
        ("text", "damaged or not a checkpoint"),
        ("foreign", "not of depthmask"),
        ("future", "update depthmask"),
        ("misdescribed", "damaged"),
        ("other", "another network"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_says_why(saved: Path, how: str, sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence) as caught:
        load_checkpoint(damaged(saved, how))
    assert "\n" not in str(caught.value)
