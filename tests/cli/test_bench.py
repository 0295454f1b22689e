"""The benchmark measures each backend against plain PyTorch, and says which is the default."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle
from torch.utils.flop_counter import FlopCounterMode

from depthmask.backends import graph_of
from depthmask.cli import bench as module
from depthmask.cli import bench_network as network_module
from depthmask.cli.bench import (
    CEILING,
    Row,
    as_table,
    bench,
    count_operations,
    draw_chart,
    take_turns,
    throughput,
)
from depthmask.cli.bench_network import BASELINE, Key, Probe, find_runs, list_keys, probe
from depthmask.cli.main import main
from depthmask.errors import BackendError
from depthmask.network.u2net import U2Net
from depthmask.pictures import Map, Picture
from tests.backends.test_backends import find_fastest, in_int8
from tests.conftest import TINY
from tests.limits import failing_replace

ROW = Row("openvino", "bf16", "cpu", 224, 55.0, 60.0, 110.0, 3.4, 0.8, True, 20.0, 1.5, 250.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures nothing in processes of their own, and multiplies small matrices."""
    monkeypatch.setattr(module, "probe", lambda *arguments: Probe(1.5, 100.0))
    monkeypatch.setattr(module, "PRODUCT_SIDE", 64)
    monkeypatch.setattr(module, "WHOLE_SIZE", (48, 64))


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_every_backend_gets_a_row(exported_checkpoint: Path) -> None:
    said: list[str] = []
    rows = bench(exported_checkpoint, sizes=(32, 64), seconds=0, say=said.append)
    assert said == []
    kinds = {(row.backend, row.precision) for row in rows}
    fp32 = {(name, "fp32") for name in (BASELINE, "torch", "openvino", "onnxruntime")}
    assert fp32 <= kinds and len(rows) == 2 * len(kinds)
    for row in rows:
        assert 0 < row.median_ms <= row.p95_ms and row.ratio_to_ceiling != 0
        assert row.whole_ms > 0
        assert row.pairs_per_s > 0 and (row.startup_s, row.peak_mb) == (1.5, 100)
        assert (row.ratio_to_pytorch_fp32 == 1) or row.backend != BASELINE
    assert {row.backend for row in rows if row.default} == {"openvino"}


def test_what_is_measured_depends_on_the_machine() -> None:
    floats = [Key(name, "fp32") for name in (BASELINE, "torch", "onnxruntime", "openvino")]
    assert list_keys({"cpu": "fp32"}, int8=False) == floats
    with_bytes = list_keys({"cpu": "bf16"}, int8=True)
    assert set(with_bytes) - set(floats) == {
        *(Key("torch", "bf16"), Key("openvino", "bf16"), Key("openvino", "int8"))
    }
    on_gpu = [Key(BASELINE, "fp32", "cuda"), Key("torch", "fp32", "cuda")]
    assert list_keys({"cpu": "fp32", "cuda": "fp16"}, int8=False) == [
        *(*floats, *on_gpu, Key("torch", "fp16", "cuda"))
    ]


