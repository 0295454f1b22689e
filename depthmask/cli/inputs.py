"""The photos that a command reads: files, standard input, or addresses of the web."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from depthmask.data.folders import say
from depthmask.errors import OptionError, PictureError, PrivateAddressError, named

if TYPE_CHECKING:
    from depthmask.inference.clip_look import Look
    from depthmask.pictures import Picture

STREAM = "-"  # standard input or output
MAX_BYTES = 100_000_000  # of what does not lie on the disk
MAX_FETCH_S = 60.0
_BLUR = "blur"
_ADDRESS = re.compile(r"[a-z][a-z+.-]+:(/|[\w.+-]+/)", re.IGNORECASE)  # ftp:/, data:image/

T = TypeVar("T")


class Input(NamedTuple):
    """A photo to read."""

    name: str  # as it was given
    path: Path  # of the file, or of a copy of what is none
    stem: str  # with which the names of results begin, where they lie beside the photo
    folder: Path  # where that is; of a copy, the current one

    def read(self, reader: Callable[[Path], T]) -> T:
        """Reads the file. A PictureError names what was given, not the copy."""
        try:
            return reader(self.path)
        except PictureError as error:
            raise PictureError(str(error).replace(str(self.path), self.name)) from error


def find_backgrounds(
    texts: Sequence[str], place: Path, *, allow_private: bool = False
) -> list[Input]:
    """Finds the photos of an empty scene, each as `find_input` does, or the pictures of a folder.

    Args:
        texts: What was given. Of a folder, as many pictures are taken as a background learns from.
        place: The folder to make for copies.
        allow_private: As for `find_input`.

    Raises:
        PictureError: An address cannot be fetched, or a folder holds no picture.
        OptionError: As for `find_input`, or standard input is named twice.
    """
    from depthmask.evaluation.frames import pictures_of
    from depthmask.inference.background import MAX_FRAMES, spread_evenly

    if list(texts).count(STREAM) > 1:
        raise OptionError("Standard input is one picture; name it once.")
    found: list[Input] = []
    for index, text in enumerate(texts):
        if not (text and Path(text).is_dir()):
            found.append(find_input(text, place / str(index), allow_private=allow_private))
            continue
        paths = list(pictures_of(Path(text)).values())
        _tell_others(Path(text), paths)
        if not paths:
            raise PictureError(f"The folder {text} holds no picture; name one that does.")
        found += [
            Input(str(path), path, path.stem, path.parent)
            for path in spread_evenly(paths, MAX_FRAMES)
        ]
    return found


def _tell_others(folder: Path, used: Sequence[Path]) -> None:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    others = [path.name for path in files if path not in used and not path.name.startswith(".")]
    if others:
        say(f"{folder}: passed over {named(others)}, no picture")


def find_input(text: str, place: Path, *, allow_private: bool = False) -> Input:
    """Finds a photo, and copies what is no file into a folder.

    Args:
        text: A path; "-" for standard input; or an http or https address.
        place: The folder to make for a copy.
        allow_private: Also fetch from addresses of this computer and its network.

    Raises:
        PictureError: The address cannot be fetched.
        OptionError: Nothing or another kind of address is named, or standard input is empty or
            too large.
    """
    if not text:
        raise OptionError("The name of a photo is empty; give a file, an address, or - .")
    if text == STREAM:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
        if not content:
            raise OptionError("Standard input is empty; send a picture to it.")
        if len(content) > MAX_BYTES:
            raise OptionError(f"Standard input has more than {MAX_BYTES / 1e6:.0f} MB.")
        return _copied("standard input", "image", content, place)
    if text.lower().startswith(("http://", "https://")):
        from depthmask.pictures.web import fetch

        try:
            found = fetch(
                text, max_bytes=MAX_BYTES, limit_s=MAX_FETCH_S, allow_private=allow_private
            )
        except PrivateAddressError as error:
            raise PictureError(f"{error} Or fetch it with --allow-private.") from error
        return _copied(text, Path(found.name).stem, found.content, place)
    if _ADDRESS.match(text) and not os.path.exists(text):
        raise OptionError(
            f"{text[:80]} is not read; give a file, or an address that begins with https:// or "
            "http://."
        )
    path = Path(text)
    return Input(text, path, path.stem, path.parent)


def read_backdrop(options: argparse.Namespace, place: Path) -> "Picture":
    """Reads what --backdrop names: a colour as a picture of one pixel, or a file or address.

    Args:
        options: With `backdrop` and `allow_private`.
        place: The folder to make for a copy.

    Raises:
        PictureError: The picture cannot be read or fetched.
        OptionError: It is neither a colour nor a picture.
    """
    import numpy as np
    from PIL import ImageColor

    from depthmask.pictures import read_photo

    try:
        return np.array([[ImageColor.getrgb(options.backdrop)[:3]]], np.uint8)
    except (ValueError, OverflowError):  # rgb(999, 0, 0)
        pass
    try:
        found = find_input(options.backdrop, place, allow_private=options.allow_private)
        return found.read(read_photo).picture
    except PictureError as error:
        if os.path.exists(options.backdrop) or "//" in options.backdrop:
            raise
        raise OptionError(
            f"There is no colour and no picture {options.backdrop}; use white, #00ff00, or a file."
        ) from error


def read_look(options: argparse.Namespace, place: Path) -> "Look":
    """What is drawn of the frames of a clip, as --backdrop says; else as `read_backdrop`."""
    from depthmask.inference.clip_look import Look

    if options.backdrop == _BLUR:
        return Look("blur")
    return Look("backdrop", read_backdrop(options, place))


def _copied(name: str, stem: str, content: bytes, place: Path) -> Input:
    place.mkdir(parents=True)
    (place / "picture").write_bytes(content)
    return Input(name, place / "picture", stem, Path())
