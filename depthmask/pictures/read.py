"""Reads photos, greys and cut-outs from files."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from depthmask.errors import PictureError
from depthmask.pictures.decode import decode, to_rgb
from depthmask.pictures.types import Grey, Picture

Values = npt.NDArray[Any]  # of any real type
FEW_BITS = "The file has 16 bits of which {0} are used, so it was read as one of {0} bits."

_BITS_PER_SAMPLE = 258  # a tag of TIFF
_LEAST_ALPHA = 128  # of a pixel that counts as the object's


class Photo(NamedTuple):
    """A picture, and what was done to it that its owner may not expect."""

    picture: Picture  # (H, W, 3)
    notes: tuple[str, ...]  # sentences


def read_picture(path: str | Path, *, max_bytes: int | None = None) -> Picture:
    """Reads a photo, as `read_photo` does, without its notes: (H, W, 3), uint8, RGB."""
    return read_photo(path, max_bytes=max_bytes).picture


def read_photo(path: str | Path, *, max_bytes: int | None = None) -> Photo:
    """Reads a photo: JPEG, PNG, WebP, AVIF, HEIC, TIFF, GIF, BMP or PPM.

    Transparent pixels show mid-grey, since what they hide is not part of the photo. Colours with
    an embedded profile are converted to sRGB. Of several frames or pages the first is read.

    Args:
        path: A file of at most `MAX_PIXELS` pixels.
        max_bytes: Larger files are refused.

    Returns:
        The picture, (H, W, 3), uint8, RGB, upright, and its notes.

    Raises:
        PictureError: The file is missing, too large, damaged, or not a picture.
    """
    path = Path(path)
    image, notes = decode(path, max_bytes=max_bytes)
    if image.mode == "F" or _has_sixteen_bits(path, image):
        image, more = _eight_bits(path, image)
        notes += more
    image = upright(image)
    try:
        rgb, more = to_rgb(image)
    except ValueError as error:
        raise PictureError(f"{path} has colours of a rare kind; save it as RGB.") from error
    return Photo(np.array(rgb), (*notes, *more))


def read_grey(path: str | Path, *, max_bytes: int | None = None) -> Grey:
    """Reads the values of a grey picture as they stand in the file, profile or not.

    Returns:
        (H, W), uint8 or, where the file has 16 bits, uint16. Colours become grey.

    Raises:
        PictureError: As `read_photo`, or the file holds floats.
    """
    image, _ = decode(Path(path), max_bytes=max_bytes)
    return grey_values(Path(path), image)


def read_cutout(path: Path) -> Picture:
    """Reads a cut-out of any kind that has transparency, a palette's too; cropped to the object.

    Args:
        path: A file of at most `MAX_PIXELS` pixels.

    Returns:
        (H, W, 4), uint8, sRGB and alpha, not multiplied, upright.

    Raises:
        PictureError: As `read_photo`, or there is no alpha, or alpha is empty or full everywhere.
    """
    image, _ = decode(path)
    image = upright(image)
    if not image.has_transparency_data:
        raise PictureError(f"{path} has no alpha channel; cut the object out first.")
    whole = image.convert("RGBA")
    alpha = np.asarray(whole.getchannel("A"))
    opaque = alpha >= _LEAST_ALPHA
    if not opaque.any():
        raise PictureError(f"{path} is transparent all over; there is no object in it.")
    if alpha.min() == 255:
        raise PictureError(f"{path} is opaque all over; cut the object out first.")
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    colours, _ = to_rgb(_without_alpha(image, whole).crop(box))
    return np.dstack((np.asarray(colours), np.asarray(whole.getchannel("A").crop(box))))


def upright(image: Image.Image) -> Image.Image:
    """Turns a picture as its EXIF orientation wants it, which it then has no more.

    Browsers do not look for an orientation in XMP, so that one does not count here either.
    """
    try:
        _forget_xmp(image)
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:  # metadata that cannot be parsed raises what it likes, and says nothing
        return image
    return image


def _forget_xmp(image: Image.Image) -> None:
    """Leaves out an orientation that Pillow has from XMP."""
    for name in ("xmp", "XML:com.adobe.xmp"):
        image.info.pop(name, None)
    if content := image.info.get("exif"):  # Pillow may have looked into both already
        exif = Image.Exif()
        exif.load(content)
        if ExifTags.Base.Orientation not in exif:
            image.getexif().pop(ExifTags.Base.Orientation, None)


def grey_values(path: Path, image: Image.Image, *, floats: bool = False) -> Values:
    """The values of a decoded picture as they stand in its file, upright; colours become grey.

    Args:
        path: Of the file.
        image: What `decode` has made of it.
        floats: Return them, too.

    Returns:
        (H, W), uint8, uint16 or float32.

    Raises:
        PictureError: It holds floats, unless they are wanted, or colours that are never grey.
    """
    if len(image.getbands()) > 1 and _has_sixteen_bits(path, image):
        return _deep_grey(path)
    if floats and image.mode == "F":
        return np.array(upright(image))
    return _grey(path, upright(image))


def _grey(path: Path, image: Image.Image) -> Grey:
    if image.mode == "F":
        raise PictureError(f"{path} holds floating-point values; save it with 8 or 16 bits.")
    if image.mode.startswith("I"):  # "I;16", or "I", 32 bits that hold a 16-bit file
        return np.clip(np.array(image), 0, 65535).astype(np.uint16)
    try:
        return np.array(image.convert("L"), dtype=np.uint8)
    except ValueError as error:  # Lab, say
        raise PictureError(f"{path} holds {image.mode} colours; save it in grey.") from error


def _eight_bits(path: Path, image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Turns 16 bits into 8, and grey upright; and says so if fewer of them are used.

    Some programs write the 12 bits of a sensor into 16, which looks black.
    """
    grey = image.mode[0] in "IF"
    if not grey and np.asarray(image.convert("RGB")).max() > 15:
        return image, ()  # Pillow keeps the upper 8 bits of colours
    values = _grey(path, upright(image)) if grey else _deep_colours(path)
    if values is None or not _is_opaque(image):
        return image, ()
    highest = int(values.max())
    bits = next((bits for bits in (8, 10, 12) if 2 ** (bits - 1) <= highest < 2**bits), 16)
    made = Image.fromarray((values >> (bits - 8)).astype(np.uint8))
    made.info = {key: image.info[key] for key in ("icc_profile",) if key in image.info}
    return made, () if bits == 16 else (FEW_BITS.format(bits),)


