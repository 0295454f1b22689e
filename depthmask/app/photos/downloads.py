"""The files a visitor can take home, each made when it is asked for, at the image's own size."""

import json
import logging
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from depthmask.app.cache_files import new_file
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.views import foreground_colours
from depthmask.app.prediction_cache import Seen
from depthmask.depth import CONVENTION
from depthmask.pictures import write_cutout, write_depth, write_mask
from depthmask.render.views import cutout

if TYPE_CHECKING:
    import trimesh

REPORT = "prediction.json"


@dataclass(frozen=True)
class Download:
    """A file to be had: the button's label, the file's name, and what writes it."""

    label: str
    file: str
    write: Callable[[Path, Analysis, Seen, str], None]


def prepare(download: Download, analysis: Analysis, model: str) -> tuple[Path | None, str]:
    """Writes a file where the page can fetch it.

    Returns:
        The file, or None and what to tell the visitor.
    """
    if analysis.seen is None:
        return None, analysis.message
    try:
        path = new_file(download.file)
        download.write(path, analysis, analysis.seen, model)
    except (OSError, MemoryError, RuntimeError, ValueError, cv2.error) as error:
        logging.getLogger(__name__).exception("a download failed")
        return None, f"{download.file} could not be made: {error}. Try again later."
    return path, ""


def report(analysis: Analysis, seen: Seen, model: str) -> dict[str, Any]:
    """Describes a prediction, ready for JSON."""
    found = seen.prediction
    height, width = found.mask.shape
    metrics = {"iou": analysis.iou, "rmse": analysis.rmse}
    return {
        "image": {"width": width, "height": height},
        "background": {"width": seen.background_size[1], "height": seen.background_size[0]},
        "mask": "8 bits, 255 is foreground",
        "depth": "16 bits, 65535 is depth 1; depth.npy has it as float32",
        "convention": CONVENTION,
        "model": model,
        "seconds": round(found.seconds, 3),
        "metrics": {name: value for name, value in metrics.items() if value is not None},
        "pair": found.pair.summary() if found.pair else {},
        "notes": list(seen.notes),
    }


def _write_cutout(path: Path, _: Analysis, seen: Seen, __: str) -> None:
    found = seen.prediction
    colours = foreground_colours(seen.image, found.background, found.mask)
    write_cutout(path, cutout(colours, found.mask))


def _write_mask(path: Path, _: Analysis, seen: Seen, __: str) -> None:
    write_mask(path, seen.prediction.mask)


def _write_depth(path: Path, _: Analysis, seen: Seen, __: str) -> None:
    write_depth(path, seen.prediction.depth)


def _write_array(path: Path, _: Analysis, seen: Seen, __: str) -> None:
    np.save(path, seen.prediction.depth)


def _write_model(path: Path, _: Analysis, seen: Seen, __: str) -> None:
    """Writes the pair as a GLB file."""
    from depthmask.render.mesh import to_glb

    path.write_bytes(to_glb(build_model(seen)))


def build_model(seen: Seen) -> "trimesh.Scene":
    """The meshes of a pair."""
    from depthmask.render.mesh import build_scene

    found = seen.prediction
    colours = foreground_colours(seen.image, found.background, found.mask)
    return build_scene(colours, found.mask, found.depth, background=found.background)


def _write_all(path: Path, analysis: Analysis, seen: Seen, model: str) -> None:
    # what is in there is compressed already
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for download in DOWNLOADS.values():
            if download.write is not _write_all:
                part = path.with_name(download.file)
                download.write(part, analysis, seen, model)
                archive.write(part, download.file)
                part.unlink()
        text = json.dumps(report(analysis, seen, model), indent=2, ensure_ascii=False)
        archive.writestr(REPORT, text + "\n")


DOWNLOADS = {
    "cutout": Download("Cut-out", "cutout.png", _write_cutout),
    "mask": Download("Mask", "mask.png", _write_mask),
    "depth": Download("Depth, 16-bit", "depth.png", _write_depth),
    "array": Download("Depth, .npy", "depth.npy", _write_array),
    "model": Download("3D, .glb", "scene.glb", _write_model),
    "all": Download("All, .zip", "depthmask.zip", _write_all),
}
