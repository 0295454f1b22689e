"""Teachers of data sets: ONNX files and models of Hugging Face, made here with random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from depthmask.datasets.depth_labels import DepthSource, OnnxTeacher, open_depth
from depthmask.datasets.place import Placed
from depthmask.errors import TeacherError
from depthmask.files import fingerprint
from tests.data import depth_model

SIDE = 64


def pictures(count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (count, SIDE, SIDE, 3), dtype=np.uint8)


class Scaled:
    """Tells red as inverse depth, each time with another scale and shift, as teachers do."""

    can_use_gpu = False

    def __init__(self) -> None:
        self.calls = 0

    def inverse(self, pictures: np.ndarray) -> np.ndarray:
        self.calls += 1
        red = pictures[..., 0].astype(np.float32) / 255
        return red * (3 + self.calls) + 7 * self.calls


def test_composites_get_the_scale_of_their_background() -> None:
    source = DepthSource("test", Scaled(), per_composite=True)
    background = np.zeros((SIDE, SIDE, 3), np.uint8)
    background[..., 0] = np.linspace(0, 100, SIDE)[:, None]
    backdrop = source.backdrop(background)
    assert backdrop.ratio.min() < 0.05 and backdrop.ratio.max() > 0.95
    image = background[None].copy()
    image[:, 20:40, 20:40] = 250
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.uint8)
    mask[:, 20:40, 20:40] = 255
    placed = Placed(torch.from_numpy(image), mask, backdrop.ratio[None], torch.zeros(1, 4))
    ratio = source.ratio(placed, backdrop)
    assert torch.allclose(ratio[mask == 0], backdrop.ratio[None][mask == 0], atol=1e-4)
    assert (ratio[mask > 0] > 2).all(), "the object is nearer than all of the scene"


@pytest.mark.parametrize("batch", [1, "batch"])
def test_onnx(tmp_path: Path, batch: int | str) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shapes = ([batch, 3, SIDE, SIDE], [batch, 1, SIDE, SIDE])
    entry, leave = (
        helper.make_tensor_value_info(name, kind, shape)
        for name, shape in zip(("in", "out"), shapes, strict=True)
    )
    axes = helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [1])
    node = helper.make_node("ReduceMean", ["in", "axes"], ["out"], keepdims=1)
    graph = helper.make_graph([node], "g", [entry], [leave], [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = tmp_path / "teacher.onnx"
    onnx.save(model, path)
    source = open_depth(f"onnx:{path}:metres")
    assert source.per_composite
    assert source.key == f"onnx:teacher.onnx@{fingerprint(path)[:8]}:metres"
    bright = pictures() // 2 + 100  # nothing is so near that it would be taken for a hole
    found, shown = source.teacher.inverse(bright), bright.mean(axis=3) / 255
    assert found.shape == (3, SIDE, SIDE)
    assert np.allclose(found, 1 / shown, rtol=1e-3)
    assert isinstance(open_depth(f"contact:onnx:{path}").teacher, OnnxTeacher)
    assert not open_depth(f"contact:onnx:{path}").per_composite


def test_what_is_no_teacher(tmp_path: Path) -> None:
    for text in ("guess", "onnx:", "contact:guess:x"):
        with pytest.raises(TeacherError, match="Write --depth as"):
            open_depth(text)
    pytest.importorskip("onnxruntime")
    with pytest.raises(TeacherError, match="no teacher at"):
        open_depth(f"onnx:{tmp_path / 'missing.onnx'}")


@pytest.mark.slow
def test_huggingface(tmp_path: Path) -> None:
    huggingface = depth_model.write(tmp_path / "glpn")
    source = open_depth(f"hf:{huggingface}")
    metres = open_depth(f"hf:{huggingface}:metres").teacher.inverse(pictures())
    raw = open_depth(f"hf:{huggingface}:inverse").teacher.inverse(pictures())
    found = source.teacher.inverse(pictures())
    assert found.shape == (3, SIDE, SIDE) and np.isfinite(found).all()
    assert np.allclose(found, metres), "a GLPN is known to tell metres"
    assert not np.allclose(found, raw)
    with pytest.raises(TeacherError, match="cannot be loaded"):
        open_depth(f"hf:{huggingface / 'missing'}")
