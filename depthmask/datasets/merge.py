"""Joins and checks the parts of a data set that several machines have built."""

import os
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
from depthmask.datasets.sources import name_key
from depthmask.errors import DatasetError
from depthmask.files import is_file_name, refuse_links, write_whole

_NAMES = slice(MANIFEST_COLUMNS.index("background"), MANIFEST_COLUMNS.index("depth_file") + 1)


def merge(parts: Sequence[Path], out: Path) -> Plan:
    """Joins parts that were built with `--shard I/N` into one folder.

    Files are hard links where the disk allows it, and copies elsewhere. The parts stay as they are.
    A merge that was stopped can be started again.

    Args:
        parts: Folders that `build` wrote to, with the same pictures and settings.
        out: A new folder, one that a merge has begun, or one of the parts.

    Raises:
        DatasetError: The parts do not belong together, or one is incomplete or damaged, or names
            files that `build` does not make.
        OptionError: There is a link in a part, or in `out`.
    """
    plans = [_read_plan(part) for part in parts]
    for part, other in zip(parts, plans, strict=True):
        if other != plans[0]:
            raise DatasetError(f"{part} was built with other pictures or settings than {parts[0]}.")
        if is_complete(part) and os.path.realpath(part) != os.path.realpath(out):
            raise DatasetError(f"{part} is complete already; leave it out.")
    plan = plans[0]
    owners = _find_owners(parts, plan)
    for name in (BLOCK_RECORDS, *plan.folders()):
        refuse_links(out, name)
        (out / name).mkdir(parents=True, exist_ok=True)
    write_whole(out / PLAN, (parts[0] / PLAN).read_bytes(), durable=True)
    for number, part in enumerate(owners):
        for name in _check(part, plan, number):
            _link(part / name, out / name)
        _link(record_path(part, number), record_path(out, number))
    finish_dataset(out, plan)
    say(f"{out} is complete: {plan.samples:,} composites, all checked; see {MANIFEST}.")
    return plan


def _read_plan(part: Path) -> Plan:
    """Reads a part's plan, and sees that the files it names lie in it, each in its own place."""
    refuse_links(part, PLAN)
    if not (part / PLAN).is_file():  # a pipe would be waited for
        raise DatasetError(f"{part} is no data set that `build` has begun; check the path.")
    plan = read_plan(part / PLAN)
    names = [str(background.name) for background in plan.backgrounds]
    if not all(map(is_file_name, names)) or len(set(map(name_key, names))) < len(names):
        raise DatasetError(
            f"{part / PLAN} has names of backgrounds that `build` does not give; build {part} "
            "again."
        )
    return plan


def _find_owners(parts: Sequence[Path], plan: Plan) -> list[Path]:
    """The part that holds each block. The records of all blocks would need too much memory."""
    owners: list[Path] = []
    missing: list[int] = []
    for number in range(plan.block_count):
        found = (part for part in parts if _find_record(part, number) is not None)
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


def _find_record(part: Path, number: int) -> BlockRecord | None:
    path = record_path(part, number)
    refuse_links(part, f"{BLOCK_RECORDS}/{path.name}")
    return find_record(path) if path.is_file() else None


def _check(part: Path, plan: Plan, number: int) -> list[str]:
    """Compares the files of a block with its record, and the record with the plan.

    Returns:
        The paths of the files in the part.
    """
    record, block = read_record(part, number), plan.block(number)
    composites = plan.files(block)
    background = plan.backgrounds[block.background].name
    cutouts = (plan.cutouts[place // plan.each].name for place in range(block.first, block.last))
    rows = [[background, cutout, *files] for cutout, files in zip(cutouts, composites, strict=True)]
    names = [name for _, *files in composites for name in files]
    if block.first == 0:
        names.append(composites[0][0])
    if {*names} != {*record.sizes} or rows != [row[_NAMES] for row in record.rows]:
        raise DatasetError(
            f"{record_path(part, number)} does not fit the plan; delete it, and run `build` on "
            f"{part} again."
        )
    for name in names:
        refuse_links(part, name)
    if not has_all_files(part, record):
        raise DatasetError(f"Files of {part} are missing or cut short; run `build` on it again.")
    for row, (_, *files) in zip(record.rows, composites, strict=True):
        checksum = 0
        for name in files:
            checksum = zlib.crc32((part / name).read_bytes(), checksum)
        if f"{checksum:08x}" != row[-1]:
            raise DatasetError(
                f"{part / files[0]} or its mask or depth is damaged; delete all three and run "
                f"`build` on {part} again."
            )
    return names


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
        write_whole(target, source.read_bytes())
    else:
        os.replace(draft, target)
