"""Checkpoints: what is written is read, and what cannot be used is said in one sentence."""

import json
import pickle
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from depthmask.errors import CheckpointError
from depthmask.network.checkpoint import (
    CheckpointInfo,
    from_original,
    load_checkpoint,
    read_info,
    save_checkpoint,
)
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


@pytest.mark.parametrize("named", ["original", "ours"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: prefixed("module.", state),  # DataParallel
        lambda state: prefixed("_orig_mod.", state),  # torch.compile
        lambda state: prefixed("_orig_mod.module.", state),
        lambda state: {"state_dict": prefixed("model.", state), "epoch": 3, "loops": {}},
        lambda state: {"state_dict": prefixed("net._orig_mod.", state) | {"loss.w": [1.0]}},
        lambda state: {"net": state, "optimizer": {"state": {0: {"step": 1}}, "groups": []}},
        lambda state: {"model": {"weights": prefixed("a.b.c.", state)}, "epoch": 3},
        lambda state: {"state_dict": state, "ema": dict(state)},
        lambda state: {key.replace(".", "._orig_mod.", 1): v for key, v in state.items()},
    ],
)
def test_files_of_other_trainers_load(
    tmp_path: Path, named: str, wrap: Callable[[dict[str, Any]], object]
) -> None:
    state: dict[str, Any] = original.random_state()
    plain = from_original(state)
    torch.save(wrap(state if named == "original" else plain), tmp_path / "a.pt")
    model, _ = load_checkpoint(tmp_path / "a.pt")
    for key, value in model.state_dict().items():
        assert torch.equal(value, plain[key]), key


def prefixed(prefix: str, state: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}{key}": value for key, value in state.items()}


@pytest.mark.parametrize(
    ("name", "zipped"),
    [("a.ckpt", True), ("a.pth.tar", True), ("A.PTH", False), ("a.bin", True), ("a", False)]
    + [("a.safetensors", zipped) for zipped in (True, False)],
)
def test_a_pickled_file_is_told_by_its_content(tmp_path: Path, name: str, zipped: bool) -> None:
    torch.save(original.random_state(), tmp_path / name, _use_new_zipfile_serialization=zipped)
    assert read_info(tmp_path / name) == load_checkpoint(tmp_path / name)[1] == CheckpointInfo()


def test_safetensors_are_told_by_their_content(saved: Path) -> None:
    path, state = saved.with_suffix(".pt"), U2Net(stages=STAGES).state_dict()
    header = {"depthmask": json.dumps(asdict(INFO)), "format_version": "1"}
    lengths = iter(range(0, 256, 8))
    save_file(state, path, header)
    while path.read_bytes()[:1] != b"\x80":  # as a pickle begins
        save_file(state, path, header | {"filling": "x" * next(lengths)})
    assert read_info(path) == load_checkpoint(path)[1] == INFO


def test_files_without_one_network_are_refused(tmp_path: Path) -> None:
    circle: dict[str, Any] = {}
    circle |= {"model": circle, "state_dict": [circle]}
    two = {"student": original.random_state(), "teacher": original.random_state()}
    for content, sentence in (
        (two, r"2 networks \('student', 'teacher'\); save"),
        (prefixed("a.", two["student"]) | prefixed("b.", two["teacher"]), r"2 .* \('a', 'b'\)"),
        ({"model": {"weight": torch.zeros(3)}}, "no state dict of this network; save"),
        ([two["student"]], "no state dict"),
        (circle, "no state dict"),
    ):
        torch.save(content, tmp_path / "a.pt")
        with pytest.raises(CheckpointError, match=sentence):
            load_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300])
def test_weights_that_are_no_numbers_are_refused(saved: Path, value: float) -> None:
    model, info = load_checkpoint(saved)
    state = {k: v.double() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    state["decoders.mask.fuse.weight"].view(-1)[0] = value
    save_checkpoint(saved, state, info)
    with pytest.raises(CheckpointError, match=r"no numbers .* in decoders.mask.fuse.weight\): its"):
        load_checkpoint(saved)


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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("in_ch", "6"),
        ("in_ch", 10**9),
        ("resolution", "x"),
        ("resolution", -1),
        ("samples", 2**70),
        ("tasks", None),
        ("tasks", ["mask"] * 1000),
        ("tasks", ["colour"]),
        ("stages", [[10**6, 2, 4, False], *STAGES[1:]]),
        ("stages", [[3, 10**6, 4, False], *STAGES[1:]]),
        ("stages", [[3, 2]]),
        ("stages", []),
        ("metrics", {"iou": float("nan")}),
        ("metrics", []),
        ("training", None),
        ("colour", 1),
    ],
)
def test_a_description_is_checked_before_anything_is_built(
    tmp_path: Path, field: str, value: object
) -> None:
    header = json.dumps(asdict(INFO) | {field: value})
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"depthmask": header, "format_version": "1"})
    for read in (read_info, load_checkpoint):
        start = time.perf_counter()
        with pytest.raises(CheckpointError, match=r"description inside .* is damaged \(.*\); down"):
            read(path)
        assert time.perf_counter() - start < 1


def test_a_network_is_not_made_larger_than_its_file(tmp_path: Path) -> None:
    """Half a billion weights by the description, one in the file."""
    path = tmp_path / "a.safetensors"
    large = CheckpointInfo(stages=(Stage(10, 1024, 1024),) * 10)
    save_checkpoint(path, {"encoder.stages.0.stem.0.bias": torch.zeros(1)}, large)
    with pytest.raises(CheckpointError, match="another network"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.int(),
        lambda t: t[:1].clone(),
        lambda t: t.to(torch.complex64),
        lambda t: t.to_sparse(),
        lambda t: t.to("meta"),
        lambda t: torch.zeros(1).expand(10**12),
        lambda t: [t],
        lambda t: None,
    ],
)
def test_tensors_of_other_kinds_are_refused(tmp_path: Path, spoil: Callable[[Any], Any]) -> None:
    state: dict[str, Any] = original.random_state()
    name = "stage1.rebnconvin.conv_s1.weight"
    state[name] = spoil(state[name])
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"another network|no state dict"):
        load_checkpoint(tmp_path / "a.pt")


def test_a_pickled_checkpoint_is_not_unpacked(tmp_path: Path) -> None:
    """torch packs nothing; who does may pack gigabytes into kilobytes."""
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as plain,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(CheckpointError, match="is damaged, or holds more"):
        load_checkpoint(tmp_path / "b.pt")


def test_weights_in_half_precision_become_floats(saved: Path) -> None:
    model, info = load_checkpoint(saved)
    save_checkpoint(saved, {k: v.half() for k, v in model.state_dict().items()}, info)
    with pytest.raises(CheckpointError, match="another network"):  # what counts is no fraction
        load_checkpoint(saved)
    halves = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_checkpoint(saved, halves, info)
    found, _ = load_checkpoint(saved)
    assert {p.dtype for p in found.parameters()} == {torch.float32}
    assert all(p.requires_grad for p in found.parameters())


def test_weights_outlive_their_file(saved: Path) -> None:
    before = U2Net(stages=STAGES).state_dict().keys()
    model, _ = load_checkpoint(saved)
    saved.write_bytes(b"")
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert model.state_dict().keys() == before


def test_weights_are_compared_with_their_sum(saved: Path) -> None:
    (saved.parent / "SHA256SUMS").write_text(f"{'0' * 64}  {saved.name}\n")
    with pytest.raises(CheckpointError, match="is damaged or was changed"):
        load_checkpoint(saved)
