"""Backends that run an exported graph on the CPU and need no torch."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from depthmask.backends.base import INFO_KEY, INPUTS, OUTPUTS, VOTES, GraphInfo, LockedBackend
from depthmask.backends.user_cache import recall, remember
from depthmask.errors import BackendError
from depthmask.files import checked_fingerprint
from depthmask.pictures import Map, Picture


class OpenVINOBackend(LockedBackend):
    """Runs a graph by OpenVINO on the CPU.

    Args:
        graph: An ONNX file, or the .xml of OpenVINO's own format.
        precision: "bf16" or "fp32"; without it, bf16 on CPUs with instructions for it. A graph in
            int8 stays in int8.

    `info` is what the graph says about itself, and `takes_any_size` whether its sides are open.

    Raises:
        BackendError: OpenVINO is missing, or the graph is not one of depthmask.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, graph: Path, *, precision: str | None = None) -> None:
        super().__init__()
        core = _find_openvino().Core()
        fast = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        floats = precision or ("bf16" if fast else "fp32")
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(floats, floats),
        }
        if threads := threads_allowed():
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        self.info, compiled = _compile(core, graph, settings)
        self.resolution = self.info.resolution
        self.precision = "int8" if self.info.precision == "int8" else floats
        self.takes_any_size = bool(compiled.input(0).partial_shape.is_dynamic)
        self._graph, self._core, self._settings = graph, core, settings
        self._requests: dict[str, Any] = {}  # those of one task alone
        self._request = compiled.create_infer_request()

    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        return self._infer(self._request, backgrounds, images, OUTPUTS)

    def _run_tasks(
        self, backgrounds: Picture, images: Picture, tasks: Sequence[str]
    ) -> dict[str, Map]:
        (task,) = tasks
        if task not in self._requests:
            self._requests[task] = self._compile_alone(task)
        return self._infer(self._requests[task], backgrounds, images, tasks)

    def _infer(
        self, request: Any, backgrounds: Picture, images: Picture, tasks: Sequence[str]
    ) -> dict[str, Map]:
        with _failure_explained(self._graph):
            # share_inputs: the pictures are not copied; the maps are
            maps = request.infer(_feed(backgrounds, images), share_inputs=True)
            return {task: maps[task] for task in tasks}

    def _compile_alone(self, task: str) -> Any:
        """Compiles the graph without the decoder of the other task."""
        openvino = import_openvino()
        with _damage_explained(self._graph):
            model = self._core.read_model(self._graph)
            _leave_out_others(model, task)
            result = [each for each in model.get_results() if task in each.output(0).names]
            alone = openvino.Model(result, model.get_parameters(), task)
            compiled = self._core.compile_model(alone, "CPU", self._settings)
            return compiled.create_infer_request()


class OnnxRuntimeBackend(LockedBackend):
    """Runs a graph by ONNX Runtime on the CPU, in fp32 or, if the graph is, in int8.

    Args:
        graph: An ONNX file.

    `info` and `takes_any_size` are as OpenVINO's backend has them.

    Raises:
        BackendError: ONNX Runtime is missing, or the graph is not one of depthmask.
    """

    name = "onnxruntime"
    device = "cpu"

    def __init__(self, graph: Path) -> None:
        super().__init__()
        try:
            import onnxruntime
        except ImportError as error:
            raise BackendError("ONNX Runtime is missing; run `pip install onnxruntime`.") from error
        checked_graph(graph)
        self._graph = graph
        with _damage_explained(graph):
            wanted = onnxruntime.SessionOptions()
            wanted.intra_op_num_threads = threads_allowed()
            self._session = onnxruntime.InferenceSession(
                graph, wanted, providers=["CPUExecutionProvider"]
            )
            metadata = self._session.get_modelmeta().custom_metadata_map
            sides = self._session.get_inputs()[0].shape[1:3]
        self.info = GraphInfo.from_metadata(graph, metadata)
        self.resolution = self.info.resolution
        self.precision = self.info.precision
        self.takes_any_size = all(isinstance(side, str) for side in sides)

    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        with _failure_explained(self._graph):
            maps = self._session.run(list(OUTPUTS), _feed(backgrounds, images))
            return dict(zip(OUTPUTS, maps, strict=True))


