"""Packing folders of pictures, with a teacher that is an arithmetic expression."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.data import pack as packing
from depthmask.data.packfile import ratio_from_bytes, read_pack
from depthmask.errors import PackError
from depthmask.files import fingerprint
from depthmask.pictures import Map, Picture


class RowTeacher:
    """Labels lower rows as nearer."""

    key = "rows:inverse"

    def __init__(self, specs: object, *, views: bool = False) -> None:
        self.calls = 0

    def label(self, picture: Picture, *, views: bool = True) -> Map:
        self.calls += 1
        rows = np.linspace(0, 1, picture.shape[0], dtype=np.float32)
        return np.repeat(rows[:, None], picture.shape[1], axis=1)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    foregrounds, backgrounds = tmp_path / "fg", tmp_path / "bg"
    foregrounds.mkdir()
    backgrounds.mkdir()
    cutout = np.zeros((60, 40, 4), dtype=np.uint8)
    cutout[10:50, 5:25] = (200, 50, 20, 255)
    Image.fromarray(cutout).save(foregrounds / "box_a_1.png")
    Image.new("RGB", (40, 40)).save(foregrounds / "no_alpha.png")
    (foregrounds / "broken ü.png").write_bytes(b"not a picture")
    for number in range(3):
        shade = np.linspace(0, 200 + number, 90, dtype=np.uint8)[None, :, None]
        Image.fromarray(np.broadcast_to(shade, (60, 90, 3)).copy()).save(
            backgrounds / f"room_{number}_x.jpg"
        )
    return foregrounds, backgrounds


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> RowTeacher:
    """The one that every run asks."""
    only = RowTeacher([])
    monkeypatch.setattr(packing, "Ensemble", lambda specs, views: only)
    return only


def run(folders: tuple[Path, Path], output: Path, max_mb: float = 50) -> None:
    packing.pack(*folders, [], output, side=64, max_mb=max_mb)


def test_folders_become_one_file(
    folders: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(packing, "Ensemble", RowTeacher)
    run(folders, tmp_path / "out.safetensors")
    pictures = read_pack(tmp_path / "out.safetensors")
    foregrounds, backgrounds = pictures["foregrounds"], pictures["backgrounds"]
    assert list(foregrounds.names) == ["box_a_1"]
    assert foregrounds.aspect.item() == pytest.approx(20 / 40), "cropped to the object"
    assert (foregrounds.pixels[0, 3] > 250).float().mean() > 0.95
    assert len(backgrounds.names) == 3 and backgrounds.aspect[0].item() == pytest.approx(1.5)
    assert backgrounds.labels is not None
    ratio = ratio_from_bytes(backgrounds.labels[0])
    assert abs(ratio[0].mean()) < 0.05 and abs(ratio[-1].mean() - 1) < 0.05
    said = capsys.readouterr().err
    assert "no_alpha.png" in said and "broken ü.png" in said
    assert f"\n1 cut-out from {folders[0]}, 2 left out\n" in said
    assert f"\n3 backgrounds from {folders[1]}, 0 left out\n" in said
    assert re.search(r"out\.safetensors: 0\.0\d{3,} MB at", said), "three digits that tell"


def test_measured_depth_is_the_label(
    folders: tuple[Path, Path], tmp_path: Path, teacher: RowTeacher
) -> None:
    measured = tmp_path / "measured"
    measured.mkdir()
    columns = np.linspace(4000, 1000, 90, dtype=np.uint16)
    Image.fromarray(np.broadcast_to(columns, (60, 90)).copy()).save(measured / "room_1_x.png")
    packing.pack(*folders, [], tmp_path / "out", side=64, measured=measured)
    labels = read_pack(tmp_path / "out")["backgrounds"].labels
    assert labels is not None
    ratio = ratio_from_bytes(labels)
    right, below = (ratio.diff(dim=axis).flatten(1).mean(dim=1) * 128 for axis in (2, 1))
    assert right.tolist() == pytest.approx([0, 1, 0], abs=0.1)
    assert below.tolist() == pytest.approx([1, 0, 1], abs=0.1)


def test_labels_are_made_once(
    folders: tuple[Path, Path], tmp_path: Path, teacher: RowTeacher
) -> None:
    run(folders, tmp_path / "out.safetensors")
    run(folders, tmp_path / "out.safetensors")
    assert teacher.calls == 3


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from tests.data import test_pack as tests
packing = tests.packing
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
packing.Ensemble = tests.RowTeacher
if sys.argv[1] == "label":
    np.save = lambda file, label: (file.write(b"half"), file.flush(), die())
else:
    os.replace = lambda draft, path: (
        die() if path.suffix == ".safetensors" else Path(draft).rename(path)
    )
tests.run(tuple(map(Path, sys.argv[2:4])), Path(sys.argv[4]))
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize("moment", ["label", "pack"])
def test_a_killed_pack_is_made_again(
    folders: tuple[Path, Path], tmp_path: Path, teacher: RowTeacher, moment: str
) -> None:
    whole, out = tmp_path / "whole.safetensors", tmp_path / "out" / "pack.safetensors"
    arguments = [moment, *map(str, folders), str(out)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not out.exists() and [*out.parent.rglob(".*.tmp")]
    run(folders, out)
    run(folders, whole)
    assert out.read_bytes() == whole.read_bytes()
    assert not [*out.parent.rglob(".*")]


def test_what_cannot_be_packed_is_said(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "Ensemble", RowTeacher)
    output = tmp_path / "out.safetensors"
    run(folders, output)
    before = fingerprint(output)
    with pytest.raises(PackError, match="does not fit"):
        run(folders, output, max_mb=0.0001)
    assert fingerprint(output) == before, "a pack that is there stays"
    with pytest.raises(PackError, match="no folder"):
        run((tmp_path / "nowhere", folders[1]), tmp_path / "out.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(PackError, match="no pictures"):
        run((folders[0], tmp_path / "empty"), tmp_path / "out.safetensors")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "notes.png").write_text("no picture")
    for pair in ((folders[0], tmp_path / "broken"), (tmp_path / "broken", folders[1])):
        with pytest.raises(PackError, match="None of the pictures in"):
            run(pair, tmp_path / "out.safetensors")
    with pytest.raises(PackError, match="multiple of 16"):
        packing.pack(*folders, [], tmp_path / "out.safetensors", side=50)


def test_what_is_no_pack_is_not_written_over(folders: tuple[Path, Path], tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("mine")
    with pytest.raises(PackError, match="is not packed data"):
        run(folders, notes)
    assert notes.read_text() == "mine"
    with pytest.raises(PackError, match="is a folder"):
        run(folders, tmp_path)


def test_a_label_is_of_its_own_picture_and_teacher(
    folders: tuple[Path, Path], tmp_path: Path, teacher: RowTeacher
) -> None:
    for number, path in enumerate(sorted(folders[1].iterdir())):
        Image.new("RGB", (90, 60), (40 * number, 0, 0)).save(path)
    run(folders, tmp_path / "out.safetensors")
    (folders[1] / "hall").mkdir()
    for blue, name in enumerate(("hall/room_0_x.jpg", "room_1_x.jpg"), start=1):
        Image.new("RGB", (90, 60), (0, 0, 90 * blue)).save(folders[1] / name)  # new, and replaced
    run(folders, tmp_path / "out.safetensors")
    assert teacher.calls == 5
    teacher.key = "another teacher"
    run(folders, tmp_path / "out.safetensors")
    assert teacher.calls == 9


def test_pictures_are_read_as_the_app_reads_them(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "Ensemble", RowTeacher)
    lying = Image.Exif()
    lying[0x0112] = 6  # orientation: to be turned by a quarter
    for path in folders[1].iterdir():
        path.unlink()
    Image.new("RGB", (90, 60), "red").save(folders[1] / "phone.jpg", exif=lying)
    run(folders, tmp_path / "out.safetensors")
    assert read_pack(tmp_path / "out.safetensors")["backgrounds"].aspect.item() < 1


def test_the_edge_of_an_object_keeps_its_colour(
    folders: tuple[Path, Path], tmp_path: Path, teacher: RowTeacher
) -> None:
    for path in folders[0].iterdir():
        path.unlink()
    y, x = np.mgrid[-100:100, -100:100]
    disc = np.zeros((200, 200, 4), dtype=np.uint8)  # what is transparent is black
    disc[np.hypot(x, y) < 98] = (200, 50, 20, 255)
    Image.fromarray(disc).save(folders[0] / "disc.png")
    run(folders, tmp_path / "out.safetensors")
    pixels = read_pack(tmp_path / "out.safetensors")["foregrounds"].pixels[0]
    edge = (pixels[3] > 20) & (pixels[3] < 235)
    assert edge.sum() > 50
    assert (pixels[0][edge].float() - 200).abs().max() < 25
