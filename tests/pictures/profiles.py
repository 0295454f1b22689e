"""Colour profiles made by hand: RGB by primaries and gamma, or grey by gamma."""

import struct
from collections.abc import Sequence

# Red, green and blue of Adobe RGB (1998) as XYZ at D50; rows are colours.
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
ADOBE_GAMMA = 563 / 256
_WHITE = (0.9642, 1.0, 0.8249)  # D50


def rgb_profile(primaries: Sequence[Sequence[float]], gamma: float) -> bytes:
    """An ICC profile of version 2 of an RGB display."""
    curves = {f"{name}TRC": _curve(gamma) for name in "rgb"}
    colours = {f"{name}XYZ": _xyz(primary) for name, primary in zip("rgb", primaries, strict=True)}
    return _profile(b"RGB ", {**colours, **curves})


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of version 2 of a grey display."""
    return _profile(b"GRAY", {"kTRC": _curve(gamma)})


def _profile(space: bytes, more: dict[str, bytes]) -> bytes:
    tags = {"desc": _text(b"desc"), "cprt": _text(b"text"), "wtpt": _xyz(_WHITE), **more}
    offset = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name.encode() + struct.pack(">II", offset + len(content), len(value))
        content += value + b"\0" * (-len(value) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", offset + len(content), b"", 0x02200000, b"mntr", space, b"XYZ "
    )
    head += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28 + _xyz(_WHITE)[8:]
    return head.ljust(128, b"\0") + table + content


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _text(kind: bytes) -> bytes:
    name = b"made for a test\0"
    length = struct.pack(">I", len(name)) if kind == b"desc" else b""
    return kind + b"\0\0\0\0" + length + name + (b"\0" * 78 if length else b"")
