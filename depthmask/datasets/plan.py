"""The plan of a data set: its settings, its pictures, and the blocks in which it is made.

A block is a run of composites of one background. Its content depends on the plan alone. So it is
the same on every machine, and whatever was made before.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from depthmask.datasets.layout import KINDS, LAYOUTS, Layout
from depthmask.datasets.sources import SourcePicture
from depthmask.errors import DatasetError
from depthmask.schema import SchemaError, Within, from_json, from_plain

DATASET_FORMAT = 2  # version 1 coded PNGs in another way
COMPOSITES_PER_BATCH = 20  # made at once: more are not faster, and take more memory
BATCHES_PER_BLOCK = 16  # a few seconds of work, which a killed build does again
MAX_SIZE = 4096  # side of a composite, in pixels
MAX_SAMPLES = 10**8  # of a data set


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    size: int = 224  # side of the square composites, in pixels
    placements: int = 20  # of a cut-out on a background, upright
    flip: bool = False  # as many again, mirrored
    scale: float = 0.5  # an object's longest side in sides of the frame
    depth: str = "contact"  # see `depth_labels`
    layout: str = "plain"
    seed: int = 0
    held_out: float = 0.1  # share of cut-outs, and of backgrounds, for the test

    def __post_init__(self) -> None:
        for wrong, text in (
            (
                not 16 <= self.size <= MAX_SIZE,
                f"--size must be from 16 to {MAX_SIZE}, not {self.size}.",
            ),
            (
                not 1 <= self.placements <= MAX_SAMPLES,
                f"--placements must be from 1 to {MAX_SAMPLES:,}.",
            ),
            (not 0.02 <= self.scale <= 1, f"--scale must be from 0.02 to 1, not {self.scale:g}."),
            (self.layout not in LAYOUTS, f"There is no layout {self.layout!r}."),
            (not 0 <= self.seed < 2**31, f"--seed must be from 0 to {2**31 - 1}."),
            (not 0 <= self.held_out < 1, f"--held-out must be from 0 to 1, not {self.held_out:g}."),
        ):
            if wrong:
                raise DatasetError(text)

    @property
    def longest(self) -> int:
        """An object's longest side in pixels."""
        return max(1, round(self.scale * self.size))


@dataclass(frozen=True)
class Block:
    """The composites `first` to `last`, exclusive, of one background, counted from 0."""

    number: int
    background: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """A data set: every cut-out on every background, `each` times."""

    settings: Settings
    cutouts: Annotated[tuple[SourcePicture, ...], Within(1, MAX_SAMPLES)]
    backgrounds: Annotated[tuple[SourcePicture, ...], Within(1, MAX_SAMPLES)]

    def __post_init__(self) -> None:
        if self.samples > MAX_SAMPLES:
            raise DatasetError(
                f"A data set has at most {MAX_SAMPLES:,} composites, not {self.samples:,}; lower "
                "--placements, or give fewer pictures."
            )

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.settings.layout]

    @property
    def each(self) -> int:
        """Composites of one cut-out on one background."""
        return self.settings.placements * (2 if self.settings.flip else 1)

    @property
    def per_background(self) -> int:
        return len(self.cutouts) * self.each

    @property
    def samples(self) -> int:
        return len(self.backgrounds) * self.per_background

    @property
    def samples_per_block(self) -> int:
        """Composites in a block. The last block of a background may have fewer."""
        return COMPOSITES_PER_BATCH * BATCHES_PER_BLOCK

    @property
    def blocks_per_background(self) -> int:
        return -(-self.per_background // self.samples_per_block)

    @property
    def block_count(self) -> int:
        return len(self.backgrounds) * self.blocks_per_background

    def block(self, number: int) -> Block:
        """The block with a number from 0 to `block_count`."""
        background, part = divmod(number, self.blocks_per_background)
        first = part * self.samples_per_block
        return Block(
            number, background, first, min(first + self.samples_per_block, self.per_background)
        )

    def batches(self, block: Block) -> Iterator[range]:
        """The composites of a block that are made at once."""
        for first in range(block.first, block.last, COMPOSITES_PER_BATCH):
            yield range(first, min(first + COMPOSITES_PER_BATCH, block.last))

    def files(self, block: Block) -> list[list[str]]:
        """The paths of each composite of a block, in the order of `KINDS`."""
        name = self.backgrounds[block.background].name
        return [
            [self.layout.path(kind, name, place + 1) for kind in KINDS]
            for place in range(block.first, block.last)
        ]

    def folders(self) -> list[str]:
        """The folders of all files, parts separated by slashes."""
        paths = (self.layout.path(kind, b.name, 1) for b in self.backgrounds for kind in KINDS)
        return list(dict.fromkeys(path.rpartition("/")[0] for path in paths))

    def shard(self, index: int, count: int) -> Iterator[int]:
        """The blocks of part `index` of `count`, from 1.

        They follow one another, so that few backgrounds are needed in two parts.
        """
        yield from range((index - 1) * self.block_count // count, index * self.block_count // count)

    def as_text(self) -> str:
        """The plan as JSON. Equal plans have equal texts."""
        content = {"format_version": DATASET_FORMAT, **asdict(self)}
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        # the names of some files are no UTF-8
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_plan(path: Path) -> Plan:
    """Reads a file that holds `Plan.as_text`.

    Raises:
        DatasetError: The file is missing, damaged, or of another version.
    """
    try:
        content = from_json(path.read_bytes(), dict[str, object])
        if content.pop("format_version", None) != DATASET_FORMAT:
            raise DatasetError(
                f"{path} was written by another version of depthmask; build it again."
            )
        return _plan_of(content)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{path.parent} is no data set that `build` has begun; check the path."
        ) from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    except SchemaError as error:
        raise DatasetError(f"{path} is damaged ({error}); build the data set again.") from error


def _plan_of(content: dict[str, object]) -> Plan:
    try:
        return from_plain(content, Plan)
    except DatasetError as error:  # of settings that cannot be
        raise SchemaError(str(error).rstrip(".")) from error
