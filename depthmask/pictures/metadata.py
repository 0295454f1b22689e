"""What a photo's file says beside its pixels, kept for pictures that are made of it."""

from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, Image

from depthmask.errors import PictureError
from depthmask.pictures.decode import open_header

_KEPT = (  # tags that stay true; not the orientation, for the pixels are turned already
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model),
    *(ExifTags.Base.Software, ExifTags.Base.DateTime, ExifTags.Base.Artist),
    *(ExifTags.Base.Copyright, ExifTags.Base.XResolution, ExifTags.Base.YResolution),
    ExifTags.Base.ResolutionUnit,
)
_DROPPED = {  # of the part on the exposure: sizes, and notes whose places would be wrong
    *(ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight),
    *(ExifTags.Base.MakerNote, ExifTags.Base.ExifInteroperabilityOffset),
}
_MAX_BYTES = 60_000  # JPEG has room for 64 kB


class Metadata(NamedTuple):
    """What to keep of a photo's file."""

    exif: bytes = b""  # empty where there is none
    has_profile: bool = False  # its colours were described; the pixels that are read are sRGB


def read_metadata(path: Path) -> Metadata:
    """Reads the metadata of a photo; what cannot be parsed is left out."""
    try:
        with open_header(path) as image:
            return Metadata(_exif(image), bool(image.info.get("icc_profile")))
    except PictureError:
        return Metadata()


def _exif(image: Image.Image) -> bytes:
    try:
        found, kept = image.getexif(), Image.Exif()
        for tag in _KEPT:
            if tag in found:
                kept[tag] = found[tag]
        exposure = found.get_ifd(ExifTags.IFD.Exif)
        parts = {
            ExifTags.IFD.Exif: {tag: exposure[tag] for tag in exposure if tag not in _DROPPED},
            ExifTags.IFD.GPSInfo: found.get_ifd(ExifTags.IFD.GPSInfo),
        }
        for part, values in parts.items():
            if values:
                kept[part] = dict(values)
        content = kept.tobytes() if len(kept) else b""
    except Exception:  # metadata that cannot be parsed raises what it likes, and says nothing
        return b""
    return content if len(content) <= _MAX_BYTES else b""
