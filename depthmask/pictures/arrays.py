"""Reads arrays of values from `.npy` files, which need no decoder."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from depthmask.errors import PictureError
from depthmask.pictures.decode import MAX_PIXELS, check_file

_MAGIC = b"\x93NUMPY"
_KINDS = "buif"  # bool, integers and floats


def holds_array(path: Path) -> bool:
    """Tells from its first bytes whether a file is a `.npy`; False if there is none to read."""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            return False
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except (OSError, ValueError):
        return False


def read_array(path: Path, *, max_bytes: int | None = None) -> npt.NDArray[Any]:
    """Reads the values of a `.npy` file: (H, W), bool, integers or floats.

    Raises:
        PictureError: The file is missing, too large or damaged, or its array has another shape
            or type.
    """
    check_file(path, max_bytes)
    try:
        # mapped: a header may claim any size, and objects would run code
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises what the parser of Python's text raises
        raise PictureError(f"{path} is damaged or holds no numbers; save it again.") from error
    shape = tuple(side for side in array.shape if side != 1) if array.ndim == 3 else array.shape
    if len(shape) != 2 or array.dtype.kind not in _KINDS or not 0 < array.size <= MAX_PIXELS:
        raise PictureError(
            f"{path} holds {array.dtype} of shape {array.shape}; save numbers of shape "
            "(height, width)."
        )
    return np.array(array.reshape(shape))
