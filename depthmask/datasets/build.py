"""Builds a data set on disk: every cut-out at random places on every background, with the truth.

It is made block by block, see `plan`. A file is written beside its place and renamed, and a block
has a record once all its files are there; so a build that was stopped goes on, and ends the same.
"""

import errno
import os
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import torch

from depthmask.data.folders import counted, say
from depthmask.data.split import combined_split
from depthmask.datasets.blocks import (
    FOLDER,
    Moments,
    Record,
    missing_blocks,
    record_path,
    write_record,
)
from depthmask.datasets.depth_labels import DepthSource, open_depth
from depthmask.datasets.layout import Pixels, encode
from depthmask.datasets.place import Backdrop, place
from depthmask.datasets.plan import BATCH, Block, Plan, Settings, read_plan
from depthmask.datasets.records import PLAN, clear_records, finish, is_finished
from depthmask.datasets.sources import (
    Cutouts,
    read_backgrounds,
    read_cutouts,
    read_plate,
)
from depthmask.depth import depth_from_ratio
from depthmask.errors import DatasetError
from depthmask.files import replace_durably

_PLATES = 4  # labelled backgrounds kept in memory
_TELL_EVERY = 5.0  # seconds

Shard = tuple[int, int]  # which part, from 1, of how many


@dataclass(frozen=True)
class Folders:
    """Where a build reads and writes."""

    foregrounds: Path
    backgrounds: Path
    out: Path

    def absolute(self) -> "Folders":
        """The same, from whatever folder a process was started in."""
        return Folders(*(p.absolute() for p in (self.foregrounds, self.backgrounds, self.out)))


def build(
    folders: Folders,
    settings: Settings,
    *,
    shard: Shard = (1, 1),
    run: "Runner | None" = None,
) -> bool:
    """Builds a data set, or a part of it, and goes on with one that was begun.

    Args:
        folders: Cut-outs, backgrounds, and where to write.
        settings: What to make.
        shard: Which part of how many; parts may share a folder, or `merge` joins theirs.
        run: Makes the blocks: threads of this process, as many as there are processors, if None.

    Returns:
        Whether the data set is complete; if not, other parts are missing.

    Raises:
        DatasetError: Bad input, a full disk, or a folder that holds another data set.
        TeacherError: `settings.depth` cannot be used.
    """
    if not 1 <= shard[0] <= shard[1]:
        raise DatasetError(f"--shard I/N needs I from 1 to N, not {shard[0]}/{shard[1]}.")
    maker = Maker.prepare(folders, settings)
    plan, out = maker.plan, folders.out
    begin(out, plan)
    if is_finished(out):
        clear_records(out)
        say(f"{out} is complete.")
        return True
    wanted = list(plan.shard(*shard))
    missing = missing_blocks(out, wanted)
    progress = BuildProgress(plan, wanted, missing)
    ending = f"; {counted(maker.left_out, 'file')} left out, see above" if maker.left_out else ""
    with one_thread_each(), _full_disk_in_words(out):
        for number in (run or Threads()).make(maker, missing):
            progress.done(number)
        if not _all_recorded(out, plan):
            say(f"This part is done: {progress.total:,} composites{ending}; `merge` joins parts.")
            return False
        _finish_once(out, plan)
    say(f"{out} is complete: {plan.samples:,} composites{ending}.")
    return True


class Maker:
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
        self._plate = lru_cache(maxsize=_PLATES)(self._label)

    @classmethod
    def prepare(cls, folders: Folders, settings: Settings) -> "Maker":
        """Loads the teacher, reads all cut-outs, and looks through the backgrounds."""
        source = open_depth(settings.depth)  # first: what is wrong with it is told at once
        held_out = settings.held_out
        cutouts = read_cutouts(folders.foregrounds, longest=settings.longest, held_out=held_out)
        backgrounds, left_out = read_backgrounds(folders.backgrounds, held_out=held_out)
        plan = Plan(replace(settings, depth=source.key), cutouts.sources, backgrounds)
        return cls(folders, plan, cutouts, source, left_out=cutouts.left_out + left_out)

    def make(self, number: int) -> None:
        """Makes a block's files and its record, whether they are there or not."""
        block = self.plan.block(number)
        with self._lock:  # a background is labelled once
            plate = self._plate(block.background)
        record = Record(rows=[])
        name = self.plan.backgrounds[block.background].name
        if block.first == 0:
            pixels = plate.pixels.numpy()
            record.moments["background"] = Moments.of(pixels[None])
            self._write(record, self.plan.layout.path("background", name, 0), pixels)
        for first in range(block.first, block.last, BATCH):
            self._make_batch(record, block, plate, range(first, min(first + BATCH, block.last)))
        write_record(record_path(self.folders.out, number), record)

    def _make_batch(self, record: Record, block: Block, plate: Backdrop, places: range) -> None:
        plan, settings = self.plan, self.plan.settings
        numbers = torch.tensor(places)
        cutouts = numbers // plan.each
        mirrored = numbers % plan.each >= settings.placements
        numbers = numbers + block.background * plan.per_background
        placed = place(
            self.cutouts.pool,
            plate,
            numbers,
            cutouts,
            mirrored,
            seed=settings.seed,
            scale=settings.scale,
        )
        depth = depth_from_ratio(self.source.ratio(placed, plate)).numpy()
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

    def _write(self, record: Record, name: str, pixels: Pixels, checksum: int = 0) -> int:
        content = encode(pixels, name)
        _write_whole(self.folders.out / name, content)
        record.sizes[name] = len(content)
        return zlib.crc32(content, checksum)

    def _label(self, background: int) -> Backdrop:
        source = self.plan.backgrounds[background]
        return self.source.plate(
            read_plate(self.folders.backgrounds, source, self.plan.settings.size)
        )


