"""A data set whose blocks are all there gets its manifest and its `dataset.json`."""

import csv
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from depthmask.data.split import MIXED, TEST, TRAIN, combined_split
from depthmask.datasets.blocks import FOLDER, Record, no_moments, read_record, record_path
from depthmask.datasets.plan import FORMAT_VERSION, Plan
from depthmask.depth import CONVENTION
from depthmask.errors import DatasetError
from depthmask.files import replace_durably

PLAN, MANIFEST, SUMMARY = "plan.json", "manifest.csv", "dataset.json"
COLUMNS = (
    *("sample", "background", "cutout"),
    *("background_file", "image_file", "mask_file", "depth_file"),
    *("centre_x", "centre_y", "width", "height"),  # of the object, pixels
    *("scale", "flip", "seed", "teacher", "split"),
    "crc32",  # of image, mask and depth file, one after the other
)


def finish(folder: Path, plan: Plan) -> dict[str, Any]:
    """Writes `manifest.csv`, then `dataset.json`, then clears the records away.

    Whoever is stopped in between can do it again.

    Returns:
        The content of `dataset.json`.
    """
    moments = no_moments()
    draft = folder / f".{MANIFEST}.tmp"
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number in range(plan.block_count):
            record = known(folder, number)
            writer.writerows(record.rows)
            for kind, counted in record.moments.items():
                if counted.count:
                    moments[kind].add(counted)
    replace_durably(draft, folder / MANIFEST)
    summary = _summary(plan) | {
        "statistics": {kind: counted.summary() for kind, counted in moments.items()}
    }
    draft = folder / f".{SUMMARY}.tmp"
    draft.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    replace_durably(draft, folder / SUMMARY)
    clear_records(folder)
    return summary


def clear_records(folder: Path) -> None:
    """Removes the records of a finished data set, and what starts cut short have left."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    for draft in folder.glob(f".{PLAN}.*"):
        draft.unlink(missing_ok=True)


def known(folder: Path, number: int) -> Record:
    """Reads the record of a finished block; errors: DatasetError where there is none."""
    record = read_record(record_path(folder, number))
    if record is None:
        raise DatasetError(f"Block {number} of {folder} is missing; run `build` on it again.")
    return record


def is_finished(folder: Path) -> bool:
    """Whether a data set is complete."""
    return os.path.isfile(folder / SUMMARY)


def _summary(plan: Plan) -> dict[str, Any]:
    counts = dict.fromkeys((TRAIN, TEST, MIXED), 0)
    for background in plan.backgrounds:
        for cutout in plan.cutouts:
            counts[combined_split(cutout.side, background.side)] += plan.each
    return {
        "format_version": FORMAT_VERSION,
        "samples": plan.samples,
        "cutouts": len(plan.cutouts),
        "backgrounds": len(plan.backgrounds),
        "splits": counts,
        "settings": asdict(plan.settings),
        "depth_convention": CONVENTION,
        "depth_full_scale": plan.layout.depth_full_scale,
    }
