"""The process that decodes pictures from outside: `python -m depthmask.pictures.worker`.

It takes requests on stdin and answers on stdout, one at a time, until stdin ends. A request is a
line of JSON: {"kind": a name of `KINDS`, "path": ..., "max_bytes": ...}; or {"kind": "frame",
"bytes": N} and then N bytes of a picture. An answer is a line of JSON: {"error": sentence}; or
{"shape", "dtype", "notes"} and then the array's bytes.

`depthmask.pictures.isolation` starts it with bounds on memory and CPU time. A picture that exceeds
one of them ends this process, and no other.
"""

import json
import os
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from depthmask.errors import PictureError
from depthmask.pictures.bounds import StructureError, check_bounds
from depthmask.pictures.decode import shows_in_browsers
from depthmask.pictures.read import read_labels, read_photo, read_picture, read_true_depth

Array = npt.NDArray[Any]
Read = Callable[[Path, int | None], tuple[Array, tuple[str, ...]]]
FRAME_FORMATS = ("JPEG", "PNG", "WEBP")
SMALLEST_SIDE, LARGEST_SIDE = 32, 1280  # pixels, of a live frame


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
            array, notes = _read(request, content)
            header: dict[str, object] = {"notes": notes}
            header |= {"shape": array.shape, "dtype": array.dtype.str}
        except PictureError as error:
            array, header = np.zeros(0, np.uint8), {"error": str(error)}
        except MemoryError:
            array, header = np.zeros(0, np.uint8), {"memory": True}
        answers.write(json.dumps(header).encode() + b"\n")
        answers.write(np.ascontiguousarray(array).data.cast("B"))
        answers.flush()


def _read(request: dict[str, Any], content: bytes) -> tuple[Array, tuple[str, ...]]:
    if request["kind"] == "frame":
        return read_frame(content), ()
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


def _photo(path: Path, max_bytes: int | None) -> tuple[Array, tuple[str, ...]]:
    photo = read_photo(path, max_bytes=max_bytes)
    return photo.picture, photo.notes


def _plain(
    read: Callable[..., Array],
) -> Callable[[Path, int | None], tuple[Array, tuple[str, ...]]]:
    return lambda path, max_bytes: (read(path, max_bytes=max_bytes), ())


def _shows_in_browsers(path: Path, _: int | None) -> tuple[Array, tuple[str, ...]]:
    return np.array(shows_in_browsers(path)), ()


KINDS = {
    "shows_in_browsers": _shows_in_browsers,
    "photo": _photo,
    "picture": _plain(read_picture),
    "labels": _plain(read_labels),
    "true_depth": _plain(read_true_depth),
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