class Runner:
    """Makes blocks, and says which are done."""

    def make(self, maker: Maker, numbers: list[int]) -> Iterator[int]:
        """Yields a block's number once it is made."""
        raise NotImplementedError


class Threads(Runner):
    """Makes blocks in threads of this process."""

    def __init__(self, jobs: int | None = None) -> None:
        self._jobs = jobs or os.cpu_count() or 1

    def make(self, maker: Maker, numbers: list[int]) -> Iterator[int]:
        with ThreadPoolExecutor(self._jobs) as pool:
            waiting = {pool.submit(maker.make, number): number for number in numbers}
            try:
                for future in as_completed(waiting):
                    future.result()
                    yield waiting.pop(future)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


class BuildProgress:
    """Tells how far a build is, how fast, and for how long."""

    def __init__(self, plan: Plan, wanted: Iterable[int], missing: Iterable[int]) -> None:
        def count(numbers: Iterable[int]) -> int:
            return sum(block.last - block.first for block in map(plan.block, numbers))

        self._plan = plan
        self.total = count(wanted)
        self._before = self._made = self.total - count(missing)
        self._start = self._told = time.monotonic()
        if self._before:
            say(f"{self._before:,} of {self.total:,} composites are there already.")

    def done(self, number: int) -> None:
        """Counts a block, and prints a line every few seconds."""
        block = self._plan.block(number)
        self._made += block.last - block.first
        now = time.monotonic()
        if now - self._told < _TELL_EVERY and self._made < self.total:
            return
        self._told = now
        rate = (self._made - self._before) / max(now - self._start, 1e-6)
        left = (self.total - self._made) / rate
        say(
            f"{self._made:,} of {self.total:,} composites, {rate:.{int(rate < 10)}f}/s, "
            f"{int(left // 60)} min {int(left % 60)} s left"
        )


def begin(out: Path, plan: Plan) -> None:
    """Makes the folders; a folder that another plan has begun is refused."""
    path, text = out / PLAN, plan.as_text()
    try:
        used = out.is_dir() and any(not p.name.startswith(f".{PLAN}") for p in out.iterdir())
        # read after that look: another part may begin just now, and puts its plan there first
        known = path.read_text("utf-8") if path.is_file() else None
        if known is None:
            if used:
                raise DatasetError(f"{out} holds other files; choose a new folder.")
            out.mkdir(parents=True, exist_ok=True)
            draft = out / f".{PLAN}.{os.getpid()}.tmp"
            draft.write_text(text, "utf-8")
            replace_durably(draft, path)
        elif known != text:
            read_plan(path)  # tells of another version
            raise DatasetError(
                f"{out} was begun with other pictures or settings; repeat those, or choose "
                "another folder."
            )
        (out / FOLDER).mkdir(exist_ok=True)
        for background in plan.backgrounds:
            for kind in ("background", "image", "mask", "depth"):
                file = out / plan.layout.path(kind, background.name, 1)
                file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{out} cannot be written ({error.strerror}); choose another."
        ) from error


def _all_recorded(out: Path, plan: Plan) -> bool:
    """Whether every part of the data set is done, others' included."""
    numbers = range(plan.block_count)
    return is_finished(out) or all(record_path(out, number).is_file() for number in numbers)


def _finish_once(out: Path, plan: Plan) -> None:
    """Finishes a folder that another part may be finishing at the same time."""
    try:
        finish(out, plan)
    except (DatasetError, FileNotFoundError):
        if not is_finished(out):
            raise


def _write_whole(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Blocks run side by side; and sums come out the same however many processors there are."""
    before, cv2_before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(cv2_before)


@contextmanager
def _full_disk_in_words(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatasetError(
                f"The disk of {out} is full; free some space and give the same command again: it "
                "goes on where it stopped."
            ) from error
        raise DatasetError(
            f"{out} cannot be written ({error.strerror}); give the same command again to go on."
        ) from error
