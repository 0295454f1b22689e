"""Targets of `tools.fuzz` that read files."""

import io
import json
import os
import pickle
import random
import struct
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.fuzz_cases import (
    SIDES,
    Case,
    as_json,
    changed,
    mutated,
    npy,
    refused,
    sound_pictures,
    tiny_checkpoint,
)


def pictures(folder: Path) -> Case:
    """Picture files to all that reads some."""
    from depthmask import pictures as readers
    from depthmask.pictures.worker import read_frame

    found = sound_pictures()
    every: tuple[Callable[[Path], object], ...] = (
        *(readers.read_photo, readers.read_grey, readers.read_cutout, readers.read_true_mask),
        *(readers.read_true_depth, readers.read_metadata, readers.shows_in_browsers),
        *(readers.is_picture, lambda path: read_frame(path.read_bytes())),
    )

    def run(rng: random.Random) -> None:
        name = rng.choice([*found])
        content = mutated(rng, found[name], *found.values()) if rng.random() < 0.95 else found[name]
        ending = rng.choice([*found]) if rng.random() < 0.2 else name
        path = folder / f"case{Path(ending).suffix}"
        path.write_bytes(content)
        for read in rng.sample(every, 3):
            refused(partial(read, path))

    return run


def arrays(folder: Path) -> Case:
    """`.npy` files, with values, shapes and types of all kinds."""
    from depthmask.pictures import read_true_depth, read_true_mask

    kinds = ("f2", "f4", "f8", "u1", "u2", "i4", "i8", "u8", "b1", "c8", "S3", "U2", "M8[s]", "O")

    def make(rng: random.Random) -> bytes:
        shape = [rng.choice((0, 1, 2, 5, 48)) for _ in range(rng.choice((0, 1, 2, 2, 2, 3, 4)))]
        values = np.array([rng.choice((0, 1, 255, 0.5, 3000, 65535)) for _ in range(7)])
        with np.errstate(all="ignore"):
            array = np.resize(values, shape).astype(rng.choice(kinds))
        if array.size and array.dtype.kind == "f":
            array.flat[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -np.inf, -1, 1e30))
        return npy(array)

    def run(rng: random.Random) -> None:
        content = make(rng)
        if rng.random() < 0.4:
            shape = rng.choice(
                ("(10**9, 10**9)", "(-1, 5)", "(2**40, 1)", "(48", "None", "((1,),)")
            )
            content = content.replace(b"(", shape.encode()[:1], 1)
            content = mutated(rng, content, shape.encode())
        path = folder / rng.choice(("case.npy", "case.png"))
        path.write_bytes(content)
        for read in (read_true_mask, read_true_depth):
            refused(partial(read, path))

    return run


