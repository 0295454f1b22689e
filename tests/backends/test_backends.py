"""Every backend says what the network says; the fastest that works is taken, in so many words."""

import json
import platform
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from depthmask import backends
from depthmask.backends import BatchBackend, fastest, select, user_cache
from depthmask.backends.base import INFO_KEY, OUTPUTS, LockedBackend
from depthmask.backends.graphs import OnnxRuntimeBackend, OpenVINOBackend, import_openvino
from depthmask.backends.pytorch import TorchBackend, best_precision
from depthmask.errors import BackendError, CheckpointError
from depthmask.export.exporter import export
from depthmask.files import fingerprint
from depthmask.network.checkpoint import load_checkpoint, save_checkpoint
from depthmask.pictures import Map, Picture
from tests.conftest import FakeBackend
from tests.repository.test_package import loaded_by, run

SIZES = [(64, 64), (32, 96), (96, 64)]


def noise(height: int, width: int) -> tuple[Picture, Picture]:
    background, image = np.random.default_rng(0).integers(0, 256, (2, height, width, 3))
    return background.astype(np.uint8), image.astype(np.uint8)


@torch.inference_mode()
def network(checkpoint: Path, background: Picture, image: Picture) -> dict[str, Map]:
    """What the network as it was trained says, nothing folded, in fp32."""
    model, _ = load_checkpoint(checkpoint)
    pictures = (torch.from_numpy(x)[None].permute(0, 3, 1, 2) / 255 for x in (background, image))
    return {task: x[0, 0].sigmoid().numpy() for task, x in model(*pictures).items()}


@pytest.fixture(scope="session")
def checkpoint(exported_checkpoint: Path) -> Path:
    return exported_checkpoint


MAKERS: dict[str, Callable[[Path], BatchBackend]] = {
    "torch": lambda path: TorchBackend(path, device="cpu", precision="fp32"),
    "openvino": lambda path: OpenVINOBackend(backends.graph_of(path), precision="fp32"),
    "onnxruntime": lambda path: OnnxRuntimeBackend(backends.graph_of(path)),
}


@cache
def make(name: str, checkpoint: Path) -> BatchBackend:
    """A backend that tests share: making one takes longer than running it."""
    return MAKERS[name](checkpoint)


@pytest.mark.parametrize("name", MAKERS)
def test_backends_say_what_the_network_says(checkpoint: Path, name: str) -> None:
    backend = make(name, checkpoint)
    assert (backend.name, backend.precision, backend.resolution) == (name, "fp32", 64)
    assert backend.device == "cpu"
    for height, width in SIZES:
        pair = noise(height, width)
        expected, maps = network(checkpoint, *pair), backend.run(*pair)
        assert set(maps) == {"mask", "depth"}
        for task, values in maps.items():
            assert values.shape == (height, width) and values.dtype == np.float32
            assert np.abs(values - expected[task]).max() < 1e-5, task


