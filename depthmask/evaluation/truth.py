"""Which pixels of a ground truth count: one rule for the page, `predict` and `evaluate`."""

import numpy as np

from depthmask.evaluation.array_metrics import Valid
from depthmask.pictures import Grey, Map, Mask

# Of 8-bit masks: 85 lies outside the region of interest, 170 is not known, as in CDnet 2014.
IGNORED_LABELS = (85, 170)


def split_labels(labels: Grey) -> tuple[Mask, Valid]:
    """Splits the values of a true mask, (H, W).

    Returns:
        What is foreground (half of full scale and above), and which pixels count, (H, W) each.
    """
    foreground = labels > np.iinfo(labels.dtype).max // 2
    if labels.dtype != np.uint8:
        return foreground, np.ones_like(foreground)
    return foreground, ~np.isin(labels, IGNORED_LABELS)


def known_depth(true: Map) -> Valid:
    """Which pixels of a true depth, (H, W), are known: 0 means that none was measured."""
    return true > 0
