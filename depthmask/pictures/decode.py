"""Decodes picture files and converts their colours to sRGB.

Size and format are read from the header, and a file that is too large is never decoded.
"""

import errno
import io
import mmap
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageFile, UnidentifiedImageError

from depthmask.errors import PictureError
from depthmask.pictures.bounds import StructureError, check_bounds
from depthmask.pictures.kinds import RAW_SUFFIXES, is_heif
from depthmask.pictures.tiff import holds_floats, is_raw

MAX_PIXELS = 8192 * 6144  # what phones call 50 megapixels; as RGB they take 150 MB

# What Pillow may open. Its other readers, such as the one that starts Ghostscript, stay shut.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF", "BMP", "PPM")
_SHOWN_IN_BROWSERS = ("PNG", "WEBP", "AVIF", "GIF", "BMP")
_ANIMATED = "The picture is animated; its first frame was taken."
_SEVERAL_PICTURES = "The file holds several pictures; its main one was taken."
# not MPO: what phones and cameras add to a photo there is a preview or a second view of it
_SEQUENCES = {
    **dict.fromkeys(("GIF", "PNG", "WEBP", "AVIF"), _ANIMATED),
    **dict.fromkeys(("TIFF", "HEIF"), _SEVERAL_PICTURES),
}
_MAX_NAME_CHARACTERS = 80  # of a path in a message, in characters

_JPEG_END, _FILLING = b"\xff\xd9", b"\xaa" * 40
_TIFF = (b"II", b"MM")
_TRANSPARENT_GREY = (128, 128, 128)  # what shows through transparent pixels
_MAX_SAME_LEVELS = (
    2  # levels of 255; profiles that differ from sRGB by less are sRGB in all but name
)
# The mode in which Pillow hands over what a profile of this colour space describes.
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}

ON_GREY = "The transparent parts were laid on grey."
CONVERTED = "The colours were converted from the embedded profile to sRGB."
NO_END = "The file lacks its last two bytes; the picture is whole."
BAD_PROFILE = "The embedded colour profile cannot be used and was left out."
CMYK_WITHOUT_PROFILE = (
    "The picture is CMYK without a colour profile, so its colours are approximate."
)


def decode(path: Path, *, max_bytes: int | None = None) -> tuple[Image.Image, tuple[str, ...]]:
    """Decodes the first picture of a file, not yet turned upright.

    Args:
        path: Of any file there may be.
        max_bytes: Larger files are refused.

    Returns:
        The picture, and sentences on what was left out.

    Raises:
        PictureError: The file is missing, too large, damaged, or not a picture.
    """
    check_file(path, max_bytes)
    with _errors_in_words(path), path.open("rb") as file:
        _check_structure(path, file)
        image = _read_header(path, file)
        _check_pixels(path, *image.size)
        sequence = getattr(image, "is_animated", False) and image.format in _SEQUENCES
        notes = (_SEQUENCES[image.format or ""],) if sequence else ()
        try:
            image.load()
        except OSError:
            if image.format not in ("JPEG", "MPO"):
                raise
            return _without_end(path.read_bytes()), (*notes, NO_END)
        return image, notes


def _without_end(content: bytes) -> Image.Image:
    """Decodes a JPEG that lacks its last marker only.

    A decoder fills up what is missing. So two ends are tried that would fill it differently: where
    they make the same picture, nothing was missing.

    Raises:
        OSError: More is missing than the marker.
    """
    begun = content.rstrip(b"\xff")
    ends = (_JPEG_END, _FILLING + _JPEG_END)
    first, second = (Image.open(io.BytesIO(begun + end), formats=("JPEG",)) for end in ends)
    if ImageChops.difference(first, second).getbbox(alpha_only=False):
        raise OSError("the file is cut short")
    return first


@contextmanager
def open_header(path: Path) -> Iterator[Image.Image]:
    """Opens a picture whose pixels are not decoded; errors as `decode`."""
    check_file(path, None)
    with _errors_in_words(path), path.open("rb") as file:
        _check_structure(path, file)
        yield _read_header(path, file)


def shows_in_browsers(path: str | Path) -> bool:
    """Tells from a file's header whether browsers show it as it is read.

    They show no TIFF or HEIC, and not all of them turn other pictures than JPEGs upright.
    """
    try:
        with open_header(Path(path)) as image:
            if image.format in ("JPEG", "MPO"):
                return True
            upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            return image.format in _SHOWN_IN_BROWSERS and upright
    except PictureError:
        return False


