"""The files that a visitor can download, made on demand at the image's own size."""

import json
import logging
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from depthmask.app.cache_files import new_file, storing
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.dropped import MAX_FILE_BYTES
from depthmask.app.photos.scene import PREVIEW_SIDE
from depthmask.app.prediction_cache import PredictedPair
from depthmask.app.reading import photo_reader
from depthmask.depth import CONVENTION
from depthmask.errors import PictureError, StorageError
from depthmask.evaluation.array_metrics import mask_iou
from depthmask.inference.refinement import foreground_colours
from depthmask.inference.shadow import cast_shadow, under_edges
from depthmask.pictures import Map, write_cutout, write_depth, write_mask
from depthmask.pictures.resize import enlarge
from depthmask.render.views import at_most, cutout

if TYPE_CHECKING:
    import trimesh

REPORT = "prediction.json"
OTHER_MASK = "The repaired mask belongs to another picture; repair this one, then try again."
SAME_LEVEL = 0.75 / 255  # of a mask; what differs by less was not repaired


@dataclass(frozen=True, eq=False)
class Edits:
    """What a visitor did to the mask in the browser."""

    mask: Map | None = None  # (h, w), in [0, 1], at the size of the scene's files; None: unchanged
    shadow: bool = False  # the cast shadow lies under the cut-out, as soft black


@dataclass(frozen=True, eq=False)
class Result:
    """What downloads are made of."""

    analysis: Analysis
    predicted: PredictedPair  # with the mask as it was repaired
    model: str  # name of the weights
    shadow: Map | None = None  # (H, W), in [0, 1): what lies under the cut-out
    repaired: bool = False


@dataclass(frozen=True)
class Download:
    """A file to download: the button's label, the file's name, and the function that writes it."""

    label: str
    file: str
    write: Callable[[Path, Result], None]


def read_edits(mask: str | None, shadow: str) -> Edits:
    """Reads what the stage sends with a download.

    Args:
        mask: Path of the repaired mask, which was uploaded; None if nothing was repaired.
        shadow: "found", "drop" or "keep".

    Raises:
        PictureError: The file cannot be read.
    """
    if not mask:
        return Edits(None, shadow == "keep")
    levels = photo_reader().grey(Path(mask), max_bytes=MAX_FILE_BYTES)
    share = levels.astype(np.float32) / np.float32(np.iinfo(levels.dtype).max)
    return Edits(share, shadow == "keep")


def prepare(
    download: Download,
    analysis: Analysis,
    model: str,
    edits: Edits | None = None,
    *,
    photo: str = "",
) -> tuple[Path | None, str]:
    """Writes a file where the page can fetch it.

    Args:
        download: What to write.
        analysis: Of the pair.
        model: Name of the weights.
        edits: What the visitor did to the mask.
        photo: Name of the photo, with which the file's name begins.

    Returns:
        The file, or None and a sentence for the visitor.
    """
    if analysis.predicted is None:
        return None, analysis.message
    try:
        result = apply_edits(analysis, analysis.predicted, model, edits or Edits())
        path = new_file(f"{photo}-{download.file}" if photo else download.file)
        with storing():
            download.write(path, result)
    except PictureError as error:
        return None, str(error)
    except StorageError as error:
        return None, f"{download.file} could not be made. {error}"
    except (MemoryError, RuntimeError, ValueError, cv2.error) as error:
        logging.getLogger(__name__).exception("a download failed")
        return None, f"{download.file} could not be made: {error}. Try again later."
    return path, ""


