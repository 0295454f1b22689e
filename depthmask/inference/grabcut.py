"""Divides a picture by its colours, from what is known of some pixels."""

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.pictures import Mask, Picture


def grab_cut(image: Picture, classes: npt.NDArray[np.uint8], rounds: int) -> Mask:
    """Finds the foreground by colours (GrabCut, Rother et al. 2004); the same input, the same mask.

    Args:
        image: (h, w, 3), uint8, RGB.
        classes: (h, w), of `cv2.GC_BGD`, `GC_FGD`, `GC_PR_BGD` and `GC_PR_FGD`, which it changes.
            Each side needs at least one pixel.
        rounds: How often colours are fitted and pixels divided.

    Returns:
        (h, w), what is foreground or probably is.
    """
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))  # of the background, of the foreground
    cv2.grabCut(image, classes, (0, 0, 0, 0), *models, rounds, cv2.GC_INIT_WITH_MASK)
    return np.isin(classes, (cv2.GC_FGD, cv2.GC_PR_FGD))