def to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Converts to opaque sRGB; returns the picture, mode RGB, and sentences on what was done."""
    profile = image.info.get("icc_profile")
    if image.mode == "RGB" and not profile and not image.has_transparency_data:
        return image, ()
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if image.mode in ("RGBa", "La"):  # colours that were multiplied by alpha
        image = image.convert("RGBA")
    colours, notes = _apply_profile(image, profile) if profile else _without_profile(image)
    if alpha is not None and alpha.getextrema() != (255, 255):
        behind = Image.new("RGB", colours.size, _TRANSPARENT_GREY)
        behind.paste(colours, mask=alpha)
        return behind, (*notes, ON_GREY)
    return colours, notes


def check_file(path: Path, max_bytes: int | None) -> None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PictureError(f"There is no picture at {path}; check the path.") from error
    except PermissionError as error:
        raise PictureError(f"{path} may not be read; check its permissions.") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        long = getattr(error, "errno", None) == errno.ENAMETOOLONG
        reason = "is too long" if long else "cannot be used"
        name = ascii(str(path)[:_MAX_NAME_CHARACTERS])
        raise PictureError(f"The file name {name} {reason}; check the path.") from error
    if stat.S_ISDIR(status.st_mode):
        raise PictureError(f"{path} is a folder; give a picture file.")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise PictureError(f"{path} is not a file; give a picture file.")
    if max_bytes is not None and status.st_size > max_bytes:
        raise PictureError(
            f"{path} has {status.st_size / 1e6:.3g} MB, and at most {max_bytes / 1e6:g} MB are "
            "read; save it smaller."
        )


def _check_structure(path: Path, file: IO[bytes]) -> None:
    """Raises PictureError if there is more around the pixels than a picture needs."""
    if not path.stat().st_size:  # nothing that could be mapped
        return
    content = _mapped(file)
    try:
        check_bounds(content)
    except StructureError as error:
        raise PictureError(
            f"{path} holds {error}, more than a picture needs; save it anew as JPEG or PNG."
        ) from error
    if is_raw(content) or (path.suffix.lower() in RAW_SUFFIXES and bytes(content[:2]) in _TIFF):
        raise PictureError(f"{path} is a camera's raw file, which is not read; export it as JPEG.")


def _mapped(file: IO[bytes]) -> memoryview:
    """A file's content, not read: a file of gigabytes may have a name like a picture's."""
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _check_pixels(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(
            f"{path} has {width} x {height} pixels, and at most {MAX_PIXELS // 10**6} megapixels "
            "are read; make it smaller."
        )


def _read_header(path: Path, file: IO[bytes]) -> ImageFile.ImageFile:
    head = file.read(64)
    file.seek(0)
    if is_heif(head):
        return _read_heif_header(file)
    try:
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:
        if not holds_floats(_mapped(file)):
            raise
        raise PictureError(
            f"{path} holds floating-point values; save it with 8 or 16 bits."
        ) from error


def _read_heif_header(file: IO[bytes]) -> ImageFile.ImageFile:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise PictureError(
            "HEIC needs a decoder of its own; run `pip install -r requirements.txt`, or "
            "save the picture as JPEG."
        ) from error
    return HeifImageFile(file)  # type: ignore[no-untyped-call]


@contextmanager
def _errors_in_words(path: Path) -> Iterator[None]:
    try:
        # What decoders warn of, such as odd metadata, is nothing a user could act on.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{path} is not a picture that can be read; use JPEG, PNG, WebP, AVIF, HEIC or TIFF."
        ) from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise PictureError(f"{path} has too many pixels; make it smaller.") from error
    except PermissionError as error:
        raise PictureError(f"{path} may not be read; check its permissions.") from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error and more
        raise PictureError(f"{path} is damaged or cut short; save or download it again.") from error


def _without_profile(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    if image.mode == "LAB":  # which Pillow's own conversion refuses
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None  # None is for conversion in place
        return converted, ()
    return image.convert("RGB"), (CMYK_WITHOUT_PROFILE,) if image.mode == "CMYK" else ()


def _apply_profile(image: Image.Image, content: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        mode = _MODES[profile.profile.xcolor_space]
        if not _fits(mode, image.mode):
            raise KeyError(mode)
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode == "RGB" and _changes_nothing(transform):
            return image.convert("RGB"), ()
        converted = ImageCms.applyTransform(image.convert(mode), transform)
    except (ImageCms.PyCMSError, OSError, KeyError, ValueError):
        colours, notes = _without_profile(image)
        return colours, (BAD_PROFILE, *notes)
    assert converted is not None  # None is for conversion in place
    return converted, (CONVERTED,)


def _fits(described: str, mode: str) -> bool:
    """Whether a profile of one mode can describe pixels of another: of more channels, never."""
    if described == "L":
        return mode in ("1", "L", "LA", "I", "I;16")
    return (described in ("CMYK", "LAB") or mode in ("CMYK", "LAB")) <= (described == mode)


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Most embedded profiles are sRGB: 3,375 colours tell, before millions are converted."""
    before = _colour_samples()
    after = ImageCms.applyTransform(before, transform)
    difference = np.asarray(after, dtype=np.int16) - np.asarray(before, dtype=np.int16)
    return bool(np.abs(difference).max() <= _MAX_SAME_LEVELS)


@cache
def _colour_samples() -> Image.Image:
    steps = np.linspace(0, 255, 15).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(45, 75, 3))
