"""Exported graphs agree with the network, say where they come from, and are not kept otherwise."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from depthmask.backends import Backend, graph_of
from depthmask.backends.base import GraphInfo
from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend, checked_graph
from depthmask.backends.pytorch import TorchBackend
from depthmask.cli.main import main
from depthmask.errors import BackendError, ExportError
from depthmask.export import exporter as module
from depthmask.export.exporter import (
    GRAPH_SUFFIXES,
    MAX_IOU_LOSS,
    Agreement,
    compare,
    export,
    read_pairs,
    read_samples,
)
from depthmask.export.int8 import mean_iou
from depthmask.files import EXAMPLES
from depthmask.network.checkpoint import (
    WEIGHTS,
    CheckpointInfo,
    load_checkpoint,
    save_checkpoint,
)
from depthmask.network.folded import FusedNet
from depthmask.network.u2net import U2Net
from depthmask.pictures import Map, Picture
from tests.backends.test_backends import noise
from tests.conftest import TINY, FakeBackend, Pair
from tests.limits import failing_replace, files_of_at_most


@pytest.fixture
def pairs(pair: Pair, tmp_path: Path) -> Path:
    """Two pairs of different shapes, and a folder that holds none."""
    for name, turn in (("wide", False), ("tall", True)):
        (tmp_path / "pairs" / name).mkdir(parents=True)
        for part in ("background", "image"):
            picture = Image.fromarray(getattr(pair, part))
            if turn:
                picture = picture.transpose(Image.Transpose.ROTATE_90)
            picture.save(tmp_path / "pairs" / name / f"{part}.png")
    (tmp_path / "pairs" / "notes").mkdir()
    return tmp_path / "pairs"


@torch.inference_mode()
@pytest.mark.parametrize("stride", [1, 2])
def test_folding_changes_nothing(stride: int) -> None:
    torch.manual_seed(0)
    model = U2Net(("depth", "mask"), 6, TINY, stride)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # as if it had been trained
            layer.running_mean.normal_()  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    model.double().eval()
    pictures = torch.randint(0, 256, (2, 2, 64, 96, 3), dtype=torch.uint8)
    net = FusedNet(model)
    logits = model(*(pictures.permute(0, 1, 4, 2, 3).double() / 255))
    for task, values in zip(net.tasks, net(*pictures), strict=True):
        assert values.shape == (2, 64, 96) and values.dtype == torch.float32
        assert (values - logits[task][:, 0].sigmoid()).abs().max() < 1e-4
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in net.modules())


@pytest.mark.parametrize(
    ("kind", "dynamic"),
    [
        ("onnx", True),
        ("onnx", False),
        ("openvino", True),
        pytest.param("torch", True, marks=pytest.mark.slow),
    ],
)
def test_export(
    tiny_checkpoint: Path, pairs: Path, tmp_path: Path, kind: str, dynamic: bool
) -> None:
    output = tmp_path / "new" / f"graph{GRAPH_SUFFIXES[kind]}"
    report = export(tiny_checkpoint, output, kind=kind, dynamic=dynamic, pairs=pairs)
    assert report["iou"] == pytest.approx(1, abs=0.01) and report["pairs"] == 2
    assert report["resolution"] == 64
    names = {path.name for path in output.parent.iterdir()}
    assert names == {output.name} | ({"graph.bin"} if kind == "openvino" else set())
    assert report["files"] == sorted(str(output.parent / name) for name in names)
    json.dumps(report)


def test_a_network_with_a_stride(pairs: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "strided.safetensors"
    info = CheckpointInfo(stages=TINY, stride=2, resolution=64)
    save_checkpoint(checkpoint, U2Net(stages=TINY, stride=2).state_dict(), info)
    export(checkpoint, tmp_path / "graph.onnx", dynamic=True, pairs=pairs)
    whole = TorchBackend(checkpoint, device="cpu", precision="fp32").run(*noise(64, 96))
    graph = OnnxRuntimeBackend(tmp_path / "graph.onnx").run(*noise(64, 96))
    assert max(np.abs(whole[task] - graph[task]).max() for task in whole) < 1e-4


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_half_weights(exported_checkpoint: Path, pairs: Path, tmp_path: Path, kind: str) -> None:
    whole = OpenVINOBackend(graph_of(exported_checkpoint), precision="fp32").run(*noise(64, 96))
    output = tmp_path / f"graph{GRAPH_SUFFIXES[kind]}"
    export(exported_checkpoint, output, kind=kind, precision="fp16", dynamic=True, pairs=pairs)
    half = OpenVINOBackend(output, precision="fp32").run(*noise(64, 96))
    difference = max(np.abs(whole[task] - half[task]).max() for task in whole)
    assert 0 < difference < 0.01


def test_names_and_types_of_a_graph(exported_checkpoint: Path) -> None:
    model = onnx.load(graph_of(exported_checkpoint))

    def shape(value: onnx.ValueInfoProto) -> list[int | str]:
        return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]

    inputs, outputs = model.graph.input, model.graph.output
    open_ = ["pairs", "height", "width"]
    assert [x.name for x in inputs] == ["background", "image"]
    assert {x.name for x in outputs} == {"mask", "depth"}
    assert all(shape(x) == [*open_, 3] for x in inputs)
    assert all(shape(x) == open_ for x in outputs)
    assert str(exported_checkpoint.parent) not in str(model) and __file__ not in str(model)
    assert {p.key for p in model.metadata_props} == {"depthmask"}


def test_the_first_convolution_takes_channels_by_fours(exported_checkpoint: Path) -> None:
    """Of 6, onnxruntime-web makes wrong maps on a graphics card."""
    graph = onnx.load(graph_of(exported_checkpoint)).graph
    shapes = {weight.name: list(weight.dims) for weight in graph.initializer}
    first = next(node for node in graph.node if node.op_type == "Conv")
    assert shapes[first.input[1]][1] == 8


def test_a_fixed_graph_takes_one_size(tiny_checkpoint: Path, pairs: Path, tmp_path: Path) -> None:
    export(tiny_checkpoint, tmp_path / "graph.onnx", pairs=pairs)
    backend = OnnxRuntimeBackend(tmp_path / "graph.onnx")
    assert backend.run(*noise(64, 64))["mask"].shape == (64, 64)
    with pytest.raises(BackendError, match="cannot be run"):
        backend.run(*noise(64, 96))


def test_a_graph_that_disagrees_is_not_written(
    tiny_checkpoint: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(net: FusedNet, path: Path, *rest: object) -> object:
        path.write_text("a graph")
        return FakeBackend().run

    monkeypatch.setitem(module.WRITERS, "onnx", wrong)
    with pytest.raises(ExportError, match=r"IoU of 0\.\d{4} on 2 pair\(s\), under 0\.99") as caught:
        export(tiny_checkpoint, tmp_path / "out" / "graph.onnx", pairs=pairs)
    assert str(caught.value).endswith("nothing was written.")
    assert list((tmp_path / "out").iterdir()) == []


def test_agreement() -> None:
    def constant(mask: float, depth: float) -> Callable[[Picture, Picture], dict[str, Map]]:
        maps = {"mask": mask, "depth": depth}
        return lambda background, image: {
            task: np.full(image.shape[:2], value, np.float32) for task, value in maps.items()
        }

    pair = [noise(32, 32)]
    found = compare(constant(0.9, 0.5), constant(0.6, 0.4), pair)
    assert (found.pairs, found.iou) == (1, 1)
    assert (found.mask_rmse, found.depth_rmse) == pytest.approx((0.3, 0.1))
    assert compare(constant(0, 1), constant(0, 1), pair).iou == 1
    assert compare(constant(1, 1), constant(0, 1), pair).iou == 0
    Agreement(1, 0.99, 0, 0).check()
    for far in (0.021, float("nan")):
        with pytest.raises(ExportError, match="depth is off"):
            Agreement(1, 1, 0, far).check()
    for bad in (0.9899, float("nan")):
        with pytest.raises(ExportError):
            Agreement(1, bad, 0, 0).check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "graph.pt"], "must end in .onnx"),
        (["-o", "graph.pt2", "--format", "torch", "--precision", "fp16"], "fp32 weights only"),
        (["-o", "graph.onnx", "--pairs", "nowhere"], "nowhere holds no pairs"),
        (["-o", "graph.onnx", "--data", "pack.safetensors"], "Only --precision int8"),
        (["-o", "graph.onnx", "--precision", "int8", "--data", "missing"], "missing"),
        ([], "add --dynamic"),
        (["--format", "openvino", "--precision", "int8"], "add --dynamic"),
    ],
)
def test_bad_options(
    tiny_checkpoint: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["export", "--checkpoint", str(tiny_checkpoint), *options]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and printed.out == ""


def test_the_command(
    tiny_checkpoint: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tmp_path / "mine.safetensors"
    checkpoint.write_bytes(tiny_checkpoint.read_bytes())
    assert (
        main(["export", "--checkpoint", str(checkpoint), "--dynamic", "--pairs", str(pairs)]) == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert report["files"] == [str(tmp_path / "mine.onnx")]
    assert load_checkpoint(checkpoint)[1].resolution == report["resolution"]


class Remembering:
    """A backend that runs its network once on each pair."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._maps: dict[bytes, dict[str, Map]] = {}

    def run(self, background: Picture, image: Picture) -> dict[str, Map]:
        key = background.tobytes() + image.tobytes()
        if key not in self._maps:
            self._maps[key] = self._backend.run(background, image)
        return self._maps[key]


