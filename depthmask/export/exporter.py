"""A checkpoint as a graph for OpenVINO, ONNX Runtime or torch, checked against the network.

A graph takes `background` and `image`, (B, h, w, 3) uint8 RGB, and yields `mask` and `depth`,
(B, h, w) float32 in [0, 1]: scaling, folding and the sigmoid are in it. Its metadata name the
resolution and the checkpoint it was made from. In int8 it is held to true masks, not to the
network's: bytes move borders about, and may do so unless it is for the worse.
"""

import warnings
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from depthmask.backends.base import INFO_KEY, INPUTS, OUTPUTS, STRIDE, GraphInfo
from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend, import_openvino
from depthmask.backends.pytorch import TorchBackend
from depthmask.errors import BackendError, ExportError
from depthmask.export.int8 import ModelT, Pair, Run, Sample, draw_composites, mean_iou, quantize
from depthmask.export.onnx_graph import write_onnx
from depthmask.files import (
    EXAMPLES,
    SUMS,
    check_file,
    fingerprint,
    move_together,
    renewed_sums,
    workplace,
    write_whole,
)
from depthmask.network.folded import FusedNet
from depthmask.pictures import Map, Picture, read_mask, read_picture

GRAPH_SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
MIN_IOU = 0.99
MAX_DEPTH_RMSE = 0.02  # of the graph's depth from the network's
MAX_IOU_LOSS = 0.005  # of the mean IoU with true masks, by int8
_MAX_STRIDES = 64  # longest side of a dynamic graph, in strides
_INSTALL = "run `pip install 'depthmask[export]'`"

Size = tuple[int, int]  # height and width


@dataclass(frozen=True)
class Agreement:
    """How far a graph's maps are from those of the network, over all pairs."""

    pairs: int
    iou: float  # of both masks, cut at 0.5, pixels of all pairs together; two empty masks: 1
    mask_rmse: float
    depth_rmse: float

    def check(self) -> None:
        """Raises ExportError, with the numbers, where masks or depth do not agree."""
        if not self.iou >= MIN_IOU:  # nan does not agree either
            raise ExportError(
                f"The graph's masks agree with the network's by an IoU of {self.iou:.4f} on "
                f"{self.pairs} pair(s), under {MIN_IOU}, and depth is off by "
                f"{self.depth_rmse:.4f}; nothing was written."
            )
        self.check_depth()

    def check_depth(self) -> None:
        """Raises ExportError where depth alone does not agree."""
        if not self.depth_rmse <= MAX_DEPTH_RMSE:
            raise ExportError(
                f"The graph's depth is off by an RMSE of {self.depth_rmse:.4f} from the network's "
                f"on {self.pairs} pair(s), over {MAX_DEPTH_RMSE}; nothing was written."
            )


@dataclass(frozen=True)
class Int8Loss:
    """What int8 costs: mean IoU with true masks."""

    samples_with_mask: int
    network_iou: float
    int8_iou: float

    def check(self) -> None:
        """Raises ExportError, with the numbers, where too much is lost."""
        if not self.network_iou - self.int8_iou <= MAX_IOU_LOSS:
            raise ExportError(
                f"In int8 the mean IoU with {self.samples_with_mask} true masks is "
                f"{self.int8_iou:.4f}, the network's {self.network_iou:.4f}: more than "
                f"{MAX_IOU_LOSS} is lost; nothing was written."
            )


@dataclass(frozen=True)
class ExportJob:
    """What a graph is written from."""

    net: FusedNet
    info: GraphInfo
    size: Size | None  # None: any, of any number of pairs
    half: bool  # store weights in fp16
    calibration: Sequence[Pair] = ()  # to choose the scales of int8 by; none: no int8


