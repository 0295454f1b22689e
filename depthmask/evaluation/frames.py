"""Finds sequences in a folder, and in each the frames that have ground truth.

A folder is a sequence, or holds one folder for each, or folders of such. A sequence holds:

    background.png      the empty scene
    before/NAME.png     or several photos of it, in order, from which it is learned
    image/NAME.png      the frames
    mask/NAME.png       see `read_true_mask` (optional)
    depth/NAME.png      see `read_true_depth` (optional)

or, as in CDnet 2014:

    input/NAME.jpg          the frames
    groundtruth/NAME.png    the masks
    temporalROI.txt         the numbers of the first and last frame that count, from 1: the scene is
                            learned from those before

The pictures may have any format that is read, and masks and depth maps may be `.npy`. Pictures of
one frame have one NAME. Where no name agrees, the last number in them tells which belong together,
as in in000001.jpg and gt000001.png of CDnet 2014.
"""

import re
import sys
from collections.abc import Set
from pathlib import Path

from depthmask.errors import PictureError
from depthmask.pictures import is_picture
from depthmask.pictures.arrays import holds_array

PARTS = ("mask", "depth")
_FOLDERS = {"image": ("image", "input"), "mask": ("mask", "groundtruth"), "depth": ("depth",)}


def find_sequences(folder: Path) -> list[Path]:
    """The folders of sequences, in order.

    Raises:
        PictureError: There is none.
    """
    if not folder.is_dir():
        raise PictureError(f"There is no folder at {folder}; check the path.")
    if part_of(folder, "image").is_dir():
        return [folder]
    for pattern in ("*", "*/*"):
        sequences = sorted(path for path in folder.glob(pattern) if part_of(path, "image").is_dir())
        if sequences:
            return sequences
    raise PictureError(
        f"{folder} holds no sequence; it needs folders with background.png, image/*.png, and "
        "mask/*.png or depth/*.png, or the same in other formats."
    )


def part_of(sequence: Path, part: str) -> Path:
    """The folder of a sequence's images, masks or depth maps, by the first name of it there is."""
    folders = [sequence / name for name in _FOLDERS[part]]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def background_of(sequence: Path) -> Path:
    """The path of a sequence's background, whatever its format. It may be missing.

    Raises:
        PictureError: There are two backgrounds.
    """
    return pictures_of(sequence, "background").get("background", sequence / "background.png")


def photos_before(sequence: Path) -> list[Path]:
    """Photos of the scene from before the frames, in order; none where there is no such folder.

    Raises:
        PictureError: The file with the first frame that counts is damaged.
    """
    if (sequence / "before").is_dir():
        return list(pictures_of(sequence / "before").values())
    first, _ = _counted(sequence)
    images = list(pictures_of(part_of(sequence, "image")).values())
    return images[: first - 1]


def _counted(sequence: Path) -> tuple[int, int]:
    """The numbers of the first and the last frame that count, from 1."""
    path = sequence / "temporalROI.txt"
    if not path.is_file():
        return 1, sys.maxsize
    numbers = path.read_text(encoding="utf-8", errors="replace").split()
    if len(numbers) != 2 or not all(number.isdecimal() for number in numbers) or numbers[0] == "0":
        raise PictureError(f"{path} must hold two numbers, of the first and the last frame.")
    return int(numbers[0]), int(numbers[1])


def pictures_of(folder: Path, stem: str | None = None) -> dict[str, Path]:
    """The pictures in a folder, in order, by their names without endings; empty if it is missing.

    Args:
        folder: Of pictures, told from other files by their content.
        stem: Only those of this name.

    Raises:
        PictureError: Two have the same name and different endings.
    """
    found: dict[str, Path] = {}
    for path in _files(folder):
        if stem not in (None, path.stem) or not _is_read(path):
            continue
        if path.stem in found:
            other = found[path.stem].name
            raise PictureError(f"{folder} holds {other} and {path.name}; keep one of them.")
        found[path.stem] = path
    return found


def frames_with_truth(sequence: Path, *, needed: Set[str] = frozenset()) -> list[dict[str, Path]]:
    """The files of each frame that has ground truth, in order, by "image", "mask" and "depth".

    Args:
        sequence: A folder with the folders image, and mask or depth or both.
        needed: Of these names; frames without one of them are left out.

    Raises:
        PictureError: There is truth, and none of it has the name of an image.
    """
    first, last = _counted(sequence)
    frames = _all_frames(sequence)[first - 1 : last]
    return [frame for frame in frames if len(frame) > 1 and needed <= frame.keys()]


def _all_frames(sequence: Path) -> list[dict[str, Path]]:
    """The files of every frame, in order, whether it counts or not."""
    images = pictures_of(part_of(sequence, "image"))
    truth = {part: _by_image(images, part_of(sequence, part)) for part in PARTS}
    return [
        {"image": image, **{part: files[name] for part, files in truth.items() if name in files}}
        for name, image in images.items()
    ]


def passed_over(sequence: Path) -> list[str]:
    """Names files of a sequence that are not used: no picture, or truth of no image."""
    used = {path for frame in _all_frames(sequence) for path in frame.values()}
    folders = [part_of(sequence, part) for part in PARTS]
    others = [path for folder in folders for path in _files(folder) if path not in used]
    others += [path for path in _files(part_of(sequence, "image")) if not _is_read(path)]
    return [f"{path.parent.name}/{path.name}" for path in others]


def _by_image(images: dict[str, Path], folder: Path) -> dict[str, Path]:
    """The truth in a folder by the names of the images."""
    truth = pictures_of(folder)
    found = {name: truth[name] for name in images if name in truth}
    if found or not (images and truth):
        return found
    numbered, wanted = _by_number(truth), _by_number(images)
    found = {wanted[number].stem: numbered[number] for number in wanted if number in numbered}
    if not found:
        image, other = next(iter(images.values())), next(iter(truth.values()))
        raise PictureError(
            f"The names in {image.parent} and {folder} do not match ({image.name}, {other.name}); "
            "give the pictures of one frame one name."
        )
    return found


def _by_number(files: dict[str, Path]) -> dict[int, Path]:
    """Files by the last number in their names; none if two have the same."""
    numbers = {path: re.findall(r"\d+", name) for name, path in files.items()}
    found = {int(listed[-1][-18:]): path for path, listed in numbers.items() if listed}
    return found if len(found) == sum(map(bool, numbers.values())) else {}


def _files(folder: Path) -> list[Path]:
    """The files of a folder, in order; hidden ones, which systems leave, do not count."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and p.is_file())


def _is_read(path: Path) -> bool:
    return is_picture(path) or holds_array(path)
