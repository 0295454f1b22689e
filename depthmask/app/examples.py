"""The example pairs, each a folder with both pictures and their truth."""

import base64
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

from depthmask.files import EXAMPLES

THUMBNAIL_PIXELS = (160, 120)  # largest width and height: twice what the page shows


@dataclass(frozen=True)
class Example:
    """Files of one example; missing truth is None."""

    name: str
    title: str
    background: Path
    image: Path
    true_mask: Path | None
    true_depth: Path | None
    note: str = ""  # what is hard about it

    @property
    def solved(self) -> str:
        """The folder in which its result lies, if it was predicted before; see solved.py."""
        return str(self.image.with_name("solved"))

    @property
    def files(self) -> tuple[str, str, str | None, str | None]:
        """Paths as text, in the order of the drop zones."""
        mask = str(self.true_mask) if self.true_mask else None
        depth = str(self.true_depth) if self.true_depth else None
        return str(self.background), str(self.image), mask, depth


def find_examples(folder: Path | None = None) -> list[Example]:
    """Lists the examples of a folder: its folders that have both pictures.

    `examples.json` gives their order and titles. Those that it does not name come last.

    Args:
        folder: Default: the shipped examples.
    """
    folder = folder or EXAMPLES
    index = folder / "examples.json"
    entries = json.loads(index.read_text()) if index.is_file() else []
    titles = {entry["name"]: entry["title"] for entry in entries}
    notes = {entry["name"]: entry.get("note", "") for entry in entries}
    rest = sorted(path.name for path in folder.glob("*") if path.name not in titles)
    found = []
    for name in (*titles, *rest):
        background, image = _picture(folder / name, "background"), _picture(folder / name, "image")
        if background and image:
            truth = _picture(folder / name, "mask"), _picture(folder / name, "depth")
            title = titles.get(name, name.replace("-", " ").capitalize())
            found.append(Example(name, title, background, image, *truth, notes.get(name, "")))
    return found


def thumbnail_url(path: Path) -> str:
    """Shrinks a picture to a data URI, which spares the page a request."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail(THUMBNAIL_PIXELS)
    content = BytesIO()
    small.save(content, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def _picture(folder: Path, stem: str) -> Path | None:
    return next((p for s in (".png", ".jpg") if (p := folder / (stem + s)).is_file()), None)
