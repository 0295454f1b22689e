"""How good one mask or depth map is, for whoever has arrays and no torch.

`depthmask.evaluation.metrics` has the same, and more, for batches of tensors; a test holds them together.
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


def align_inverse_depth(pred: Values, true: Values, valid: Mask | None = None) -> Values:
    """Fits inverse depth to the truth by a scale and a shift, by least squares.

    A flat prediction gets the mean of the truth; without a valid pixel the result is NaN.

    Args:
        pred: (H, W), inverse depth, relative.
        true: (H, W), inverse depth, per metre.
        valid: (H, W), bool: pixels to fit.

    Returns:
        (H, W), float64, `scale * pred + shift`, per metre. Not clipped: it may be negative.
    """
    # float64, because a large shift would drown a small range in the variance
    pred, true = pred.astype(np.float64), true.astype(np.float64)
    mean, target = _mean(pred, valid), _mean(true, valid)
    variance = _mean(np.square(pred - mean), valid)
    covariance = _mean((pred - mean) * (true - target), valid)
    scale = covariance / variance if variance > 0 else 0.0
    return scale * (pred - mean) + target


def inverse_from_depth(depth: Values) -> Values:
    """Turns depth in (0, 1] into inverse depth 1 / depth - 1, as `depthmask.depth` has it."""
    return 1 / np.maximum(depth, np.finfo(depth.dtype).eps) - 1


def _foreground(mask: Values, valid: Mask | None) -> Mask:
    chosen = mask if mask.dtype == bool else mask > THRESHOLD
    return chosen if valid is None else chosen & valid


def _mean(values: Values, valid: Mask | None) -> float:
    """Mean of the valid pixels; NaN where there are none."""
    chosen = values if valid is None else values[valid]
    return float(chosen.mean(dtype=np.float64)) if chosen.size else float("nan")
