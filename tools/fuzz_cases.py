"""Hostile input for `tools.fuzz`: files and JSON that are changed at random, and odd names."""

import contextlib
import io
import json
import random
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

from depthmask.errors import DepthmaskError

Case = Callable[[random.Random], None]  # runs one case
Target = Callable[[Path], Case]  # takes a folder to work in

SIDES = (48, 64)  # of the pictures that are drawn
NUMBERS = (0, 1, -1, 127, 128, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
STRANGE: tuple[Any, ...] = (
    *(None, True, False, *NUMBERS, 2**63, 2**64, 10**400, 0.5, -1.5, 1e308, float("nan")),
    *("", ".", "..", "../../out", "/etc/passwd", "\0", "\ud800", "é" * 300, "a" * 5000),
    *("<b>", "{0}", "data:image/png;base64,AAAA"),
    *([], {}, [[]], [None] * 300, {"a": None}, {"": {"": {}}}),
)
NAMES = (
    *("..", ".", "../../out.png", "-", "--help", "-o", " ", "a b", "é" * 60, "𝔘.png", "a" * 255),
    *("a" * 300, "x\ny.png", "\x1b[31m.png", "con", "a.b.c.png", "%s.png", "{0}.png", "*.png", "~"),
    *("\udcff.png", "\u202egnp.exe", "'.png", '".png', "<b>.png", "http:", "file:///etc/passwd"),
    *("http://127.0.0.1:9/a.png", "https://[::1]/a", "data:image/png;base64,AAAA", "/dev/zero"),
    *("/dev/null", "/dev/stdin", "/proc/self/mem", "/root/none/none", "fifo", "socket", "loop"),
    *("nothing", "folder", "empty.png", "page.png", "vector.svg", "linked", "dangling"),
)


def mutated(rng: random.Random, content: bytes, *others: bytes) -> bytes:
    """Changes a few places of a file, cuts it, or joins it with another one."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8, 40))):
        if not data:
            break
        at = min(rng.randrange(len(data)), rng.choice((16, 64, 512, len(data) - 1)))
        length = rng.choice((1, 2, 4, 8, 32, 200))
        kind = rng.randrange(8)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            number = rng.choice(NUMBERS) % 2**32
            size, order = rng.choice((1, 2, 4)), rng.choice(("little", "big"))
            data[at : at + size] = (number % 256**size).to_bytes(size, order)
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = data[at : at + length] * rng.choice((1, 3, 100))
        elif kind == 5:
            data[at:at] = rng.randbytes(length)
        elif kind == 6 and rng.random() < 0.3:
            del data[at:]
        elif kind == 7 and others:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            data[at : at + length] = other[start : start + length]
    return bytes(data)


def changed(rng: random.Random, value: Any) -> Any:
    """Puts a strange value in the place of a random one in lists and groups, or drops one."""
    copy = deepcopy(value)
    places: list[tuple[Any, Any]] = []
    waiting = [copy]
    for node in waiting:  # which grows meanwhile
        keys = (
            node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        )
        places += [(node, key) for key in keys]
        waiting += [node[key] for key in keys]
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        if not places or rng.random() < 0.03:
            return rng.choice(STRANGE)
        node, key = rng.choice(places)
        with contextlib.suppress(LookupError):
            what = rng.random()
            if what < 0.15:
                del node[key]
            elif what < 0.25 and isinstance(node, dict):
                node[str(rng.choice(NAMES))] = rng.choice(STRANGE)
            elif what < 0.3:
                node[key] = Deep(rng.choice((20, 500, 100_000)))
            else:
                node[key] = rng.choice(STRANGE)
    return copy


class Deep:
    """Stands for lists in lists until it is written as JSON."""

    def __init__(self, levels: int) -> None:
        self.levels = levels


def as_json(value: Any) -> bytes:
    """Writes JSON, with `Deep` as what it stands for, and text that is none."""
    marks: list[int] = []

    def mark(each: Any) -> str:
        marks.append(each.levels)
        return f"@deep{len(marks) - 1}@"

    text = json.dumps(value, default=mark)
    for number, levels in enumerate(marks):
        text = text.replace(f'"@deep{number}@"', "[" * levels + "]" * levels)
    return text.encode("utf-8")


def sound_pictures() -> dict[str, bytes]:
    """Small pictures of every kind, by the endings of their names."""
    noise = np.random.default_rng(0).integers(0, 256, (*SIDES, 4), np.uint8)
    rgb, rgba = Image.fromarray(noise[..., :3]), Image.fromarray(noise)
    deep_grey = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    exif = rgb.getexif()
    exif.update({274: 6, 305: "fuzz", 306: "2026:01:01 00:00:00"})
    exif.get_ifd(0x8769)[33434] = 0.01
    profile = (lambda cms: cms.ImageCmsProfile(cms.createProfile("sRGB")).tobytes())(_cms())
    around = {"exif": exif.tobytes(), "icc_profile": profile}
    several = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(9)]}
    found: dict[str, bytes] = {}

    def save(name: str, image: Image.Image, kind: str, **options: Any) -> None:
        out = io.BytesIO()
        image.save(out, kind, **options)
        found[name] = out.getvalue()

    save("plain.jpg", rgb, "JPEG", **around)
    save("progressive.jpg", rgb, "JPEG", progressive=True)
    save("cmyk.jpg", rgb.convert("CMYK"), "JPEG")
    save("colours.png", rgba, "PNG", **around)
    save("grey.png", deep_grey, "PNG")
    save("palette.png", rgb.convert("P"), "PNG", transparency=3)
    save("one.png", rgb.convert("1"), "PNG")
    save("moving.png", rgb, "PNG", **several)
    save("lossy.webp", rgba, "WEBP", **around)
    save("lossless.webp", rgba, "WEBP", lossless=True, **several)
    save("packed.tif", rgb, "TIFF", compression="tiff_lzw", icc_profile=profile)
    save("zipped.tif", deep_grey, "TIFF", compression="tiff_adobe_deflate")
    save("floats.tif", Image.fromarray(noise[..., 0].astype(np.float32)), "TIFF")
    save("pages.tif", rgba, "TIFF", **several)
    save("moving.gif", rgb.convert("P"), "GIF", **several)
    save("plain.bmp", rgb, "BMP")
    save("plain.ppm", rgb, "PPM")
    save("grey.pgm", deep_grey, "PPM")
    save("plain.avif", rgba, "AVIF", **around)
    found["text.ppm"] = b"P3\n# a comment\n4 3\n255\n" + b"1 2 3 " * 12
    done, deep_colours = cv2.imencode(".png", noise[..., :3].astype(np.uint16) * 257)
    assert done
    found["deep.png"] = deep_colours.tobytes()
    with contextlib.suppress(ImportError):
        import pillow_heif

        heif, out = pillow_heif.from_pillow(rgb), io.BytesIO()
        heif.save(out, quality=50, exif=exif.tobytes())
        found["phone.heic"] = out.getvalue()
    found["vector.svg"] = (
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>'
    )
    found["page.png"] = b"<!doctype html><script>alert(1)</script>"
    found["script.jpg"] = b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file"
    found["empty.png"] = b""
    found["values.npy"] = npy(noise[..., 0].astype(np.float32))
    found["thin.png"] = png(np.zeros((20000, 1), np.uint8))
    found["dot.png"] = png(np.zeros((1, 1, 3), np.uint8))
    return found


def _cms() -> Any:

    return ImageCms


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def refused(run: Callable[[], object]) -> None:
    with contextlib.suppress(DepthmaskError):
        run()


def tiny_checkpoint(path: Path) -> Path:
    import torch

    from depthmask.network.checkpoint import CheckpointInfo, save_checkpoint
    from depthmask.network.u2net import Stage, U2Net

    stages = (Stage(3, 2, 4), Stage(2, 2, 4), Stage(2, 2, 4, dilated=True))
    torch.manual_seed(0)
    torch.set_num_threads(1)
    info = CheckpointInfo(stages=stages, resolution=64, metrics={"iou": 0.5}, training={"a": 1})
    save_checkpoint(path, U2Net(stages=stages).state_dict(), info)
    return path


class FakePredictor:
    """Stands in for a predictor."""

    def predict(self, background: Any, image: Any) -> Any:
        from depthmask.inference.predictor import Prediction

        mask = np.zeros(image.shape[:2], np.float32)
        mask[:, : image.shape[1] // 2] = 1
        return Prediction(mask, np.full_like(mask, 0.5), 0.25)
