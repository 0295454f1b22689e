"""Pictures come in upright and as RGB, or with one sentence; maps survive the way out and in."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask import pictures
from depthmask.pictures import PictureError


def test_a_photo_is_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (5, 3), (10, 20, 30)).save(tmp_path / "a.png")
    photo = pictures.read_picture(tmp_path / "a.png")
    assert photo.shape == (3, 5, 3) and photo.dtype == np.uint8
    assert photo[0, 0].tolist() == [10, 20, 30]


def test_a_photo_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate clockwise to see it right
    sideways = Image.new("RGB", (40, 20))
    sideways.paste((255, 255, 255), (0, 0, 20, 20))
    sideways.save(tmp_path / "a.jpg", exif=exif)
    photo = pictures.read_picture(tmp_path / "a.jpg")
    assert photo.shape == (40, 20, 3)
    assert photo[5].mean() > 250 and photo[-5].mean() < 5


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.new("L", (4, 4), 255).convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        image = Image.fromarray(np.full((4, 4), 65535, np.uint16))
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    assert (pictures.read_picture(path) == 255).all()


def test_sixteen_bits_of_grey_keep_their_steps(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 0x4000, 0x8000, 0xFFFF]], np.uint16)).save(tmp_path / "a.png")
    assert pictures.read_picture(tmp_path / "a.png")[0, :, 0].tolist() == [0, 64, 128, 255]


def test_transparent_pixels_do_not_show_what_they_hide(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (pictures.read_picture(tmp_path / "a.png") == 128).all()


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=b"\x00\xff")
    photo = pictures.read_picture(tmp_path / "a.png")
    assert photo[0].tolist() == [[128, 128, 128], [0, 255, 0]]


@pytest.mark.parametrize("values", [np.array([[0, 127, 128, 255]], np.uint8)])
def test_a_mask_is_cut_at_half(tmp_path: Path, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / "a.png")
    assert pictures.read_mask(tmp_path / "a.png").tolist() == [[False, False, True, True]]


def test_depth_survives_sixteen_bits(tmp_path: Path) -> None:
    depth = np.linspace(0, 1, 999, dtype=np.float32).reshape(27, 37)
    pictures.write_depth(tmp_path / "a.png", depth)
    assert np.abs(pictures.read_true_depth(tmp_path / "a.png") - depth).max() < 1e-5
    assert pictures.read_grey(tmp_path / "a.png").dtype == np.uint16


def test_true_depth_of_eight_bits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "a.png")
    assert pictures.read_true_depth(tmp_path / "a.png").tolist() == [[0, 1]]


def test_mask_and_cutout_survive(tmp_path: Path) -> None:
    mask = np.array([[0, 0.5, 1]], np.float32)
    pictures.write_mask(tmp_path / "mask.png", mask)
    assert pictures.read_grey(tmp_path / "mask.png").tolist() == [[0, 128, 255]]
    cutout = np.array([[[1, 2, 3, 0], [4, 5, 6, 255]]], np.uint8)
    pictures.write_cutout(tmp_path / "cutout.png", cutout)
    with Image.open(tmp_path / "cutout.png") as image:
        assert image.mode == "RGBA" and np.array_equal(np.array(image), cutout)


def spoil(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not a picture\n" * 100)
    elif kind == "cut short":
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(noise).save(path, format="JPEG")
        path.write_bytes(path.read_bytes()[:1500])
    elif kind == "damaged":
        Image.new("RGB", (64, 64)).save(path, format="PNG")
        content = bytearray(path.read_bytes())
        content[45:60] = b"\xff" * 15
        path.write_bytes(bytes(content))


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "cut short", "damaged"])
def test_what_is_no_picture_gets_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "holiday.jpg"
    spoil(path, kind)
    for read in (pictures.read_picture, pictures.read_mask, pictures.read_true_depth):
        with pytest.raises(PictureError, match=r"holiday\.jpg") as caught:
            read(path)
        message = str(caught.value)
        assert "\n" not in message and message.endswith(".")


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    Image.new("F", (2, 2)).save(tmp_path / "a.tif")
    for read in (pictures.read_picture, pictures.read_true_depth):
        with pytest.raises(PictureError, match="8 or 16 bits"):
            read(tmp_path / "a.tif")


def test_what_cannot_be_written_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="choose another folder"):
        pictures.write_mask(tmp_path / "missing" / "a.png", np.zeros((2, 2), np.float32))


def test_sizes_are_compared() -> None:
    pictures.check_size(np.zeros((2, 3)), np.zeros((2, 3, 3)), "The mask")
    with pytest.raises(PictureError, match="The mask is 3x2 pixels, its image is 2x3"):
        pictures.check_size(np.zeros((2, 3)), np.zeros((3, 2, 3)), "The mask")