def export(
    checkpoint: Path,
    output: Path,
    *,
    kind: str = "onnx",
    precision: str = "fp32",
    dynamic: bool = False,
    pairs: Path = EXAMPLES,
    data: Path | None = None,
) -> dict[str, object]:
    """Writes a graph, once it agrees with the network on real pairs.

    Args:
        checkpoint: A file that `load_checkpoint` reads.
        output: Ends as `GRAPH_SUFFIXES` has it for the kind; OpenVINO puts a .bin beside it.
        kind: "onnx", "openvino" or "torch" (`torch.export`).
        precision: Of the stored weights, "fp32" or "fp16": a backend computes in its own. Or
            "int8", for which NNCF chooses scales: of weights and arithmetic.
        dynamic: Any sides that are multiples of 32, up to 2048, and, but for torch, any number
            of pairs; else one pair, a square of the checkpoint's resolution.
        pairs: Holds NAME/background.* and NAME/image.*; int8 also takes its scales from them.
        data: Packed pictures: int8 is judged by composites of them, not by NAME/mask.* of `pairs`.

    Returns:
        What was written and how well it agrees, ready for JSON.

    Raises:
        ExportError: An option is bad, a package is missing, or the graph does not agree.
        ValueError: The checkpoint or a picture cannot be read.
    """
    _check_options(output, kind, precision, data)
    check_file(output)
    network = TorchBackend(checkpoint, device="cpu", precision="fp32")
    size = None if dynamic else (network.resolution, network.resolution)
    if size and network.resolution % STRIDE:
        raise ExportError(
            f"{checkpoint} is meant for {network.resolution} pixels, which is no multiple of "
            f"{STRIDE}; add --dynamic."
        )
    samples = list(read_pairs(pairs, network.resolution, size))
    int8 = precision == "int8"
    if int8 and data:
        truth = list(draw_composites(data, network.info))
    else:
        truth = list(read_samples(pairs, network.resolution, size)) if int8 else []
    info = GraphInfo(
        resolution=network.resolution,
        checkpoint=fingerprint(checkpoint),
        samples=network.info.samples,
        metrics=network.info.metrics,
        precision="int8" if int8 else "fp32",
    )
    job = ExportJob(network.net, info, size, precision == "fp16", samples if int8 else ())
    with workplace(output) as folder:
        try:
            run = WRITERS[kind](job, folder / output.name)
        except OSError as error:
            raise _not_written(output, error.strerror) from error
        found = _check(network.run, run, samples, truth)
        files = _move(folder, output.parent)
    return {
        "files": [str(file) for file in files],
        "bytes": sum(file.stat().st_size for file in files),
        "format": kind,
        "dynamic": dynamic,
        **asdict(info),
        "precision": precision,
        **found,
    }


def _move(folder: Path, target: Path) -> list[Path]:
    """Moves a graph's files, and renews the sums beside them: all, or none."""
    written = sorted(folder.iterdir())
    moves = {file: target / file.name for file in written}
    files = list(moves.values())
    if sums := renewed_sums(target, written):
        write_whole(folder / SUMS, sums)
        moves[folder / SUMS] = target / SUMS
    move_together(moves)
    return files


def _check_options(output: Path, kind: str, precision: str, data: Path | None) -> None:
    if output.suffix != GRAPH_SUFFIXES[kind]:
        raise ExportError(f"{output} must end in {GRAPH_SUFFIXES[kind]} for the format {kind}.")
    if kind == "torch" and precision != "fp32":
        raise ExportError("The format torch keeps fp32 weights only; leave --precision out.")
    if precision != "int8" and data is not None:
        raise ExportError("Only --precision int8 has a use for --data; leave it out.")


def _check(
    network: Run, graph: Run, pairs: list[Pair], truth: Sequence[Sample]
) -> dict[str, float]:
    """Compares a graph with the network, and raises ExportError where it is too far from it.

    With true masks, what counts are those alone.
    """
    agreement = compare(network, graph, pairs)
    if not truth:
        agreement.check()
        return asdict(agreement)
    agreement.check_depth()
    loss = Int8Loss(len(truth), mean_iou(network, truth), mean_iou(graph, truth))
    loss.check()
    return asdict(agreement) | asdict(loss)


def compare(network: Run, graph: Run, pairs: list[Pair]) -> Agreement:
    """Runs both on pairs that are already of the network's size."""
    both = either = 0
    errors: dict[str, list[float]] = {task: [] for task in OUTPUTS}
    for background, image in pairs:
        expected, found = network(background, image), graph(background, image)
        wanted, got = expected["mask"] > 0.5, found["mask"] > 0.5
        both, either = both + int((wanted & got).sum()), either + int((wanted | got).sum())
        for task, values in errors.items():
            values.append(float(np.square(found[task] - expected[task], dtype=np.float64).mean()))
    rmse = {task: float(np.sqrt(np.mean(values))) for task, values in errors.items()}
    iou = both / either if either else 1.0
    return Agreement(len(pairs), iou, rmse["mask"], rmse["depth"])


def read_pairs(folder: Path, resolution: int, size: Size | None) -> Iterator[Pair]:
    """Yields pairs at one size or, for a graph of any size, about each image's own shape."""
    for place in _places(folder):
        background, image = (read_picture(next(place.glob(f"{name}.*"))) for name in INPUTS)
        height, width = size or _size_like(image.shape[0], image.shape[1], resolution)
        yield _fit(background, height, width), _fit(image, height, width)