@pytest.fixture(scope="module")
def shipped() -> tuple[TorchBackend, Remembering]:
    network = TorchBackend(WEIGHTS, device="cpu", precision="fp32")
    return network, Remembering(network)


@pytest.mark.slow
def test_the_shipped_graph_is_that_of_the_shipped_weights(
    shipped: tuple[TorchBackend, Remembering],
) -> None:
    network, remembering = shipped
    every = list(read_pairs(EXAMPLES, network.resolution, None))
    pairs = list({image.shape: (background, image) for background, image in every}.values())
    assert len(pairs) > 1, "of several shapes"
    for graph in (
        OpenVINOBackend(graph_of(WEIGHTS), precision="fp32"),
        OnnxRuntimeBackend(graph_of(WEIGHTS)),
    ):
        assert graph.takes_any_size
        assert graph.info == GraphInfo(
            resolution=network.info.resolution,
            checkpoint=sha256(WEIGHTS.read_bytes()).hexdigest(),
            samples=network.info.samples,
            metrics=network.info.metrics,
        ), "run `make weights`"
        found = compare(remembering.run, graph.run, pairs)
        assert found.iou > 0.998 and found.mask_rmse < 1e-3 and found.depth_rmse < 1e-3


@pytest.mark.slow
def test_the_shipped_graph_in_int8_is_as_good_as_the_shipped_weights(
    shipped: tuple[TorchBackend, Remembering],
) -> None:
    network, remembering = shipped
    graph = OpenVINOBackend(graph_of(WEIGHTS, "int8"))
    assert graph.takes_any_size and graph.precision == "int8"
    digest = sha256(WEIGHTS.read_bytes()).hexdigest()
    assert graph.info.checkpoint == digest, "run `make weights`"
    samples = list(read_samples(EXAMPLES, network.resolution, None))
    assert len(samples) == len(list(EXAMPLES.glob("*/mask.png")))
    both = remembering.run, Remembering(graph).run
    expected, found = (mean_iou(run, samples) for run in both)
    assert found > expected - MAX_IOU_LOSS
    agreement = compare(*both, [sample[:2] for sample in samples])
    assert agreement.iou > 0.97 and agreement.depth_rmse < 0.03


