"""The benchmark measures each backend against plain PyTorch, and says which is the default."""

import json
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

from depthmask.backends import select as choice
from depthmask.cli import bench as module
from depthmask.cli.bench import (
    Probe,
    Row,
    as_table,
    bench,
    count_operations,
    draw,
    probe,
    take_turns,
    throughput,
)
from depthmask.cli.contenders import BASELINE
from depthmask.cli.main import main
from depthmask.network.u2net import U2Net
from depthmask.pictures import Map, Picture
from tests.backends.test_backends import in_int8
from tests.conftest import TINY


def test_every_backend_gets_a_row(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "probe", lambda *arguments: Probe(1.5, 100.0))
    said: list[str] = []
    rows = bench(tiny_checkpoint, sizes=(32, 64), seconds=0.1, say=said.append)
    drawn = ElementTree.fromstring(draw(rows))
    assert said == []
    kinds = {(row.backend, row.precision) for row in rows}
    fp32 = {(name, "fp32") for name in (BASELINE, "torch", "openvino", "onnxruntime")}
    assert fp32 <= kinds and len(rows) == 2 * len(kinds)
    for row in rows:
        assert 0 < row.median_ms <= row.p95_ms and row.ratio_to_ceiling > 0
        assert row.pairs_per_s > 0 and (row.startup_s, row.peak_mb) == (1.5, 100)
        assert (row.ratio_to_pytorch_fp32 == 1) or row.backend != BASELINE
    assert {row.backend for row in rows if row.default} == {"openvino"}
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")[1:]  # after the page
    assert len(bars) == len(rows)
    assert len({bar.get("fill") for bar in bars}) == 2


def test_int8_has_a_row_where_its_graph_is(
    exported_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "probe", lambda *arguments: Probe(1.5, None))
    monkeypatch.setattr(choice, "multiplies_bytes", lambda: True)
    monkeypatch.setitem(sys.modules, "onnx", None)  # whoever only runs graphs lacks it
    rows = bench(in_int8(exported_checkpoint, tmp_path), sizes=(32,), seconds=0)
    (row,) = (row for row in rows if row.precision == "int8")
    assert row.backend == "openvino" and row.default and row.ratio_to_ceiling > 0


def test_memory_is_that_of_the_process_alone(exported_checkpoint: Path) -> None:
    ballast = np.ones(2**26)  # 512 MB, which a child's getrusage would tell of
    found = probe("openvino", "fp32", exported_checkpoint, 32)
    assert found.peak_mb is None or found.peak_mb < ballast.nbytes / 2**20


def test_start_up_and_memory_are_those_of_a_process(exported_checkpoint: Path) -> None:
    found = probe("openvino", "fp32", exported_checkpoint, 32)
    assert found.startup_s > 0 and (found.peak_mb or 0) > 30


def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"torch could not be measured alone: .*no checkpoint"):
        probe("torch", "fp32", tmp_path / "missing.safetensors", 32)


def test_throughput_counts_pairs() -> None:
    seen: list[int] = []

    def run(backgrounds: Picture, images: Picture) -> dict[str, Map]:
        seen.append(len(images))
        time.sleep(0.01)
        return {}

    assert 0 < throughput(run, 32) <= 4 / 0.01
    assert set(seen) == {4}


def test_a_missing_backend_is_said(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "probe", lambda *arguments: Probe(1.5, None))
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
    row = Row("openvino", "bf16", 224, 55.0, 60.0, 3.4, 0.8, True, 20.0, 1.5, 250.0)
    monkeypatch.setattr(module, "bench", lambda *arguments, **options: [row])
    files = {kind: tmp_path / "new" / f"speed.{kind}" for kind in ("json", "svg")}
    options = [f"--{kind}={file}" for kind, file in files.items()]
    assert main(["bench", "--quick", *options]) == 0
    assert "3.40 x, 55 ms" in files["svg"].read_text()
    assert as_table([row]) in capsys.readouterr().out
    assert json.loads(files["json"].read_text())["rows"] == [
        {
            "backend": "openvino",
            "precision": "bf16",
            "size": 224,
            "median_ms": 55.0,
            "p95_ms": 60.0,
            "ratio_to_pytorch_fp32": 3.4,
            "ratio_to_ceiling": 0.8,
            "default": True,
            "pairs_per_s": 20.0,
            "startup_s": 1.5,
            "peak_mb": 250.0,
        }
    ]
