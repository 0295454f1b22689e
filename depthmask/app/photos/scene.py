"""A prediction as the few small files from which the browser draws every view of it.

Photos are JPEG. What must be exact is grey PNG: each plane of 8 bits below the one before. Alpha in
a PNG would not do, because browsers lose colours when they multiply with it. stage_scene.js reads
what is written here.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.app.cache_files import new_file, storing
from depthmask.app.photos.analysis import Analysis
from depthmask.app.prediction_cache import PredictedPair
from depthmask.inference.shadow import cast_shadow
from depthmask.pictures import Map, Picture, preview_file
from depthmask.render.mesh import relief_layers
from depthmask.render.views import at_most, colour_depth

PREVIEW_SIDE = 1600  # longest side of the pictures sent to the browser, in pixels
RELIEF_SIDE = 256  # the same of the grid of the 3D view
DEPTH_STEPS = 4095  # from depth 0 to 1; an error of depth from -1 to 1 has as many
UNKNOWN = 128  # in the true mask, in which 0 is background and 255 foreground
# of the pairs of these, the one that takes least time for its size
PNG_OPTIONS = (
    cv2.IMWRITE_PNG_COMPRESSION,
    2,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_UP,
)
PACKERS = 4  # files that are packed at the same time
BLANK_REACH = 16  # pixels around the foreground whose colours are kept

Bytes = npt.NDArray[np.uint8]


def write_scene(
    analysis: Analysis,
    *,
    name: str = "",
    words: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Writes the files of a scene, at most `PREVIEW_SIDE` pixels a side, and describes them.

    Args:
        analysis: Of a pair that was predicted.
        name: What the names of saved files begin with; the stem of the image's name.
        words: Of the verdicts on "iou" and "rmse".
        folder: An existing one to write into. Without it, a new one of the cache.

    Returns:
        What `createStage(...).show` takes, ready for JSON. "folder" is where the "files" are.

    Raises:
        StorageError: A file cannot be written.
        ValueError: Nothing was predicted.
    """
    predicted = analysis.predicted
    if predicted is None:
        raise ValueError("this analysis has no prediction to show")
    folder = folder or new_file("scene").parent
    with storing(), ThreadPoolExecutor(PACKERS) as pool:
        packed = [(stem, pool.submit(pack)) for stem, pack in _packers(analysis, predicted)]
        files = {}
        for stem, future in packed:
            content, ending = future.result()
            path = folder / f"{stem}.{ending}"
            path.write_bytes(content)
            files[stem] = path.name
    height, width = predicted.prediction.mask.shape
    figures = {"iou": analysis.iou, "rmse": analysis.rmse}
    return {
        "name": name,
        "size": [width, height],
        "folder": str(folder),
        "files": files,
        "truth": {
            "mask": analysis.true_mask is not None,
            "depth": analysis.depth_error is not None,
        },
        "figures": {
            key: {"value": value, "words": (words or {}).get(key, "")}
            for key, value in figures.items()
        },
        "palette": colour_depth(np.linspace(0, 1, 256, dtype=np.float32)[None]).tobytes().hex(),
    }


def foreground_colours(image: Picture, background: Picture | None, mask: Map) -> Picture:
    """Removes the background that shines through at the foreground's border from its colours.

    (H, W, 3), (H, W, 3) and (H, W) -> (H, W, 3).
    """
    if background is None:
        return image
    from depthmask.inference.refinement import unmix

    return unmix(image, background, mask)


def _packers(
    analysis: Analysis, predicted: PredictedPair
) -> Iterator[tuple[str, Callable[[], tuple[bytes, str]]]]:
    """The files of a scene by their stem, each a function that makes content and ending."""
    found = predicted.prediction
    image = at_most(predicted.image, PREVIEW_SIDE)
    yield "image", partial(preview_file, image)
    mask, depth = at_most(found.mask, PREVIEW_SIDE), at_most(found.depth, PREVIEW_SIDE)
    yield "depth", lambda: _png(*_split(depth * DEPTH_STEPS))
    if analysis.depth_error is not None:
        error = analysis.depth_error
        yield "error", lambda: _png(*_error(error))
    near, far = relief_layers(depth, mask, RELIEF_SIDE)
    yield "relief", lambda: _png(*_split(near * DEPTH_STEPS), *_split(far * DEPTH_STEPS))
    background, shadow = None, np.zeros_like(mask)
    if found.background is not None:
        background = at_most(found.background, PREVIEW_SIDE)
        yield "background", partial(preview_file, background)
        shadow = cast_shadow(image, background, mask)
    yield "maps", lambda: _png(_levels(mask), _truth(analysis), _levels(shadow))
    colours = foreground_colours(image, background, mask)
    yield "foreground", lambda: preview_file(_blank_far(colours, mask))


def _blank_far(colours: Picture, mask: Map) -> Picture:
    """Makes what is far from the foreground grey, which takes hardly a byte: (H, W, 3)."""
    side = 2 * BLANK_REACH + 1
    around = cv2.dilate((mask > 0).astype(np.uint8), np.ones((side, side), np.uint8))
    return np.asarray(cv2.copyTo(colours, around, np.full_like(colours, 128)), np.uint8)


def _truth(analysis: Analysis) -> Bytes:
    """The true mask as levels, (H, W); all unknown where there is none."""
    assert analysis.predicted is not None
    if analysis.true_mask is None:
        shape = at_most(analysis.predicted.prediction.mask, PREVIEW_SIDE).shape
        return np.full(shape, UNKNOWN, np.uint8)
    share = at_most(analysis.true_mask.astype(np.float32), PREVIEW_SIDE)
    levels = np.where(share > 0.5, np.uint8(255), np.uint8(0))
    if analysis.mask_known is not None:
        levels[at_most(analysis.mask_known.astype(np.float32), PREVIEW_SIDE) < 1] = UNKNOWN
    return levels


def _error(error: Map) -> tuple[Bytes, Bytes]:
    """Errors of depth from -1 to 1 as steps from 1; 0 is an unknown error."""
    small = at_most(error.astype(np.float32), PREVIEW_SIDE)
    known = np.isfinite(small)
    steps = (np.clip(np.where(known, small, 0), -1, 1) + 1) / 2 * DEPTH_STEPS
    return _split(np.where(known, np.maximum(steps, 1), 0))


def _levels(values: Map) -> Bytes:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _split(steps: Map) -> tuple[Bytes, Bytes]:
    """Splits steps up to `DEPTH_STEPS` into high and low bytes."""
    whole = np.rint(np.clip(steps, 0, DEPTH_STEPS)).astype(np.uint16)
    return (whole >> 8).astype(np.uint8), (whole & 255).astype(np.uint8)


def _png(*planes: Bytes) -> tuple[bytes, str]:
    done, content = cv2.imencode(".png", np.vstack(planes), PNG_OPTIONS)
    assert done
    return content.tobytes(), "png"