def apply_edits(analysis: Analysis, predicted: PredictedPair, model: str, edits: Edits) -> Result:
    """Carries what was done to the small mask over to the image's own size.

    Raises:
        PictureError: The repaired mask belongs to another picture.
    """
    found, mask = predicted.prediction, predicted.prediction.mask
    shadow = None
    if edits.shadow and found.background is not None:
        shadow = under_edges(cast_shadow(predicted.image, found.background, mask))
    if edits.mask is None:
        return Result(analysis, predicted, model, shadow)
    small = at_most(mask, PREVIEW_SIDE)
    if edits.mask.shape != small.shape:
        raise PictureError(OTHER_MASK)
    changed = np.abs(edits.mask - small) > SAME_LEVEL
    # where the small mask is as it was, the large one stays as fine as it is
    weight, wanted = (enlarge(x.astype(np.float32), *mask.shape) for x in (changed, edits.mask))
    repaired = np.clip(mask + (wanted - mask) * weight, 0, 1).astype(np.float32)
    pair = predicted._replace(prediction=replace(found, mask=repaired))
    iou = None
    if analysis.true_mask is not None:
        iou = mask_iou(repaired, analysis.true_mask, analysis.mask_known)
    measured = replace(analysis, predicted=pair, iou=iou)
    return Result(measured, pair, model, shadow, repaired=True)


def describe(
    analysis: Analysis, predicted: PredictedPair, model: str, *, repaired: bool = False
) -> dict[str, Any]:
    """Describes a prediction, ready for JSON."""
    found = predicted.prediction
    height, width = found.mask.shape
    metrics = {"iou": analysis.iou, "rmse": analysis.rmse}
    return {
        "image": {"width": width, "height": height},
        "background": {
            "width": predicted.background_size[1],
            "height": predicted.background_size[0],
        },
        "mask": "8 bits, 255 is foreground",
        "depth": "16 bits, 65535 is depth 1; depth.npy has it as float32",
        "convention": CONVENTION,
        "model": model,
        "seconds": round(found.seconds, 3),
        "repaired": repaired,
        "metrics": {name: value for name, value in metrics.items() if value is not None},
        "pair": found.pair.summary() if found.pair else {},
        "notes": list(predicted.notes),
    }


def _write_cutout(path: Path, result: Result) -> None:
    predicted, found = result.predicted, result.predicted.prediction
    colours = foreground_colours(predicted.image, found.background, found.mask)
    write_cutout(path, cutout(colours, found.mask, result.shadow))


def _write_mask(path: Path, result: Result) -> None:
    write_mask(path, result.predicted.prediction.mask)


def _write_depth(path: Path, result: Result) -> None:
    write_depth(path, result.predicted.prediction.depth)


def _write_array(path: Path, result: Result) -> None:
    np.save(path, result.predicted.prediction.depth)


def _write_model(path: Path, result: Result) -> None:
    """Writes the pair as a GLB file."""
    from depthmask.render.mesh import to_glb

    path.write_bytes(to_glb(build_model(result.predicted)))


def build_model(predicted: PredictedPair) -> "trimesh.Scene":
    """Builds the meshes of a pair."""
    from depthmask.render.mesh import build_scene

    found = predicted.prediction
    colours = foreground_colours(predicted.image, found.background, found.mask)
    return build_scene(colours, found.mask, found.depth, background=found.background)


def _write_all(path: Path, result: Result) -> None:
    # the files in it are compressed already
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for download in DOWNLOADS.values():
            if download.write is not _write_all:
                part = path.with_name(download.file)
                download.write(part, result)
                archive.write(part, download.file)
                part.unlink()
        described = describe(
            result.analysis, result.predicted, result.model, repaired=result.repaired
        )
        text = json.dumps(described, indent=2, ensure_ascii=False)
        archive.writestr(REPORT, text + "\n")


DOWNLOADS = {
    "cutout": Download("Cut-out", "cutout.png", _write_cutout),
    "mask": Download("Mask", "mask.png", _write_mask),
    "depth": Download("Depth, 16-bit", "depth.png", _write_depth),
    "array": Download("Depth, .npy", "depth.npy", _write_array),
    "model": Download("3D, .glb", "scene.glb", _write_model),
    "all": Download("All, .zip", "depthmask.zip", _write_all),
}
