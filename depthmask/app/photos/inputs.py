"""What the page holds when an event of the image tab comes, and what its panels are to show."""

from dataclasses import replace
from typing import Any, NamedTuple

from depthmask.app.photos.analysis import MAX_BYTES, Convention, DroppedFiles
from depthmask.app.photos.panel import Wish
from depthmask.app.photos.views import BACKDROP, COLOUR, Choices
from depthmask.errors import PictureError
from depthmask.pictures import read_picture


class Inputs(NamedTuple):
    """What every event of the tab is given, in this order: files as Gradio describes them."""

    background: dict[str, Any] | None
    image: dict[str, Any] | None
    true_mask: dict[str, Any] | None
    true_depth: dict[str, Any] | None
    near_is_bright: bool
    align: bool
    originals: dict[str, str]  # {path of a picture that stands in for a file: that file}
    mask_view: str
    depth_view: str
    colour: str
    backdrop: str | None  # path
    blur: float

    @property
    def shown(self) -> DroppedFiles:
        """What the drop zones show."""
        zones = (self.background, self.image, self.true_mask, self.true_depth)
        return DroppedFiles(*(zone["path"] if zone else None for zone in zones))

    @property
    def files(self) -> DroppedFiles:
        """What was dropped on them."""
        return DroppedFiles(
            *(self.originals.get(p, p) if p else None for p in vars(self.shown).values())
        )

    @property
    def convention(self) -> Convention:
        return Convention(near_is_bright=bool(self.near_is_bright), align=bool(self.align))

    def wishes(self, files: DroppedFiles) -> tuple[Wish, Wish]:
        """What the panels of the mask and of the depth are to show of these files."""
        return (
            Wish(self.mask_view, files, (self.colour, self.backdrop)),
            Wish(self.depth_view, files, (self.convention, self.blur)),
        )


def choose(inputs: Inputs) -> tuple[Choices, str]:
    """Reads the choices for the views, and says what is wrong with the picture among them."""
    choices = Choices(colour=inputs.colour or COLOUR, blur=float(inputs.blur))
    if not inputs.backdrop or inputs.mask_view != BACKDROP:
        return choices, ""
    try:
        return replace(choices, backdrop=read_picture(inputs.backdrop, max_bytes=MAX_BYTES)), ""
    except PictureError as error:
        return choices, str(error).replace(inputs.backdrop, inputs.backdrop.rsplit("/", 1)[-1])