@pytest.mark.parametrize(("given", "threads"), [("1", 1), ("", 0), ("many", 0)])
def test_as_many_threads_as_are_allowed(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, given: str, threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    backend = OnnxRuntimeBackend(backends.graph_of(checkpoint))
    assert backend._session.get_session_options().intra_op_num_threads == threads
    if threads:
        openvino = OpenVINOBackend(backends.graph_of(checkpoint), precision="fp32")
        compiled = openvino._request.get_compiled_model()
        assert compiled.get_property("INFERENCE_NUM_THREADS") == threads


@pytest.mark.parametrize("name", MAKERS)
def test_a_batch_is_its_pairs(checkpoint: Path, name: str) -> None:
    backend = make(name, checkpoint)
    background, image = noise(64, 96)
    pairs = [(background, image), (image, background), (background, background)]
    maps = backend.run_batch(*(np.stack(pictures) for pictures in zip(*pairs, strict=True)))
    assert {values.shape for values in maps.values()} == {(3, 64, 96)}
    for number, pair in enumerate(pairs):
        for task, values in backend.run(*pair).items():
            assert np.abs(values - maps[task][number]).max() < 1e-5, task
    with pytest.raises(ValueError, match="not"):
        backend.run_batch(background[None], np.stack([image, image]))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("task", OUTPUTS)
def test_one_task_alone_is_predicted_as_with_the_other(
    checkpoint: Path, name: str, task: str
) -> None:
    backend = make(name, checkpoint)
    pair = [picture[None] for picture in noise(64, 96)]
    alone, both = backend.run_batch(*pair, tasks=(task,)), backend.run_batch(*pair)
    assert np.abs(alone[task] - both[task]).max() < 1e-5


def test_openvino_leaves_out_the_decoder_of_a_task_that_is_not_needed(checkpoint: Path) -> None:
    backend = make("openvino", checkpoint)
    assert isinstance(backend, OpenVINOBackend)
    background, image = noise(64, 64)
    backend.run_batch(background[None], image[None], tasks=("mask",))
    layers = [
        sum(
            layer.get_rt_info()["layerType"].astype(str) == "Convolution"
            for layer in request.get_compiled_model().get_runtime_model().get_ops()
        )
        for request in (backend._request, backend._requests["mask"])
    ]
    assert layers[1] < 0.7 * layers[0]


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_the_precision_of_this_machine_changes_little(checkpoint: Path, name: str) -> None:
    backend = backends.make_backend(name, checkpoint=checkpoint, device="cpu")
    assert backend.precision in ("fp32", "bf16")
    expected, maps = network(checkpoint, *noise(64, 64)), backend.run(*noise(64, 64))
    assert max(np.abs(maps[task] - expected[task]).max() for task in maps) < 0.02


@pytest.mark.parametrize("name", MAKERS)
def test_results_are_not_overwritten_by_the_next(checkpoint: Path, name: str) -> None:
    backend = make(name, checkpoint)
    background, image = noise(64, 64)
    first = backend.run(background, image)
    kept = {task: values.copy() for task, values in first.items()}
    backend.run(image, background)
    assert all(np.array_equal(first[task], kept[task]) for task in kept)


@pytest.mark.parametrize("name", MAKERS)
def test_threads_do_not_mix_their_pictures(checkpoint: Path, name: str) -> None:
    backend = make(name, checkpoint)
    pairs = [noise(64, 64), noise(32, 96)]
    expected = [backend.run(*pair) for pair in pairs]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(5):
            maps = backend.run(*pairs[number])
            if not all(np.allclose(maps[task], expected[number][task], atol=1e-6) for task in maps):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_pictures_need_not_lie_in_order(checkpoint: Path) -> None:
    background, image = noise(64, 96)
    image.setflags(write=False)
    for name in MAKERS:
        backend = make(name, checkpoint)
        plain = backend.run(np.ascontiguousarray(background[:, ::-1]), image)
        assert np.array_equal(backend.run(background[:, ::-1], image)["mask"], plain["mask"])


@pytest.mark.parametrize("shapes", [((64, 64), (64, 96)), ((60, 64), (60, 64)), ((0, 32), (0, 32))])
def test_sizes_are_checked(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    background, image = (np.zeros((*shape, 3), np.uint8) for shape in shapes)
    with pytest.raises(ValueError, match="not"):
        FakeBackend().run(background, image)
    with pytest.raises(ValueError, match="uint8"):
        FakeBackend().run(np.zeros((32, 32, 3)), np.zeros((32, 32, 3)))  # type: ignore[arg-type]


def on_a_machine(
    monkeypatch: pytest.MonkeyPatch, *, machine: str = "x86_64", gpu: bool = False
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(select, "has_gpu", lambda: gpu)


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "openvino"), ("aarch64", "onnxruntime")])
def test_the_fastest_is_chosen(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, machine: str, name: str
) -> None:
    on_a_machine(monkeypatch, machine=machine)
    said: list[str] = []
    assert backends.make_backend(checkpoint=checkpoint, say=said.append).name == name
    assert said == []