def test_a_missing_package_is_named(
    tiny_checkpoint: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExportError, match=r"pip install 'depthmask\[export\]'"):
        export(tiny_checkpoint, tmp_path / "graph.onnx", pairs=pairs)


KILLED = """
import os, signal, sys
from pathlib import Path
from depthmask.export import exporter
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
exporter._check = die  # the graph is written by then
exporter.export(Path(sys.argv[1]), Path(sys.argv[2]), kind=sys.argv[3], pairs=Path(sys.argv[4]))
"""


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_what_a_killed_export_leaves_is_removed_by_the_next(
    tiny_checkpoint: Path, pairs: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "graphs" / f"graph{GRAPH_SUFFIXES[kind]}"
    arguments = [tiny_checkpoint, out, kind, pairs]
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env=os.environ | {"TMPDIR": str(temporary)},
    )
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in out.parent.iterdir()] == [f".{out.name}.tmp"]
    assert not list(temporary.glob("tmp*"))
    report = export(tiny_checkpoint, out, kind=kind, pairs=pairs)
    assert sorted(map(str, out.parent.iterdir())) == sorted(report["files"])  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", ["onnx", "openvino", "torch"])
def test_a_full_disk_leaves_the_graph_of_before(
    tiny_checkpoint: Path, pairs: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "graphs" / f"graph{GRAPH_SUFFIXES[kind]}"
    out.parent.mkdir()
    out.write_text("before")
    with files_of_at_most(3000), pytest.raises(ExportError, match="could not be written") as told:
        export(tiny_checkpoint, out, kind=kind, pairs=pairs)
    assert str(told.value).endswith("free some space and give the same command again.")
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert out.read_text() == "before"


@pytest.mark.parametrize("call", [2, 3])
def test_a_graph_its_weights_and_their_sums_are_written_together(
    tiny_checkpoint: Path,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: int,
) -> None:
    sums = "".join(f"{'0' * 64}  graph.{kind}\n" for kind in ("xml", "bin"))
    before = {"graph.xml": "old", "graph.bin": "old", "SHA256SUMS": sums}
    out = tmp_path / "graphs"
    out.mkdir()
    for name, content in before.items():
        (out / name).write_text(content)
    with monkeypatch.context() as broken:
        move = failing_replace(call, PermissionError(13, "denied"))
        broken.setattr("depthmask.files.os.replace", only_into(out, move))
        with pytest.raises(PermissionError, match="denied"):
            export(tiny_checkpoint, out / "graph.xml", kind="openvino", pairs=pairs)
    assert {path.name: path.read_text() for path in out.iterdir()} == before
    export(tiny_checkpoint, out / "graph.xml", kind="openvino", pairs=pairs)
    assert len(checked_graph(out / "graph.xml")) == 2
    assert {path.name for path in out.iterdir()} == {*before}


def only_into(folder: Path, move: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
    """Another `os.replace` for what goes into a folder, not for what is written elsewhere."""
    replace = os.replace
    return lambda source, target: (move if target.parent == folder else replace)(source, target)


def test_an_export_writes_through_no_link(
    tiny_checkpoint: Path, pairs: Path, tmp_path: Path
) -> None:
    (tmp_path / "graphs").mkdir()
    (tmp_path / "victim").write_text("victim")
    out = tmp_path / "graphs" / "graph.xml"
    out.symlink_to(tmp_path / "victim")
    with pytest.raises(ValueError, match="is a link"):
        export(tiny_checkpoint, out, kind="openvino", pairs=pairs)
    out.unlink()
    for name in ("graph.bin", ".graph.xml.tmp"):
        (tmp_path / "graphs" / name).symlink_to(tmp_path / "victim")
    export(tiny_checkpoint, out, kind="openvino", pairs=pairs)
    assert (tmp_path / "victim").read_text() == "victim"
    assert {path.name for path in out.parent.iterdir()} == {"graph.xml", "graph.bin"}


def test_what_is_very_wide_is_compared_in_the_largest_size(tmp_path: Path) -> None:
    (tmp_path / "strip").mkdir()
    for name in ("background", "image"):
        Image.new("RGB", (4096, 4)).save(tmp_path / "strip" / f"{name}.png")
    ((background, image),) = read_pairs(tmp_path, 224, None)
    assert background.shape == image.shape == (32, 2048, 3)
