"""TensorBoard's event files, written with the standard library alone.

The machine that trains needs no tensorboard package; the one that looks does:
`pip install tensorboard && tensorboard --logdir runs`.

A file is a series of records (length, checksum, content, checksum), each content a protocol-buffer
message `Event`. The numbers below are those of the fields in event.proto and summary.proto,
https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto
"""

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers
_RGB = 3  # channels, which is how Image tells its colour space


class EventFile:
    """Appends to an event file of its own; files of one folder are read as one run.

    Args:
        folder: Where to write; made if need be.
        since: Step at which this file takes over: what older files say of later steps is void.
    """

    def __init__(self, folder: Path, *, since: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
        self._append(_text(3, "brain.Event:2"))
        self._append(_integer(2, since) + _message(7, _integer(1, 1)))  # a session starts

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds numbers by their tag, "group/name"."""
        entries = (
            _text(1, tag) + _field(2, _FIXED32) + struct.pack("<f", value)
            for tag, value in values.items()
        )
        self._append(_integer(2, step) + _message(5, b"".join(_message(1, e) for e in entries)))

    def picture(self, step: int, tag: str, png: bytes, height: int, width: int) -> None:
        """Adds an RGB picture, a PNG of the given size in pixels."""
        image = _integer(1, height) + _integer(2, width) + _integer(3, _RGB) + _message(4, png)
        value = _text(1, tag) + _message(4, image)
        self._append(_integer(2, step) + _message(5, _message(1, value)))

    def _append(self, fields: bytes) -> None:
        event = _field(1, _FIXED64) + struct.pack("<d", time.time()) + fields
        length = struct.pack("<Q", len(event))
        with self.path.open("ab") as file:
            file.write(length + _checksum(length) + event + _checksum(event))


def _field(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _integer(number: int, value: int) -> bytes:
    return _field(number, _VARINT) + _varint(value)


def _text(number: int, value: str) -> bytes:
    return _message(number, value.encode())


def _message(number: int, content: bytes) -> bytes:
    return _field(number, _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first; the high bit says that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _checksum(content: bytes) -> bytes:
    """CRC-32C, then rotated and shifted, as records want it."""
    crc = crc32c(content)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def crc32c(content: bytes) -> int:
    """The Castagnoli checksum, RFC 3720 appendix B.4."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _crc_row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_CRC_TABLE = tuple(_crc_row(byte) for byte in range(256))