def test_a_gpu_has_rows_where_torch_can_use_it(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthmask.network.device.choose_device", lambda _: torch.device("cuda:0"))
    monkeypatch.setattr(network_module, "make_run", lambda key, checkpoint: str)
    found = [key for key, _ in find_runs(tiny_checkpoint, print)]
    assert Key("torch", "fp16", "cuda") in found and Key(BASELINE, "fp32", "cuda") in found
    assert Key("torch", "fp32") in found  # those of the CPU stay


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_checkpoint_without_a_graph_gets_one_elsewhere(tiny_checkpoint: Path) -> None:
    rows = bench(tiny_checkpoint, sizes=(32,), seconds=0)
    assert {"openvino", "onnxruntime"} <= {row.backend for row in rows}
    assert not graph_of(tiny_checkpoint).exists()


def test_the_chart_has_a_bar_for_each_row_and_the_default_in_another_colour() -> None:
    rows = [
        ROW,
        replace(ROW, backend=BASELINE, precision="fp32", ratio_to_pytorch_fp32=1, default=False),
        replace(ROW, size=512, ratio_to_pytorch_fp32=2.5),
    ]
    small, large = draw_chart(rows).axes
    assert (small.get_title("left"), large.get_title("left")) == (
        *("224 x 224 pixels", "512 x 512 pixels"),
    )
    bars = [patch for patch in small.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == [3.4, 1]
    assert bars[0].get_facecolor() != bars[1].get_facecolor()
    assert [label.get_text() for label in small.get_yticklabels()] == [
        *("openvino bf16", "pytorch fp32"),
    ]
    assert [text.get_text() for text in large.texts] == ["2.50 x, 55 ms"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_int8_has_a_row_where_its_graph_is(
    exported_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_fastest(monkeypatch, tmp_path / "cache", "a.int8.xml")
    monkeypatch.setitem(sys.modules, "onnx", None)  # whoever only runs graphs lacks it
    rows = bench(in_int8(exported_checkpoint, tmp_path), sizes=(32,), seconds=0)
    (row,) = (row for row in rows if row.precision == "int8")
    assert row.backend == "openvino" and row.default


@pytest.mark.slow
def test_start_up_and_memory_are_those_of_a_process_of_its_own(
    exported_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ballast = np.ones(2**26)  # 512 MB of this process
    monkeypatch.chdir(exported_checkpoint.parent)  # which the other process does not share
    found = probe(Key("openvino", "fp32"), Path(exported_checkpoint.name), 32)
    assert found.startup_s > 0
    assert found.peak_mb is None or 30 < found.peak_mb < ballast.nbytes / 2**20


def test_a_clock_that_is_set_back_meanwhile_changes_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([86400.0, 3.0])
    monkeypatch.setattr("time.time", lambda: next(clock))
    monkeypatch.setattr(network_module, "make_run", lambda *_: lambda *noise: {})

    def run_alone(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        with redirect_stdout(StringIO()) as printed:
            network_module._run_alone(*command[3:])
        return subprocess.CompletedProcess(command, 0, printed.getvalue(), "")

    monkeypatch.setattr("subprocess.run", run_alone)
    assert 0 <= probe(Key("openvino", "fp32"), Path("weights.safetensors"), 32).startup_s < 60


@pytest.mark.slow
def test_a_process_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"openvino could not be measured alone: .*missing"):
        probe(Key("openvino", "fp32"), tmp_path / "missing.safetensors", 32)


def test_throughput_is_that_of_the_better_of_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    now, takes, seen = 0.0, iter([9.0, 2.0, 0.5]), []  # the first is not timed

    def run(backgrounds: Picture, images: Picture) -> dict[str, Map]:
        nonlocal now
        seen.append(len(images))
        now += next(takes)
        return {}

    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: now))
    assert throughput(run, 32) == 4 / 0.5
    assert seen == [4, 4, 4]


@pytest.mark.usefixtures("quick")
def test_ratios_are_those_of_the_medians(
    exported_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain PyTorch takes 8 s, all else 2 s, and a product of 64 x 64 matrices 1 s at best."""

    def take(runs: dict[Key, object], size: int, seconds: float, **_: object) -> Any:
        known = {BASELINE: [9.0, 8.0, 7.0], CEILING: [1.0, 4.0]}
        return {key: known.get(key.backend, [2.0, 1.0, 3.0]) for key in runs}

    monkeypatch.setattr(module, "take_turns", take)
    monkeypatch.setattr(module, "throughput", lambda run, size: 5.0)
    monkeypatch.setattr(module, "count_operations", lambda model, size: 64**3)
    rows = {(row.backend, row.precision): row for row in bench(exported_checkpoint, sizes=(32,))}
    plain, openvino = rows[BASELINE, "fp32"], rows["openvino", "fp32"]
    assert (plain.median_ms, openvino.median_ms) == (8000, 2000)
    assert openvino.p95_ms == pytest.approx(2900)
    assert (plain.ratio_to_pytorch_fp32, openvino.ratio_to_pytorch_fp32) == (1, 4)
    assert openvino.ratio_to_ceiling == pytest.approx(64**3 / (2 * 64**3) / 2)
    assert openvino.pairs_per_s == 5


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_a_missing_backend_is_said(
    exported_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    said: list[str] = []
    rows = bench(exported_checkpoint, sizes=(32,), seconds=0, say=said.append)
    assert "openvino" not in {row.backend for row in rows}
    assert said and all("pip install openvino" in line for line in said)


@pytest.mark.slow
def test_operations_are_those_that_torch_counts() -> None:
    model = U2Net(("mask",), 6, TINY).eval()
    with FlopCounterMode(display=False) as counter:
        model(*torch.zeros(2, 1, 3, 64, 64))
    assert count_operations(model, 64) == counter.get_total_flops()


def test_operations_are_those_of_the_convolutions() -> None:
    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, background: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
            return torch.Tensor(self.layer(image))

    network: Any = Network()
    for _ in range(2):  # nothing of the first count is left
        assert count_operations(network, 8) == 2 * (4 * 8 * 8) * (3 * 3 * 3)


@pytest.mark.slow
def test_the_full_network_has_the_operations_that_are_known() -> None:
    assert count_operations(U2Net().eval(), 224) == pytest.approx(33.5e9, rel=0.01)


def test_turns_are_taken() -> None:
    order: list[str] = []
    runs = {
        Key(name, "fp32"): lambda background, image, name=name: order.append(name) for name in "ab"
    }
    times = take_turns(runs, 32, seconds=0)  # type: ignore[arg-type]
    assert order == ["a", "a", "b", "b"] * 3
    assert all(len(values) == 3 and min(values) >= 0 for values in times.values())


def test_a_product_that_is_slower_than_that_of_floats_is_no_ceiling() -> None:
    key = Key("openvino", "int8")
    times = {key: [2.0], Key(BASELINE, "fp32"): [8.0], Key(CEILING, "fp32"): [1.0]}
    for seconds, known in ((0.5, True), (50.0, False)):
        found = module._speed(key, times | {Key(CEILING, "int8"): [seconds]}, 64**3)
        assert (found["ratio_to_ceiling"] is not None) == known
    assert " - " in as_table([replace(ROW, ratio_to_ceiling=None)])


def test_progress_is_one_line_on_a_terminal_and_none_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*arguments: object, show: Callable[[str], None], **options: object) -> list[Row]:
        show("backend 1 of 2")
        return [ROW]

    monkeypatch.setattr(module, "bench", measure)
    assert main(["bench", "--quick"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["bench", "--quick"]) == 0
    assert capsys.readouterr().err == "\r\033[Kbackend 1 of 2\r\033[K"


def test_what_is_measured_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    take_turns({Key("a", "fp32"): lambda *_: {}}, 32, seconds=0, show=shown.append)
    assert shown == ["32 px: all backends in turns, 0 s left"] * 3


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "bench", lambda *arguments, **options: [ROW])
    files = {kind: tmp_path / "new" / f"speed.{kind}" for kind in ("json", "svg")}
    options = [f"--{kind}={file}" for kind, file in files.items()]
    assert main(["bench", "--quick", *options]) == 0
    assert "<svg" in files["svg"].read_text()
    assert as_table([ROW]) in capsys.readouterr().out
    assert json.loads(files["json"].read_text())["rows"] == [
        {
            "backend": "openvino",
            "precision": "bf16",
            "device": "cpu",
            "size": 224,
            "median_ms": 55.0,
            "p95_ms": 60.0,
            "whole_ms": 110.0,
            "ratio_to_pytorch_fp32": 3.4,
            "ratio_to_ceiling": 0.8,
            "default": True,
            "pairs_per_s": 20.0,
            "startup_s": 1.5,
            "peak_mb": 250.0,
        }
    ]


def test_the_numbers_and_the_chart_are_written_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "bench", lambda *arguments, **options: [ROW])
    (tmp_path / "a.json").write_text("old")
    options = [f"--{kind}={tmp_path / f'a.{kind}'}" for kind in ("json", "svg")]
    monkeypatch.setattr(os, "replace", failing_replace(2, PermissionError(13, "denied")))
    assert main(["bench", "--quick", *options]) == 2
    assert "a.svg cannot be used (denied)" in capsys.readouterr().err
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.json": "old"}


def test_a_chart_without_matplotlib_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "bench", lambda *arguments, **options: pytest.fail("measured"))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["bench", "--svg", str(tmp_path / "speed.svg")]) == 2
    assert "pip install 'depthmask[plots]'" in capsys.readouterr().err
