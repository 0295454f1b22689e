"""What the photos tab's script asks for, checked before it is used."""

from dataclasses import dataclass
from typing import Annotated

from depthmask.app.photos.analysis import Convention
from depthmask.app.photos.dropped import MAX_BACKGROUNDS, DroppedFiles
from depthmask.schema import Within, from_json

Path = Annotated[str, Within(1, 4096)]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a page shows. The paths are those of uploads."""

    background: Path | None
    image: Path | None
    true_mask: Path | None
    true_depth: Path | None
    near_is_bright: bool
    align: bool
    more_backgrounds: Annotated[tuple[Path, ...], Within(0, MAX_BACKGROUNDS - 1)] = ()

    @property
    def files(self) -> DroppedFiles:
        return DroppedFiles(
            self.background, self.image, self.true_mask, self.true_depth, self.more_backgrounds
        )

    @property
    def convention(self) -> Convention:
        return Convention(near_is_bright=self.near_is_bright, align=self.align)


@dataclass(frozen=True, kw_only=True)
class Request(Shown):
    """One request of a page, as photos.js sends it."""

    serial: Annotated[int, Within(0, 2**53)]  # counts the page's requests
    example: Annotated[str, Within(0, 200)]  # its name; then there are no files
    unordered: bool  # both photos came at once: which one is the background is not known
    replaces: bool  # the background took the place of another; the image was there before


def read_request(text: str) -> Request:
    """Reads a request.

    Raises:
        SchemaError: It is none.
    """
    return from_json(text, Request)
