"""Joins the parts of a data set that several machines have built, and checks them."""

import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

from depthmask.data.folders import say
from depthmask.datasets.blocks import (
    FOLDER,
    Record,
    is_whole,
    ranges,
    read_record,
    record_path,
)
from depthmask.datasets.plan import Plan, read_plan
from depthmask.datasets.records import COLUMNS, MANIFEST, PLAN, SUMMARY, finish, known
from depthmask.errors import DatasetError
from depthmask.files import replace_durably

_FILES = slice(COLUMNS.index("image_file"), COLUMNS.index("depth_file") + 1)


def merge(parts: Sequence[Path], out: Path) -> Plan:
    """Joins parts that were built with `--shard I/N` into one folder.

    Files are linked where the disk allows it, and copied elsewhere; the parts stay as they are.
    Stopped and started again, it ends the same.

    Args:
        parts: Folders that `build` wrote to, with the same pictures and settings.
        out: A new folder, one that a merge has begun, or one of the parts.

    Raises:
        DatasetError: The parts do not belong together, or one is incomplete or damaged.
    """
    plans = [read_plan(part / PLAN) for part in parts]
    for part, other in zip(parts, plans, strict=True):
        if other != plans[0]:
            raise DatasetError(f"{part} was built with other pictures or settings than {parts[0]}.")
        if (part / SUMMARY).is_file() and part.resolve() != out.resolve():
            raise DatasetError(f"{part} is complete already; there is nothing to join it with.")
    plan = plans[0]
    owners = _find_owners(parts, plan)
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(parts[0] / PLAN, out / f".{PLAN}.tmp")
    replace_durably(out / f".{PLAN}.tmp", out / PLAN)
    for number, part in enumerate(owners):
        record = known(part, number)
        _check(part, record)
        for name in record.sizes:
            _take(part / name, out / name)
        _take(record_path(part, number), record_path(out, number))
    finish(out, plan)
    say(f"{out} is complete: {plan.samples:,} composites, all checked; see {MANIFEST}.")
    return plan


def _find_owners(parts: Sequence[Path], plan: Plan) -> list[Path]:
    """For each block the part that holds it; records of all blocks would fill the memory."""
    owners: list[Path] = []
    missing: list[int] = []
    for number in range(plan.block_count):
        found = (part for part in parts if read_record(record_path(part, number)) is not None)
        owner = next(found, None)
        if owner is None:
            missing.append(number)
        else:
            owners.append(owner)
    if missing:
        raise DatasetError(
            f"Of {plan.block_count} blocks, {len(missing)} are in none of the parts "
            f"({ranges(missing)}); build those that are missing."
        )
    return owners


def _check(part: Path, record: Record) -> None:
    """Compares a block's files with the sizes and checksums in its record."""
    if not is_whole(part, record):
        raise DatasetError(f"Files of {part} are missing or cut short; run `build` on it again.")
    for row in record.rows:
        checksum = 0
        for name in row[_FILES]:
            checksum = zlib.crc32((part / str(name)).read_bytes(), checksum)
        if f"{checksum:08x}" != row[-1]:
            raise DatasetError(
                f"{part / str(row[_FILES][0])} or its truth is damaged; build again."
            )


def _take(source: Path, target: Path) -> None:
    """Puts a file in its place in one step, without copying it where that can be avoided."""
    if target.exists() and source.samefile(target):  # renaming a link to itself leaves the draft
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.tmp")
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(source, draft)
    os.replace(draft, target)
