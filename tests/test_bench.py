"""The benchmark measures each backend against plain PyTorch, and says which is the default."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from depthmask import bench as module
from depthmask.__main__ import main
from depthmask.bench import BASELINE, Row, as_table, bench, count_operations, take_turns
from depthmask.model import U2Net
from tests.conftest import TINY


def test_every_backend_gets_a_row(tiny_checkpoint: Path) -> None:
    said: list[str] = []
    rows = bench(tiny_checkpoint, sizes=(32, 64), seconds=0.1, say=said.append)
    assert said == []
    kinds = {(row.backend, row.precision) for row in rows}
    fp32 = {(name, "fp32") for name in (BASELINE, "torch", "openvino", "onnxruntime")}
    assert fp32 <= kinds and len(rows) == 2 * len(kinds)
    for row in rows:
        assert 0 < row.median_ms <= row.p95_ms and row.ratio_to_ceiling > 0
        assert (row.ratio_to_pytorch_fp32 == 1) or row.backend != BASELINE
    assert {row.backend for row in rows if row.default} == {"openvino"}


def test_a_missing_backend_is_said(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    said: list[str] = []
    rows = bench(tiny_checkpoint, sizes=(32,), seconds=0, say=said.append)
    assert "openvino" not in {row.backend for row in rows}
    assert said and all("pip install openvino" in line for line in said)


def test_operations_are_those_of_the_convolutions() -> None:
    model = U2Net(("mask",), 6, TINY).eval()
    counted = 0

    def count(layer: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, nn.Conv2d)
        counted += 2 * output[0].numel() * layer.weight[0].numel()

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    model(*torch.zeros(2, 1, 3, 64, 64))
    for layer in model.modules():
        layer._forward_hooks.clear()
    assert count_operations(model, 64) == counted


def test_the_full_network_has_the_operations_that_are_known() -> None:
    assert count_operations(U2Net().eval(), 224) == pytest.approx(33.5e9, rel=0.01)


def test_turns_are_taken() -> None:
    order: list[str] = []
    runs = {
        (name, "fp32"): lambda background, image, name=name: order.append(name) for name in "ab"
    }
    times = take_turns(runs, 32, seconds=0)  # type: ignore[arg-type]
    assert order == ["a", "a", "b", "b"] * 3
    assert all(len(values) == 3 and min(values) >= 0 for values in times.values())


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Row("openvino", "bf16", 224, 55.0, 60.0, 3.4, 0.8, True)
    monkeypatch.setattr(module, "bench", lambda *arguments, **options: [row])
    assert main(["bench", "--quick", "--json", str(tmp_path / "new" / "speed.json")]) == 0
    assert as_table([row]) in capsys.readouterr().out
    assert json.loads((tmp_path / "new" / "speed.json").read_text())["rows"] == [
        {
            "backend": "openvino",
            "precision": "bf16",
            "size": 224,
            "median_ms": 55.0,
            "p95_ms": 60.0,
            "ratio_to_pytorch_fp32": 3.4,
            "ratio_to_ceiling": 0.8,
            "default": True,
        }
    ]
