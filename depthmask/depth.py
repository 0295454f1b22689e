"""The depth convention: what a depth value means, everywhere in this project.

Depth is relative and bounded. The empty scene alone sets the scale, so an object that enters does
not change the depth of the rest.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Values = npt.NDArray[Any]  # of any real type

CONVENTION = (
    "depth = 1 / (1 + 2 max(r, 0)), r = (q - q2) / (q98 - q2); q is inverse depth, q2 and q98 its "
    "2nd and 98th percentile over the empty scene: 1 is farthest, the scene fills about 0.33 to 1, "
    "0 is infinitely near"
)

# A scene with a smaller range q98 - q2 gets this range. It is in the labels' unit: the label of a
# picture spans 1. Otherwise the noise in the label of a bare wall would be stretched to full range.
MIN_RANGE = 0.1


def scene_range(inverse: "Tensor", *, min_range: float = MIN_RANGE) -> tuple["Tensor", "Tensor"]:
    """Finds the shift and the scale of an empty scene's inverse depth.

    Args:
        inverse: (B, ...), inverse depth of the background, any scale and shift.
        min_range: Smallest range that is returned, in the unit of `inverse`.

    Returns:
        q2 and the range max(q98 - q2, min_range), each (B,).
    """
    ordered = inverse.flatten(1).float().sort(dim=1).values
    last = ordered.shape[1] - 1
    low, high = ordered[:, round(0.02 * last)], ordered[:, round(0.98 * last)]
    return low, (high - low).clamp_min(min_range)


def depth_from_ratio(ratio: "Tensor") -> "Tensor":
    """Turns r, the inverse depth in units of the scene's range, into depth in (0, 1]."""
    return 1 / (1 + 2 * ratio.clamp_min(0))


def inverse_from_depth(depth: Values) -> Values:
    """Turns depth in (0, 1] into inverse depth 1 / depth - 1 = 2 r, for `align_inverse_depth`."""
    return 1 / np.maximum(depth, np.finfo(depth.dtype).eps) - 1


def metres_from_depth(depth: Values, near: float, far: float) -> Values:
    """Turns depth in (0, 1] into metres: (H, W) -> (H, W).

    Args:
        depth: By `CONVENTION`.
        near: Metres to the nearest 2 % of the empty scene.
        far: Metres to the farthest 2 %.
    """
    ratio = inverse_from_depth(depth) / 2
    return 1 / (1 / far + ratio * (1 / near - 1 / far))


def align_inverse_depth(
    pred: Values, true: Values, valid: npt.NDArray[np.bool_] | None = None
) -> Values:
    """Fits inverse depth to the truth by a scale and a shift, by least squares.

    A flat prediction becomes the mean of the truth. Without a valid pixel the result is NaN.

    Args:
        pred: (H, W), inverse depth, relative.
        true: (H, W), inverse depth, per metre.
        valid: (H, W), bool: pixels to fit.

    Returns:
        (H, W), float64, `scale * pred + shift`, per metre. It may be negative.
    """

    def mean(values: Values) -> float:
        chosen = values if valid is None else values[valid]
        return float(chosen.mean()) if chosen.size else float("nan")

    # float64, because float32 loses a small range on top of a large shift
    pred, true = pred.astype(np.float64), true.astype(np.float64)
    pred_mean, true_mean = mean(pred), mean(true)
    variance = mean(np.square(pred - pred_mean))
    covariance = mean((pred - pred_mean) * (true - true_mean))
    scale = covariance / variance if variance > 0 else 0.0
    return scale * (pred - pred_mean) + true_mean
