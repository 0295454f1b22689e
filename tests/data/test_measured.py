"""Measured depth: found beside its photos, and filled where nothing was measured."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.data.measured import find_measured, measured_label, read_measured
from depthmask.depth import align_inverse_depth
from depthmask.errors import PackError, PictureError
from depthmask.pictures import Map, Picture

SIZE = (40, 60)


def plane() -> Map:
    """A floor, in metres: 1 m at the lower edge, 4 m at the upper."""
    inverse = np.linspace(0.25, 1, SIZE[0], dtype=np.float32)
    return np.repeat(1 / inverse[:, None], SIZE[1], axis=1).astype(np.float32)


def test_what_was_not_measured_comes_of_the_teacher() -> None:
    metres = plane()
    holes = np.zeros(SIZE, dtype=bool)
    holes[10:20, 15:45] = True
    expected = measured_label(metres, np.zeros(SIZE, np.float32))
    assert abs(np.percentile(expected, 2)) < 1e-5
    assert abs(np.percentile(expected, 98) - 1) < 1e-5
    teacher = (7 / metres - 3).astype(np.float32)  # of another scale and shift
    found = measured_label(np.where(holes, 0, metres).astype(np.float32), teacher)
    assert np.abs(found - expected).max() < 0.02


def test_a_hole_has_no_border_where_the_teacher_is_wrong() -> None:
    inverse, columns = 1 / plane(), slice(20, 40)
    metres = plane()
    metres[:, columns] = 0
    teacher = inverse.astype(np.float32)
    teacher[:, columns.start - 10 : columns.stop + 10] += 0.3  # a bump that is not there
    fitted = align_inverse_depth(teacher, inverse, metres > 0)
    fitted = np.where(metres > 0, inverse, fitted) / (inverse.max() - inverse.min())
    found = measured_label(metres, teacher)
    border = [columns.start - 1, columns.stop - 1]
    steps, naive = (np.abs(np.diff(one, axis=1))[:, border] for one in (found, fitted))
    assert naive.mean() > 0.1 and steps.mean() < 0.35 * naive.mean()


def write_pair(folder: Path, name: str, depth: np.ndarray, depth_folder: Path) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (depth_folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1], "grey").save(folder / f"{name}.jpg")
    Image.fromarray(depth).save(depth_folder / f"{name}.png")


MILLIMETRES = (plane() * 1000).astype(np.uint16)


@pytest.mark.parametrize("place", ["bg", "bg/depth", "elsewhere"])
def test_depth_is_told_from_photos(place: str, tmp_path: Path) -> None:
    folder, measured = tmp_path / "bg", tmp_path / place
    write_pair(folder, "hall/room_a_1", MILLIMETRES, measured)
    Image.new("RGB", (8, 8)).save(folder / "other.png")
    photos = sorted(path for path in folder.rglob("*.*") if path.is_file())
    kept, depth = find_measured(photos, folder, measured)
    assert kept == [folder / "hall/room_a_1.jpg", folder / "other.png"]
    assert depth == {kept[0]: measured / "hall/room_a_1.png"}


def test_a_folder_without_depth_is_refused(tmp_path: Path) -> None:
    photo = tmp_path / "room.jpg"
    Image.new("RGB", (8, 8)).save(photo)
    with pytest.raises(PackError, match="no background"):
        find_measured([photo], tmp_path, tmp_path)
    with pytest.raises(PackError, match="no folder"):
        find_measured([photo], tmp_path, tmp_path / "missing")


@pytest.mark.parametrize(
    ("depth", "said"),
    [
        (MILLIMETRES[:, :-1], "59x40"),
        (np.full(SIZE, 200, np.uint8), "no millimetres"),
        (np.where(np.arange(SIZE[1]) < 3, MILLIMETRES, 0).astype(np.uint16), "a tenth"),
    ],
    ids=["size", "relative", "hardly any"],
)
def test_depth_that_cannot_be_used_is_said(depth: np.ndarray, said: str, tmp_path: Path) -> None:
    path = tmp_path / "depth.png"
    Image.fromarray(depth).save(path)
    photo: Picture = np.zeros((*SIZE, 3), dtype=np.uint8)
    with pytest.raises(PictureError, match=said):
        read_measured(path, photo)


def test_depth_is_read_in_metres(tmp_path: Path) -> None:
    path = tmp_path / "depth.png"
    Image.fromarray(MILLIMETRES).save(path)
    found = read_measured(path, np.zeros((*SIZE, 3), dtype=np.uint8))
    assert np.abs(found - plane()).max() < 0.001
