"""The packed data file: a whole training set, readable with torch and safetensors alone.

Pictures are resized to squares, coded by `depthmask.data.codec`, and keep their aspect ratio as a
number. So a set of thousands is a few dense tensors.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from depthmask.data.codec import (
    PLANES_AT_ONCE,
    compress,
    decompress,
    rgb_from_ycbcr,
    ycbcr_from_rgb,
)
from depthmask.errors import PackError
from depthmask.files import write_whole
from depthmask.schema import Among, SchemaError, Within, from_json

PACK_VERSION = 1
MAX_SIDE = 2048  # of a packed picture, in pixels
_PICTURES_A_BLOB = 128  # coded at a time, which bounds the memory
_MAX_EXPANSION = 200  # bytes of pictures for one of the file; photos take about 20
_SMALL_BYTES = 2**26  # of pictures, which a file of any size may hold

# Labels hold r, the inverse depth in units of the picture's range, as a byte.
_LABEL_OFFSET, _LABEL_SCALE = 0.25, 100.0
_LABEL_STEP = 2.5  # quantisation step; coarser ones show their blocks, because labels are smooth


@dataclass(frozen=True)
class PackedPictures:
    """All cut-outs, or all backgrounds, of a pack."""

    names: Sequence[str]  # stems of the files
    aspect: Tensor  # (N,), width / height before the pictures became squares
    pixels: Tensor  # (N, C, S, S) uint8: RGB, or RGBA that is not premultiplied
    labels: Tensor | None = None  # (N, L, L) uint8, see `bytes_from_ratio`; backgrounds only


@dataclass(frozen=True)
class _Part:
    """What the header says about the cut-outs or the backgrounds."""

    names: Annotated[tuple[str, ...], Within(1, 10**6)]
    side: Annotated[int, Within(16, MAX_SIDE)]
    channels: Annotated[int, Among(3, 4)]
    label_side: Annotated[int, Within(8, MAX_SIDE)] | None

    @property
    def bytes(self) -> int:
        """Of the pictures and labels when they are decoded."""
        return len(self.names) * (self.side**2 * self.channels + (self.label_side or 0) ** 2)


@dataclass(frozen=True)
class _Header:
    """What the header says."""

    finest: Annotated[float, Within(0.1, 255)]  # quantisation step, see `write_pack`
    foregrounds: _Part
    backgrounds: _Part

    @property
    def parts(self) -> dict[str, _Part]:
        return {"foregrounds": self.foregrounds, "backgrounds": self.backgrounds}

    def check(self, file_bytes: int) -> None:
        """Raises SchemaError where the parts do not fit together or with the file's size."""
        fore, back = self.foregrounds, self.backgrounds
        if (fore.channels, back.channels) != (4, 3) or back.label_side is None:
            raise SchemaError("cut-outs have 4 channels, backgrounds 3 and labels")
        sides = [side for part in (fore, back) for side in (part.side, part.label_side or 8)]
        if any(side % 8 for side in sides) or any(part.side % 16 for part in (fore, back)):
            raise SchemaError("a side is no multiple of 16, or of a label of 8")
        most = max(_MAX_EXPANSION * file_bytes, _SMALL_BYTES)
        if fore.bytes + back.bytes > most:
            raise SchemaError("it claims to hold more pictures than a file of this size can")


def bytes_from_ratio(ratio: Tensor) -> Tensor:
    """Rounds r, inverse depth in units of the picture's range, -0.25 to 2.3, to bytes."""
    return ((ratio + _LABEL_OFFSET) * _LABEL_SCALE).round().clamp(0, 255).to(torch.uint8)


def ratio_from_bytes(labels: Tensor) -> Tensor:
    """Undoes `bytes_from_ratio`, up to rounding."""
    return labels.float() / _LABEL_SCALE - _LABEL_OFFSET


def write_pack(path: Path, pictures: dict[str, PackedPictures], *, step: float) -> int:
    """Writes a pack, whole or not at all.

    Args:
        path: The file to write.
        pictures: "foregrounds" and "backgrounds".
        step: Quantisation step of the lowest frequency in grey levels, see `codec`; 8 is best.

    Returns:
        The file's size in bytes.
    """
    content = encode_pack(pictures, step=step)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content, durable=True)
    return len(content)


def encode_pack(pictures: dict[str, PackedPictures], *, step: float) -> bytes:
    """The content of a pack, see `write_pack`."""
    tensors: dict[str, Tensor] = {}
    header: dict[str, object] = {"finest": step}
    for name, part in pictures.items():
        header[name] = {
            "names": list(part.names),
            "side": part.pixels.shape[-1],
            "channels": part.pixels.shape[1],
            "label_side": None if part.labels is None else part.labels.shape[-1],
        }
        tensors[f"{name}.aspect"] = part.aspect.float()
        for key, blob in _encode(part, step):
            tensors[f"{name}.{key}"] = torch.frombuffer(bytearray(blob), dtype=torch.uint8)
    metadata = {"format_version": str(PACK_VERSION), "depthmask_pack": json.dumps(header)}
    return _sorted(save(tensors, metadata=metadata))


def _sorted(content: bytes) -> bytes:
    """A safetensors file with its metadata in order: its library leaves that to chance.

    So the same pictures make the same pack, and a run that is resumed finds its data unchanged.
    """
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[end:]


