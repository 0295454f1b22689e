"""A prediction as the few small files from which the browser draws every view of it.

The first picture needs mask and depth alone, no larger than they are shown. `first_scene` packs
those into the answer; `write_rest` writes all that the page then asks for. Photos are JPEG. What
must be exact is planes: see `pack_planes`. stage_scene.js reads what is packed here.
"""

import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from depthmask.app.cache_files import new_file, storing
from depthmask.app.photos.analysis import FIRST_SIDE, Analysis
from depthmask.app.prediction_cache import PredictedPair
from depthmask.evaluation.truth import MIN_UNKNOWN_SHARE
from depthmask.inference.refinement import foreground_colours
from depthmask.inference.shadow import cast_shadow
from depthmask.pictures import Grey, Map, Mask, Picture, preview_file
from depthmask.pictures.resize import fit_size
from depthmask.render.mesh import relief_layers
from depthmask.render.views import at_most, colour_depth

PREVIEW_SIDE = 1600  # longest side of the pictures sent to the browser, in pixels
RELIEF_SIDE = 256  # longest side of the grid of the 3D view
DEPTH_STEPS = 4095  # from depth 0 to 1; an error of depth from -1 to 1 has as many
UNKNOWN = 128  # in the true mask, in which 0 is background and 255 foreground
PACKERS = 4  # files that are packed at the same time
BLANK_REACH = 16  # pixels around the foreground whose colours are kept


