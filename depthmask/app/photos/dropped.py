"""The files in the drop zones, and how they are read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from depthmask.errors import PictureError
from depthmask.pictures import Map, check_size
from depthmask.texts import TEXTS

T = TypeVar("T")

# {zone: its name in a sentence}, in the order of the page
_TEXT = TEXTS["photos"]
ZONES = {zone: _TEXT[zone] for zone in ("background", "image", "true_mask", "true_depth")}
FILE_DELETED = "it was deleted an hour after its last use; drop it again."

MAX_FILE_BYTES = 25_000_000
MAX_BACKGROUNDS = 24  # photos of one empty scene; a background is learned from no more


@dataclass(frozen=True)
class DroppedFiles:
    """Paths of the files in the drop zones."""

    background: str | None = None
    image: str | None = None
    true_mask: str | None = None
    true_depth: str | None = None
    more_backgrounds: tuple[str, ...] = ()  # further photos of the empty scene

    @property
    def zones(self) -> dict[str, str | None]:
        """The file that each zone shows, by the keys of `ZONES`."""
        return {zone: getattr(self, zone) for zone in ZONES}

    @property
    def paths(self) -> tuple[str | None, ...]:
        """Every file, and None for zones that are empty."""
        return (*self.zones.values(), *self.more_backgrounds)

    @property
    def pair(self) -> tuple[str | None, ...]:
        """What a prediction is made of: the image, and all photos of the empty scene."""
        return (self.image, self.background, *self.more_backgrounds)


@dataclass
class Reader:
    """Reads files, and collects what goes wrong."""

    complaints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # how the truth was read
    unreadable: set[str] = field(default_factory=set)

    def read(self, zone: str, path: str | None, reader: Callable[..., T]) -> T | None:
        if path is None:
            return None
        try:
            return reader(Path(path), max_bytes=MAX_FILE_BYTES)
        except PictureError as error:
            self.unreadable.add(zone)
            # the user knows the file by its name, not by the path of the upload
            reason = (
                str(error).replace(path, Path(path).name) if Path(path).exists() else FILE_DELETED
            )
            self.complaints.append(_TEXT["unusable"].format(photo=ZONES[zone], reason=reason))
            return None

    def fits(self, zone: str, true: npt.NDArray[Any], pred: Map) -> bool:
        """Whether the truth has the size of the prediction."""
        try:
            check_size(true, pred, f"The {ZONES[zone]}")
        except PictureError as error:
            self.complaints.append(str(error))
            return False
        return True

    def note(self, zone: str, notes: tuple[str, ...], doubts: tuple[str, ...]) -> None:
        """Keeps how a truth was read, and complains where it may be another picture's."""
        self.notes += [f"{ZONES[zone].capitalize()}: {note}" for note in notes]
        self.complaints += doubts


def named(zone: str, notes: Iterable[str]) -> tuple[str, ...]:
    """Notes on the photo of a zone, each with the zone's name."""
    return tuple(f"{ZONES[zone].capitalize()}: {note}" for note in notes)
