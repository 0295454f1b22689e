"""Event files: their records hold together, and say what was written."""

import struct
from pathlib import Path

from depthmask.training.events import EventFile, crc32c

Fields = dict[int, list[int | bytes]]


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def test_scalars_and_pictures_can_be_read_back(tmp_path: Path) -> None:
    file = EventFile(tmp_path, since=300)
    file.scalars(1000, {"training/loss": 0.5, "training/iou": 0.25})
    file.picture(2**40, "predictions", b"png", 30, 40)
    version, start, scalars, picture = (decode(record) for record in records(file.path))
    assert version[3] == [b"brain.Event:2"]
    assert start[2] == [300] and decode(as_bytes(start[7][0])) == {1: [1]}
    assert scalars[2] == [1000]
    values = [decode(as_bytes(value)) for value in decode(as_bytes(scalars[5][0]))[1]]
    assert [(value[1][0], as_float(value[2][0])) for value in values] == [
        (b"training/loss", 0.5),
        (b"training/iou", 0.25),
    ]
    assert picture[2] == [2**40]
    (value,) = decode(as_bytes(picture[5][0]))[1]
    image = decode(as_bytes(decode(as_bytes(value))[4][0]))
    assert image == {1: [30], 2: [40], 3: [3], 4: [b"png"]}


def test_each_process_writes_a_file_of_its_own(tmp_path: Path) -> None:
    first, second = EventFile(tmp_path), EventFile(tmp_path)
    assert first.path != second.path
    assert all("tfevents" in file.path.name for file in (first, second))


def records(path: Path) -> list[bytes]:
    """The contents of an event file's records, whose checksums must be right."""
    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        assert content[8:12] == masked(content[:8])
        assert content[12 + length : 16 + length] == masked(content[12 : 12 + length])
        found.append(content[12 : 12 + length])
        content = content[16 + length :]
    return found


def masked(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def decode(message: bytes) -> Fields:
    """A protocol-buffer message as {field: values}; numbers of fixed size as their bytes."""
    fields: Fields = {}
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(message):
        key = varint()
        value: int | bytes
        if key & 7 == 0:
            value = varint()
        else:
            length = {1: 8, 5: 4}.get(key & 7) or varint()
            value = message[place : place + length]
            place += length
        fields.setdefault(key >> 3, []).append(value)
    return fields


def as_bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def as_float(value: int | bytes) -> float:
    return float(struct.unpack("<f", as_bytes(value))[0])
