"""True masks and depth maps are read as data sets have them, or refused with the cure."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from depthmask.errors import PictureError
from depthmask.pictures import read_mask, read_true_depth, read_true_mask
from depthmask.pictures import truth as kinds

Values = npt.NDArray[Any]
VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + 252 * [7, 90, 3]
VOC[-3:] = [224, 224, 192]


def square(value: int = 1, kind: type = np.uint8, ground: int = 0) -> Values:
    values: Values = np.full((8, 12), ground, kind)
    values[2:6, 3:9] = value
    return values


def palette(indices: Values, colours: list[int]) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette(colours)
    return image


def rgba(colour: tuple[int, ...], alpha: Values) -> Image.Image:
    image = Image.new("RGB", alpha.shape[::-1], colour)
    image.putalpha(Image.fromarray(alpha))
    return image


def coloured(*colours: tuple[int, int, int]) -> Image.Image:
    """Stripes of colours on the square's place, the first around it."""
    values = np.full((8, 12, 3), colours[0], np.uint8)
    for number, colour in enumerate(colours[1:]):
        values[2:6, 3 + number : 9] = colour
    return Image.fromarray(values)


PLAIN: dict[str, tuple[Image.Image | Values, str]] = {
    "palette": (palette(square(), VOC), kinds.PALETTE),
    "grey palette": (palette(square(255), list(np.repeat(range(256), 3))), ""),
    "palette whose first colour is the object's": (
        palette(1 - square(), [200, 30, 30, 0, 0, 0]),
        kinds.COLOURS,
    ),
    "white with alpha": (rgba((255, 255, 255), square(255)), kinds.ALPHA),
    "black with alpha": (rgba((0, 0, 0), square(255)), kinds.ALPHA),
    "alpha of 0 and 1": (rgba((255, 255, 255), square(1)), kinds.ALPHA),
    "mask with full alpha": (Image.fromarray(square(255)).convert("RGBA"), ""),
    "colours": (coloured((0, 0, 0), (128, 0, 0), (0, 128, 0), (255, 0, 0)), kinds.COLOURS),
    "0 and 1": (Image.fromarray(square(1)), kinds.ONE_VALUE.format(1)),
    "0 and 1 in 16 bits": (Image.fromarray(square(1, np.uint16)), kinds.ONE_VALUE.format(1)),
    "0 and 255 in 16 bits": (Image.fromarray(square(255, np.uint16)), kinds.SIXTEEN_BITS),
    "16 bits": (Image.fromarray(square(65535, np.uint16)), ""),
    "12 bits in 16": (Image.fromarray(square(4095, np.uint16)), kinds.ONE_VALUE.format(4095)),
    "one class": (Image.fromarray(square(50)), kinds.ONE_VALUE.format(50)),
    "ids in one dark channel": (coloured((0, 0, 0), (1, 0, 0), (2, 0, 0)), kinds.COLOURS),
    "a palette of one colour": (palette(square(), 768 * [0]), kinds.PALETTE),
    "booleans": (square(1).astype(bool), ""),
    "shares": (square(1, np.float32), ""),
    "floats up to 255": (square(255, np.float32), ""),
    "shares in a picture": (Image.fromarray(square(1, np.float32)), ""),
    "half floats": (square(1, np.float16), ""),
    "64-bit integers": (square(1, np.int64), kinds.ONE_VALUE.format(1)),
}


def save(folder: Path, what: Image.Image | Values) -> Path:
    if not isinstance(what, Image.Image):
        np.save(folder / "a.npy", what)
        return folder / "a.npy"
    path = folder / ("a.tif" if what.mode == "F" else "a.png")
    what.save(path)
    return path


@pytest.mark.parametrize("kind", PLAIN)
def test_what_is_plain_is_read(tmp_path: Path, kind: str) -> None:
    what, note = PLAIN[kind]
    found = read_true_mask(save(tmp_path, what))
    assert found.labels.dtype == np.uint8
    assert np.array_equal(found.labels, square(255))
    assert found.notes == ((note,) if note else ())


def test_classes_and_their_void(tmp_path: Path) -> None:
    values = square(15)
    values[2, 3:9] = 255
    values[3, 3] = 7
    for what in (Image.fromarray(values), palette(values, VOC)):
        labels = read_true_mask(save(tmp_path, what)).labels
        expected = square(255)
        expected[2, 3:9] = 170
        assert np.array_equal(labels, expected)


