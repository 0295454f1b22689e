"""The files that are made of a prediction: which there are, and what they hold."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import numpy as np

from depthmask.depth import CONVENTION, metres_from_depth
from depthmask.inference.predictor import Prediction, Predictor
from depthmask.inference.refinement import foreground_colours
from depthmask.pictures import Grey, Map, Metadata, Picture
from depthmask.pictures.write import depth_levels, encode_picture, mask_levels
from depthmask.render.points import to_ply
from depthmask.render.views import cutout, fill, lay_over

MIN_CROP_MASK = 0.1  # what is less foreground does not widen the crop
_ENDINGS = {"png": "png", "webp": "webp", "tiff": "tif", "jpeg": "jpg"}
_DEPTH_ENDINGS = {"npy": "npy", "ply": "ply"}
Box = tuple[int, int, int, int]  # left, top, width, height, in pixels
Encoders = dict[str, Callable[[], bytes]]


@dataclass(frozen=True, eq=False)
class Wanted:
    """Which files to make of a prediction."""

    depth: str = "png"  # or near-bright, metres, npy, ply
    format: str = "png"  # or webp, tiff, jpeg: of the cut-out; tiff also of mask and depth
    scale: tuple[float, float] | None = None  # metres to the empty scene's nearest and farthest
    crop: bool = False  # to the foreground
    backdrop: Picture | None = None  # (h, w, 3), behind the foreground, scaled to cover the image
    mask_only: bool = False
    unknown: bool = False  # also what the background does not show
    one_picture: bool = False  # only the mask, or else only the cut-out


def file_names(wanted: Wanted) -> dict[str, str]:
    """The names of the files, by "mask", "depth", "unknown", and "cutout" or "composite"."""
    exact = "tif" if wanted.format == "tiff" else "png"
    picture = "cutout" if wanted.backdrop is None else "composite"
    names = {
        "mask": f"mask.{exact}",
        "depth": f"depth.{_DEPTH_ENDINGS.get(wanted.depth, exact)}",
        picture: f"{picture}.{_ENDINGS[wanted.format]}",
    }
    if wanted.mask_only:
        names = {"mask": names["mask"]}
    elif wanted.one_picture:
        names = {picture: names[picture]}
    if wanted.unknown and not wanted.one_picture:
        names["unknown"] = f"unknown.{exact}"
    return names


def encode(
    image: Picture, prediction: Prediction, wanted: Wanted, metadata: Metadata
) -> dict[str, bytes]:
    """Makes the content of each file, by the names of `file_names`.

    Args:
        image: (H, W, 3), uint8, RGB, of which the prediction is.
        prediction: (H, W).
        wanted: What to make.
        metadata: Of the image's file: kept in the cut-out or composite.
    """
    exact = "tiff" if wanted.format == "tiff" else "png"
    left, top, width, height = crop_box(prediction.mask) if wanted.crop else _whole(image)
    rows, columns = slice(top, top + height), slice(left, left + width)

    def grey(levels: Grey) -> bytes:
        return encode_picture(levels[rows, columns], exact)

    def picture() -> bytes:
        shown = _picture(image, prediction, wanted.backdrop)
        return encode_picture(shown[rows, columns], wanted.format, metadata)

    def unknown() -> bytes:
        area = np.zeros(image.shape[:2], bool) if prediction.unknown is None else prediction.unknown
        return grey(np.where(area, np.uint8(255), np.uint8(0)))

    encoders: Encoders = {
        "mask": lambda: grey(mask_levels(prediction.mask)),
        "depth": partial(_depth, image, prediction.depth, wanted, rows, columns, exact),
        "cutout": picture,
        "composite": picture,
        "unknown": unknown,
    }
    with ThreadPoolExecutor() as pool:  # packing lets other threads run
        running = {name: pool.submit(encoders[name]) for name in file_names(wanted)}
        return {name: content.result() for name, content in running.items()}


def describe(predictor: Predictor, prediction: Prediction) -> dict[str, object]:
    """What a report says of a prediction beside its files; ready for JSON."""
    return {
        "resolution": predictor.resolution,
        "device": predictor.device,
        "backend": predictor.backend.name,
        "precision": predictor.backend.precision,
        "convention": CONVENTION,
        **({"pair": prediction.pair.summary()} if prediction.pair else {}),
    }


def crop_box(mask: Map) -> Box:
    """The smallest box around the foreground; all of the picture where there is none."""
    inside = mask > MIN_CROP_MASK
    if not inside.any():
        return _whole(mask)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def _whole(picture: Picture | Map) -> Box:
    return 0, 0, picture.shape[1], picture.shape[0]


def _picture(image: Picture, prediction: Prediction, backdrop: Picture | None) -> Picture:
    """The cut-out, (H, W, 4), or the foreground before a backdrop, (H, W, 3)."""
    colours = foreground_colours(image, prediction.background, prediction.mask)
    cut = cutout(colours, prediction.mask)
    return cut if backdrop is None else lay_over(cut, fill(backdrop, *image.shape[:2]))


def _depth(
    image: Picture, depth: Map, wanted: Wanted, rows: slice, columns: slice, exact: str
) -> bytes:
    values = depth if wanted.scale is None else metres_from_depth(depth, *wanted.scale)
    if wanted.depth == "ply":
        return to_ply(image, values, rows, columns)
    if wanted.depth == "npy":
        file = BytesIO()
        np.save(file, values[rows, columns].astype(np.float32))
        return file.getvalue()
    if wanted.depth == "metres":
        levels = np.rint(values * 1000).clip(0, 65535).astype(np.uint16)
    else:
        levels = depth_levels(1 - depth if wanted.depth == "near-bright" else depth)
    return encode_picture(levels[rows, columns], exact)
