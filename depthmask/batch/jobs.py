"""The pictures of a batch: which there are, the scene of each, and the names of their results."""

import csv
import io
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, count
from pathlib import Path, PurePosixPath

from depthmask.errors import OptionError, PictureError
from depthmask.evaluation.frames import pictures_of
from depthmask.files import file_name, is_file_name, walk
from depthmask.inference.background import MAX_FRAMES, spread_evenly
from depthmask.pictures import is_picture

COLUMNS = ("background", "image")  # of a list of pairs, which may also have NAME
NAME = "name"
_UNFINISHED = {".part", ".partial", ".crdownload", ".download", ".tmp"}  # of browsers and others
_DELIMITERS = ",;\t"
Shard = tuple[int, int]  # which part, from 1, of how many


@dataclass(frozen=True)
class Scene:
    """An empty scene."""

    name: str  # as a report calls it
    photos: tuple[Path, ...]  # several teach one background
    occupied: bool = False  # something may stand in each photo


@dataclass(frozen=True)
class Job:
    """A picture to predict."""

    name: str  # of its results: parts separated by slashes, without an ending
    image: Path
    scene: Scene
    trouble: str = ""  # a sentence on why it cannot be predicted


def find_images(folder: Path, *, without: Path) -> list[Path]:
    """Lists the pictures of a folder and its subfolders in order, told by their content.

    Hidden files and folders do not count, nor do downloads under way.

    Args:
        folder: To look in.
        without: A folder that may lie in it and does not count.
    """
    apart = os.path.join(os.path.realpath(without), "")
    top = os.path.realpath(folder)

    def counts(path: Path) -> bool:
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or path.suffix.lower() in _UNFINISHED:
            return False
        return not os.path.join(top, inside).startswith(apart) and is_picture(path)

    return sorted(filter(counts, walk(folder)))


def jobs_of_scene(scene: Scene, folder: Path, images: Iterable[Path]) -> list[Job]:
    """One scene for all images of a folder."""
    listed = list(images)
    names = name_results(_inside(path, folder) for path in listed)
    return [Job(name, path, scene) for name, path in zip(names, listed, strict=True)]


def jobs_by_name(
    backgrounds: Path, images: Path, *, out: Path, may_wait: bool = False
) -> list[Job]:
    """Pairs each image of a folder with the background of that name in another folder.

    Endings do not count. An image whose background is missing gets a trouble.

    Args:
        backgrounds: The folder of the backgrounds.
        images: The folder of the images.
        out: A folder that may lie in them and does not count.
        may_wait: Backgrounds may come later.

    Raises:
        OptionError: No image has a background, and none may come.
    """
    found: dict[PurePosixPath, list[Path]] = {}
    for path in find_images(backgrounds, without=out):
        found.setdefault(_inside(path, backgrounds).with_suffix(""), []).append(path)
    listed = find_images(images, without=out)
    names = name_results(_inside(path, images) for path in listed)
    jobs = []
    for name, path in zip(names, listed, strict=True):
        stem = _inside(path, images).with_suffix("")
        photos = found.get(stem, [])
        trouble = ""
        if len(photos) != 1:
            what = "no background" if not photos else f"more than one background ({photos[0].name}"
            what += f", {photos[1].name})" if photos else ""
            trouble = f"{backgrounds} holds {what} of the name {stem}; give it one."
        scene = Scene(str(photos[0]) if photos else "", tuple(photos[:1]))
        jobs.append(Job(name, path, scene, trouble))
    if jobs and not may_wait and not any(job.scene.photos for job in jobs):
        raise OptionError(
            f"No picture in {images} has the name of one in {backgrounds}; give both of a pair one "
            "name, or list the pairs in a CSV file."
        )
    return jobs


