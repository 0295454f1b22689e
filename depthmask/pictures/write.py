"""Masks, depth maps and cut-outs, written as PNG."""

from pathlib import Path

import numpy as np
from PIL import Image

from depthmask.errors import PictureError
from depthmask.pictures.types import DEPTH_FULL_SCALE, Grey, Map, Picture


def write_mask(path: Path, mask: Map) -> None:
    """Writes a mask in [0, 1], (H, W), as 8-bit grey, 255 is foreground; errors: PictureError."""
    _save(path, np.rint(mask * 255).astype(np.uint8))


def write_depth(path: Path, depth: Map) -> None:
    """Writes depth in [0, 1], (H, W), as 16-bit grey, 65535 is depth 1; errors: PictureError."""
    _save(path, np.rint(depth * DEPTH_FULL_SCALE).astype(np.uint16))


def write_cutout(path: Path, cutout: Picture) -> None:
    """Writes a cut-out, (H, W, 4) uint8 RGBA, alpha not multiplied in; errors: PictureError."""
    _save(path, cutout)


def _save(path: Path, values: Grey) -> None:
    try:
        # level 3, not the usual 6: 12 megapixels take 2.3 s, not 8.8, and a tenth more bytes
        Image.fromarray(values).save(path, format="PNG", compress_level=3)
    except OSError as error:
        reason = error.strerror or "the disk may be full"
        raise PictureError(
            f"{path} cannot be written ({reason}); choose another folder."
        ) from error
