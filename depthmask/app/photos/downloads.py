"""The files that a visitor can download, made on demand at the image's own size."""

import json
import logging
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from depthmask.app.cache_files import new_file, storing
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.views import foreground_colours
from depthmask.app.prediction_cache import PredictedPair
from depthmask.depth import CONVENTION
from depthmask.errors import StorageError
from depthmask.pictures import write_cutout, write_depth, write_mask
from depthmask.render.views import cutout

if TYPE_CHECKING:
    import trimesh

REPORT = "prediction.json"


@dataclass(frozen=True)
class Download:
    """A file to download: the button's label, the file's name, and the function that writes it."""

    label: str
    file: str
    write: Callable[[Path, Analysis, PredictedPair, str], None]


def prepare(download: Download, analysis: Analysis, model: str) -> tuple[Path | None, str]:
    """Writes a file where the page can fetch it.

    Returns:
        The file, or None and a sentence for the visitor.
    """
    if analysis.predicted is None:
        return None, analysis.message
    try:
        path = new_file(download.file)
        with storing():
            download.write(path, analysis, analysis.predicted, model)
    except StorageError as error:
        return None, f"{download.file} could not be made. {error}"
    except (MemoryError, RuntimeError, ValueError, cv2.error) as error:
        logging.getLogger(__name__).exception("a download failed")
        return None, f"{download.file} could not be made: {error}. Try again later."
    return path, ""


def describe(analysis: Analysis, predicted: PredictedPair, model: str) -> dict[str, Any]:
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
        "metrics": {name: value for name, value in metrics.items() if value is not None},
        "pair": found.pair.summary() if found.pair else {},
        "notes": list(predicted.notes),
    }


def _write_cutout(path: Path, _: Analysis, predicted: PredictedPair, __: str) -> None:
    found = predicted.prediction
    colours = foreground_colours(predicted.image, found.background, found.mask)
    write_cutout(path, cutout(colours, found.mask))


def _write_mask(path: Path, _: Analysis, predicted: PredictedPair, __: str) -> None:
    write_mask(path, predicted.prediction.mask)


def _write_depth(path: Path, _: Analysis, predicted: PredictedPair, __: str) -> None:
    write_depth(path, predicted.prediction.depth)


def _write_array(path: Path, _: Analysis, predicted: PredictedPair, __: str) -> None:
    np.save(path, predicted.prediction.depth)


def _write_model(path: Path, _: Analysis, predicted: PredictedPair, __: str) -> None:
    """Writes the pair as a GLB file."""
    from depthmask.render.mesh import to_glb

    path.write_bytes(to_glb(build_model(predicted)))


def build_model(predicted: PredictedPair) -> "trimesh.Scene":
    """Builds the meshes of a pair."""
    from depthmask.render.mesh import build_scene

    found = predicted.prediction
    colours = foreground_colours(predicted.image, found.background, found.mask)
    return build_scene(colours, found.mask, found.depth, background=found.background)


def _write_all(path: Path, analysis: Analysis, predicted: PredictedPair, model: str) -> None:
    # the files in it are compressed already
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for download in DOWNLOADS.values():
            if download.write is not _write_all:
                part = path.with_name(download.file)
                download.write(part, analysis, predicted, model)
                archive.write(part, download.file)
                part.unlink()
        text = json.dumps(describe(analysis, predicted, model), indent=2, ensure_ascii=False)
        archive.writestr(REPORT, text + "\n")


DOWNLOADS = {
    "cutout": Download("Cut-out", "cutout.png", _write_cutout),
    "mask": Download("Mask", "mask.png", _write_mask),
    "depth": Download("Depth, 16-bit", "depth.png", _write_depth),
    "array": Download("Depth, .npy", "depth.npy", _write_array),
    "model": Download("3D, .glb", "scene.glb", _write_model),
    "all": Download("All, .zip", "depthmask.zip", _write_all),
}
