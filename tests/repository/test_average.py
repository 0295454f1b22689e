"""Averaging checkpoints, and taking the mask's decoder from others."""

from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from depthmask.network.checkpoint import read_checkpoint, save_checkpoint
from depthmask.training.config import TrainConfig
from tests.data import packs
from tools import average_checkpoints


def varied(source: Path, path: Path, *, part: str, by: float) -> Path:
    """A checkpoint in which the floats of one part are larger."""
    state, info = read_checkpoint(source)
    moved = {
        key: tensor + by if key.startswith(part) and tensor.is_floating_point() else tensor
        for key, tensor in state.items()
    }
    save_checkpoint(path, moved, replace(info, training={"held_out": 0.25, "by": by}))
    return path


@pytest.fixture
def files(tiny_checkpoint: Path, tmp_path: Path) -> dict[str, Path]:
    """Checkpoints of the same encoder, whose depth differs by 0, 2 and whose mask by 0, 4."""
    parts = {"first": ("", 0.0), "depth": ("decoders.depth", 2.0), "mask": ("decoders.mask", 4.0)}
    return {
        name: varied(tiny_checkpoint, tmp_path / f"{name}.safetensors", part=part, by=by)
        for name, (part, by) in parts.items()
    }


def moves(state: dict[str, Tensor], source: Path) -> dict[str, float]:
    """How far each part has moved from a checkpoint."""
    known, _ = read_checkpoint(source)
    found: dict[str, float] = {}
    for key, tensor in state.items():
        if tensor.is_floating_point():
            part = key.split(".")[0] if key.startswith("encoder") else key.split(".")[1]
            found[part] = max(found.get(part, 0.0), (tensor - known[key]).abs().max().item())
    return {part: round(by, 3) for part, by in found.items()}


def test_the_mean_lies_between(files: dict[str, Path]) -> None:
    mean, info = average_checkpoints.average([files["first"], files["depth"]])
    assert moves(mean, files["first"]) == {"encoder": 0, "depth": 1, "mask": 0}
    assert info.training == {"held_out": 0.25, "by": 2.0}, "as the last says"


def test_the_masks_decoder_comes_from_others(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainConfig, "validation", 4)
    pack = packs.write(tmp_path / "pack.safetensors")
    out = tmp_path / "mean.safetensors"
    words = [files["depth"], "--mask-from", files["mask"], files["first"], "-o", out]
    words += ["--data", pack, "-r", "32"]
    monkeypatch.setattr("sys.argv", ["average_checkpoints.py", *map(str, words)])
    average_checkpoints.main()
    state, info = read_checkpoint(out)
    assert moves(state, files["first"]) == {"encoder": 0, "depth": 2, "mask": 2}
    assert info.training["averaged"] == ["depth.safetensors"]
    assert info.training["mask_averaged"] == ["mask.safetensors", "first.safetensors"]
    assert info.resolution == 32 and 0 <= info.metrics["iou"] <= 1


def test_another_encoder_is_told(files: dict[str, Path], tmp_path: Path) -> None:
    other = varied(files["first"], tmp_path / "other.safetensors", part="encoder", by=0.1)
    states = [read_checkpoint(path)[0] for path in (files["first"], other)]
    with pytest.raises(ValueError, match="same encoder"):
        average_checkpoints.graft(*states)


def test_another_network_is_told(files: dict[str, Path], tmp_path: Path) -> None:
    state, info = read_checkpoint(files["first"])
    half = {key: tensor for key, tensor in state.items() if not key.startswith("decoders.mask")}
    save_checkpoint(tmp_path / "half.safetensors", half, info)
    with pytest.raises(ValueError, match="different networks"):
        average_checkpoints.average([files["first"], tmp_path / "half.safetensors"])