def _is_opaque(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return True
    return image.convert("RGBA").getchannel("A").getextrema() == (255, 255)


def _has_sixteen_bits(path: Path, image: Image.Image) -> bool:
    if image.mode.startswith("I"):
        return True
    if image.format == "PNG":
        with path.open("rb") as file:
            return (
                file.read(25)[24:] == b"\x10"
            )  # the bit depth, in the header every PNG begins with
    bits: tuple[int, ...] = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, ())
    return 16 in bits


def _deep_colours(path: Path) -> Values | None:
    """Reads 16 bits of colour: (H, W, 3), uint16, RGB, upright; None if OpenCV cannot."""
    import cv2

    content = np.fromfile(path, dtype=np.uint8)
    # not as RGB, for which it writes garbage of a TIFF
    found = cv2.imdecode(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    return None if found is None else found[..., ::-1]


def _deep_grey(path: Path) -> Grey:
    """Reads 16 bits of colour, of which Pillow keeps 8, as grey: (H, W), uint16, upright."""
    import cv2  # only here, for it takes longer to load than all the rest

    content = np.fromfile(path, dtype=np.uint8)
    grey = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH)
    if grey is None:
        raise PictureError(f"{path} cannot be read as 16-bit colour; save it as 16-bit grey.")
    return np.asarray(grey, dtype=np.uint16)


def _without_alpha(image: Image.Image, whole: Image.Image) -> Image.Image:
    """The colours with the profile that describes them, so that it is applied."""
    colours = image.convert("L") if image.mode in ("LA", "La") else whole.convert("RGB")
    profile = image.info.get("icc_profile")
    colours.info = {"icc_profile": profile} if profile else {}
    return colours