def test_labels_of_cdnet_stay(tmp_path: Path) -> None:
    for values in ([[0, 50, 85, 170, 255]], [[0, 85, 85]], [[0, 170, 0]], [[0, 0, 0]]):
        found = read_true_mask(save(tmp_path, Image.fromarray(np.array(values, np.uint8))))
        assert found.labels.tolist() == values and found.notes == ()


def test_soft_masks_stay_soft(tmp_path: Path) -> None:
    soft = np.linspace(0, 255, 96).astype(np.uint8).reshape(8, 12)
    assert np.array_equal(read_true_mask(save(tmp_path, Image.fromarray(soft))).labels, soft)
    labels = read_true_mask(save(tmp_path, rgba((255, 255, 255), soft))).labels
    assert np.abs(labels.astype(int) - soft).max() <= 1
    assert not np.isin(labels, (85, 170)).any(), "a share is no label"


def test_a_cutout_is_a_mask(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, 12, 3)).astype(np.uint8)
    image = Image.fromarray(noise)
    image.putalpha(Image.fromarray(square(255)))
    assert np.array_equal(read_mask(save(tmp_path, image)), square() > 0)


def test_grey_with_alpha_is_laid_on_black(tmp_path: Path) -> None:
    grey = np.full((8, 12), 255, np.uint8)
    grey[:, :6] = 0
    image = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(square(255))))
    expected = square(255)
    expected[:, :6] = 0
    assert np.array_equal(read_true_mask(save(tmp_path, image)).labels, expected)


