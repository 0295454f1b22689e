"""Colours of any kind to sRGB: profiles, CMYK, palettes, transparency."""

import io
from functools import cache

import numpy as np
from PIL import Image, ImageCms

_BEHIND_GLASS = (128, 128, 128)  # what shows through transparent pixels
_SAME_COLOURS = 2  # levels of 255; profiles that differ from sRGB by less are sRGB in all but name
# The mode in which Pillow hands over what a profile of this colour space describes.
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}

ON_GREY = "The transparent parts were laid on grey."
CONVERTED = "The colours were converted from the embedded profile to sRGB."
BAD_PROFILE = "The embedded colour profile cannot be used and was left out."
GUESSED_INKS = "The picture is CMYK without a colour profile, so its colours are approximate."


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
        behind = Image.new("RGB", colours.size, _BEHIND_GLASS)
        behind.paste(colours, mask=alpha)
        return behind, (*notes, ON_GREY)
    return colours, notes


def _without_profile(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    return image.convert("RGB"), (GUESSED_INKS,) if image.mode == "CMYK" else ()


def _apply_profile(image: Image.Image, content: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        mode = _MODES[profile.profile.xcolor_space]
        if (mode == "CMYK") != (image.mode == "CMYK"):
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


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Most embedded profiles are sRGB: 3,375 colours tell, before millions are converted."""
    before = _colour_samples()
    after = ImageCms.applyTransform(before, transform)
    difference = np.asarray(after, dtype=np.int16) - np.asarray(before, dtype=np.int16)
    return bool(np.abs(difference).max() <= _SAME_COLOURS)


@cache
def _colour_samples() -> Image.Image:
    steps = np.linspace(0, 255, 15).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(45, 75, 3))