def jobs_of_list(path: Path, backgrounds: Path, images: Path) -> list[Job]:
    """Reads a list of pairs.

    Args:
        path: A CSV file; its first line names the columns background, image and, if wanted, name.
        backgrounds: The folder in which backgrounds are named: photos, or folders of several.
        images: The folder in which images are named.

    Raises:
        OptionError: It is no such list, or two results would have one name.
    """
    rows = list(_rows(path))
    given = [row.get(NAME) or "" for _, row in rows]
    for (line, _), name in zip(rows, given, strict=True):
        if name and not all(map(is_file_name, name.split("/"))):
            raise OptionError(f"{path}, line {line}: {name!r} cannot be the name of a file.")
    own = [name for name in given if name]
    if len({_folded(name) for name in own}) < len(own):
        twice = next(name for name in own if [_folded(x) for x in own].count(_folded(name)) > 1)
        raise OptionError(f"{path} has the name {twice} twice; give each pair its own.")
    others = (_below(row["image"]) for _, row in rows if not row.get(NAME))
    made = iter(name_results(others, taken=own))
    scenes = {row["background"]: _scene(backgrounds / row["background"]) for _, row in rows}
    return [
        Job(name or next(made), images / row["image"], *scenes[row["background"]])
        for (_, row), name in zip(rows, given, strict=True)
    ]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a list of pairs with their lines, cells stripped."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OptionError(f"{path} is no text in UTF-8; save it so.") from error
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        if not set(COLUMNS) <= set(reader.fieldnames):
            raise OptionError(
                f"The first line of {path} must name the columns background and image; name, for "
                "the results, is a third."
            )
        for found in reader:
            row = {key: value.strip() for key, value in found.items() if isinstance(value, str)}
            if not all(row.get(column) for column in COLUMNS):
                raise OptionError(
                    f"{path}, line {reader.line_num}: the background or the image is missing."
                )
            if any("\0" in value for value in row.values()):
                raise OptionError(f"{path}, line {reader.line_num}: a name cannot hold a 0 byte.")
            yield reader.line_num, row
    except csv.Error as error:
        raise OptionError(f"{path} is no CSV file ({error}); save it as one.") from error


def _below(image: str) -> PurePosixPath:
    """An image's path if it leads down from a folder, else its name."""
    path = PurePosixPath(Path(image).as_posix())
    return PurePosixPath(path.name) if path.is_absolute() or ".." in path.parts else path


def _scene(path: Path) -> tuple[Scene, str]:
    """A photo or a folder of several as a scene, and what is wrong with it."""
    if not path.is_dir():
        return Scene(str(path), (path,)), ""
    try:
        photos = list(pictures_of(path).values())
    except PictureError as error:
        return Scene(str(path), ()), str(error)
    trouble = "" if photos else f"The folder {path} holds no picture; name one that does."
    return Scene(str(path), tuple(spread_evenly(photos, MAX_FRAMES))), trouble


def name_results(files: Iterable[PurePosixPath], *, taken: Iterable[str] = ()) -> list[str]:
    """Gives the results of each file a name of their own, whatever the disk takes for equal.

    Args:
        files: Below one folder. Subfolders are kept. An ending is kept where the name without it is
            taken by another file; if that is taken, too, a number follows.
        taken: Names that are taken already.
    """
    used = {_folded(name) for name in taken}
    numbers: dict[PurePosixPath, Iterator[int]] = {}
    names = []
    for file in files:
        parent = [file_name(part) for part in file.parent.parts]
        further = numbers.setdefault(file, count(2))
        for text in chain((file.stem, file.name), (f"{file.name}-{number}" for number in further)):
            name = "/".join((*parent, file_name(text)))
            if _folded(name) not in used:
                break
        used.add(_folded(name))
        names.append(name)
    return names


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _inside(path: Path, folder: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(folder).as_posix())


def shard_of(jobs: Sequence[Job], shard: Shard) -> list[Job]:
    """The jobs of a part. The name alone decides, so that new pictures move no others."""
    part, parts = shard

    def place(job: Job) -> int:
        return int.from_bytes(sha256(job.name.encode("utf-8")).digest()[:8], "big") % parts

    return [job for job in jobs if place(job) == part - 1]