def read_samples(folder: Path, resolution: int, size: Size | None) -> Iterator[Sample]:
    """Yields those of the pairs that have a NAME/mask.*, with it."""
    found = False
    pairs = read_pairs(folder, resolution, size)
    for place, (background, image) in zip(_places(folder), pairs, strict=True):
        for file in place.glob("mask.*"):
            found = True
            covered = _fit(read_mask(file).astype(np.uint8), *image.shape[:2])  # rounded
            yield Sample(background, image, covered > 0)
    if not found:
        raise ExportError(
            f"{folder} holds no NAME/mask.* to judge int8 by; name packed pictures by --data."
        )


def _places(folder: Path) -> list[Path]:
    """The folders in a folder that hold a pair."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    places = [place for place in inside if all(any(place.glob(f"{name}.*")) for name in INPUTS)]
    if not places:
        raise ExportError(
            f"{folder} holds no pairs to compare on; name a folder with NAME/background.* and "
            "NAME/image.* by --pairs."
        )
    return places


def _size_like(height: int, width: int, resolution: int) -> Size:
    scale = resolution / (height * width) ** 0.5
    rows, columns = (max(1, round(side * scale / STRIDE)) for side in (height, width))
    return STRIDE * min(rows, _MAX_STRIDES), STRIDE * min(columns, _MAX_STRIDES)


def _fit(picture: Picture, height: int, width: int) -> Picture:
    fitted = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(fitted, dtype=np.uint8)


def _write_onnx(job: ExportJob, path: Path) -> Run:
    _write_graph(job, path)
    if job.calibration:
        import onnx

        onnx.save(_quantize(onnx.load(path), job), path)
    try:
        return OnnxRuntimeBackend(path).run
    except BackendError:  # not installed; OpenVINO reads ONNX too
        return OpenVINOBackend(path).run


def _write_openvino(job: ExportJob, path: Path) -> Run:
    try:
        openvino = import_openvino()
    except ImportError as error:
        raise ExportError(f"Writing OpenVINO's format needs OpenVINO; {_INSTALL}.") from error
    with workplace(path) as folder:
        graph = folder / "graph.onnx"
        _write_graph(replace(job, half=False), graph)
        model = openvino.Core().read_model(graph)
        if job.calibration:
            model = _quantize(model, job)
        try:
            openvino.save_model(model, path, compress_to_fp16=job.half)
        except RuntimeError as error:  # which does not tell why
            raise _not_written(path, "the disk may be full") from error
    return OpenVINOBackend(path).run


def _write_torch(job: ExportJob, path: Path) -> Run:
    assert not job.half and not job.calibration
    program = trace(job.net, size=job.size)
    packed = BytesIO()  # torch tells no reason where it cannot write to a disk
    torch.export.save(program, packed, extra_files={INFO_KEY: job.info.to_json()})
    write_whole(path, packed.getbuffer())
    module: Any = torch.export.load(path).module()

    def run(background: Picture, image: Picture) -> dict[str, Map]:
        maps = module(torch.from_numpy(background)[None], torch.from_numpy(image)[None])
        return {task: values[0].numpy() for task, values in zip(job.net.tasks, maps, strict=True)}

    return run


def _not_written(path: Path, reason: str | None) -> ExportError:
    return ExportError(
        f"{path.name} could not be written ({reason}), and what was there before is as it was; "
        "free some space and give the same command again."
    )


WRITERS = {"onnx": _write_onnx, "openvino": _write_openvino, "torch": _write_torch}


def _write_graph(job: ExportJob, path: Path) -> None:
    try:
        write_onnx(job.net, path, job.info, half=job.half, size=job.size)
    except ImportError as error:
        raise ExportError(f"Writing a graph needs the package onnx; {_INSTALL}.") from error


def _quantize(model: ModelT, job: ExportJob) -> ModelT:
    try:
        return quantize(model, job.calibration)
    except ImportError as error:
        raise ExportError(
            "Choosing the scales of int8 needs NNCF; run `pip install 'depthmask[export]'`."
        ) from error


def trace(net: FusedNet, *, size: Size | None) -> torch.export.ExportedProgram:
    """Traces the folded network for one size, or for any multiples of 32."""
    net = deepcopy(net)
    for weight in net.parameters():  # the backend has its channels last; a file is to be plain
        weight.data = weight.data.contiguous()
    # of two sides, lest their being equal be taken for a rule
    height, width = size or (4 * STRIDE, 5 * STRIDE)
    background, image = torch.zeros(2, 1, height, width, 3, dtype=torch.uint8)
    sides = {
        at + 1: STRIDE * torch.export.Dim(f"{name}_strides", min=1, max=_MAX_STRIDES)
        for at, name in enumerate(("height", "width"))
    }
    shapes = None if size else dict.fromkeys(INPUTS, sides)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        return torch.export.export(net, (background, image), dynamic_shapes=shapes)
