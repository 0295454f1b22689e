"""A small picture of a result: the image, and beside it the foreground alone."""

import cv2
import numpy as np

from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture
from depthmask.pictures.resize import shrink_by_halves
from depthmask.render.views import checkerboard, cutout, fill, lay_over

_WIDTH, _HEIGHT = 200, 240  # pixels at most, of each of the two
_JPEG_QUALITY = 80


def draw_preview(image: Picture, prediction: Prediction, backdrop: Picture | None) -> bytes:
    """Draws an image beside its foreground, before a backdrop or a checkerboard; as JPEG.

    Args:
        image: (H, W, 3), uint8, RGB.
        prediction: Of it.
        backdrop: (h, w, 3), uint8, RGB.
    """
    rows, columns = image.shape[:2]
    scale = min(1.0, _WIDTH / columns, _HEIGHT / rows)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    small = shrink_by_halves(image, height, width)
    mask = shrink_by_halves(prediction.mask, height, width)
    behind = checkerboard(height, width) if backdrop is None else fill(backdrop, height, width)
    both = np.hstack((small, lay_over(cutout(small, mask), behind)))
    coded = cv2.imencode(".jpg", both[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1]
    return coded.tobytes()
