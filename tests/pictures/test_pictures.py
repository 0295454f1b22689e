"""Pictures come in upright and as sRGB, or with one sentence; maps survive the way out and in."""

import io
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin

from depthmask import pictures
from depthmask.errors import PictureError
from depthmask.pictures import Picture, read_mask, read_photo, read_true_depth
from depthmask.pictures.decode import NO_END
from depthmask.pictures.read import FEW_BITS
from tests.pictures.profiles import ADOBE_GAMMA, ADOBE_RGB, grey_profile, rgb_profile

TURNED = Path(__file__).parent / "files" / "turned.heic"
FORMATS = ["jpg", "png", "webp", "tif", "avif", "gif", "bmp", "ppm"]


def scene(height: int = 48, width: int = 64) -> Picture:
    """A light strip over a red and a blue half: every way of turning it looks different."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2], picture[:, width // 2 :] = (200, 40, 30), (30, 60, 200)
    picture[: height // 6] = 240
    return picture


def distance(one: Picture, other: Picture) -> float:
    """Mean difference in levels: under 5 for the same scene, lossy or not."""
    assert one.shape == other.shape and one.dtype == other.dtype
    return float(np.abs(one.astype(float) - other).mean())


def test_a_photo_is_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (5, 3), (10, 20, 30)).save(tmp_path / "a.png")
    photo = pictures.read_picture(tmp_path / "a.png")
    assert photo.shape == (3, 5, 3) and photo.dtype == np.uint8
    assert photo[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(scene()).save(tmp_path / f"a.{suffix}")
    photo = pictures.read_photo(tmp_path / f"a.{suffix}")
    assert distance(photo.picture, scene()) < 5
    assert photo.notes == ()
    assert photo.picture.flags.writeable


def test_heic_is_read_upright() -> None:
    photo = pictures.read_photo(TURNED)
    assert distance(photo.picture, np.rot90(scene(), -1)) < 5
    assert photo.notes == ()


def test_heic_without_its_decoder_names_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"pip install -r requirements\.txt"):
        pictures.read_picture(TURNED)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_upright(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = Image.fromarray(scene())
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that undoes the reader's
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(back[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif)
    assert distance(pictures.read_picture(tmp_path / f"a.{suffix}"), scene()) < 5


def test_metadata_that_cannot_be_parsed_does_no_harm(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xffjunk")
    assert distance(pictures.read_picture(tmp_path / "a.jpg"), scene()) < 5


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


def test_sixteen_bits_of_colour(tmp_path: Path) -> None:
    deep = scene().astype(np.uint16) * 257
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), deep[..., ::-1])
        assert np.array_equal(pictures.read_picture(tmp_path / name), scene())


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_true_depth_keeps_sixteen_bits(tmp_path: Path, suffix: str, channels: int) -> None:
    values = np.arange(0, 65536, 17, dtype=np.uint16)[:3840].reshape(60, 64)
    stacked = np.dstack(
        [values] * min(channels, 3) + [np.full_like(values, 65535)] * (channels > 3)
    )
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), stacked)
    assert np.array_equal(pictures.read_grey(tmp_path / f"a.{suffix}"), values)
    depth = pictures.read_true_depth(tmp_path / f"a.{suffix}").values
    assert np.array_equal(depth, values.astype(np.float32) / np.float32(65535))


def test_sixteen_bits_of_colour_are_upright(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000
    plain = cv2.imencode(".png", np.dstack([values] * 3))[1].tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    end_of_header = 33
    chunk = png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "a.png").write_bytes(plain[:end_of_header] + chunk + plain[end_of_header:])
    assert np.array_equal(pictures.read_grey(tmp_path / "a.png"), np.rot90(values, -1))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def test_a_profile_is_converted(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(
        tmp_path / "a.png", icc_profile=rgb_profile(ADOBE_RGB, ADOBE_GAMMA)
    )
    photo = pictures.read_photo(tmp_path / "a.png")
    assert photo.notes == ("The colours were converted from the embedded profile to sRGB.",)
    expected = to_srgb((scene() / 255) ** ADOBE_GAMMA @ np.array(ADOBE_RGB))
    assert np.abs(photo.picture - expected).max() <= 2
    assert distance(photo.picture, scene()) > 2


def to_srgb(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """XYZ at D50, (..., 3), to sRGB in [0, 255]. IEC 61966-2-1, primaries adapted to D50."""
    primaries = [
        [0.43607, 0.22249, 0.01392],
        [0.38515, 0.71687, 0.09708],
        [0.14307, 0.06061, 0.7141],
    ]
    linear = np.clip(xyz @ np.linalg.inv(np.array(primaries)), 0, 1)
    return 255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_a_profile_of_srgb_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(scene()).save(tmp_path / "a.png", icc_profile=profile)
    photo = pictures.read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.picture, scene()) and photo.notes == ()


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile(tmp_path: Path, mode: str) -> None:
    grey = Image.new("L", (2, 2), 100).convert(mode)
    grey.save(tmp_path / "a.png", icc_profile=grey_profile(1.0))
    photo = pictures.read_photo(tmp_path / "a.png")
    assert np.abs(photo.picture.astype(int) - 168).max() <= 1  # 100 / 255 of the light
    assert pictures.read_grey(tmp_path / "a.png").tolist() == [[100, 100], [100, 100]]


def test_a_profile_and_transparency(tmp_path: Path) -> None:
    glass = np.dstack([scene(), np.full(scene().shape[:2], 255, np.uint8)])
    glass[:24, :, 3] = 0
    profile = rgb_profile(ADOBE_RGB, ADOBE_GAMMA)
    Image.fromarray(glass).save(tmp_path / "a.png", icc_profile=profile)
    photo = pictures.read_photo(tmp_path / "a.png")
    assert (photo.picture[:24] == 128).all()
    expected = to_srgb((scene()[24:] / 255) ** ADOBE_GAMMA @ np.array(ADOBE_RGB))
    assert np.abs(photo.picture[24:] - expected).max() <= 2
    assert len(photo.notes) == 2


@pytest.mark.parametrize("profile", [b"junk", b"\0" * 200, rgb_profile(ADOBE_RGB, 1)[:150]])
def test_a_bad_profile_is_left_out(tmp_path: Path, profile: bytes) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.png", icc_profile=profile)
    photo = pictures.read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.picture, scene())
    assert photo.notes == ("The embedded colour profile cannot be used and was left out.",)


def test_inks_without_a_profile_are_said_to_be_approximate(tmp_path: Path) -> None:
    inks = Image.fromarray(scene()).convert("CMYK")
    for name in ("a.tif", "a.jpg"):
        inks.save(tmp_path / name)
        photo = pictures.read_photo(tmp_path / name)
        assert distance(photo.picture, scene()) < 8
        assert len(photo.notes) == 1 and "CMYK" in photo.notes[0]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif", "tif"])
def test_of_several_pictures_the_first_is_taken(tmp_path: Path, suffix: str) -> None:
    first, second = Image.fromarray(scene()), Image.new("RGB", (64, 48), (0, 255, 0))
    first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
    photo = pictures.read_photo(tmp_path / f"a.{suffix}")
    assert distance(photo.picture, scene()) < 5
    said = "several pictures" if suffix == "tif" else "animated"
    assert len(photo.notes) == 1 and said in photo.notes[0]


def test_the_preview_that_a_camera_adds_is_no_animation(tmp_path: Path) -> None:
    photo, preview = Image.fromarray(scene()), Image.fromarray(scene()[::4, ::4])
    photo.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
    read = pictures.read_photo(tmp_path / "a.jpg")
    assert distance(read.picture, scene()) < 5 and read.notes == ()


def test_transparency_is_told_where_there_is_some(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (255, 0, 0, 255)).save(tmp_path / "solid.png")
    Image.new("RGBA", (2, 2), (255, 0, 0, 254)).save(tmp_path / "glass.png")
    assert pictures.read_photo(tmp_path / "solid.png").notes == ()
    note = "The transparent parts were laid on grey."
    assert pictures.read_photo(tmp_path / "glass.png").notes == (note,)


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


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_mask_of_one_bit_is_a_mask(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(np.array([[False, True]])).save(tmp_path / f"a.{suffix}")
    assert pictures.read_mask(tmp_path / f"a.{suffix}").tolist() == [[False, True]]


def test_depth_survives_sixteen_bits(tmp_path: Path) -> None:
    depth = np.linspace(0, 1, 999, dtype=np.float32).reshape(27, 37)
    pictures.write_depth(tmp_path / "a.png", depth)
    assert np.abs(pictures.read_true_depth(tmp_path / "a.png").values - depth).max() < 1e-5
    assert pictures.read_grey(tmp_path / "a.png").dtype == np.uint16


def test_true_depth_of_eight_bits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "a.png")
    assert pictures.read_true_depth(tmp_path / "a.png").values.tolist() == [[0, 1]]


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


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif", "heic", "bmp"])
def test_every_format_cut_short(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "heic":
        path.write_bytes(TURNED.read_bytes())
    else:
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
        Image.fromarray(noise).save(path)
    content = path.read_bytes()
    for length in (20, len(content) // 2, len(content) - 60):
        path.write_bytes(content[:length])
        with pytest.raises(PictureError, match=rf"a\.{suffix} "):
            pictures.read_picture(path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "x" * 300 + ".png", "a.png/b.png"])
def test_impossible_names_get_one_sentence(tmp_path: Path, name: str) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(PictureError, match="check the path") as caught:
        pictures.read_picture(str(tmp_path / name) if "\0" not in name else name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert not pictures.shows_in_browsers(name)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PictureError, match="is not a file"):
        pictures.read_picture(tmp_path / "pipe")


@pytest.mark.parametrize(("width", "height"), [(10_000, 5_034), (12_000, 10_000), (60_000, 60_000)])
def test_too_many_pixels_are_told_from_the_header(tmp_path: Path, width: int, height: int) -> None:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"")
    (tmp_path / "a.png").write_bytes(content)  # were it decoded, it would be called damaged
    with pytest.raises(PictureError, match="make it smaller"):
        pictures.read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif", "gif"])
def test_a_bomb_is_not_decoded(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthmask.pictures.decode.MAX_PIXELS", 64 * 48 - 1)
    Image.fromarray(scene()).save(tmp_path / f"a.{suffix}")

    def explode(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", explode)
    with pytest.raises(PictureError, match="64 x 48 pixels"):
        pictures.read_picture(tmp_path / f"a.{suffix}")


def test_a_forged_heic_is_not_decoded(tmp_path: Path) -> None:
    size, forged = struct.pack(">II", 64, 64), struct.pack(">II", 60_000, 60_000)
    content = TURNED.read_bytes()
    assert content.count(b"ispe\0\0\0\0" + size) == 1
    (tmp_path / "a.heic").write_bytes(content.replace(size, forged))
    with pytest.raises(PictureError, match=r"a\.heic "):
        pictures.read_picture(tmp_path / "a.heic")


def test_large_files_are_refused_where_asked(tmp_path: Path) -> None:
    Image.fromarray(scene()).save(tmp_path / "a.bmp")
    assert pictures.read_picture(tmp_path / "a.bmp", max_bytes=10_000).shape == (48, 64, 3)
    with pytest.raises(PictureError, match=r"has 0\.00927 MB, and at most 0\.009 MB"):
        pictures.read_picture(tmp_path / "a.bmp", max_bytes=9_000)


def test_what_browsers_show(tmp_path: Path) -> None:
    for suffix in FORMATS:
        Image.fromarray(scene()).save(tmp_path / f"a.{suffix}")
        shown = suffix not in ("tif", "ppm")
        assert pictures.shows_in_browsers(tmp_path / f"a.{suffix}") == shown, suffix
        exif = Image.Exif()
        exif[0x0112] = 6
        if suffix in ("jpg", "webp", "png"):  # Chromium turns no WebP
            Image.fromarray(scene()).save(tmp_path / f"a.{suffix}", exif=exif)
            assert pictures.shows_in_browsers(tmp_path / f"a.{suffix}") == (suffix == "jpg")
    assert not pictures.shows_in_browsers(TURNED)
    assert not pictures.shows_in_browsers(tmp_path / "missing.png")
    (tmp_path / "text.png").write_text("no picture")
    assert not pictures.shows_in_browsers(tmp_path / "text.png")


def test_formats_that_run_programs_are_not_opened(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.fromarray(scene()).save(content, format="EPS")
    (tmp_path / "a.png").write_bytes(content.getvalue())
    with pytest.raises(PictureError, match="not a picture that can be read"):
        pictures.read_picture(tmp_path / "a.png")


def test_what_phones_call_50_megapixels_is_read(tmp_path: Path) -> None:
    for size in ((8192, 6144), (6120, 8160)):
        Image.new("1", size).save(tmp_path / "a.png")
        assert pictures.read_photo(tmp_path / "a.png").picture.shape == (*size[::-1], 3)


def test_a_jpeg_without_its_last_bytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 96, 3)).astype(np.uint8)
    choices: list[dict[str, Any]] = [{}, {"progressive": True}, {"optimize": True}]
    for options in choices:
        path = tmp_path / "a.jpg"
        Image.fromarray(noise).save(path, quality=90, **options)
        whole, content = pictures.read_picture(path), path.read_bytes()
        for end in (-2, -1):
            path.write_bytes(content[:end])
            photo = pictures.read_photo(path)
            assert np.array_equal(photo.picture, whole) and photo.notes == (NO_END,)
        for end in (-9, -40, -1000):
            path.write_bytes(content[:end])
            with pytest.raises(PictureError, match="cut short"):
                pictures.read_photo(path)


def raw_tiff(path: Path, tags: dict[int, int]) -> None:
    """A small picture with tags of a camera's raw file."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info.tagtype[tag] = 4
        info[tag] = value
    Image.fromarray(scene()).save(path, format="TIFF", tiffinfo=info)


