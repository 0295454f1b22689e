"""Masks, depth maps and cut-outs, written as PNG."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from depthmask.errors import PictureError
from depthmask.files import write_whole
from depthmask.pictures.metadata import Metadata
from depthmask.pictures.types import DEPTH_FULL_SCALE, Grey, Map, Picture

# level 3, not the usual 6: 12 megapixels take 2.3 s, not 8.8, and a tenth more bytes
OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 3},
    "webp": {"quality": 95, "alpha_quality": 100},
    "tiff": {"compression": "tiff_deflate"},
    "jpeg": {"quality": 95, "subsampling": 0},
}
_MAX_SIDES = {"webp": 16383, "jpeg": 65500}  # pixels, by which the formats are bounded
PREVIEW_JPEG_QUALITY = 92  # photos of a screen's size take seconds as PNG


def write_mask(path: Path, mask: Map) -> None:
    """Writes a mask in [0, 1], (H, W), as 8-bit grey, 255 is foreground; errors: PictureError."""
    _write(path, mask_png(mask))


def write_depth(path: Path, depth: Map) -> None:
    """Writes depth in [0, 1], (H, W), as 16-bit grey, 65535 is depth 1; errors: PictureError."""
    _write(path, depth_png(depth))


def write_cutout(path: Path, cutout: Picture) -> None:
    """Writes a cut-out, (H, W, 4) uint8 RGBA, alpha not multiplied in; errors: PictureError."""
    _write(path, cutout_png(cutout))


def mask_png(mask: Map) -> bytes:
    """The file that `write_mask` writes."""
    return _png(mask_levels(mask))


def depth_png(depth: Map) -> bytes:
    """The file that `write_depth` writes."""
    return _png(depth_levels(depth))


def cutout_png(cutout: Picture) -> bytes:
    """The file that `write_cutout` writes."""
    return _png(cutout)


def mask_levels(mask: Map) -> Grey:
    """A mask in [0, 1], (H, W), in 8 bits."""
    return np.rint(mask * 255).astype(np.uint8)


def depth_levels(depth: Map) -> Grey:
    """Depth in [0, 1], (H, W), in 16 bits."""
    return np.rint(depth * DEPTH_FULL_SCALE).astype(np.uint16)


def encode_picture(picture: Grey, kind: str, metadata: Metadata | None = None) -> bytes:
    """Makes the content of a file.

    Args:
        picture: (H, W), uint8 or uint16, (H, W, 3) or (H, W, 4), uint8, sRGB.
        kind: A key of `OPTIONS`. WebP and JPEG lose a little.
        metadata: Of the photo of which the picture was made; the colours are said to be sRGB
            where those of the photo were described.

    Raises:
        PictureError: The picture is larger than the format can be.
    """
    most = _MAX_SIDES.get(kind, max(picture.shape))
    if max(picture.shape) > most:
        raise PictureError(
            f"The picture has {max(picture.shape):,} pixels a side, and {kind} holds {most:,}; use "
            "another format."
        )
    file, more = BytesIO(), dict(OPTIONS[kind])
    if metadata and metadata.exif:
        more["exif"] = metadata.exif
        more.pop("compression", None)  # Pillow's TIFF has either
    if metadata and metadata.has_profile:
        more["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    shown = Image.fromarray(np.ascontiguousarray(picture))
    shown.save(file, format=kind, **more)
    return file.getvalue()


def preview_file(picture: Picture) -> tuple[bytes, str]:
    """A picture as a file to look at, and the file's ending: (H, W) as PNG, (H, W, 3) as JPEG."""
    file = BytesIO()
    shown = Image.fromarray(np.ascontiguousarray(picture))
    if picture.ndim == 2:
        shown.save(file, format="PNG", compress_level=1)
        return file.getvalue(), "png"
    shown.save(file, format="JPEG", quality=PREVIEW_JPEG_QUALITY, subsampling=0)
    return file.getvalue(), "jpg"


def _png(values: Grey) -> bytes:
    return encode_picture(values, "png")


def _write(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise PictureError(
            f"{path} cannot be written ({error.strerror}); choose another folder."
        ) from error
