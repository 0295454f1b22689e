"""The process that decodes pictures from outside: `python -m depthmask.pictures.worker`.

It takes requests on stdin and answers on stdout, one at a time, until stdin ends. A request is a
line of JSON: {"kind": a name of `KINDS`, "path": ..., "max_bytes": ...}; or {"kind": "frame",
"bytes": N} and then N bytes of a picture. An answer is a line of JSON: {"error": sentence}; or
{"shape", "dtype", "notes", "in_metres"} and then the array's bytes.

`depthmask.pictures.isolation` starts it with bounds on memory and CPU time. A picture that exceeds
one of them ends this process, and no other.
"""

import json
import os
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from depthmask.errors import PictureError
from depthmask.pictures.bounds import StructureError, check_bounds
from depthmask.pictures.decode import shows_in_browsers
from depthmask.pictures.read import read_grey, read_photo, read_picture
from depthmask.pictures.truth import read_true_depth, read_true_mask

Array = npt.NDArray[Any]
FRAME_FORMATS = ("JPEG", "PNG", "WEBP")
SMALLEST_SIDE, LARGEST_SIDE = 32, 1280  # pixels, of a live frame


class Answer(NamedTuple):
    """What was read."""

    array: Array
    notes: tuple[str, ...] = ()
    in_metres: bool = False  # of a depth map

    def header(self) -> dict[str, object]:
        """All but the array's bytes, ready for JSON."""
        more = {"notes": self.notes, "in_metres": self.in_metres}
        return {"shape": self.array.shape, "dtype": self.array.dtype.str, **more}


def main(memory_bytes: int, cpu_seconds: int) -> None:
    """Answers requests until stdin ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    _limit_memory(memory_bytes)
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["bytes"]) if "bytes" in request else b""
        _limit_time(cpu_seconds)
        try:
            answer = _read(request, content)
            array, header = answer.array, answer.header()
        except PictureError as error:
            array, header = np.zeros(0, np.uint8), {"error": str(error)}
        except MemoryError:
            array, header = np.zeros(0, np.uint8), {"memory": True}
        answers.write(json.dumps(header).encode() + b"\n")
        answers.write(np.ascontiguousarray(array).data.cast("B"))
        answers.flush()


def _read(request: dict[str, Any], content: bytes) -> Answer:
    if request["kind"] == "frame":
        return Answer(read_frame(content))
    return KINDS[request["kind"]](Path(request["path"]), request["max_bytes"])


def read_frame(content: bytes) -> Array:
    """Decodes a live frame: JPEG, PNG or WebP of 32 to 1280 pixels a side -> (H, W, 3), uint8, RGB.

    Raises:
        PictureError: It is none, or what it holds is not what its header says.
    """
    import cv2

    try:
        check_bounds(content)
        with Image.open(BytesIO(content), formats=FRAME_FORMATS) as header:
            width, height = header.size
    except StructureError as error:
        raise PictureError(f"The frame has {error}: more than a picture needs.") from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error and more
        raise PictureError("The frame is no JPEG, PNG or WebP.") from error
    if min(width, height) < SMALLEST_SIDE or max(width, height) > LARGEST_SIDE:
        raise PictureError(
            f"The frame has {width} x {height} pixels; sides are {SMALLEST_SIDE} to {LARGEST_SIDE}."
        )
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise PictureError("The frame is damaged.") from error
    if picture is None or sorted(picture.shape[:2]) != sorted((height, width)):
        raise PictureError("The frame is damaged, or another one than its header says.")
    return np.asarray(picture, dtype=np.uint8)


def _photo(path: Path, max_bytes: int | None) -> Answer:
    return Answer(*read_photo(path, max_bytes=max_bytes))


def _picture(path: Path, max_bytes: int | None) -> Answer:
    return Answer(read_picture(path, max_bytes=max_bytes))


def _grey(path: Path, max_bytes: int | None) -> Answer:
    return Answer(read_grey(path, max_bytes=max_bytes))


def _true_mask(path: Path, max_bytes: int | None) -> Answer:
    return Answer(*read_true_mask(path, max_bytes=max_bytes))


def _true_depth(path: Path, max_bytes: int | None) -> Answer:
    found = read_true_depth(path, max_bytes=max_bytes)
    return Answer(found.values, found.notes, found.in_metres)


def _shows_in_browsers(path: Path, _: int | None) -> Answer:
    return Answer(np.array(shows_in_browsers(path)))


KINDS: dict[str, Callable[[Path, int | None], Answer]] = {
    "shows_in_browsers": _shows_in_browsers,
    "photo": _photo,
    "picture": _picture,
    "grey": _grey,
    "true_mask": _true_mask,
    "true_depth": _true_depth,
}


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it has nothing to write


def _limit_time(seconds: int) -> None:
    """Ends this process when it has computed for so long from now on."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(usage.ru_utime + usage.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + seconds, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
