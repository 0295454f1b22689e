"""Pictures of any name: the files made of them lie in the data set, each in its own place."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.data.split import is_held_out
from depthmask.datasets.build import Folders, build
from depthmask.datasets.merge import merge
from depthmask.datasets.plan import Settings
from depthmask.datasets.reader import open_dataset
from depthmask.datasets.sources import name_key, unique_names
from depthmask.errors import DatasetError
from depthmask.files import file_name, is_file_name
from tests.datasets.sources import contents, cutout, manifest_rows, scene

SMALL = Settings(size=48, placements=1, held_out=0)
NAMES = {
    "dots only": ["...jpg", "....jpg"],
    "a leading dot": [".hidden.jpg", "hidden.jpg"],
    "a leading dash": ["-o.jpg", "--out.jpg"],
    "dots inside": ["a.b.jpg", "a.jpg", "a.b.c.jpg"],
    "dots and spaces at the end": ["a..jpg", "a .jpg"],
    "two endings": ["a.jpg", "a.png", "a-2.jpg"],
    "letters of two cases": ["Hall.jpg", "hall.jpg", "HALL.jpg"],
    "two codes of a letter": ["caf\u00e9.jpg", "cafe\u0301.jpg"],
    "templates": ["a{number}.jpg", "{}.jpg", "{0}.png", "{background}.jpg", "{.jpg", "}.jpg"],
    "printf's": ["%d.png", "%s%n.jpg", "$HOME.jpg"],
    "what shells and disks obey": ["a:b.jpg", "C:x.jpg", 'a*?"<>|.jpg', "a\\b.jpg", "nul.jpg"],
    "control characters": ["a\nb.jpg", "a\x1b[2Jb.jpg", "a,b\r.jpg"],
    "no text": [os.fsdecode(b"a\xff.jpg"), os.fsdecode(b"a\xfe.jpg")],
    "long": ["x" * 251 + ".jpg", "ß" * 125 + ".jpg"],
}

pytestmark = pytest.mark.usefixtures("rows_teacher")


def write_all(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for number, name in enumerate(names):
        Image.fromarray(scene(number)).save(folder / name, format="PNG")
    return folder


@pytest.mark.parametrize("layout", ["plain", "original"])
@pytest.mark.parametrize("kind", NAMES)
def test_a_set_has_every_file_whatever_the_names(tmp_path: Path, kind: str, layout: str) -> None:
    backgrounds = write_all(tmp_path / "bg", NAMES[kind])
    foregrounds = tmp_path / "fg"
    foregrounds.mkdir()
    for number, name in enumerate(NAMES[kind]):
        Image.fromarray(cutout(number % 3)).save(foregrounds / name, format="PNG")
    settings = Settings(size=48, placements=1, held_out=0, layout=layout)
    whole = Folders(foregrounds, backgrounds, tmp_path / "out")
    assert build(whole, settings) and build(whole, settings)
    rows = manifest_rows(whole.out)
    samples = len(NAMES[kind]) ** 2
    assert len(rows) == samples
    assert len(contents(whole.out)) == 3 * samples + len(NAMES[kind]) + 3
    found = {row[f"{one}_file"] for row in rows for one in ("image", "mask", "depth", "background")}
    assert found <= contents(whole.out).keys()
    for sample in (dataset := open_dataset(whole.out)).samples:
        pictures = dataset.read(sample)
        assert pictures.mask.max() == 1 and pictures.image.shape == (48, 48, 3)
    parts = [tmp_path / "1", tmp_path / "2"]
    for number, part in enumerate(parts, start=1):
        build(Folders(foregrounds, backgrounds, part), settings, shard=(number, 2))
    merge(parts, tmp_path / "merged")
    assert contents(tmp_path / "merged") == contents(whole.out)


def test_depth_is_not_written_over_masks(tmp_path: Path) -> None:
    backgrounds = write_all(tmp_path / "bg", ["...jpg"])
    (tmp_path / "fg").mkdir()
    Image.fromarray(cutout(0)).save(tmp_path / "fg" / "disc.png")
    build(Folders(tmp_path / "fg", backgrounds, tmp_path / "out"), SMALL)
    (row,) = manifest_rows(tmp_path / "out")
    with Image.open(tmp_path / "out" / row["mask_file"]) as mask:
        assert mask.mode == "L" and np.asarray(mask).min() == 0


def test_usual_names_stay_as_they_are() -> None:
    names = ["küche", "hall 2", "a.b", "IMG_1234 (2)", "x{number}", "-a", "100%", "größe №1"]
    assert unique_names(names) == names
    assert all(map(is_file_name, names))


def test_names_are_different_on_every_disk() -> None:
    stems = [name.rpartition(".")[0] for names in NAMES.values() for name in names] * 2
    names = unique_names(stems)
    assert len(names) == len(stems) == len({name_key(name) for name in names})
    assert all(map(is_file_name, names))
    assert max(len(name.encode()) for name in names) < 210


BAD_NAMES = ("", ".", "..", "../x", "a/b", "/etc/x", "a\\b", "C:x", "a\0b", "a\nb", "CON", "\udc80")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_leads_elsewhere_is_no_name(name: str) -> None:
    assert not is_file_name(name)
    assert is_file_name(file_name(name))


def test_shots_of_any_name_are_split() -> None:
    assert not is_held_out("a_\udcff", 0.0) and is_held_out("a_\ud800", 1.0)


def test_a_manifest_leads_nowhere_else(tmp_path: Path) -> None:
    backgrounds = write_all(tmp_path / "bg", ["yard.jpg"])
    (tmp_path / "fg").mkdir()
    Image.fromarray(cutout(0)).save(tmp_path / "fg" / "disc.png")
    out = tmp_path / "out"
    build(Folders(tmp_path / "fg", backgrounds, out), SMALL)
    text = (out / "manifest.csv").read_text("utf-8")
    for name in ("../../bg", "/etc", "..", "C:yard", "a\\b", ""):
        (out / "manifest.csv").write_text(text.replace(",yard,", f",{name},"), "utf-8")
        with pytest.raises(DatasetError, match="is damaged"):
            open_dataset(out)


def test_a_zip_leads_nowhere_else(tmp_path: Path) -> None:
    for member in ("fg_bg/../../x/1.jpg", "../fg_bg/a/1.jpg"):
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            archive.writestr(member, b"")
        with pytest.raises(DatasetError, match="holds no data set"):
            open_dataset(tmp_path / "set.zip")
