"""Reads true masks and true depth maps, as data sets and programs write them.

What a file means is read where it is plain, and a note says how. Where it is not, the error says
what to save instead.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from depthmask.errors import PictureError
from depthmask.pictures.arrays import holds_array, read_array
from depthmask.pictures.decode import decode
from depthmask.pictures.read import grey_values, upright
from depthmask.pictures.types import Map, Mask, Picture

FOREGROUND, UNKNOWN = 255, 170  # labels
IGNORED_LABELS = (85, UNKNOWN)  # 85 lies outside the region of interest, as in CDnet 2014
_SHADOW = 50  # the same data set's label of a shadow, which is background

_MAX_CLASS, _MAX_CLASSES = 90, 40  # the highest class of COCO, and how many one picture may have
_VOID, _VOID_COLOUR = 255, (224, 224, 192)  # what Pascal VOC draws around its objects
_MAX_COLOURS = 64  # of a picture of classes; a photo has more
_MAX_LEVEL = 230  # above it, greys are white that was changed a little, and no classes
_COLOUR_SPREAD = 24  # levels between the channels of a pixel that JPEG may have changed
_MAX_MILLIMETRES = 20_000  # above it, 16 bits are relative depth, whose farthest is near 65535
_MAX_METRES = 300.0  # above it, floats are millimetres
_FEW = 0.02  # share of pixels that may be above, for cameras write noise

PALETTE = "Palette index 0 was read as background, every other as foreground."
COLOURS = "Black was read as background, every other colour as foreground."
ALPHA = "The alpha channel was read as the mask."
SIXTEEN_BITS = "The 16 bits hold no value above 255, so 255 was read as foreground."
CLASSES = "The values were read as classes: 0 is background, and 255 does not count."
ONE_VALUE = "The mask holds 0 and {0} only, so {0} was read as foreground."
MILLIMETRES = "The depth was read as millimetres."
METRES = "The depth was read as metres."

_NEVER_HALF = "has no pixel that reaches half of full scale"
_CURE = "save the mask with 255 where the foreground is, and 0 elsewhere"

Values = npt.NDArray[Any]  # of any real type
Reading = tuple[Picture, str]  # labels, and a note or ""


class TrueMask(NamedTuple):
    """A true mask, and how the file was read."""

    labels: Picture  # (H, W): 255 foreground, 0 background; `IGNORED_LABELS` do not count
    notes: tuple[str, ...] = ()  # sentences


class TrueDepth(NamedTuple):
    """A true depth map, and how the file was read."""

    values: Map  # (H, W): relative, in [0, 1], or metres; 0 where it is not known
    in_metres: bool = False
    notes: tuple[str, ...] = ()  # sentences


def read_mask(path: str | Path, *, max_bytes: int | None = None) -> Mask:
    """Reads a true mask: (H, W), bool, True is foreground; errors as `read_true_mask`."""
    return read_labels(path, max_bytes=max_bytes) > FOREGROUND // 2


def read_labels(path: str | Path, *, max_bytes: int | None = None) -> Picture:
    """Reads the labels of `read_true_mask`, (H, W), without its notes."""
    return read_true_mask(path, max_bytes=max_bytes).labels


def read_true_mask(path: str | Path, *, max_bytes: int | None = None) -> TrueMask:
    """Reads a true mask: a grey picture of 1, 8 or 16 bits, or one of the kinds of `_labels`.

    Args:
        path: A picture, or a `.npy` file of (H, W).
        max_bytes: Larger files are refused.

    Raises:
        PictureError: The file cannot be read, or it is not plain what is foreground.
    """
    path = Path(path)
    try:
        if holds_array(path):
            labels, note = _from_values(read_array(path, max_bytes=max_bytes))
        else:
            image, _ = decode(path, max_bytes=max_bytes)
            labels, note = _labels(path, image)
    except _Unclear as error:
        raise PictureError(f"{path} {error}; {_CURE}.") from error
    return TrueMask(labels, (note,) if note else ())


def read_true_depth(path: str | Path, *, max_bytes: int | None = None) -> TrueDepth:
    """Reads a true depth map, relative or in metres.

    8 bits are relative, full scale is 1. 16 bits are millimetres if 98 % of them are at most
    20,000, else relative; 65535 does not count for that, and is unknown among millimetres. Floats
    are relative up to 1, else metres, or millimetres above 300.

    Args:
        path: A grey picture, or a `.npy` file of (H, W).
        max_bytes: Larger files are refused.

    Raises:
        PictureError: The file cannot be read, is coloured, or its values are no depth.
    """
    path = Path(path)
    if holds_array(path):
        return _depth(path, read_array(path, max_bytes=max_bytes))
    image, _ = decode(path, max_bytes=max_bytes)
    if _is_coloured(image):
        raise PictureError(f"{path} is a picture in colour; depth is grey, of 8 or 16 bits.")
    return _depth(path, grey_values(path, image, floats=True))


class _Unclear(ValueError):
    """What speaks against a mask, as the middle of a sentence."""


def _labels(path: Path, image: Image.Image) -> Reading:
    """Labels of a picture with alpha, a palette, colours or greys, and a note if one is due."""
    from_jpeg = image.format in ("JPEG", "MPO")
    coloured = _is_coloured(image) or (not from_jpeg and _has_dark_or_rare_colours(image))
    values = None if coloured else grey_values(path, image, floats=True)
    image = upright(image)
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    if alpha is not None and alpha.getextrema() != (255, 255):
        return _from_alpha(image, np.array(alpha))
    if values is not None:
        return _from_noisy(values) if from_jpeg else _from_values(values)
    if image.mode == "P" and _palette(image)[:1].tolist() == [[0, 0, 0]]:
        return _from_palette(image)
    return _from_colours(image.convert("RGB"))


def _from_alpha(image: Image.Image, alpha: Picture) -> Reading:
    colours = np.asarray(image.convert("RGBA"))[..., :3]
    visible = colours[alpha > 0]
    plain = not len(visible) or bool((np.ptp(visible, axis=0) <= 2).all())
    if plain or (np.ptp(visible, axis=1) > _COLOUR_SPREAD).mean() > 0.01:
        return _without_ignored(alpha) if alpha.max() > 127 else _from_values(alpha)[0], ALPHA
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return _from_values(
        np.asarray(Image.alpha_composite(black, image.convert("RGBA")).convert("L"))
    )


def _without_ignored(alpha: Picture) -> Picture:
    """Alpha as labels: a share of 85 or 170 is no label."""
    return np.where(np.isin(alpha, IGNORED_LABELS), alpha + 1, alpha).astype(np.uint8)


def _from_palette(image: Image.Image) -> Reading:
    indices = np.asarray(image)
    if len(np.unique(indices)) > _MAX_COLOURS:
        raise _Unclear("is a picture in colour")
    labels = np.where(indices > 0, np.uint8(FOREGROUND), np.uint8(0))
    palette = _palette(image)
    if len(palette) > _VOID and tuple(palette[_VOID].tolist()) == _VOID_COLOUR:
        labels[indices == _VOID] = UNKNOWN
    return labels, PALETTE


def _from_colours(image: Image.Image) -> Reading:
    found = image.getcolors(_MAX_COLOURS)
    if found is None or (0, 0, 0) not in {colour for _, colour in found}:
        raise _Unclear("is a picture in colour")
    colours = np.asarray(image)
    labels = np.where(colours.any(axis=2), np.uint8(FOREGROUND), np.uint8(0))
    labels[(colours == _VOID_COLOUR).all(axis=2)] = UNKNOWN
    return labels, COLOURS


def _from_noisy(values: Picture) -> Reading:
    """Labels of a JPEG, (H, W), uint8, which changes values a little: it holds no classes."""
    if values.any() and values.max() <= FOREGROUND // 2:
        return _one_value(values, np.unique(values))
    return _without_ignored(values), ""


def _from_values(values: Values) -> Reading:
    """Labels of greys, (H, W), of any type."""
    if values.dtype == np.bool_:
        return np.where(values, np.uint8(FOREGROUND), np.uint8(0)), ""
    if not np.isfinite(values).all() or values.min() < 0:
        raise _Unclear("holds values below 0, or none at all")
    floats = values.dtype.kind == "f"
    if float(values.max()) > 65535:  # whatever the type of the values can hold
        raise _Unclear(f"holds values up to {values.max():g}")
    if floats and values.max() <= 1:  # shares
        if 0 < values.max() < 0.5:
            raise _Unclear(_NEVER_HALF)
        return _without_ignored(np.rint(values * FOREGROUND).astype(np.uint8)), ""
    if floats:
        values = np.rint(values).astype(np.uint32)
    highest = int(values.max())
    if highest <= 255:
        labels, note = _from_bytes(values.astype(np.uint8))
        deep = values.dtype.itemsize > 1 and not floats
        return labels, note or (SIXTEEN_BITS if deep else "")
    if highest > 65535 // 2:
        return (values >> 8).astype(np.uint8), ""
    return _one_value(values, np.unique(values))


def _from_bytes(values: Picture) -> Reading:
    """Labels of 8 bits: greys, the labels of CDnet, 0 and another value, or classes."""
    counts = np.bincount(values.ravel(), minlength=256)
    present = np.flatnonzero(counts)
    above = set(present.tolist()) - {0}
    if above <= {_SHADOW, *IGNORED_LABELS, FOREGROUND} and above != {_SHADOW}:
        return values, ""
    if len(above) == 1 and max(above) <= 127:
        return _one_value(values, present)
    classes = above - {_VOID}
    plain = max(classes) <= _MAX_CLASS and len(classes) <= _MAX_CLASSES
    low, high = counts[1:128].sum(), counts[128:].sum()
    if plain and counts[list(classes)].sum() > counts[_VOID]:
        if not counts[0]:
            raise _Unclear("holds classes, but no 0, which would be background")
        labels = np.where(values > 0, np.uint8(FOREGROUND), np.uint8(0))
        labels[values == _VOID] = UNKNOWN
        return labels, CLASSES
    if max(above) <= 127:
        raise _Unclear(_NEVER_HALF)
    few = len(classes) <= _MAX_CLASSES and max(classes) < _MAX_LEVEL
    if few and low and (low > high or not counts[FOREGROUND]):
        raise _Unclear(f"holds {len(above)} values, which may be classes or shares")
    return values, ""


def _one_value(values: Values, present: Values) -> Reading:
    """Labels of 0 and one other value."""
    above = [int(value) for value in present if value]
    if len(present) == 1:
        raise _Unclear(f"holds {above[0]} all over")
    if len(above) > 1:
        raise _Unclear(_NEVER_HALF)
    labels = np.where(values > 0, np.uint8(FOREGROUND), np.uint8(0))
    return labels, ONE_VALUE.format(above[0])


def _depth(path: Path, values: Values) -> TrueDepth:
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
            metres = values.astype(np.float32)
        metres = np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))
        if not _exceeds(metres, 1):
            return TrueDepth(np.clip(metres, 0, 1))
        if _exceeds(metres, _MAX_METRES):
            return TrueDepth(metres / np.float32(1000), True, (MILLIMETRES,))
        return TrueDepth(metres, True, (METRES,))
    if values.dtype == np.uint8:
        return TrueDepth(values.astype(np.float32) / np.float32(255))
    highest = int(values.max())
    if 0 < highest <= 255 or highest > 65535:
        raise PictureError(
            f"{path} holds whole numbers up to {highest}, which are no depth in 16 bits; save "
            "millimetres, relative depth up to 65535, or floats."
        )
    levels = np.maximum(values, 0).astype(np.float32)
    measured: Map = np.where(levels < 65535, levels, np.float32(0))  # some cameras' "unknown"
    if measured.any() and not _exceeds(measured, _MAX_MILLIMETRES):
        return TrueDepth(measured / np.float32(1000), True, (MILLIMETRES,))
    return TrueDepth(levels / np.float32(65535))


def _exceeds(values: Map, limit: float) -> bool:
    """Whether more than a few of the known values are above a limit."""
    known = values[values > 0]
    return bool(known.size and (known > limit).mean() > _FEW)


def _is_coloured(image: Image.Image) -> bool:
    """Whether more than one pixel in a hundred has a colour."""
    if image.mode == "P":
        used = _palette(image)[np.unique(np.asarray(image))]
        return bool((np.ptp(used, axis=1) > _COLOUR_SPREAD).any())
    if len(image.getbands()) < 3:
        return False
    small = image.convert("RGB")
    small.thumbnail((256, 256), Image.Resampling.NEAREST)
    return bool((np.ptp(np.asarray(small), axis=2) > _COLOUR_SPREAD).mean() > 0.01)


def _has_dark_or_rare_colours(image: Image.Image) -> bool:
    """Whether grey would hide an object of a drawn picture: a small, dark or nameless one."""
    if image.mode == "P":  # a palette may give all its indices one colour
        used = np.unique(np.asarray(image))
        return len(used) > 1 and len(np.unique(_palette(image)[used], axis=0)) == 1
    found = image.convert("RGB").getcolors(_MAX_COLOURS) if len(image.getbands()) >= 3 else None
    colours = np.array([colour for _, colour in found or [(1, (0, 0, 0))]])
    spread = int(np.ptp(colours, axis=1).max())
    return spread > min(_COLOUR_SPREAD, max(int(colours.max()) - 1, 0))


def _palette(image: Image.Image) -> Picture:
    """The colours of all indices, (256, 3); those that the file does not name are black."""
    colours = (image.getpalette("RGB") or [])[:768]
    return np.array(colours + [0] * (768 - len(colours)), np.uint8).reshape(256, 3)
