"""Builds a data set on disk: every cut-out at random places on every background, with ground truth.

It is made block by block, see `plan`. Each file is written in one step, and a block gets its record
when all its files are written. A build that was stopped can therefore go on, and the result has the
same bytes.
"""

import os
import threading
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import torch

from depthmask.data.folders import say
from depthmask.data.split import combined_split
from depthmask.datasets.depth_labels import DepthSource, open_depth
from depthmask.datasets.layout import Pixels, encode
from depthmask.datasets.place import Backdrop, place
from depthmask.datasets.plan import Block, Plan, Settings, read_plan
from depthmask.datasets.records import (
    BLOCK_RECORDS,
    PLAN,
    BlockRecord,
    Moments,
    finish_dataset,
    is_complete,
    missing_blocks,
    record_path,
    remove_records,
    write_record,
)
from depthmask.datasets.sources import (
    Cutouts,
    read_backgrounds,
    read_cutouts,
    read_square_background,
)
from depthmask.depth import depth_from_ratio
from depthmask.errors import DatasetError, counted, is_disk_full
from depthmask.files import refuse_links, write_whole
from depthmask.progress import Progress

_MAX_BACKDROPS = 4  # in memory
_MEASURED = "+measured"  # at the end of the depth's key

Shard = tuple[int, int]  # which part, from 1, of how many


@dataclass(frozen=True)
class Folders:
    """Where a build reads and writes."""

    foregrounds: Path
    backgrounds: Path
    out: Path
    measured: Path | None = None  # depth of some backgrounds, see `find_measured`

    def absolute(self) -> "Folders":
        """The same as absolute paths, for processes that run in another folder."""
        return Folders(**{name: path and path.absolute() for name, path in vars(self).items()})


def build(
    folders: Folders,
    settings: Settings,
    *,
    shard: Shard = (1, 1),
    runner: "Runner | None" = None,
) -> bool:
    """Builds a data set or a part of it, and continues one that was begun.

    Args:
        folders: Cut-outs, backgrounds, and where to write.
        settings: What to make.
        shard: Which part of how many. The parts may share a folder; otherwise `merge` joins them.
        runner: Makes the blocks. Default: a thread of this process for each processor.

    Returns:
        Whether the data set is complete. If not, other parts are missing.

    Raises:
        DatasetError: An input or `shard` cannot be used, the disk is full, or the folder holds
            something else.
        TeacherError: `settings.depth` cannot be used.
    """
    if not 1 <= shard[0] <= shard[1]:
        raise DatasetError(f"--shard I/N needs I from 1 to N, not {shard[0]}/{shard[1]}.")
    builder = BlockBuilder.prepare(folders, settings)
    plan, out = builder.plan, folders.out
    begin_dataset(out, plan)
    if is_complete(out):
        remove_records(out)
        say(f"{out} is complete.")
        return True
    wanted = list(plan.shard(*shard))
    missing = missing_blocks(out, wanted)
    progress = BuildProgress(plan, wanted, missing)
    left_out = builder.left_out
    ending = f"; {counted(left_out, 'file')} left out, see above" if left_out else ""
    with one_thread_each(), _disk_errors_explained(out):
        for number in (runner or Threads()).make(builder, missing):
            progress.done(number)
        if not _all_blocks_recorded(out, plan):
            say(f"This part is done: {progress.total:,} composites{ending}; `merge` joins parts.")
            return False
        _finish_once(out, plan)
    say(f"{out} is complete: {plan.samples:,} composites{ending}.")
    return True


