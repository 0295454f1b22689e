"""How good one mask or depth map is, for whoever has arrays and no torch.

`metrics` has the same, and more, for batches of tensors; a test holds them together.
Where no pixel is valid, an average is NaN.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from depthmask.pictures import Mask

Values = npt.NDArray[Any]  # of any real type

THRESHOLD = 0.5  # a pixel above it is foreground
DELTA1 = 1.25  # a depth within this factor of the truth is right


def mask_iou(pred: Values, true: Values, valid: Mask | None = None) -> float:
    """Intersection over union; two empty masks agree, and score 1.

    Args:
        pred: (H, W), bool, or a probability in [0, 1] that is cut at 0.5.
        true: (H, W), likewise.
        valid: (H, W), bool: pixels that count. Without it, all do.
    """
    ours, theirs = _foreground(pred, valid), _foreground(true, valid)
    either = np.count_nonzero(ours | theirs)
    return np.count_nonzero(ours & theirs) / either if either else 1.0


def depth_rmse(pred: Values, true: Values, valid: Mask | None = None) -> float:
    """Root of the mean squared error, in the inputs' unit."""
    return float(np.sqrt(_mean(np.square(pred - true), valid)))


def abs_rel(pred: Values, true: Values, valid: Mask | None = None) -> float:
    """Mean of |pred - true| / true, any unit > 0."""
    return _mean(np.abs(pred - true) / true, valid)


def delta1(pred: Values, true: Values, valid: Mask | None = None) -> float:
    """Share of pixels within a factor 1.25 of the truth, any unit > 0."""
    return _mean(np.maximum(pred / true, true / pred) < DELTA1, valid)


def _foreground(mask: Values, valid: Mask | None) -> Mask:
    chosen = mask if mask.dtype == bool else mask > THRESHOLD
    return chosen if valid is None else chosen & valid


def _mean(values: Values, valid: Mask | None) -> float:
    """Mean of the valid pixels; NaN where there are none."""
    chosen = values if valid is None else values[valid]
    return float(chosen.mean(dtype=np.float64)) if chosen.size else float("nan")
