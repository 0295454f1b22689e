"""Folders of pictures as people have them: what cannot be used is told, and the rest goes on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.cli.main import main
from depthmask.datasets.sources import (
    SourcePicture,
    read_backgrounds,
    read_cutouts,
    read_square_background,
)
from depthmask.errors import DatasetError
from tests.datasets.sources import cutout, manifest_rows, scene, write_folders

SIDE = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good cut-out, the object 40 pixels high and 35 wide."""
    (tmp_path / "fg").mkdir()
    Image.fromarray(cutout(0)).save(tmp_path / "fg" / "good.png")
    return tmp_path / "fg"


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def write_bad(folder: Path) -> dict[str, str]:
    """Files that cannot be used, and what is to be said of each."""
    pixels = cutout(1)
    Image.fromarray(pixels[..., :3]).save(folder / "no alpha.png")
    Image.fromarray(pixels[..., :3]).save(folder / "photo.jpg")
    Image.fromarray(pixels[..., :3]).convert("CMYK").save(folder / "inks.tif")
    Image.fromarray(pixels[..., :3]).convert("P").save(folder / "palette.gif")
    empty, full = pixels.copy(), pixels.copy()
    empty[..., 3], full[..., 3] = 0, 255
    Image.fromarray(empty).save(folder / "leer – ø.png")
    Image.fromarray(full).save(folder / "full.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 50, 4), np.uint8)).save(
        folder / "short.png"
    )
    cut_short(folder / "short.png")
    (folder / "text.png").write_text("no picture")
    (folder / "nothing.png").write_bytes(b"")
    return {
        **dict.fromkeys(
            ("no alpha.png", "photo.jpg", "inks.tif", "palette.gif"), "has no alpha channel"
        ),
        "leer – ø.png": "is transparent all over",
        "full.png": "is opaque all over",
        "short.png": "is damaged or cut short",
        "text.png": "is not a picture",
        "nothing.png": "is damaged or cut short",
    }


@pytest.mark.usefixtures("rows_teacher")
def test_bad_cutouts_are_told_and_the_rest_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = write_bad(folder)
    (folder / "notes.txt").write_text("no picture, and not taken for one")
    _, backgrounds = write_folders(tmp_path / "good")
    (backgrounds / "schaden.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    arguments = ["--foregrounds", str(folder), "--backgrounds", str(backgrounds)]
    out = tmp_path / "out"
    assert main(["build", *arguments, "--out", str(out), "--size", "48", "--placements", "2"]) == 0
    lines = capsys.readouterr().err.splitlines()
    told = [line for line in lines if line.startswith("Left out: ")]
    for name, reason in bad.items():
        (line,) = (line for line in told if str(folder / name) in line)
        assert reason in line and line.endswith("."), line
    assert len(told) == len(bad) + 1 and "schaden.png" in told[-1]
    assert f"1 cut-out from {folder}, {len(bad)} left out" in lines
    assert lines[-1].endswith(f"6 composites; {len(bad) + 1} files left out, see above.")
    assert {row["cutout"] for row in manifest_rows(out)} == {"good"}


def write_good(folder: Path) -> None:
    """The same object in every kind of file that can hold one."""
    pixels = cutout(0)
    picture = Image.fromarray(pixels)
    picture.save(folder / "webp, ohne Verlust.webp", lossless=True)
    picture.save(folder / "großes Ding №1.tiff")
    picture.quantize(256, method=Image.Quantize.FASTOCTREE).save(folder / "palette.png")
    grey_alpha = picture.convert("LA")
    grey_alpha.save(folder / "grey.png")
    turned = Image.fromarray(np.rot90(pixels).copy())  # shown upright by its orientation
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "turned.png", exif=exif)
    large = picture.resize((1000, 1200), Image.Resampling.NEAREST)
    (folder / "a folder").mkdir()
    large.save(folder / "a folder" / "larger than the background.png")
    write_sixteen_bits(folder / "deep.png", pixels)


def write_sixteen_bits(path: Path, pixels: np.ndarray) -> None:
    """Pillow writes no 16-bit colours."""
    import cv2

    done = cv2.imwrite(str(path), cv2.cvtColor(pixels.astype(np.uint16) * 257, cv2.COLOR_RGBA2BGRA))
    assert done