class BlockBuilder:
    """Makes any block of a plan; threads may share it."""

    def __init__(
        self,
        folders: Folders,
        plan: Plan,
        cutouts: Cutouts,
        source: DepthSource,
        *,
        left_out: int = 0,
    ) -> None:
        self.folders, self.plan = folders, plan
        self.left_out = left_out  # files that cannot be used
        self.cutouts, self.source = cutouts, source
        self._lock = threading.Lock()
        self._backdrop = lru_cache(maxsize=_MAX_BACKDROPS)(self._label)

    @classmethod
    def prepare(cls, folders: Folders, settings: Settings) -> "BlockBuilder":
        """Loads the teacher, reads all cut-outs, and checks the backgrounds."""
        source = open_depth(settings.depth)  # first, so that its errors come at once
        held_out = settings.held_out
        cutouts = read_cutouts(folders.foregrounds, longest=settings.longest, held_out=held_out)
        backgrounds, left_out = read_backgrounds(
            folders.backgrounds, held_out=held_out, measured=folders.measured
        )
        depth = source.key + (_MEASURED if folders.measured else "")
        plan = Plan(replace(settings, depth=depth), cutouts.sources, backgrounds)
        return cls(folders, plan, cutouts, source, left_out=cutouts.left_out + left_out)

    def make(self, number: int) -> None:
        """Writes the files of a block and its record, and replaces those that are there."""
        block = self.plan.block(number)
        with self._lock:  # else two threads would label the same background
            backdrop = self._backdrop(block.background)
        record = BlockRecord(rows=[])
        name = self.plan.backgrounds[block.background].name
        if block.first == 0:
            pixels = backdrop.pixels.numpy()
            record.moments["background"] = Moments.of(pixels[None])
            self._write(record, self.plan.layout.path("background", name, 0), pixels)
        for places in self.plan.batches(block):
            self._make_batch(record, block, backdrop, places)
        write_record(record_path(self.folders.out, number), record)

    def _make_batch(
        self, record: BlockRecord, block: Block, backdrop: Backdrop, places: range
    ) -> None:
        plan, settings = self.plan, self.plan.settings
        numbers = torch.tensor(places)
        cutouts = numbers // plan.each
        mirrored = numbers % plan.each >= settings.placements
        numbers = numbers + block.background * plan.per_background
        placed = place(
            self.cutouts.pool,
            backdrop,
            numbers,
            cutouts,
            mirrored,
            seed=settings.seed,
            scale=settings.scale,
        )
        depth = depth_from_ratio(self.source.ratio(placed, backdrop)).numpy()
        pixels: dict[str, Pixels] = {
            "image": placed.image.numpy(),
            "mask": placed.mask.numpy(),
            "depth": plan.layout.quantise_depth(depth),
        }
        for kind, values in pixels.items():
            record.moments[kind].add(Moments.of(values))
        background = plan.backgrounds[block.background]
        for row, place_number in enumerate(places):
            files = {
                kind: plan.layout.path(kind, background.name, place_number + 1)
                for kind in ("background", *pixels)
            }
            checksum = 0
            for kind, values in pixels.items():
                checksum = self._write(record, files[kind], values[row], checksum)
            cutout = plan.cutouts[int(cutouts[row])]
            record.rows.append(
                [
                    *(int(numbers[row]), background.name, cutout.name),
                    *files.values(),
                    *(round(value, 2) for value in placed.box[row].tolist()),
                    *(settings.scale, int(mirrored[row]), settings.seed, settings.depth),
                    *(combined_split(cutout.side, background.side), f"{checksum:08x}"),
                ]
            )

    def _write(self, record: BlockRecord, name: str, pixels: Pixels, checksum: int = 0) -> int:
        content = encode(pixels, name)
        write_whole(self.folders.out / name, content)
        record.sizes[name] = len(content)
        return zlib.crc32(content, checksum)

    def _label(self, background: int) -> Backdrop:
        source, folders = self.plan.backgrounds[background], self.folders
        return self.source.backdrop(
            *read_square_background(
                folders.backgrounds, source, self.plan.settings.size, measured=folders.measured
            )
        )


class Runner:
    """Makes blocks, in whatever order is fastest."""

    def make(self, builder: BlockBuilder, numbers: list[int]) -> Iterator[int]:
        """Makes blocks, and yields the number of each when it is made."""
        raise NotImplementedError


class Threads(Runner):
    """Makes blocks in threads of this process."""

    def __init__(self, jobs: int | None = None) -> None:
        self._jobs = jobs or os.cpu_count() or 1

    def make(self, builder: BlockBuilder, numbers: list[int]) -> Iterator[int]:
        with ThreadPoolExecutor(self._jobs) as pool:
            waiting = {pool.submit(builder.make, number): number for number in numbers}
            try:
                for future in as_completed(waiting):
                    future.result()
                    yield waiting.pop(future)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


class BuildProgress:
    """Prints how many composites are made, how many a second, and the time left."""

    def __init__(self, plan: Plan, wanted: Iterable[int], missing: Iterable[int]) -> None:
        def count(numbers: Iterable[int]) -> int:
            return sum(block.last - block.first for block in map(plan.block, numbers))

        self._plan = plan
        self.total = count(wanted)
        before = self.total - count(missing)
        self._progress = Progress(self.total, "composites", say, before=before)
        if before:
            say(f"{before:,} of {self.total:,} composites are there already.")

    def done(self, number: int) -> None:
        """Counts a block, and prints a line every few seconds."""
        block = self._plan.block(number)
        self._progress.add(block.last - block.first)


def begin_dataset(out: Path, plan: Plan) -> None:
    """Makes the folders and writes the plan.

    Raises:
        DatasetError: The folder holds another plan or other files, or cannot be written.
        OptionError: A folder in it is a link.
    """
    path, text = out / PLAN, plan.as_text()
    try:
        used = out.is_dir() and any(not p.name.startswith(f".{PLAN}") for p in out.iterdir())
        # read after this check: another part may begin now, and writes its plan first
        known = path.read_text("utf-8") if path.is_file() else None
        if known is None:
            if used:
                raise DatasetError(f"{out} holds other files; choose a new folder.")
            out.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode("utf-8"), durable=True, shared=True)
        elif known != text:
            read_plan(path)  # raises if the version is another
            raise DatasetError(
                f"{out} was begun with other pictures or settings; repeat those, or choose "
                "another folder."
            )
        for name in (BLOCK_RECORDS, *plan.folders()):
            refuse_links(out, name)
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{out} cannot be written ({error.strerror}); choose another."
        ) from error


def _all_blocks_recorded(out: Path, plan: Plan) -> bool:
    """Whether all blocks are made, those of other parts included."""
    numbers = range(plan.block_count)
    return is_complete(out) or all(record_path(out, number).is_file() for number in numbers)


def _finish_once(out: Path, plan: Plan) -> None:
    """Finishes a folder that another process may be finishing at the same time."""
    try:
        finish_dataset(out, plan)
    except (DatasetError, FileNotFoundError):
        if not is_complete(out):
            raise


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Lets torch and OpenCV use one thread each.

    Blocks already run in parallel, and sums are the same whatever the number of processors.
    """
    before, cv2_before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(cv2_before)


@contextmanager
def _disk_errors_explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise DatasetError(
                f"The disk of {out} is full; free some space and give the same command again: it "
                "goes on where it stopped."
            ) from error
        raise DatasetError(
            f"{out} cannot be written ({error.strerror}); give the same command again to go on."
        ) from error
