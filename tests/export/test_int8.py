"""A graph in int8 computes in int8, is held to true masks, and reports to nobody."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from depthmask.backends import graph_of
from depthmask.backends.graphs import OpenVINOBackend
from depthmask.cli.main import main
from depthmask.errors import ExportError
from depthmask.export import exporter as export_module
from depthmask.export import int8 as module
from depthmask.export.exporter import Int8Loss, export
from depthmask.export.int8 import Sample, draw_composites, mean_iou
from depthmask.network.checkpoint import CheckpointInfo
from depthmask.pictures import Map, Picture, read_picture, write_mask
from tests.backends.test_backends import noise
from tests.data import packs
from tests.export.test_exporter import pairs as pairs
from tests.repository.test_package import run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packs.write(tmp_path_factory.mktemp("pack") / "pack.safetensors")


@pytest.fixture
def masked(pairs: Path) -> Path:
    """Two pairs, one of them with a true mask."""
    image = read_picture(pairs / "tall" / "image.png")
    write_mask(pairs / "tall" / "mask.png", np.eye(*image.shape[:2], dtype=np.float32))
    return pairs


def test_composites_are_pairs_of_pictures_and_always_the_same(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "JUDGED_COMPOSITES", 4)
    info = CheckpointInfo(resolution=64, training={"held_out": 0.4})
    first, second = (list(draw_composites(data, info)) for _ in range(2))
    assert len(first) == 4
    for sample, again in zip(first, second, strict=True):
        assert sample.image.shape == sample.background.shape == (64, 64, 3)
        assert sample.image.dtype == np.uint8 and sample.true_mask.shape == (64, 64)
        assert all(np.array_equal(a, b) for a, b in zip(sample, again, strict=True))
    assert len({sample.image.tobytes() for sample in first}) == 4
    assert any(sample.true_mask.any() for sample in first)


def test_mean_iou() -> None:
    left = np.zeros((32, 32), bool)
    left[:, :16] = True
    background, image = noise(32, 32)

    def everything(background: Picture, image: Picture) -> dict[str, Map]:
        return {"mask": np.ones((32, 32), np.float32)}

    whole, half = (Sample(background, image, mask) for mask in (left | True, left))
    assert mean_iou(everything, [whole, half]) == 0.75


def test_too_much_lost_is_told_with_the_numbers() -> None:
    Int8Loss(9, 0.9, 0.8951).check()
    Int8Loss(9, 0.9, 0.95).check()
    for bad in (0.8949, float("nan")):
        with pytest.raises(ExportError, match=r"9 true masks is .*0\.9000: .* nothing was written"):
            Int8Loss(9, 0.9, bad).check()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["openvino", "onnx"])
def test_export(exported_checkpoint: Path, masked: Path, tmp_path: Path, kind: str) -> None:
    output = tmp_path / "out" / f"graph{export_module.GRAPH_SUFFIXES[kind]}"
    report = export(
        exported_checkpoint, output, kind=kind, precision="int8", dynamic=True, pairs=masked
    )
    assert report["precision"] == "int8" and report["samples_with_mask"] == 1
    json.dumps(report)
    backend = OpenVINOBackend(output)
    assert backend.precision == "int8" and backend.takes_any_size
    background, image = noise(64, 96)
    expected = OpenVINOBackend(graph_of(exported_checkpoint), precision="fp32").run(
        background, image
    )
    differences = [
        np.abs(values - expected[task]).max()
        for task, values in backend.run(background, image).items()
    ]
    assert 1e-4 < max(differences) < 0.1


@pytest.mark.slow
def test_what_loses_too_much_is_not_written(
    data: Path,
    tiny_checkpoint: Path,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(export_module, "MAX_IOU_LOSS", -2)
    monkeypatch.setattr(module, "JUDGED_COMPOSITES", 3)
    output = tmp_path / "out" / "graph.xml"
    options = ["--checkpoint", str(tiny_checkpoint), "-o", str(output), "--format", "openvino"]
    int8 = ["--precision", "int8", "--data", str(data), "--pairs", str(pairs)]
    assert main(["export", *options, *int8]) == 2
    printed = capsys.readouterr()
    assert "with 3 true masks" in printed.err and printed.out == ""
    assert "more than -2 is lost; nothing was written." in printed.err
    assert list(output.parent.iterdir()) == []


def test_int8_needs_true_masks(tiny_checkpoint: Path, pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"holds no NAME/mask\.\* to judge int8 by; .* --data"):
        export(tiny_checkpoint, tmp_path / "graph.onnx", precision="int8", pairs=pairs)


def test_a_missing_nncf_is_named(
    tiny_checkpoint: Path, masked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ExportError, match=r"pip install 'depthmask\[export\]'"):
        export(tiny_checkpoint, tmp_path / "graph.onnx", precision="int8", pairs=masked)


@pytest.mark.slow
def test_nncf_comes_without_what_reports_its_use() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*arguments):\n"
        "    raise SystemExit('the network was asked for')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from depthmask.export.int8 import import_nncf\n"
        "nncf = import_nncf()\n"
        "from nncf.telemetry import telemetry\n"
        "telemetry.send_event('nncf', 'test', 'test')\n"
        "loaded = [n for n in sys.modules if n.startswith('openvino_telemetry')]\n"
        "print(loaded, type(telemetry).__module__)\n"
    )
    assert run(program).strip() == "[] unittest.mock"