def test_what_fails_is_passed_over_in_one_line(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    on_a_machine(monkeypatch)
    monkeypatch.setitem(sys.modules, "openvino", None)
    said: list[str] = []
    assert backends.make_backend(checkpoint=checkpoint, say=said.append).name == "onnxruntime"
    assert len(said) == 1 and "\n" not in said[0] and "pip install openvino" in said[0]


def test_without_a_graph_torch_is_taken(
    monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path
) -> None:
    on_a_machine(monkeypatch)
    said: list[str] = []
    backend = backends.make_backend(checkpoint=tiny_checkpoint, device="cpu", say=said.append)
    assert backend.name == "torch"
    (line,) = said
    assert line.startswith("openvino is passed over for torch: There is no ")
    assert f"`python -m depthmask export --dynamic --checkpoint {tiny_checkpoint}`" in line


def test_a_graph_of_other_weights_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    graph = Path(shutil.copy(backends.graph_of(checkpoint), tmp_path / "a.onnx"))
    (tmp_path / "a.safetensors").write_bytes(checkpoint.read_bytes() + b" ")
    with pytest.raises(BackendError, match="made from other weights"):
        backends.make_backend("openvino", checkpoint=tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").unlink()  # with no weights beside it, the graph is all there is
    assert backends.make_backend("onnxruntime", checkpoint=graph.with_suffix(".safetensors"))


def in_int8(checkpoint: Path, folder: Path, *, checkpoint_named: str | None = None) -> Path:
    """A checkpoint whose second graph says of itself that it is in int8."""
    path = Path(shutil.copy(checkpoint, folder / "a.safetensors"))
    shutil.copy(backends.graph_of(checkpoint), backends.graph_of(path))
    core = import_openvino().Core()
    model = core.read_model(backends.graph_of(path))
    info = OpenVINOBackend(backends.graph_of(path)).info
    changed = replace(info, precision="int8", checkpoint=checkpoint_named or info.checkpoint)
    model.set_rt_info(changed.to_json(), ["framework", INFO_KEY])
    import_openvino().save_model(model, backends.graph_of(path, "int8"))
    return path


def find_fastest(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> None:
    """On a machine that has measured nothing yet, finds the graph of this name fastest."""
    monkeypatch.setenv(user_cache.VARIABLE, str(folder))
    monkeypatch.setattr(
        fastest, "measure", lambda backends: {graph: 1.0 + (graph != name) for graph in backends}
    )


@pytest.mark.parametrize("name", ["a.int8.xml", "a.onnx"])
def test_int8_is_taken_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path, name: str
) -> None:
    find_fastest(monkeypatch, tmp_path / "cache", name)
    path = in_int8(checkpoint, tmp_path)
    for _ in range(2):  # by measurement, by memory
        backend = backends.make_backend("openvino", checkpoint=path)
        assert (backend.precision == "int8") is (name == "a.int8.xml")
    assert backends.make_backend("onnxruntime", checkpoint=path).precision == "fp32"


def test_a_graph_in_int8_of_other_weights_is_as_if_it_were_not_there(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path
) -> None:
    find_fastest(monkeypatch, tmp_path / "cache", "a.int8.xml")
    path = in_int8(checkpoint, tmp_path, checkpoint_named="0" * 64)
    said: list[str] = []
    backend = backends.make_backend(checkpoint=path, device="cpu", say=said.append)
    assert backend.name == "openvino" and backend.precision != "int8" and said == []


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_graph_of_one_size_is_refused(tiny_checkpoint: Path, tmp_path: Path, name: str) -> None:
    path = Path(shutil.copy(tiny_checkpoint, tmp_path / "a.safetensors"))
    export(path, backends.graph_of(path))
    with pytest.raises(BackendError, match=r"one size only; .* --dynamic"):
        backends.make_backend(name, checkpoint=path)


def test_openvino_comes_without_what_reports_its_use() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*arguments):\n"
        "    raise SystemExit('the network was asked for')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from depthmask.backends.graphs import import_openvino\n"
        "core = import_openvino().Core()\n"
        "print([name for name in sys.modules if 'telemetry' in name or name.endswith('.ovc')])\n"
    )
    assert run(program).strip() == "[]"


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("content", [None, b"", b"junk" * 100])
def test_bad_graphs_get_one_sentence(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(BackendError, match=r"a\.onnx") as caught:
        backends.make_backend(name, checkpoint=tmp_path / "a.safetensors")
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_unknown_names_and_devices(checkpoint: Path) -> None:
    with pytest.raises(BackendError, match=r"no backend 'abacus'; use auto or one of: torch"):
        backends.make_backend("abacus", checkpoint=checkpoint)
    with pytest.raises(BackendError, match="CPU only"):
        backends.make_backend("openvino", checkpoint=checkpoint, device="cuda")
    assert select.preferred_backends("cuda:1") == ["torch"]


def test_a_gpu_that_torch_cannot_use_is_told(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path
) -> None:
    on_a_machine(monkeypatch, gpu=True)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    said: list[str] = []
    assert backends.make_backend(checkpoint=checkpoint, say=said.append).name == "openvino"
    assert len(said) == 1 and "pip install --force-reinstall torch==" in said[0]
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert "update its driver" in (select.unusable_gpu() or "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert select.preferred_backends() == ["torch", "openvino", "onnxruntime"]


NO_MEMORY = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 MiB"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 5 GB, max allowed: 9 GB)."),
    "cpu": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
}


def fail(error: Exception) -> Callable[..., None]:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