def threads_allowed() -> int:
    """How many OMP_NUM_THREADS allows, which job systems and Ray set; 0: it does not say."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() else 0


def import_openvino() -> Any:
    """Imports OpenVINO, but not its model converter.

    `import openvino` also imports the converter, which takes longer than all else and sends an
    event to Google Analytics each time. OpenVINO works where the converter cannot be imported. Who
    wants the converter later can still import `openvino.tools.ovc`.

    Raises:
        ImportError: OpenVINO is missing.
    """
    return import_without("openvino", "openvino.tools.ovc")


def import_without(name: str, unwanted: str) -> Any:
    """Imports a module while another one cannot be imported.

    Raises:
        ImportError: The module is missing.
    """
    if name in sys.modules:  # too late
        return import_module(name)
    before = sys.modules.get(unwanted)
    sys.modules[unwanted] = None  # type: ignore[assignment]  # Python's way to forbid one
    try:
        return import_module(name)
    finally:
        if before is None:
            sys.modules.pop(unwanted)
        else:
            sys.modules[unwanted] = before


def describe_machine() -> tuple[str, ...]:
    """What the speed of a graph in OpenVINO depends on: its version, the CPU, its instructions.

    Raises:
        BackendError: OpenVINO is missing.
    """
    openvino = _find_openvino()
    name = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    return openvino.get_version(), name, cv2.getCPUFeaturesLine()


def checked_graph(graph: Path) -> tuple[str, ...]:
    """SHA-256 of a graph and of the weights that OpenVINO has beside it.

    Raises:
        BackendError: There is no such file.
        CheckpointError: One is another than `SHA256SUMS` beside it names.
    """
    if not graph.is_file():
        raise BackendError(
            f"There is no graph at {graph}; write one with `python -m depthmask export`."
        )
    files = (graph, graph.with_suffix(".bin"))
    return tuple(checked_fingerprint(file) for file in files if file.is_file())


def _find_openvino() -> Any:
    try:
        return import_openvino()
    except ImportError as error:
        raise BackendError("OpenVINO is missing; run `pip install openvino`.") from error


def _compile(core: Any, graph: Path, settings: dict[str, str]) -> tuple[GraphInfo, Any]:
    """Compiles a graph for this CPU, or takes what an earlier process compiled, which is quicker.

    The file in the user's cache folder has three parts, each but the last with a line end: the
    SHA-256 of the rest, the graph's description, and what OpenVINO exported.
    """
    key = (describe_machine(), checked_graph(graph), sorted(settings.items()))
    file = f"openvino-{sha256(repr(key).encode()).hexdigest()[:32]}.blob"
    digest, _, content = (recall(file) or b"").partition(b"\n")
    if digest == sha256(content).hexdigest().encode():
        description, _, blob = content.partition(b"\n")
        with suppress(RuntimeError):  # OpenVINO does not take it
            compiled = core.import_model(BytesIO(blob), "CPU", settings)
            return GraphInfo.from_metadata(graph, {INFO_KEY: description.decode()}), compiled
    with _damage_explained(graph):
        model = core.read_model(graph)
        metadata = _metadata(model)
    info = GraphInfo.from_metadata(graph, metadata)
    with _damage_explained(graph):
        compiled = core.compile_model(model, "CPU", settings)
    content = info.to_json().encode() + b"\n" + compiled.export_model().getvalue()
    remember(file, sha256(content).hexdigest().encode() + b"\n" + content)
    return info, compiled


@contextmanager
def _damage_explained(graph: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # what the libraries raise has no common base but this
        raise BackendError(f"{graph} cannot be read; write it anew.") from error


@contextmanager
def _failure_explained(graph: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise BackendError(
            f"{graph.name} cannot be run: it is damaged, or there is not enough memory. Lower the "
            "quality or resolution, or write it anew with `python -m depthmask export`."
        ) from error


def _leave_out_others(model: Any, task: str) -> None:
    """Lets a task's votes stand for those of the others, whose decoders nothing needs then."""
    order = [name for result in model.get_results() for name in result.output(0).names]
    for node in model.get_ops():
        if node.get_type_name() == "Concat" and node.get_friendly_name().startswith(VOTES):
            own = node.input(order.index(task)).get_source_output()
            for joined in node.inputs():
                joined.replace_source_output(own)


def _feed(backgrounds: Picture, images: Picture) -> dict[str, Picture]:
    pictures = (np.ascontiguousarray(batch) for batch in (backgrounds, images))
    return dict(zip(INPUTS, pictures, strict=True))


def _metadata(model: Any) -> dict[str, str]:
    """Finds the metadata of an ONNX file in a model, which keeps it when it is saved."""
    place = ["framework", INFO_KEY]
    return {INFO_KEY: model.get_rt_info(place).astype(str)} if model.has_rt_info(place) else {}
