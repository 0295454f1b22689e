"""Files with more around their pixels than a picture needs are told by their structure alone."""

import struct
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from depthmask.pictures.bounds import StructureError, check_bounds

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))


def saved(kind: str, **options: object) -> bytes:
    content = BytesIO()
    PICTURE.save(content, kind, **options)
    return content.getvalue()


def tiff(*tags: tuple[int, int, int, int], following: int = 0, order: str = "<") -> bytes:
    """A TIFF of one directory; a tag is its number, type, count and value."""
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, 8)
    body = struct.pack(f"{order}H", len(tags))
    body += b"".join(struct.pack(f"{order}HHII", *tag) for tag in tags)
    return head + body + struct.pack(f"{order}I", following)


def jpeg_with(payload: bytes, marker: int = 0xE1) -> bytes:
    segment = struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
    content = saved("JPEG")
    return content[:2] + segment + content[2:]


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    content = saved("PNG")
    more = b"".join(struct.pack(">I", len(data)) + kind + data + b"\0" * 4 for kind, data in chunks)
    return content[:33] + more + content[33:]


MANY_TAGS = tiff(*((1000 + number, 1, 1, 0) for number in range(600)))
OVERLAP = tiff(*((1000 + number, 1, 4000, 8) for number in range(100))) + b"\0" * 4000
TWICE = tiff((256, 3, 1, 64), (257, 3, 1, 64), (256, 3, 1, 20000))

HOSTILE = {
    "JPEG, scans": saved("JPEG")[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 200,
    "JPEG, segments": b"\xff\xd8" + b"\xff\xe2\x00\x02" * 5000 + saved("JPEG")[2:],
    "JPEG, EXIF": jpeg_with(b"Exif\0\0" + MANY_TAGS),
    "PNG, chunks": png_with(*((b"tEXt", b"a\0b") for _ in range(5000))),
    "PNG, one large text": png_with((b"tEXt", b"a\0" + b"b" * 17_000_000)),
    "PNG, EXIF": png_with((b"eXIf", OVERLAP)),
    "PNG, pixels in crumbs": saved("PNG")[:33] + b"\0\0\0\0IDAT\0\0\0\0" * 210_000,
    "WebP, EXIF": saved("WEBP", exif=b"Exif\0\0" + MANY_TAGS),
    "WebP, EXIF after an odd number of bytes": struct.pack("<4sI8sI4x", b"RIFF", 0, b"WEBPVP8 ", 3)
    + struct.pack("<4sI", b"EXIF", len(MANY_TAGS))
    + MANY_TAGS,
    "TIFF, tags": MANY_TAGS,
    "TIFF, big-endian": tiff(*((1000 + n, 1, 1, 0) for n in range(600)), order=">"),
    "TIFF, tags that overlap": OVERLAP,
    "TIFF, a tag twice": TWICE,
    "TIFF, directories": b"".join(
        [b"II", struct.pack("<HI", 42, 8)]
        + [struct.pack("<HI", 0, 8 + 6 * (number + 1)) for number in range(100)]
    ),
    "GIF, comments": saved("GIF")[:-1] + b"\x21\xfe\x01a\x00" * 5000 + b";",
    "PPM, a comment": b"P6\n#" + b"a" * 70_000 + b"\n64 48\n255\n",
    "PPM, blanks": b"P6\n" + b" " * 70_000 + b"64 48\n255\n",
    "PPM, comments between pixels": b"P3\n64 64\n255\n" + b"#\n" * 2000,
    "HEIC, boxes": struct.pack(">I4s8s", 16, b"ftyp", b"heic") + b"\0\0\0\x08free" * 5000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_too_much_is_refused_in_no_time(name: str) -> None:
    start = time.process_time()
    with pytest.raises(StructureError):
        check_bounds(HOSTILE[name])
    assert time.process_time() - start < 2  # no measurement: what is guarded against takes minutes


def with_profile(kind: str) -> bytes:
    return saved(kind, icc_profile=b"\0" * 500_000, exif=PICTURE.getexif().tobytes())


SOUND = {
    "JPEG": saved("JPEG"),
    "progressive JPEG": saved("JPEG", progressive=True),
    "JPEG, profile": with_profile("JPEG"),
    "JPEG, EXIF": jpeg_with(b"Exif\0\0" + tiff((274, 3, 1, 6))),
    "PNG": saved("PNG"),
    "PNG, profile": with_profile("PNG"),
    "WebP": with_profile("WEBP"),
    "TIFF": saved("TIFF"),
    "TIFF, compressed": saved("TIFF", compression="tiff_lzw"),
    "GIF": saved("GIF"),
    "animated GIF": saved("GIF", save_all=True, append_images=[PICTURE.rotate(9)] * 20),
    "AVIF": saved("AVIF"),
    "BMP": saved("BMP"),
    "PPM": saved("PPM"),
    "PPM, a comment": b"P6\n# by a program\n64 48\n255\n" + b"\0" * 9216,
    "nothing": b"",
    "no picture": b"hello",
}


@pytest.mark.parametrize("name", SOUND)
def test_pictures_pass(name: str) -> None:
    check_bounds(SOUND[name])


@pytest.mark.parametrize("name", SOUND)
def test_what_is_cut_short_is_left_to_the_decoder(name: str) -> None:
    for length in range(0, len(SOUND[name]), max(1, len(SOUND[name]) // 200)):
        check_bounds(SOUND[name][:length])


def test_phone_pictures_pass() -> None:
    check_bounds((Path(__file__).parent / "files" / "turned.heic").read_bytes())


def test_text_of_a_png_is_no_picture() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "made by hand")
    check_bounds(saved("PNG", pnginfo=info))
