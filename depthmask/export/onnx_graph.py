"""The folded network as an ONNX graph, written node by node.

The functions below mirror `depthmask.network.u2net`; the exporter compares the two on pictures.
Sides are multiples of 32, so every halving is exact and every enlargement a constant factor. A
graph for any size therefore needs no arithmetic on shapes, which torch's exporter leaves behind.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import nn

from depthmask.backends.base import INFO_KEY, INPUTS, VOTES, GraphInfo
from depthmask.network.folded import FusedNet
from depthmask.network.u2net import RSU, Decoder, Encoder

if TYPE_CHECKING:
    import onnx

_OPSET = 18
_FILE_VERSION = 9  # of the file format; runtimes of 2023 read it
# On a graphics card, onnxruntime-web 1.30 takes channels four at a time, and 6 give wrong maps.
_CHANNELS_AT_ONCE = 4


def write_onnx(
    net: FusedNet, path: Path, info: GraphInfo, *, half: bool, size: tuple[int, int] | None
) -> None:
    """Writes a graph from `INPUTS` to `net.tasks`.

    Args:
        net: The folded network.
        path: Of the file.
        info: Goes into the metadata.
        half: Store weights as fp16; runtimes convert them to fp32 once, when they load the graph.
        size: Height and width of one pair; None: any size and any number of pairs.

    Raises:
        ImportError: The package onnx is missing.
    """
    import onnx
    from onnx import TensorProto, helper

    shape = (1, *size) if size else ("pairs", "height", "width")
    inputs = [helper.make_tensor_value_info(x, TensorProto.UINT8, [*shape, 3]) for x in INPUTS]
    outputs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, shape) for x in net.tasks]
    builder = _Builder(half=half)
    _add_network(builder, net)
    graph = helper.make_graph(builder.nodes, "depthmask", inputs, outputs, builder.weights)
    opsets = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=_FILE_VERSION, producer_name="depthmask"
    )
    model.metadata_props.add(key=INFO_KEY, value=info.to_json())
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


class _Builder:
    """Collects nodes and weights; each method returns the name of its value."""

    def __init__(self, *, half: bool) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._half = half
        self._number = 0

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or self._name(kind)
        self.nodes.append(helper.make_node(kind, list(inputs), [output], output, **attributes))
        return output

    def constant(self, values: npt.NDArray[Any]) -> str:
        from onnx import TensorProto, numpy_helper

        name = self._name("constant")
        halve = self._half and values.ndim > 1  # biases and factors are few
        stored = values.astype(np.float16) if halve else values
        self.weights.append(numpy_helper.from_array(stored, name))
        return self.op("Cast", name, to=TensorProto.FLOAT) if halve else name

    def conv(self, layer: nn.Module, x: str) -> str:
        assert isinstance(layer, nn.Conv2d) and layer.bias is not None
        weight, bias = (self.constant(p.detach().cpu().numpy()) for p in (layer.weight, layer.bias))
        pads = [int(p) for p in layer.padding] * 2
        return self.op(
            "Conv",
            *(x, weight, bias),
            pads=pads,
            dilations=list(layer.dilation),
            strides=list(layer.stride),
        )

    def conv_relu(self, block: nn.Module, x: str) -> str:
        assert isinstance(block, nn.Sequential)  # of conv_bn_relu, the norm folded
        return self.op("Relu", self.conv(block[0], x))

    def halve(self, x: str) -> str:
        return self.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def enlarge(self, x: str, factor: int = 2, *, output: str = "") -> str:
        scales = self.constant(np.array([1, 1, factor, factor], np.float32))
        # half-pixel centres, as in torch
        return self.op("Resize", x, "", scales, mode="linear", output=output)

    def join(self, *values: str, output: str = "") -> str:
        return self.op("Concat", *values, axis=1, output=output)

    def _name(self, kind: str) -> str:
        self._number += 1
        return f"{kind}_{self._number}"


def _add_network(b: _Builder, net: FusedNet) -> None:
    from onnx import TensorProto

    encoder, spare = _widened(net.encoder)
    pads = b.constant(np.array([0] * 7 + [spare], np.int64))
    pixels = b.op("Pad", b.op("Concat", *INPUTS, axis=3), pads)
    x = b.op("Cast", b.op("Transpose", pixels, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    features = _add_encoder(b, encoder, x)
    total = _add_votes(b, [_add_decoder(b, d, features) for d in net.decoders.values()])
    if net.stride > 1:  # as torch's pixel_shuffle
        total = b.op("DepthToSpace", total, blocksize=net.stride, mode="CRD")
    maps = b.op("Sigmoid", total)
    for number, task in enumerate(net.tasks):
        b.op("Gather", maps, b.constant(np.array(number, np.int64)), axis=1, output=task)


def _widened(encoder: Encoder) -> tuple[Encoder, int]:
    """An encoder that takes channels of zeros after the pictures' own, and how many."""
    encoder = deepcopy(encoder)
    first = next(layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d))
    spare = -first.in_channels % _CHANNELS_AT_ONCE
    first.weight = nn.Parameter(F.pad(first.weight, (0, 0, 0, 0, 0, spare)), requires_grad=False)
    return encoder, spare


def _add_encoder(b: _Builder, encoder: Encoder, x: str) -> list[str]:
    features: list[str] = []
    for stage in encoder.stages:
        x = _add_rsu(b, stage, b.halve(x) if features else x)
        features.append(x)
    return features


def _add_decoder(b: _Builder, decoder: nn.Module, features: Sequence[str]) -> list[str]:
    """Adds a decoder's votes, finest first: each of one channel, half as large as the last."""
    assert isinstance(decoder, Decoder)
    *skips, x = features
    maps = [x]
    for stage, skip in zip(reversed(decoder.stages), reversed(skips), strict=True):
        x = _add_rsu(b, stage, b.join(b.enlarge(x), skip))
        maps.append(x)
    return [b.conv(vote, m) for vote, m in zip(decoder.votes, reversed(maps), strict=True)]


def _add_votes(b: _Builder, votes: Sequence[Sequence[str]]) -> str:
    """Sums each task's votes: one channel a task, since one costs as much to enlarge as two."""
    total, *coarser = (
        b.join(*level, output=f"{VOTES}_{number}")
        for number, level in enumerate(zip(*votes, strict=True))
    )
    for level, joined in enumerate(coarser, start=1):
        enlarged = b.enlarge(joined, 2**level, output=f"{VOTES}_{level}_enlarged")
        total = b.op("Add", total, enlarged, output=f"{VOTES}_{level}_added")
    return total


def _add_rsu(b: _Builder, block: nn.Module, x: str) -> str:
    assert isinstance(block, RSU)
    x = b.conv_relu(block.stem, x)
    return b.op("Add", _descend(b, block, x, 0), x)


def _descend(b: _Builder, block: RSU, x: str, level: int) -> str:
    skip = b.conv_relu(block.down[level], x)
    if level == len(block.up):
        return skip
    if level < block.halvings:
        below = b.enlarge(_descend(b, block, b.halve(skip), level + 1))
    else:
        below = _descend(b, block, skip, level + 1)
    return b.conv_relu(block.up[level], b.join(below, skip))