@pytest.mark.parametrize("tags", [{254: 1}, {50706: 0x01040000}])
def test_a_raw_file_is_refused_with_the_cure(tmp_path: Path, tags: dict[int, int]) -> None:
    raw_tiff(tmp_path / "a.tif", tags)
    with pytest.raises(PictureError, match="raw file, which is not read; export it as JPEG"):
        pictures.read_picture(tmp_path / "a.tif")
    assert not pictures.shows_in_browsers(tmp_path / "a.tif")
    raw_tiff(tmp_path / "a.PEF", {})
    with pytest.raises(PictureError, match="raw file"):
        pictures.read_picture(tmp_path / "a.PEF")
    raw_tiff(tmp_path / "a.tif", {254: 0})
    assert np.array_equal(pictures.read_picture(tmp_path / "a.tif"), scene())


@pytest.mark.parametrize(
    "start",
    [b"IIRO\x08\0\0\0", b"FUJIFILMCCD-RAW 0201", b"\0\0\0\x18ftypcrx ", b"II*\0\x10\0\0\0CR"],
)
def test_raw_files_of_other_kinds(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a.raw").write_bytes(start + bytes(100))
    with pytest.raises(PictureError, match="raw file"):
        pictures.read_picture(tmp_path / "a.raw")


def test_heic_of_every_brand(tmp_path: Path) -> None:
    content = TURNED.read_bytes()
    (tmp_path / "a").write_bytes(content.replace(b"ftypheic", b"ftypmif1"))
    assert distance(pictures.read_picture(tmp_path / "a"), np.rot90(scene(), -1)) < 5


def test_a_grey_profile_on_colours_is_left_out(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.tif"):
        Image.fromarray(scene()).save(tmp_path / name, icc_profile=grey_profile(1.8))
        photo = pictures.read_photo(tmp_path / name)
        assert distance(photo.picture, scene()) < 5
        assert photo.notes == ("The embedded colour profile cannot be used and was left out.",)


def test_an_orientation_in_xmp_does_not_count_as_browsers_do_not_see_it(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    exif = Image.Exif()
    exif[0x010F], exif[0x011A], exif[0x0128] = "Maker", 72.0, 2
    for suffix in ("jpg", "webp", "png"):
        path = tmp_path / f"a.{suffix}"
        choices: list[dict[str, Any]] = [{}, {"exif": exif}]
        for more in choices:
            Image.fromarray(scene()).save(path, xmp=xmp, **more)
            if suffix == "jpg":  # without JFIF, Pillow looks into EXIF when it opens the file
                path.write_bytes(path.read_bytes().replace(b"JFIF", b"none"))
            assert distance(pictures.read_picture(path), scene()) < 5


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_few_bits_of_sixteen_are_not_black(tmp_path: Path, suffix: str, bits: int) -> None:
    path = tmp_path / f"a.{suffix}"
    deep = scene().astype(np.uint16) << (bits - 8)
    for values in (deep[..., ::-1], deep[..., 0]):
        cv2.imwrite(str(path), values)
        photo = pictures.read_photo(path)
        expected = scene() if values.ndim == 3 else np.repeat(scene()[..., :1], 3, axis=2)
        assert np.array_equal(photo.picture, expected)
        assert photo.notes == (() if bits == 16 else (FEW_BITS.format(bits),))
    cv2.imwrite(str(path), np.zeros_like(deep))
    assert pictures.read_photo(path).notes == (), "black is black"


def test_few_bits_of_sixteen_beside_alpha(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    deep = scene().astype(np.uint16)[..., ::-1] << 4
    opaque = np.dstack([deep, np.full(deep.shape[:2], 65535, np.uint16)])
    cv2.imwrite(str(path), opaque)
    photo = pictures.read_photo(path)
    assert np.array_equal(photo.picture, scene()) and photo.notes == (FEW_BITS.format(12),)
    opaque[:9, :, 3] = 0
    cv2.imwrite(str(path), opaque)
    assert pictures.read_photo(path).picture[0, 0].tolist() == [128, 128, 128], (
        "what is transparent is grey"
    )


def test_floating_point_colours_are_told(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), scene().astype(np.float32) / 255)
    with pytest.raises(PictureError, match="holds floating-point values; save it with 8 or 16"):
        pictures.read_picture(tmp_path / "a.tif")


def test_floating_point_pictures_are_refused(tmp_path: Path) -> None:
    Image.new("F", (2, 2)).save(tmp_path / "a.tif")
    with pytest.raises(PictureError, match="8 or 16 bits"):
        pictures.read_picture(tmp_path / "a.tif")


def test_what_cannot_be_written_gets_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="choose another folder"):
        pictures.write_mask(tmp_path / "missing" / "a.png", np.zeros((2, 2), np.float32))


def test_sizes_are_compared() -> None:
    pictures.check_size(np.zeros((2, 3)), np.zeros((2, 3, 3)), "The mask")
    with pytest.raises(PictureError, match="The mask is 3x2 pixels, its image is 2x3"):
        pictures.check_size(np.zeros((2, 3)), np.zeros((3, 2, 3)), "The mask")


def test_more_than_a_picture_needs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scans.jpg"
    Image.new("RGB", (64, 48)).save(path)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    path.write_bytes(path.read_bytes()[:-2] + 200 * scan + b"\xff\xd9")
    for read in (read_photo, read_mask, read_true_depth):
        with pytest.raises(PictureError, match="holds 201 scans, more than a picture needs"):
            read(path)


def test_lab_colours_are_a_photo_but_no_mask(tmp_path: Path) -> None:
    path = tmp_path / "lab.tif"
    Image.new("LAB", (40, 30), (255, 128, 128)).save(path)
    for reader in (pictures.read_mask, pictures.read_true_depth, pictures.read_grey):
        with pytest.raises(PictureError, match=r"lab\.tif holds LAB colours; save it in grey"):
            reader(path)
    assert pictures.read_picture(path).shape == (30, 40, 3)
    assert pictures.read_picture(path).min() > 250, "white"