def test_a_gpu_that_fails_is_passed_over(monkeypatch: pytest.MonkeyPatch, checkpoint: Path) -> None:
    """It has room for the weights, but another program holds the rest of its memory."""
    on_a_machine(monkeypatch, gpu=True)
    monkeypatch.setattr(select, "unusable_gpu", lambda: None)

    def make(checkpoint: Path, device: str) -> TorchBackend:
        backend = TorchBackend(checkpoint, device="cpu")
        monkeypatch.setattr(backend, "device", "cuda")
        monkeypatch.setattr(backend, "_device", torch.device("cuda"))
        monkeypatch.setattr(backend, "_run_whole", fail(NO_MEMORY["cuda"]))
        return backend

    monkeypatch.setitem(select.BACKENDS, "torch", make)
    said: list[str] = []
    assert backends.make_backend(checkpoint=checkpoint, say=said.append).name == "openvino"
    assert said == ["torch is passed over for openvino: CUDA out of memory."]


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_what_does_not_fit_into_a_gpu_runs_in_parts_or_on_the_cpu(
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    device: str,
) -> None:
    pairs = np.random.default_rng(0).integers(0, 256, (2, 5, 32, 64, 3), np.uint8)
    backend, same = (TorchBackend(checkpoint, device="cpu", precision="fp32") for _ in range(2))
    expected = same.run_batch(*pairs)
    sizes: list[int] = []
    freed: list[str] = []
    room = 2

    def run(backgrounds: Picture, images: Picture) -> dict[str, Map]:
        sizes.append(len(images))
        if len(images) > room:
            raise NO_MEMORY[device]
        return same.run_batch(backgrounds, images)

    monkeypatch.setattr(backend, "_device", torch.device(device))
    monkeypatch.setattr(backend, "_run_whole", run)
    monkeypatch.setattr(getattr(torch, device), "empty_cache", lambda: freed.append(device))
    # a copy where the network is would need memory there
    monkeypatch.setattr(torch.nn.Parameter, "__deepcopy__", fail(NO_MEMORY[device]))
    for room, tried in ((2, [5, 2, 3, 1, 2]), (0, [5, 2, 1, 1, 3, 1, 2, 1, 1])):
        sizes.clear()
        for _ in range(2):  # it is said once
            for task, values in backend.run_batch(*pairs).items():
                assert np.allclose(values, expected[task], atol=1e-4), task
        assert sizes == 2 * tried and freed
        assert len(caplog.messages) == (1 if room else 2)
    assert "run in parts" in caplog.messages[0] and "runs on the CPU" in caplog.messages[1]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_pair_for_which_no_memory_is_left_is_a_sentence(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    backend = TorchBackend(checkpoint, device="cpu", precision="fp32")
    monkeypatch.setattr(backend, "_device", torch.device(device))
    monkeypatch.setattr(backend, "_run_whole", fail(NO_MEMORY[device]))
    monkeypatch.setattr(type(backend.net), "forward", fail(NO_MEMORY["cpu"]))
    with pytest.raises(BackendError, match="not enough memory for the network; close other"):
        backend.run(*noise(32, 64))


def test_another_fault_of_a_gpu_is_not_taken_for_a_lack_of_memory(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = TorchBackend(checkpoint, device="cpu", precision="fp32")
    monkeypatch.setattr(backend, "_device", torch.device("cuda"))
    monkeypatch.setattr(backend, "_run_whole", fail(RuntimeError("CUDA error: unknown error")))
    with pytest.raises(RuntimeError, match="unknown error"):
        backend.run(*noise(32, 64))


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_gpu_without_room_for_the_weights_is_a_sentence(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr(torch.nn.Module, "to", fail(NO_MEMORY[device]))
    with pytest.raises(BackendError, match=r"too little free memory .* give --device cpu"):
        TorchBackend(checkpoint, device="cpu")


def test_the_best_precision_of_a_gpu() -> None:
    assert best_precision(torch.device("cuda")) == "fp16"
    assert best_precision(torch.device("mps")) == "fp32"


def test_graphs_run_without_torch(checkpoint: Path) -> None:
    assert loaded_by("depthmask.backends", ["torch", "openvino", "onnxruntime", "onnx"]) == ""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from depthmask.backends import make_backend\n"
        "for name in ('openvino', 'onnxruntime'):\n"
        f"    backend = make_backend(name, checkpoint=Path({str(checkpoint)!r}))\n"
        "    backend.run(*np.zeros((2, 32, 64, 3), np.uint8))\n"
        "print('torch' in sys.modules)\n"
    )
    assert run(program).strip() == "False"


@pytest.mark.parametrize("name", MAKERS)
def test_maps_that_are_not_finite_are_an_error(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    backend = MAKERS[name](checkpoint)
    assert isinstance(backend, LockedBackend)
    real = backend._run_batch

    def broken(backgrounds: Picture, images: Picture) -> dict[str, Map]:
        maps = {task: values.copy() for task, values in real(backgrounds, images).items()}
        maps["depth"][-1, -1, -1] = float("nan")
        return maps

    monkeypatch.setattr(backend, "_run_batch", broken)
    with pytest.raises(BackendError, match="no finite numbers: its weights are damaged; use"):
        backend.run(*noise(64, 64))


def test_weights_that_overflow_are_an_error(tiny_checkpoint: Path, tmp_path: Path) -> None:
    model, info = load_checkpoint(tiny_checkpoint)
    state = model.state_dict()
    state["encoder.stages.0.stem.0.weight"].fill_(torch.finfo().max)
    path = tmp_path / "large.safetensors"
    save_checkpoint(path, state, info)
    backend = backends.make_backend("torch", checkpoint=path, device="cpu")
    with pytest.raises(BackendError, match="no finite numbers"):
        backend.run(*noise(64, 64))


def test_maps_of_another_size_are_an_error(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = MAKERS["onnxruntime"](checkpoint)
    maps = {task: np.zeros((1, 32, 32), np.float32) for task in ("mask", "depth")}
    monkeypatch.setattr(backend, "_run_batch", lambda backgrounds, images: maps)
    with pytest.raises(BackendError, match="maps of another size"):
        backend.run(*noise(64, 64))


@pytest.mark.parametrize("name", ["auto", "openvino", "onnxruntime"])
@pytest.mark.parametrize("damaged", ["a.onnx", "a.safetensors", "a.int8.xml", "a.int8.bin"])
def test_files_are_compared_with_their_sums(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path, name: str, damaged: str
) -> None:
    """A graph with flipped bits runs, and finds nothing."""
    on_a_machine(monkeypatch)
    path = in_int8(checkpoint, tmp_path)
    files = [path, *(path.with_suffix(end) for end in (".onnx", ".int8.xml", ".int8.bin"))]
    (tmp_path / "SHA256SUMS").write_text(
        "".join(f"{fingerprint(file)}  {file.name}\n" for file in files)
    )
    backends.make_backend(name, checkpoint=path, device="cpu")
    if name == "onnxruntime" and "int8" in damaged:
        return  # which it does not read
    content = bytearray((tmp_path / damaged).read_bytes())
    content[len(content) // 2] ^= 64
    (tmp_path / damaged).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{damaged} is damaged or was changed"):
        backends.make_backend(name, checkpoint=path, device="cpu")


def test_a_compiled_graph_is_taken_from_the_cache_unless_it_is_damaged(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv(user_cache.VARIABLE, str(tmp_path / "cache"))
    graph = Path(shutil.copy(backends.graph_of(checkpoint), tmp_path / "a.onnx"))
    first = OpenVINOBackend(graph, precision="fp32")
    expected = first.run(*noise(64, 96))
    (file,) = (tmp_path / "cache").iterdir()
    content = file.read_bytes()
    flipped = (  # OpenVINO takes some of them
        content[:place] + bytes([content[place] ^ 64]) + content[place + 1 :]
        for place in range(200, len(content), len(content) // 3)
    )
    for kept in (content, *flipped, content[:-1], b"", content[:200]):
        file.write_bytes(kept)
        again = OpenVINOBackend(graph, precision="fp32")
        assert again.info == first.info and again.takes_any_size
        maps = again.run(*noise(64, 96))
        assert all(np.array_equal(maps[task], expected[task]) for task in expected)
        assert file.read_bytes() == content or kept != content
    graph.write_bytes(b"junk")
    with pytest.raises(BackendError, match="cannot be read"):
        OpenVINOBackend(graph, precision="fp32")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("field", ["resolution", "samples", "metrics", "precision"])
def test_what_a_graph_says_of_itself_is_checked(
    checkpoint: Path, tmp_path: Path, name: str, field: str
) -> None:
    model = onnx.load(backends.graph_of(checkpoint))
    (entry,) = (entry for entry in model.metadata_props if entry.key == INFO_KEY)
    entry.value = json.dumps(json.loads(entry.value) | {field: ["x"]})
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(BackendError, match="is not a graph of depthmask"):
        backends.make_backend(name, checkpoint=tmp_path / "a.safetensors")
