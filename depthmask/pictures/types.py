"""What a picture is, and the error of those that are none."""

import numpy as np
import numpy.typing as npt

from depthmask.errors import PictureError

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Map = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

DEPTH_FULL_SCALE = 65535  # of a 16-bit picture: depth 1


def check_size(truth: npt.NDArray[np.generic], image: npt.NDArray[np.generic], name: str) -> None:
    """Raises PictureError, naming the truth, unless it has the height and width of the image."""
    if truth.shape[:2] != image.shape[:2]:
        raise PictureError(
            f"{name} is {truth.shape[1]}x{truth.shape[0]} pixels, its image is "
            f"{image.shape[1]}x{image.shape[0]}; they must be of one size."
        )
