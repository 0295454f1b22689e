"""The pairs under examples/, each a folder with both pictures and their truth."""

import base64
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
THUMBNAIL = (160, 120)  # width and height of the largest box, in pixels: twice what the page shows


@dataclass(frozen=True)
class Example:
    """Files of one example; truth that is not there is None."""

    name: str
    background: Path
    image: Path
    true_mask: Path | None
    true_depth: Path | None

    @property
    def files(self) -> tuple[str, str, str | None, str | None]:
        """Paths as text, in the order of the drop zones."""
        mask = str(self.true_mask) if self.true_mask else None
        depth = str(self.true_depth) if self.true_depth else None
        return str(self.background), str(self.image), mask, depth

    @property
    def title(self) -> str:
        return self.name.replace("-", " ").replace("_", " ").capitalize()


def find_examples(folder: Path = EXAMPLES) -> list[Example]:
    """Lists the examples of a folder by name; a folder without both pictures is none."""
    found = []
    for home in sorted(path for path in folder.glob("*") if path.is_dir()):
        background, image = _picture(home, "background"), _picture(home, "image")
        if background and image:
            truth = _picture(home, "mask"), _picture(home, "depth")
            found.append(Example(home.name, background, image, *truth))
    return found


def thumbnail(path: Path) -> str:
    """Shrinks a picture to a data URI, so that the page needs no further request for it."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail(THUMBNAIL)
    content = BytesIO()
    small.save(content, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def _picture(folder: Path, stem: str) -> Path | None:
    return next((p for s in (".png", ".jpg") if (p := folder / (stem + s)).is_file()), None)