def write_scene(
    analysis: Analysis,
    *,
    name: str = "",
    words: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Writes all files of a scene, so that nothing has to be asked for later.

    Args:
        analysis: Of a pair that was predicted.
        name: What the names of saved files begin with; the stem of the image's name.
        words: Of the verdicts on "iou" and "rmse".
        folder: An existing one to write into. Without it, a new one of the cache.

    Returns:
        What `createStage(...).show` takes, ready for JSON. "folder" is where the "files" are, and
        "rest" those that the first picture does not need.

    Raises:
        StorageError: A file cannot be written.
        ValueError: Nothing was predicted.
    """
    described = first_scene(analysis, name=name, words=words, with_image=False)
    del described["first"]
    rest = write_rest(analysis, folder=folder)
    files = {stem: rest["files"].pop(stem) for stem in ("maps", "image")}
    return {**described, "folder": rest["folder"], "files": files, "rest": rest}


def first_scene(
    analysis: Analysis,
    *,
    name: str = "",
    words: Mapping[str, str] | None = None,
    with_image: bool = True,
) -> dict[str, Any]:
    """Describes a scene by what the first picture needs, at most `FIRST_SIDE` pixels a side.

    Args:
        analysis: As for `write_scene`, like the next two.
        name: Likewise.
        words: Likewise.
        with_image: Whether to pack the image, which a page may have itself.

    Returns:
        What `createStage(...).show` takes, ready for JSON. "first" has the planes and the image,
        in base 64.

    Raises:
        ValueError: Nothing was predicted.
    """
    predicted = _predicted(analysis)
    planes = _planes(analysis, predicted, FIRST_SIDE)
    rows, columns = planes["alpha"].shape
    first: dict[str, Any] = {
        "pixels": [columns, rows],
        "maps": _text(pack_planes([*planes.values()])),
    }
    if with_image:
        first["image"] = _text(preview_file(at_most(predicted.image, FIRST_SIDE))[0])
    height, width = predicted.image.shape[:2]
    rows, columns = fit_size((height, width), PREVIEW_SIDE)
    figures = {"iou": analysis.iou, "rmse": analysis.rmse}
    return {
        "name": name,
        "size": [width, height],
        "pixels": [columns, rows],
        "planes": [*planes],
        "first": first,
        "truth": {"mask": "truth" in planes, "depth": "error" in planes},
        "figures": {
            key: {"value": value, "words": (words or {}).get(key, "")}
            for key, value in figures.items()
        },
        "palette": colour_depth(np.linspace(0, 1, 256, dtype=np.float32)[None]).tobytes().hex(),
    }


def write_rest(analysis: Analysis, *, folder: Path | None = None) -> dict[str, Any]:
    """Writes all files of a scene, at most `PREVIEW_SIDE` pixels a side.

    Args:
        analysis: Of a pair that was predicted.
        folder: An existing one to write into. Without it, a new one of the cache.

    Returns:
        The "rest" of a scene, ready for JSON: "folder" is where the "files" are, and "grid" the
        columns and rows of the relief.

    Raises:
        StorageError: A file cannot be written.
        ValueError: Nothing was predicted.
    """
    folder = folder or new_file("scene").parent
    predicted = _predicted(analysis)
    found = predicted.prediction
    image = at_most(predicted.image, PREVIEW_SIDE)
    mask, depth = (at_most(each, PREVIEW_SIDE) for each in (found.mask, found.depth))
    near, far = relief_layers(depth, mask, RELIEF_SIDE)
    planes = _planes(analysis, predicted, PREVIEW_SIDE)
    packers = _packers([*planes.values()], image, mask, found.background, (near, far))
    files = _write(dict(packers), folder)
    return {"folder": str(folder), "files": files, "grid": [near.shape[1], near.shape[0]]}


def pack_planes(planes: Sequence[Grey], *, level: int = 1) -> bytes:
    """Packs planes (H, W) of 8 or 16 bits, one after the other, by deflate.

    Each value becomes its difference from what left and upper neighbour let expect: left + upper -
    upper left, as integers that wrap around. Of 16 bits, the differences 0, -1, 1, -2 ... become 0,
    1, 2, 3 ..., and all high bytes come before all low ones.

    Args:
        planes: What to pack.
        level: Of zlib. The least is best by time, and as small as level 3 is in PNG.
    """
    strategy = zlib.Z_RLE if level == 1 else zlib.Z_DEFAULT_STRATEGY
    packer = zlib.compressobj(level, strategy=strategy)
    parts = []
    for plane in planes:
        change = plane.copy()
        change[1:] -= plane[:-1]
        change[:, 1:] -= change[:, :-1].copy()
        if change.dtype == np.uint8:
            parts.append(packer.compress(change.tobytes()))
            continue
        signed = change.view(np.int16)
        folded = ((signed << 1) ^ (signed >> 15)).view(np.uint16)
        for part in (folded >> 8, folded & 255):
            parts.append(packer.compress(part.astype(np.uint8).tobytes()))
    return b"".join((*parts, packer.flush()))


def _write(packers: Mapping[str, Callable[[], tuple[bytes, str]]], folder: Path) -> dict[str, str]:
    """Writes a file for each stem, of the content and ending that a function makes."""
    with storing(), ThreadPoolExecutor(PACKERS) as pool:
        packed = {stem: pool.submit(pack) for stem, pack in packers.items()}
        files = {}
        for stem, future in packed.items():
            content, ending = future.result()
            path = folder / f"{stem}.{ending}"
            path.write_bytes(content)
            files[stem] = path.name
    return files


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _predicted(analysis: Analysis) -> PredictedPair:
    if analysis.predicted is None:
        raise ValueError("this analysis has no prediction to show")
    return analysis.predicted


def _planes(analysis: Analysis, predicted: PredictedPair, side: int) -> dict[str, Grey]:
    """Mask and depth as levels and steps, with the unknown area and the truth if there is one."""
    mask, depth = (
        at_most(x, side) for x in (predicted.prediction.mask, predicted.prediction.depth)
    )
    planes: dict[str, Grey] = {"alpha": _levels(mask), "depth": _steps(depth)}
    unknown = predicted.prediction.unknown
    if unknown is not None and unknown.mean() >= MIN_UNKNOWN_SHARE:
        planes["unknown"] = _levels(at_most(unknown.astype(np.float32), side))
    if analysis.true_mask is not None:
        planes["truth"] = _truth(analysis.true_mask, analysis.mask_known, side)
    if analysis.depth_error is not None:
        planes["error"] = _error(analysis.depth_error, side)
    return planes


def _packers(
    planes: Sequence[Grey],
    image: Picture,
    mask: Map,
    background: Picture | None,
    relief: tuple[Map, Map],
) -> Iterator[tuple[str, Callable[[], tuple[bytes, str]]]]:
    """The files of a scene by their stem, each a function that makes content and ending."""
    yield "maps", lambda: (pack_planes(planes), "bin")
    yield "image", partial(preview_file, image)
    yield "relief", lambda: (pack_planes([_steps(layer) for layer in relief]), "bin")
    if background is not None:
        background = at_most(background, PREVIEW_SIDE)
        yield "background", partial(preview_file, background)
        shadow = _levels(cast_shadow(image, background, mask))
        if shadow.any():
            yield "shadow", lambda: (pack_planes([shadow]), "bin")
    colours = foreground_colours(image, background, mask)
    yield "foreground", lambda: preview_file(_blank_far(colours, mask))


def _blank_far(colours: Picture, mask: Map) -> Picture:
    """Makes what is far from the foreground grey, which takes hardly a byte: (H, W, 3)."""
    side = 2 * BLANK_REACH + 1
    around = cv2.dilate((mask > 0).astype(np.uint8), np.ones((side, side), np.uint8))
    return np.asarray(cv2.copyTo(colours, around, np.full_like(colours, 128)), np.uint8)


def _truth(true_mask: Mask, known: Mask | None, side: int) -> Grey:
    """The true mask as levels, (H, W)."""
    share = at_most(true_mask.astype(np.float32), side)
    levels = np.where(share > 0.5, np.uint8(255), np.uint8(0))
    if known is not None:
        levels[at_most(known.astype(np.float32), side) < 1] = UNKNOWN
    return levels


def _error(error: Map, side: int) -> Grey:
    """Errors of depth from -1 to 1 as steps from 1; 0 is an unknown error."""
    small = at_most(error.astype(np.float32), side)
    known = np.isfinite(small)
    steps = _steps(np.clip(np.where(known, (small + 1) / 2, 0), 0, 1).astype(np.float32))
    return np.where(known, np.maximum(steps, 1), 0).astype(np.uint16)


def _levels(values: Map) -> Grey:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _steps(values: Map) -> Grey:
    return np.rint(np.clip(values, 0, 1) * np.float32(DEPTH_STEPS)).astype(np.uint16)
