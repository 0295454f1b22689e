"""Pictures in and out of files: the only place that decodes or encodes them.

A picture is uint8 RGB of shape (height, width, 3): sRGB, upright as its EXIF orientation wants it.
"""

from depthmask.pictures.decode import MAX_PIXELS, shows_in_browsers
from depthmask.pictures.kinds import SUFFIXES, is_picture
from depthmask.pictures.metadata import Metadata, read_metadata
from depthmask.pictures.read import (
    Photo,
    read_cutout,
    read_grey,
    read_photo,
    read_picture,
)
from depthmask.pictures.truth import (
    IGNORED_LABELS,
    TrueDepth,
    TrueMask,
    read_labels,
    read_mask,
    read_true_depth,
    read_true_mask,
)
from depthmask.pictures.types import DEPTH_FULL_SCALE, Grey, Map, Mask, Picture, check_size
from depthmask.pictures.write import (
    cutout_png,
    depth_png,
    mask_png,
    preview_file,
    write_cutout,
    write_depth,
    write_mask,
)

__all__ = [
    "DEPTH_FULL_SCALE",
    "IGNORED_LABELS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Grey",
    "Map",
    "Mask",
    "Metadata",
    "Photo",
    "Picture",
    "TrueDepth",
    "TrueMask",
    "check_size",
    "cutout_png",
    "depth_png",
    "is_picture",
    "mask_png",
    "preview_file",
    "read_cutout",
    "read_grey",
    "read_labels",
    "read_mask",
    "read_metadata",
    "read_photo",
    "read_picture",
    "read_true_depth",
    "read_true_mask",
    "shows_in_browsers",
    "write_cutout",
    "write_depth",
    "write_mask",
]
