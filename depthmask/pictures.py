"""Pictures in and out of files: the only place that decodes or encodes them.

A picture is uint8 RGB of shape (height, width, 3), upright as its EXIF orientation wants it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Map = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

DEPTH_FULL_SCALE = 65535  # of a 16-bit picture: depth 1
_BEHIND_GLASS = (128, 128, 128, 255)  # what shows through transparent pixels


class PictureError(ValueError):
    """A picture that cannot be read or written; the message is one sentence for the user."""


def read_picture(path: str | Path) -> Picture:
    """Reads a photo.

    Transparent pixels show mid-grey: what they hide is not part of the photo.

    Returns:
        (H, W, 3), uint8, RGB, upright.

    Raises:
        PictureError: The file is missing, damaged, or not a picture.
    """
    path = Path(path)
    image = _open(path)
    if image.mode[0] in "IF":  # 16-bit grey, which Pillow would cut off at 255, or floats
        image = Image.fromarray((_grey(path, image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        behind = Image.new("RGBA", image.size, _BEHIND_GLASS)
        image = Image.alpha_composite(behind, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def read_grey(path: str | Path) -> Grey:
    """Reads the values of a grey picture as they stand in the file.

    Returns:
        (H, W), uint8 or, where the file has 16 bits, uint16. Colours become grey.

    Raises:
        PictureError: The file is missing, damaged, not a picture, or one of floats.
    """
    path = Path(path)
    return _grey(path, _open(path))


def read_mask(path: str | Path) -> Mask:
    """Reads a true mask: (H, W), bool, True (half of full scale and above) is foreground.

    Raises:
        PictureError: As `read_grey`.
    """
    grey = read_grey(path)
    return grey > np.iinfo(grey.dtype).max // 2


def read_true_depth(path: str | Path) -> Map:
    """Reads a true depth map of 8 or 16 bits: (H, W), float32 in [0, 1], full scale is 1.

    Raises:
        PictureError: As `read_grey`.
    """
    grey = read_grey(path)
    return grey.astype(np.float32) / np.float32(np.iinfo(grey.dtype).max)


def check_size(truth: npt.NDArray[np.generic], image: npt.NDArray[np.generic], name: str) -> None:
    """Raises PictureError, naming the truth, unless it has the height and width of the image."""
    if truth.shape[:2] != image.shape[:2]:
        raise PictureError(
            f"{name} is {truth.shape[1]}x{truth.shape[0]} pixels, its image is "
            f"{image.shape[1]}x{image.shape[0]}; they must be of one size."
        )


def write_mask(path: Path, mask: Map) -> None:
    """Writes a mask in [0, 1], (H, W), as 8-bit grey, 255 is foreground; errors: PictureError."""
    _save(path, np.rint(mask * 255).astype(np.uint8))


def write_depth(path: Path, depth: Map) -> None:
    """Writes depth in [0, 1], (H, W), as 16-bit grey, 65535 is depth 1; errors: PictureError."""
    _save(path, np.rint(depth * DEPTH_FULL_SCALE).astype(np.uint16))


def write_cutout(path: Path, cutout: Picture) -> None:
    """Writes a cut-out, (H, W, 4) uint8 RGBA, alpha not multiplied in; errors: PictureError."""
    _save(path, cutout)


def _open(path: Path) -> Image.Image:
    """Decodes a file whole, upright."""
    if not path.exists():
        raise PictureError(f"There is no picture at {path}; check the path.")
    if path.is_dir():
        raise PictureError(f"{path} is a folder; give a picture file.")
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise PictureError(f"{path} is not a picture that can be read; use JPEG or PNG.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path} has too many pixels; make it smaller.") from error
    except PermissionError as error:
        raise PictureError(f"{path} may not be read; check its permissions.") from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error and more
        raise PictureError(f"{path} is damaged or cut short; save or download it again.") from error


def _grey(path: Path, image: Image.Image) -> Grey:
    if image.mode == "F":
        raise PictureError(f"{path} holds floating-point values; save it with 8 or 16 bits.")
    if image.mode.startswith("I"):  # "I;16", or "I", 32 bits that hold a 16-bit file
        return np.clip(np.array(image), 0, 65535).astype(np.uint16)
    return np.array(image.convert("L"), dtype=np.uint8)


def _save(path: Path, values: Grey) -> None:
    try:
        Image.fromarray(values).save(path, format="PNG")
    except OSError as error:
        reason = error.strerror or "the disk may be full"
        raise PictureError(
            f"{path} cannot be written ({reason}); choose another folder."
        ) from error