REFUSED: dict[str, tuple[Image.Image | Values, str]] = {
    "no pixel reaches half": (np.arange(96, dtype=np.uint8).reshape(8, 12), "half of full scale"),
    "instances": (np.array([[0, 1001, 2001]], np.uint16), "half of full scale"),
    "colours without black": (coloured((90, 0, 0), (0, 200, 9)), "in colour"),
    "a photo": (
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)),
        "in colour",
    ),
    "classes above those of COCO": (np.array([[0, 18, 200]], np.uint8), "classes or shares"),
    "more classes than void": (
        np.array([[0, 18, 18, 120, 255]], np.uint8),
        "3 values, which may be classes",
    ),
    "a trimap of 1, 2 and 3": (np.array([[1, 2, 2, 3]], np.uint8), "no 0, which would be"),
    "1 all over": (np.ones((3, 4), np.uint8), "holds 1 all over"),
    "small shares": (square(1, np.float32) * np.float32(0.3), "half of full scale"),
    "numbers beyond all types": (np.array([[0, 1e300]]), r"values up to 1e\+300"),
    "no numbers": (np.array([[0, np.nan]]), "none at all"),
    "large floats": (np.array([[0, 1e9]]), "values up to"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_plain_is_refused_with_the_cure(tmp_path: Path, kind: str) -> None:
    what, words = REFUSED[kind]
    with pytest.raises(PictureError, match=rf"{words}.*; save the mask with 255 where"):
        read_true_mask(save(tmp_path, what))


def test_a_few_low_values_beside_white_are_no_classes(tmp_path: Path) -> None:
    values = square(255)
    values[0, :3] = 7
    assert np.array_equal(read_true_mask(save(tmp_path, Image.fromarray(values))).labels, values)


def test_small_coloured_objects_are_all_seen(tmp_path: Path) -> None:
    colours = np.zeros((100, 120, 3), np.uint8)
    colours[4:8, 5:9], colours[40:44, 50:54] = (255, 0, 0), (255, 255, 0)
    found = read_mask(save(tmp_path, Image.fromarray(colours)))
    assert np.array_equal(found, colours.any(axis=2))


def test_what_jpeg_adds_is_no_class(tmp_path: Path) -> None:
    values = np.zeros((96, 96), np.uint8)
    values[48:50, 20:80] = 255
    noisy = values.copy()
    noisy[40:48, 16:88] = 3  # of more pixels than the object
    for quality in (60, 95):
        Image.fromarray(noisy).save(tmp_path / "a.jpg", quality=quality)
        found = read_true_mask(tmp_path / "a.jpg")
        assert found.notes == () and ((found.labels > 127) != (values > 0)).mean() < 0.01
    Image.fromarray(values // 17).save(tmp_path / "a.jpg", quality=60)
    with pytest.raises(PictureError, match="half of full scale"):
        read_true_mask(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(5),
        np.zeros((2, 3, 4)),
        np.array([["a"]]),
        np.array([[{}]], object),
        np.zeros((0, 4)),
        np.zeros((2, 2), complex),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path: Path, array: Values) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    for read in (read_true_mask, read_true_depth):
        with pytest.raises(PictureError, match=r"a\.npy (holds|is damaged)"):
            read(tmp_path / "a.npy")


def test_an_array_that_claims_more_than_it_has(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((9, 9)))
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(9, 9)", b"(9, 9L"))  # a bracket too few
    with pytest.raises(PictureError, match="damaged"):
        read_true_depth(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(content.replace(b"(9, 9)", b"(9999, 9999)"[:6]))
    for cut in (content[:100], content[:8], content.replace(b"(9, 9), ", b"(9,9**9)")):
        (tmp_path / "a.npy").write_bytes(cut)
        with pytest.raises(PictureError, match="damaged or holds no numbers"):
            read_true_depth(tmp_path / "a.npy")


MILLIMETRES = np.linspace(500, 8000, 96).astype(np.uint16).reshape(8, 12)
DEPTHS: dict[str, tuple[Image.Image | Values, bool]] = {
    "millimetres": (Image.fromarray(MILLIMETRES), True),
    "float metres": ((MILLIMETRES / 1000).astype(np.float32), True),
    "float millimetres": (MILLIMETRES.astype(np.float64), True),
    "float metres in a picture": (Image.fromarray((MILLIMETRES / 1000).astype(np.float32)), True),
    "16-bit relative": (Image.fromarray(MILLIMETRES * 8), False),
    "8-bit relative": (Image.fromarray((MILLIMETRES // 32).astype(np.uint8)), False),
    "half floats": ((MILLIMETRES / 1000).astype(np.float16), True),
    "float relative": (MILLIMETRES / 8000, False),
}


@pytest.mark.parametrize("kind", DEPTHS)
def test_metres_are_told_from_relative_depth(tmp_path: Path, kind: str) -> None:
    what, in_metres = DEPTHS[kind]
    found = read_true_depth(save(tmp_path, what))
    assert found.in_metres == in_metres and bool(found.notes) == in_metres
    scale = 1 if in_metres else 1 / float(found.values.max())
    expected = MILLIMETRES / (1000 if in_metres else 8000)
    assert np.abs(found.values * scale - expected).max() < 0.01


@pytest.mark.parametrize(
    "values",
    [np.arange(256).astype(np.uint16), np.array([True, False]), np.arange(0, 90000, 900)],
)
def test_whole_numbers_that_are_no_depth_are_refused(tmp_path: Path, values: Values) -> None:
    with pytest.raises(PictureError, match="which are no depth in 16 bits; save millimetres"):
        read_true_depth(save(tmp_path, values[None]))


def test_depth_that_is_too_large_for_a_float_is_unknown(tmp_path: Path) -> None:
    found = read_true_depth(save(tmp_path, np.array([[1.5, 1e300, -1e300, np.inf]])))
    assert found.values.tolist() == [[1.5, 0, 0, 0]]


def test_a_camera_may_write_a_few_values_that_are_none(tmp_path: Path) -> None:
    values = np.tile(MILLIMETRES, (4, 4))
    values[0, :5], values[1, :9] = 65535, 0
    found = read_true_depth(save(tmp_path, Image.fromarray(values)))
    assert found.in_metres and found.values[1, 0] == 0 == found.values[0, 0]
    values[:9] = 65535  # what a camera did not measure, in a third of the picture
    found = read_true_depth(save(tmp_path, Image.fromarray(values)))
    assert found.in_metres and not found.values[:9].any() and found.values[9:].all()
    floats = np.where(values > 0, values / 1000, np.nan)
    floats[0, :5] = np.inf
    found = read_true_depth(save(tmp_path, floats))
    assert found.in_metres and not found.values[0, :5].any() and np.isfinite(found.values).all()
