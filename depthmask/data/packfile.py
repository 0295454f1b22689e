"""One file that holds a whole training set, readable with torch and safetensors alone.

Pictures are squashed to squares, coded by `codec`, and keep their aspect ratio as a number. So a
set of thousands is a few dense tensors, and a machine without an image library can train on it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from depthmask.data.codec import compress, decompress, to_rgb, to_ycbcr
from depthmask.errors import PackError
from depthmask.files import replace_durably

FORMAT_VERSION = 1
_CHUNK = 128  # pictures coded at a time, which bounds the memory

# Labels hold r, the inverse depth in units of the picture's range, as a byte.
_LABEL_OFFSET, _LABEL_SCALE = 0.25, 100.0
_LABEL_STEP = 2.5  # labels are smooth: coarser steps show their blocks


@dataclass(frozen=True)
class Kind:
    """All foregrounds, or all backgrounds, of a pack."""

    names: Sequence[str]
    aspect: Tensor  # (N,), width / height before squashing
    pixels: Tensor  # (N, C, S, S) uint8: RGB, or RGBA not premultiplied
    labels: Tensor | None = None  # (N, L, L) uint8, see `bytes_from_ratio`; backgrounds only


def bytes_from_ratio(ratio: Tensor) -> Tensor:
    """Rounds r, inverse depth in units of the picture's range, to bytes: -0.25 to 2.3."""
    return ((ratio + _LABEL_OFFSET) * _LABEL_SCALE).round().clamp(0, 255).to(torch.uint8)


def ratio_from_bytes(labels: Tensor) -> Tensor:
    """Undoes `bytes_from_ratio`, up to rounding."""
    return labels.float() / _LABEL_SCALE - _LABEL_OFFSET


def write_pack(path: Path, kinds: dict[str, Kind], *, finest: float) -> int:
    """Writes a pack atomically; returns its size in bytes.

    Args:
        path: The file to write.
        kinds: "foregrounds" and "backgrounds".
        finest: Quantisation step in grey levels, see `codec`; 8 is the best quality.
    """
    tensors: dict[str, Tensor] = {}
    header: dict[str, object] = {"finest": finest}
    for name, kind in kinds.items():
        header[name] = {
            "names": list(kind.names),
            "side": kind.pixels.shape[-1],
            "channels": kind.pixels.shape[1],
            "label_side": None if kind.labels is None else kind.labels.shape[-1],
        }
        tensors[f"{name}.aspect"] = kind.aspect.float()
        for key, blob in _encode(kind, finest).items():
            tensors[f"{name}.{key}"] = torch.frombuffer(bytearray(blob), dtype=torch.uint8)
    metadata = {"format_version": str(FORMAT_VERSION), "depthmask_pack": json.dumps(header)}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    save_file(tensors, draft, metadata=metadata)
    replace_durably(draft, path)
    return path.stat().st_size


def read_pack(path: Path) -> dict[str, Kind]:
    """Reads what `write_pack` wrote, on the CPU.

    Raises:
        PackError: The file is missing, damaged, or not a pack.
    """
    if not path.is_file():
        raise PackError(
            f"There is no packed data at {path}; make it with `python -m depthmask pack`."
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise PackError(f"{path} is damaged or not packed data; pack it again.") from error
    if metadata.get("format_version") != str(FORMAT_VERSION) or "depthmask_pack" not in metadata:
        raise PackError(f"{path} was not packed by this version of depthmask; pack it again.")
    try:
        header = json.loads(metadata["depthmask_pack"])
        finest = header.pop("finest")
        return {name: _decode(name, about, tensors, finest) for name, about in header.items()}
    except (LZMAError, LookupError, ValueError, RuntimeError) as error:
        raise PackError(f"{path} is damaged; pack it again.") from error


def is_pack(path: Path) -> bool:
    """Whether a file was written by `write_pack`, of whatever version."""
    try:
        with safe_open(path, framework="pt") as file:
            return "depthmask_pack" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _encode(kind: Kind, finest: float) -> dict[str, bytes]:
    blobs: dict[str, bytes] = {}
    for number, start in enumerate(range(0, len(kind.names), _CHUNK)):
        part = slice(start, start + _CHUNK)
        pixels = kind.pixels[part]
        luma, *colours = (to_ycbcr(pixels[:, :3].float() / 255) * 255).round().unbind(1)
        blobs[f"{number}.luma"] = compress(luma, finest)
        # Colour at half the size, as in most JPEGs.
        halved = [F.avg_pool2d(plane[:, None], 2)[:, 0] for plane in colours]
        blobs[f"{number}.colour"] = compress(torch.cat(halved), finest)
        if pixels.shape[1] == 4:
            blobs[f"{number}.alpha"] = compress(pixels[:, 3], finest)
        if kind.labels is not None:
            blobs[f"{number}.label"] = compress(kind.labels[part], _LABEL_STEP)
    return blobs


def _decode(name: str, about: dict[str, object], tensors: dict[str, Tensor], finest: float) -> Kind:
    names = about["names"]
    side, channels, label_side = about["side"], about["channels"], about["label_side"]
    assert isinstance(names, list) and isinstance(side, int)
    pixels, labels = [], []

    def planes(number: int, key: str, count: int, plane_side: int) -> Tensor:
        blob = tensors[f"{name}.{number}.{key}"].numpy().tobytes()
        return decompress(blob, count, plane_side, _LABEL_STEP if key == "label" else finest)

    for number, start in enumerate(range(0, len(names), _CHUNK)):
        count = min(_CHUNK, len(names) - start)
        luma = planes(number, "luma", count, side)[:, None].float()
        halved = planes(number, "colour", 2 * count, side // 2)
        colour = torch.stack(halved.split(count), dim=1).float()
        colour = F.interpolate(colour, scale_factor=2, mode="bilinear")
        rgb = to_rgb(torch.cat((luma, colour), dim=1) / 255) * 255
        part = rgb.round().clamp(0, 255).to(torch.uint8)
        if channels == 4:
            part = torch.cat((part, _clean(planes(number, "alpha", count, side))[:, None]), dim=1)
        pixels.append(part)
        if isinstance(label_side, int):
            labels.append(planes(number, "label", count, label_side))
    return Kind(
        names=names,
        aspect=tensors[f"{name}.aspect"],
        pixels=torch.cat(pixels),
        labels=torch.cat(labels) if labels else None,
    )


def _clean(alpha: Tensor) -> Tensor:
    """Stretches alpha a little, so that the codec's ringing does not leave a veil or holes."""
    return ((alpha.float() - 18) * (255 / 219)).round().clamp(0, 255).to(torch.uint8)
