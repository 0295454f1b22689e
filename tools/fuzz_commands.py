"""Targets of `tools.fuzz`: data sets, and command lines."""

import contextlib
import io
import os
import random
import shutil
import socket
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from tools.fuzz_cases import (
    NAMES,
    Case,
    as_json,
    changed,
    mutated,
    refused,
    sound_pictures,
    tiny_checkpoint,
)


def _write_dataset(folder: Path) -> None:
    """The original project's layout, drawn."""
    noise = np.random.default_rng(1)
    for kind, name in (("bg", "hall.jpg"), ("bg", "yard.jpg")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / kind / name)
    for room in ("hall", "yard"):
        for kind in ("fg_bg", "fg_bg_mask", "dense_depth"):
            (folder / kind / room).mkdir(parents=True)
            for number in (1, 41, 81):
                picture = noise.integers(0, 256, (32, 32, 3), np.uint8)
                picture = picture if kind == "fg_bg" else picture[..., 0]
                Image.fromarray(picture).save(folder / kind / room / f"{number}.jpg")


def datasets(folder: Path) -> Case:
    """Data sets: folders and zips of pictures, manifests, plans and records."""
    from depthmask.datasets.merge import merge
    from depthmask.datasets.plan import Settings
    from depthmask.datasets.reader import open_dataset
    from depthmask.datasets.records import BlockRecord, find_record
    from depthmask.schema import SchemaError, from_json

    original = folder / "original"
    _write_dataset(original)
    files = {
        path.relative_to(original).as_posix(): path.read_bytes() for path in original.rglob("*.jpg")
    }
    manifest = (
        "background,cutout,image_file,mask_file,depth_file,split,x,y\n"
        "hall,disc,fg_bg/hall/1.jpg,fg_bg_mask/hall/1.jpg,dense_depth/hall/1.jpg,test,1,2\n"
    )

    summary = {"format_version": 1, "settings": asdict(Settings()), "samples": 1}
    record = {
        "rows": [["hall", "disc", "a", "b", "c", "test", "1"]],
        "sizes": {"a": 3},
        "moments": {},
    }

    def read(path: Path) -> None:
        dataset = open_dataset(path)
        for sample in dataset.samples[:3]:
            dataset.read(sample)

    def run(rng: random.Random) -> None:
        kind = rng.choice(("zip", "folder", "built", "record", "merge"))
        path = folder / "case"
        shutil.rmtree(path, ignore_errors=True)
        if kind == "zip":
            path = folder / "case.zip"
            _write_zip(rng, path, files)
            refused(lambda: read(path))
            return
        shutil.copytree(original, path)
        if kind == "folder":
            name = rng.choice([*files])
            (path / name).write_bytes(mutated(rng, files[name]))
            if rng.random() < 0.3:
                (path / "fg_bg/hall/121.jpg").symlink_to("/etc/passwd")
            refused(lambda: read(path))
        elif kind == "built":
            (path / "dataset.json").write_bytes(as_json(changed(rng, summary)))
            (path / "manifest.csv").write_bytes(
                mutated(rng, manifest.encode(), b"../..", b'"', b"\0")
            )
            refused(lambda: read(path))
        elif kind == "record":
            (path / "record.json").write_bytes(as_json(changed(rng, record)))
            find_record(path / "record.json")
            with contextlib.suppress(SchemaError):
                from_json((path / "record.json").read_bytes(), BlockRecord)
        else:
            plan = {
                "settings": asdict(Settings()),
                "cutouts": [["a", "test"]],
                "backgrounds": [["b", "x"]],
            }
            (path / "plan.json").write_bytes(as_json(changed(rng, plan)))
            refused(lambda: merge([path], folder / "merged"))

    return run


def _write_zip(rng: random.Random, path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", rng.choice((0, 8, 12, 14))) as archive:
        for name, content in files.items():
            name = rng.choice(
                (name, name, name, f"../{name}", f"/{name}", name.upper(), f"a/{name}")
            )
            archive.writestr(name, mutated(rng, content) if rng.random() < 0.3 else content)
        if rng.random() < 0.2:
            archive.writestr("fg_bg/hall/41.jpg", bytes(30_000_000))
    if rng.random() < 0.7:
        path.write_bytes(mutated(rng, path.read_bytes()))


def commands(folder: Path) -> Case:
    """Command lines with files, folders and names of all kinds."""
    from depthmask.cli.main import main

    tiny_checkpoint(folder / "tiny.safetensors")
    (folder / "files").mkdir()
    names = _write_files(folder / "files")

    def run(rng: random.Random) -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        words = _command(rng, folder, names)
        errors = io.StringIO()
        printed = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="surrogateescape")
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(printed):
            try:
                code = main(words)
            except SystemExit as stopped:
                code = int(stopped.code or 0)
        told = errors.getvalue()
        if code not in (0, 1, 2) or "Traceback" in told or "fault of depthmask" in told:
            raise AssertionError(f"{words}: {code}: {told[-300:]}")

    return run


def _write_files(folder: Path) -> list[str]:
    """Writes pictures, also under odd names, and what is no file; returns all names."""
    found = sound_pictures()
    for name, content in found.items():
        (folder / name).write_bytes(content)
    photo = found["plain.jpg"]
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    for name, target in (("loop", "loop"), ("dangling", "/nowhere"), ("linked", "/etc")):
        (folder / name).symlink_to(target)
    (folder / "folder").mkdir()
    (folder / "folder" / "x\udcff\n.png").write_bytes(photo)
    os.mkfifo(folder / "folder" / "pipe.png")
    for name in NAMES:
        path = folder / os.path.basename(name)
        with contextlib.suppress(OSError):  # some are too long
            if name != "nothing" and not os.path.lexists(path):
                path.write_bytes(photo)
    return [*NAMES, *found]


def _command(rng: random.Random, folder: Path, names: list[str]) -> list[str]:
    place, pairs = folder / "files", folder / "pairs.csv"

    def word() -> str:
        name = rng.choice(names)
        elsewhere = name.startswith(("/", "http")) or rng.random() < 0.2
        return name if elsewhere else str(place / name)

    a, b, photo, photos = word(), word(), str(place / "plain.jpg"), str(place / "folder")
    rows = b"background,image,name\nplain.jpg,colours.png,a\nfolder,lossy.webp,b\n"
    pairs.write_bytes(mutated(rng, rows, *map(os.fsencode, (a, b))))
    out = ["-o", str(folder / "out" / rng.choice(("x", "a" * 300, "..", "x.png", "\udcff")))]
    checkpoint = str(folder / "tiny.safetensors") if rng.random() < 0.7 else a
    network = ["--checkpoint", checkpoint, "--backend", "torch"]
    option = rng.choice(("--true-mask", "--true-depth", "--backdrop", "--background"))
    build = ["--out", str(folder / "out" / "set"), "--placements", "1", "--size", "64"]
    folders = ["--foregrounds", a, "--backgrounds", b]
    return rng.choice(
        (
            ["predict", a, b, *out, *network],
            ["predict", photo, b, *out, *network, option, a],
            ["predict", photos, photos, *out, *network, "--pairs", rng.choice(("names", a))],
            ["predict", str(place), str(place), *out, *network, "--pairs", str(pairs)],
            ["predict", a, photos, *out, *network, "--shard", rng.choice(("1/2", "0/0", "9"))],
            ["evaluate", a, *network],
            ["video", a, *out, *network, "--background", b],
            ["inspect", a, *out],
            ["merge", a, b, *out],
            ["build", *folders, *build],
            ["pack", *folders, "--teacher", f"{b}:inverse", *out],
            ["export", "--checkpoint", a, *out],
        )
    )