def read_pack(path: Path) -> dict[str, PackedPictures]:
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
            header = _read_header(path, file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise PackError(f"{path} is damaged or not packed data; pack it again.") from error
    try:
        return {
            name: _decode(name, part, tensors, header.finest) for name, part in header.parts.items()
        }
    except (LZMAError, LookupError, ValueError, RuntimeError) as error:
        raise PackError(f"{path} is damaged; pack it again.") from error


def _read_header(path: Path, metadata: Mapping[str, str]) -> _Header:
    if metadata.get("format_version") != str(PACK_VERSION) or "depthmask_pack" not in metadata:
        raise PackError(f"{path} was not packed by this version of depthmask; pack it again.")
    try:
        header = from_json(metadata["depthmask_pack"], _Header)
        header.check(path.stat().st_size)
    except SchemaError as error:
        raise PackError(f"{path} is damaged ({error}); pack it again.") from error
    return header


def is_pack(path: Path) -> bool:
    """Tells whether a file was written by `write_pack`, of any version."""
    try:
        with safe_open(path, framework="pt") as file:
            return "depthmask_pack" in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _encode(pictures: PackedPictures, step: float) -> Iterator[tuple[str, bytes]]:
    for number, start in enumerate(range(0, len(pictures.names), _PICTURES_A_BLOB)):
        part = slice(start, start + _PICTURES_A_BLOB)
        pixels = pictures.pixels[part]
        luma, *colours = (ycbcr_from_rgb(pixels[:, :3].float() / 255) * 255).round().unbind(1)
        yield f"{number}.luma", compress(luma, step)
        # Colour at half the size, as in most JPEGs.
        halved = [F.avg_pool2d(plane[:, None], 2)[:, 0] for plane in colours]
        yield f"{number}.colour", compress(torch.cat(halved), step)
        if pixels.shape[1] == 4:
            yield f"{number}.alpha", compress(pixels[:, 3], step)
        if pictures.labels is not None:
            yield f"{number}.label", compress(pictures.labels[part], _LABEL_STEP)


def _decode(name: str, about: _Part, tensors: Mapping[str, Tensor], step: float) -> PackedPictures:
    """Decodes a part; ValueError or LookupError where a tensor is missing or of another one."""
    names, side, label_side = about.names, about.side, about.label_side
    aspect = _expect(tensors[f"{name}.aspect"], torch.float32)
    if aspect.shape != (len(names),) or not ((aspect > 1e-4) & (aspect < 1e4)).all():
        raise ValueError("aspects of other pictures")
    pixels, labels = [], []

    def planes(number: int, key: str, count: int, plane_side: int) -> Tensor:
        blob = _expect(tensors[f"{name}.{number}.{key}"], torch.uint8).numpy().tobytes()
        return decompress(blob, count, plane_side, _LABEL_STEP if key == "label" else step)

    for number, start in enumerate(range(0, len(names), _PICTURES_A_BLOB)):
        count = min(_PICTURES_A_BLOB, len(names) - start)
        luma = planes(number, "luma", count, side)[:, None]
        halved = planes(number, "colour", 2 * count, side // 2)
        colour = torch.stack(halved.split(count), dim=1)
        parts = [luma, colour]
        if about.channels == 4:
            parts.append(planes(number, "alpha", count, side)[:, None])
        pixels.append(in_parts(_pixels, *parts))
        if label_side is not None:
            labels.append(planes(number, "label", count, label_side))
    return PackedPictures(
        names=names,
        aspect=aspect,
        pixels=torch.cat(pixels),
        labels=torch.cat(labels) if labels else None,
    )


def in_parts(function: Callable[..., Tensor], *values: Tensor) -> Tensor:
    """Applies a function of pictures to `PLANES_AT_ONCE` of them at a time.

    All of them as floats would take gigabytes.

    Args:
        function: Of tensors of (n, ...) each; returns (n, ...).
        values: (N, ...) each, N at least 1.
    """
    parts = zip(*(value.split(PLANES_AT_ONCE) for value in values), strict=True)
    whole, start = None, 0
    for part in parts:
        made = function(*part)
        if whole is None:
            whole = made.new_empty(len(values[0]), *made.shape[1:])
        whole[start : start + len(made)] = made
        start += len(made)
    assert whole is not None
    return whole


def _pixels(luma: Tensor, colour: Tensor, alpha: Tensor | None = None) -> Tensor:
    """Joins the planes of pictures, uint8 (N, 1, S, S), (N, 2, S/2, S/2) and (N, 1, S, S)."""
    colour = F.interpolate(colour.float(), scale_factor=2, mode="bilinear")
    rgb = rgb_from_ycbcr(torch.cat((luma.float(), colour), dim=1) / 255) * 255
    pixels = rgb.round().clamp(0, 255).to(torch.uint8)
    return pixels if alpha is None else torch.cat((pixels, _without_ringing(alpha)), dim=1)


def _expect(values: Tensor, kind: torch.dtype) -> Tensor:
    if values.dtype != kind or values.ndim != 1:
        raise ValueError(f"not a line of {kind}")
    return values


def _without_ringing(alpha: Tensor) -> Tensor:
    """Stretches alpha so that the codec's ringing around edges becomes exactly 0 or 255."""
    return ((alpha.float() - 18) * (255 / 219)).round().clamp(0, 255).to(torch.uint8)
