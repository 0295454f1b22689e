"""What the batch tab's script asks for, checked before it is used."""

from dataclasses import dataclass
from typing import Annotated

from depthmask.app.photos.dropped import MAX_BACKGROUNDS
from depthmask.schema import Among, Count, Unicode, Within

MAX_IMAGES = 200  # of a batch; an address may upload 300 files in an hour
OUTPUTS = ("cutout", "mask", "depth")  # keys of DOWNLOADS
LOOKS = ("alpha", "blur", "white", "black", "#00b140")  # of a clip; all but the first are MP4

Path = Annotated[str, Within(1, 4096), Unicode()]
Token = Annotated[str, Within(32, 32), Unicode()]


@dataclass(frozen=True)
class Upload:
    """A file that was uploaded."""

    path: Path
    name: Annotated[str, Within(1, 400), Unicode()]  # as its owner knows it


@dataclass(frozen=True, kw_only=True)
class Start:
    """Begins a batch."""

    token: Token  # chosen by the page; whoever knows it may look and stop
    background: Annotated[tuple[Path, ...], Within(0, MAX_BACKGROUNDS)]
    images: Annotated[tuple[Upload, ...], Within(0, MAX_IMAGES)] = ()
    outputs: Annotated[tuple[Annotated[str, Among(*OUTPUTS)], ...], Within(0, 3)] = OUTPUTS
    clip: Upload | None = None  # instead of images
    look: Annotated[str, Among(*LOOKS)] = LOOKS[0]

    @property
    def paths(self) -> tuple[str, ...]:
        clip = () if self.clip is None else (self.clip.path,)
        return (*self.background, *(image.path for image in self.images), *clip)


@dataclass(frozen=True, kw_only=True)
class About:
    """Asks about a batch, or ends it."""

    token: Token
    since: Annotated[int, Within(0, MAX_IMAGES)] = 0  # so many items are known already
    version: Count = 0  # the last that is known