def test_every_kind_of_cutout_is_read_alike(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_good(folder)
    found = read_cutouts(folder, longest=SIDE, held_out=0)
    assert found.left_out == 0 and "Left out" not in capsys.readouterr().err
    levels = dict(zip((s.name for s in found.sources), found.pool.levels[0].numpy(), strict=True))
    assert len(levels) == 8
    wanted = levels["good"].astype(int)
    for name, pixels in levels.items():
        assert pixels.shape == (4, SIDE, SIDE)
        difference = np.abs(pixels.astype(int) - wanted)
        channels = slice(3, 4) if name == "grey" else slice(0, 4)
        assert difference[channels].mean() < 6, name
    aspects = found.pool.aspect.numpy()
    assert np.allclose(aspects, aspects[0], rtol=0.01), "turned upright, and cropped"


def test_names_that_only_differ_in_case_or_folder_stay_apart(folder: Path) -> None:
    for place in ("a", "b"):
        (folder / place).mkdir()
        Image.fromarray(cutout(2)).save(folder / place / "Good.png")
    names = [source.name for source in read_cutouts(folder, longest=SIDE, held_out=0).sources]
    assert len({name.casefold() for name in names}) == 3


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no picture")
    (tmp_path / "file").write_text("no folder")
    for name, message in (
        ("missing", "There is no folder at"),
        ("file", "There is no folder at"),
        ("empty", "holds no .* that can be used; give another folder"),
    ):
        with pytest.raises(DatasetError, match=message):
            read_cutouts(tmp_path / name, longest=SIDE, held_out=0)
        with pytest.raises(DatasetError, match=message):
            read_backgrounds(tmp_path / name, held_out=0)


def test_backgrounds_of_every_kind(tmp_path: Path) -> None:
    picture = Image.fromarray(scene(0))
    picture.convert("CMYK").save(tmp_path / "inks.jpg")
    picture.convert("P").save(tmp_path / "palette.png")
    picture.convert("L").save(tmp_path / "grau, groß.png")
    picture.resize((8, 6)).save(tmp_path / "smaller than the composites.png")
    found, left_out = read_backgrounds(tmp_path, held_out=0)
    assert (len(found), left_out) == (4, 0)


def test_pictures_are_found_by_content_and_others_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("a.jfif", "b.jpe", "c", "d.backup", "e.png")):
        Image.fromarray(scene(number)).save(tmp_path / name, "PNG" if number > 2 else "JPEG")
    for name in ("notes.txt", "labels.json", "Thumbs.db", "clip.mp4", ".DS_Store", "._a.jpg"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypisom, and no picture")
    sources, left_out = read_backgrounds(tmp_path, held_out=0.2)
    assert {source.file for source in sources} == {"a.jfif", "b.jpe", "c", "d.backup", "e.png"}
    assert left_out == 0
    said = capsys.readouterr().err
    assert "passed over 4 files (Thumbs.db, clip.mp4, labels.json, …), no picture" in said


def test_a_background_is_cropped_at_its_middle(tmp_path: Path) -> None:
    columns = np.arange(60, dtype=np.uint8)[None, :, None]
    Image.fromarray(np.tile(columns, (40, 1, 3))).save(tmp_path / "wide.png")
    source = SourcePicture("wide", "wide.png", 0, "train")
    pixels, _ = read_square_background(tmp_path, source, 40)
    assert (pixels == np.arange(10, 50)[None, :, None]).all()


def test_colours_under_transparent_pixels_do_not_show(tmp_path: Path) -> None:
    levels = []
    for hidden in (0, 255):
        pixels = cutout(0)
        pixels[pixels[..., 3] == 0, :3] = hidden
        folder = tmp_path / str(hidden)
        folder.mkdir()
        Image.fromarray(np.pad(pixels, ((0, 9), (0, 9), (0, 0)))).save(folder / "one.png")
        levels.append(read_cutouts(folder, longest=SIDE, held_out=0).pool.levels[0])
    assert (levels[0] == levels[1]).all()
