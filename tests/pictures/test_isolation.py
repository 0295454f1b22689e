"""Pictures from outside are decoded in processes that may die."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.errors import PictureError
from depthmask.pictures import Picture, read_grey, read_photo, read_true_depth, read_true_mask
from depthmask.pictures.isolation import IsolatedReader

HEIGHT, WIDTH = 48, 64


@pytest.fixture(scope="module")
def reader() -> Iterator[IsolatedReader]:
    reader = IsolatedReader(workers=1)
    yield reader
    reader.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def encoded(kind: str, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    content = BytesIO()
    Image.new("RGB", (width, height), (200, 30, 60)).save(content, kind)
    return content.getvalue()


def test_it_reads_as_without(reader: IsolatedReader, photo: Path) -> None:
    alone, ours = read_photo(photo), reader.photo(photo)
    assert np.array_equal(ours.picture, alone.picture)
    assert ours.notes == alone.notes and ours.notes
    assert np.array_equal(reader.picture(photo), alone.picture)
    grey = photo.with_name("grey.png")
    Image.open(photo).convert("L").save(grey)
    assert np.array_equal(reader.true_mask(grey).labels, read_true_mask(grey).labels)
    assert np.array_equal(reader.grey(grey), read_grey(grey))
    found = reader.true_depth(grey)
    assert np.array_equal(found.values, read_true_depth(grey).values) and not found.in_metres
    Image.fromarray(np.full((4, 6), 3000, np.uint16)).save(grey)
    assert reader.true_depth(grey).in_metres and reader.true_depth(grey).notes
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    palette.save(grey)
    assert reader.true_mask(grey).notes == read_true_mask(grey).notes != ()
    assert reader.shows_in_browsers(photo)
    Image.open(photo).save(photo.with_suffix(".tif"))
    assert not reader.shows_in_browsers(photo.with_suffix(".tif"))
    assert not reader.shows_in_browsers(photo.with_name("missing.png"))


def test_what_is_wrong_is_said_as_without(reader: IsolatedReader, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(PictureError, match="is not a picture"):
        reader.photo(tmp_path / "text.png")
    with pytest.raises(PictureError, match="There is no picture"):
        reader.photo(tmp_path / "none.png")
    with pytest.raises(PictureError, match="MB"):
        reader.photo(tmp_path / "text.png", max_bytes=3)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """49 megapixels of one colour in a few kilobytes: 150 MB decoded."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.png"
    Image.new("RGB", (7000, 7000)).save(path, compress_level=1)
    return path


def test_memory_is_bounded(bomb: Path, photo: Path) -> None:
    reader = IsolatedReader(workers=1, memory_bytes=450 * 2**20)
    with pytest.raises(PictureError, match=r"bomb\.png"):
        reader.photo(bomb)
    assert reader.photo(photo).picture.shape == (HEIGHT, WIDTH, 3)
    reader.close()


def test_time_is_bounded(bomb: Path, photo: Path) -> None:
    reader = IsolatedReader(workers=1, wall_seconds=0.05)
    with pytest.raises(PictureError, match="too much time or memory"):
        reader.photo(bomb)
    reader.close()


@pytest.mark.slow
def test_a_photo_of_50_megapixels_passes(reader: IsolatedReader, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (612, 816, 3), np.uint8)
    photo = np.tile(noise, (10, 10, 1))
    Image.fromarray(photo).save(tmp_path / "noise.jpg", quality=90)
    assert reader.photo(tmp_path / "noise.jpg").picture.shape == photo.shape


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_process_that_computes_too_long_ends() -> None:
    program = "from depthmask.pictures import worker\nworker._limit_time(0)\nwhile True: pass"
    done = subprocess.run([sys.executable, "-c", program], timeout=60)
    assert done.returncode == -signal.SIGXCPU


@pytest.mark.skipif(shutil.which("pkill") is None, reason="there is no pkill")
def test_a_process_that_died_is_started_again(photo: Path) -> None:
    reader = IsolatedReader(workers=1)
    reader.photo(photo)
    mine = ["-P", str(os.getpid()), "-f", "depthmask.pictures.worker"]
    subprocess.run(["pkill", "-KILL", *mine], check=True)
    for _ in range(200):
        if subprocess.run(["pgrep", *mine], stdout=subprocess.DEVNULL).returncode:
            break
        time.sleep(0.01)
    assert reader.photo(photo).picture.shape == (HEIGHT, WIDTH, 3)
    reader.close()


def test_threads_share_the_processes(reader: IsolatedReader, photo: Path) -> None:
    found: list[Picture] = []
    threads = [
        threading.Thread(target=lambda: found.append(reader.photo(photo).picture)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(np.array_equal(found[0], other) for other in found)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_live_frames(reader: IsolatedReader, kind: str) -> None:
    frame = reader.frame(encoded(kind))
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(frame.astype(int) - (200, 30, 60)).max() < 12


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "PPM", "AVIF"])
def test_other_formats_are_no_live_frames(reader: IsolatedReader, kind: str) -> None:
    with pytest.raises(PictureError, match="no JPEG, PNG or WebP"):
        reader.frame(encoded(kind))


def test_frames_of_odd_sizes_are_refused(reader: IsolatedReader) -> None:
    for size in ((16, 64), (1400, 64)):
        with pytest.raises(PictureError, match="pixels"):
            reader.frame(encoded("PNG", *size))
    with pytest.raises(PictureError, match="201 scans"):
        reader.frame(encoded("JPEG")[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 200)
    with pytest.raises(PictureError):
        reader.frame(encoded("JPEG")[:200])
    with pytest.raises(PictureError):
        reader.frame(b"")
