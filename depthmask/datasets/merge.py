"""Joins and checks the parts of a data set that several machines have built."""

import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

from depthmask.data.folders import say
from depthmask.datasets.plan import Plan, read_plan
from depthmask.datasets.records import (
    BLOCK_RECORDS,
    MANIFEST,
    MANIFEST_COLUMNS,
    PLAN,
    BlockRecord,
    find_record,
    finish_dataset,
    format_ranges,
    has_all_files,
    is_complete,
    read_record,
    record_path,
)
from depthmask.errors import DatasetError
from depthmask.files import replace_durably

_CHECKED_FILES = slice(
    MANIFEST_COLUMNS.index("image_file"), MANIFEST_COLUMNS.index("depth_file") + 1
)


def merge(parts: Sequence[Path], out: Path) -> Plan:
    """Joins parts that were built with `--shard I/N` into one folder.

    Files are hard links where the disk allows it, and copies elsewhere. The parts stay as they are.
    A merge that was stopped can be started again.

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
        if is_complete(part) and part.resolve() != out.resolve():
            raise DatasetError(f"{part} is complete already; leave it out.")
    plan = plans[0]
    owners = _find_owners(parts, plan)
    (out / BLOCK_RECORDS).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(parts[0] / PLAN, out / f".{PLAN}.tmp")
    replace_durably(out / f".{PLAN}.tmp", out / PLAN)
    for number, part in enumerate(owners):
        record = read_record(part, number)
        _check(part, record)
        for name in record.sizes:
            _link(part / name, out / name)
        _link(record_path(part, number), record_path(out, number))
    finish_dataset(out, plan)
    say(f"{out} is complete: {plan.samples:,} composites, all checked; see {MANIFEST}.")
    return plan


def _find_owners(parts: Sequence[Path], plan: Plan) -> list[Path]:
    """The part that holds each block. The records of all blocks would need too much memory."""
    owners: list[Path] = []
    missing: list[int] = []
    for number in range(plan.block_count):
        found = (part for part in parts if find_record(record_path(part, number)) is not None)
        owner = next(found, None)
        if owner is None:
            missing.append(number)
        else:
            owners.append(owner)
    if missing:
        raise DatasetError(
            f"Of {plan.block_count} blocks, {len(missing)} are in none of the parts "
            f"({format_ranges(missing)}); build those that are missing."
        )
    return owners


def _check(part: Path, record: BlockRecord) -> None:
    """Compares a block's files with the sizes and checksums in its record."""
    if not has_all_files(part, record):
        raise DatasetError(f"Files of {part} are missing or cut short; run `build` on it again.")
    for row in record.rows:
        checksum = 0
        for name in row[_CHECKED_FILES]:
            checksum = zlib.crc32((part / str(name)).read_bytes(), checksum)
        if f"{checksum:08x}" != row[-1]:
            raise DatasetError(
                f"{part / str(row[_CHECKED_FILES][0])} or its mask or depth is damaged; delete all "
                f"three and run `build` on {part} again."
            )


def _link(source: Path, target: Path) -> None:
    """Puts a file in its place in one step: a hard link where the disk allows it, else a copy."""
    if target.exists() and source.samefile(target):  # a draft linked to the same file would stay
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.tmp")
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except OSError:  # another disk, or a disk without links
        shutil.copyfile(source, draft)
    os.replace(draft, target)