def _safetensors(header: bytes, tensors: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + tensors


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack_from("<Q", content)
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _hostile_safetensors(rng: random.Random, content: bytes, key: str) -> bytes:
    """Changes the file, its header, or the description inside of the header."""
    kind = rng.random()
    if kind < 0.3:
        return mutated(rng, content)
    header, tensors = _split(content)
    about = header.get("__metadata__", {})
    if kind < 0.7 and key in about:
        about[key] = as_json(changed(rng, json.loads(about[key]))).decode("utf-8", "replace")
        return _safetensors(json.dumps(header).encode(), tensors)
    return _safetensors(as_json(changed(rng, header)), tensors)


class _Trap:
    """Makes a file if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def checkpoints(folder: Path) -> Case:
    """Checkpoints: safetensors, and pickled ones, which must not run anything."""
    import torch

    from depthmask.network.checkpoint import load_checkpoint, read_info

    sound = tiny_checkpoint(folder / "tiny.safetensors").read_bytes()
    weights, _ = load_checkpoint(folder / "tiny.safetensors")
    out = io.BytesIO()
    torch.save({"state_dict": weights.state_dict()}, out)
    trap = folder / "trapped"
    traps = [pickle.dumps(_Trap(trap), protocol) for protocol in (0, 2, 4)]
    trapped = io.BytesIO()
    torch.save({"a": _Trap(trap)}, trapped)
    pickled = (out.getvalue(), trapped.getvalue(), *traps)

    def run(rng: random.Random) -> None:
        path = folder / rng.choice(("case.safetensors", "case.pt", "case"))
        if rng.random() < 0.6:
            content = _hostile_safetensors(rng, sound, "depthmask")
        else:
            chosen = rng.choice(pickled)
            content = chosen if rng.random() < 0.2 else mutated(rng, chosen, *pickled)
        path.write_bytes(content)
        refused(lambda: read_info(path))
        refused(lambda: load_checkpoint(path))
        if trap.exists():
            raise AssertionError("a pickle was run")

    return run


def packs(folder: Path) -> Case:
    """Files of packed pictures."""
    import torch

    from depthmask.data.packfile import (
        PackedPictures,
        bytes_from_ratio,
        is_pack,
        read_pack,
        write_pack,
    )

    torch.set_num_threads(1)
    grey = (
        torch.arange(32 * 32, dtype=torch.int32).remainder(251).to(torch.uint8).view(1, 1, 32, 32)
    )
    labels = bytes_from_ratio(torch.linspace(0, 1, 16)[:, None].expand(16, 16)).repeat(2, 1, 1)
    parts = {
        "foregrounds": PackedPictures(("a", "b"), torch.ones(2), grey.repeat(2, 4, 1, 1)),
        "backgrounds": PackedPictures(("c", "d"), torch.ones(2), grey.repeat(2, 3, 1, 1), labels),
    }
    write_pack(folder / "sound.safetensors", parts, step=8)
    sound = (folder / "sound.safetensors").read_bytes()

    def run(rng: random.Random) -> None:
        path = folder / "case.safetensors"
        path.write_bytes(_hostile_safetensors(rng, sound, "depthmask_pack"))
        is_pack(path)
        refused(lambda: read_pack(path))

    return run


def graphs(folder: Path) -> Case:
    """Descriptions inside of exported graphs, and graph files."""
    from depthmask.backends.base import INFO_KEY, GraphInfo

    path = folder / "graph.onnx"
    sound = {field.name: "x" for field in fields(GraphInfo)} | {"resolution": 224}

    def run(rng: random.Random) -> None:
        text = as_json(changed(rng, sound)).decode("utf-8", "replace")
        refused(lambda: GraphInfo.from_metadata(path, {INFO_KEY: text}))

    return run


def clips(folder: Path) -> Case:
    """Clips of all containers, and playlists that would name other files."""
    import av

    from depthmask.clips.read import read_clip, read_frames, spread_frames

    av.logging.set_level(None)
    found: dict[str, bytes] = {}
    for name, encoder in (
        ("a.mp4", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.mkv", "mpeg4"),
        ("a.avi", "mjpeg"),
        ("a.mov", "prores_ks"),
        ("a.gif", "gif"),
    ):
        with av.open(str(folder / name), "w") as output:
            stream: Any = output.add_stream(encoder, rate=25)
            stream.height, stream.width = SIDES
            stream.pix_fmt = {"gif": "rgb8", "prores_ks": "yuv422p10le", "mjpeg": "yuvj420p"}.get(
                encoder, "yuv420p"
            )
            for number in range(6):
                picture = np.full((*SIDES, 3), 20 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture).reformat(format=stream.pix_fmt)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        found[name] = (folder / name).read_bytes()
    secret = folder / "secret.jpg"
    Image.new("RGB", (64, 48), "red").save(secret)
    found["list.m3u8"] = f"#EXTM3U\n#EXTINF:1,\n{folder / 'a.mp4'}\n#EXT-X-ENDLIST\n".encode()
    found["list.mp4"] = f"ffconcat version 1.0\nfile '{folder / 'a.mp4'}'\n".encode()
    found["session.sdp"] = (
        b"v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )

    def read(path: Path) -> None:
        clip = read_clip(path)
        for number, _ in enumerate(read_frames(clip, damaged=[])):
            if number > 20:
                break
        spread_frames(clip, 3, side=32)

    def run(rng: random.Random) -> None:
        name = rng.choice([*found])
        path = folder / rng.choice(("case.mp4", f"case{Path(name).suffix}"))
        path.write_bytes(mutated(rng, found[name], *found.values()))
        refused(lambda: read(path))

    return run
