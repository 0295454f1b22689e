"""The depth convention: what a depth value means, everywhere in this project.

Depth is relative and bounded. The empty scene sets the scale, so that nothing which enters the
scene rescales it.
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

# Least range q98 - q2 that counts as a scene with depth, in the labels' unit (a teacher's whole
# picture spans 1). Without it, the noise of a bare wall's label would become a landscape.
FLOOR = 0.1


def scene_range(inverse: "Tensor", *, floor: float = FLOOR) -> tuple["Tensor", "Tensor"]:
    """Finds the scale that an empty scene sets.

    Args:
        inverse: (B, ...), inverse depth of the background, any scale and shift.
        floor: Least range, in the unit of `inverse`.

    Returns:
        q2 and the range max(q98 - q2, floor), each (B,).
    """
    ordered = inverse.flatten(1).float().sort(dim=1).values
    last = ordered.shape[1] - 1
    low, high = ordered[:, round(0.02 * last)], ordered[:, round(0.98 * last)]
    return low, (high - low).clamp_min(floor)


def depth_from_ratio(ratio: "Tensor") -> "Tensor":
    """Turns r, the inverse depth in units of the scene's range, into depth in (0, 1]."""
    return 1 / (1 + 2 * ratio.clamp_min(0))


def inverse_from_depth(depth: "Tensor") -> "Tensor":
    """Turns depth in (0, 1] into inverse depth 1 / depth - 1 = 2 r, for alignment with truth."""
    import torch

    return 1 / depth.clamp_min(torch.finfo(depth.dtype).eps) - 1


def inverse_from_depth_array(depth: Values) -> Values:
    """The same for arrays."""
    return 1 / np.maximum(depth, np.finfo(depth.dtype).eps) - 1


def align_inverse_depth(
    pred: Values, true: Values, valid: npt.NDArray[np.bool_] | None = None
) -> Values:
    """Fits inverse depth to the truth by a scale and a shift, by least squares.

    A flat prediction gets the mean of the truth; without a valid pixel the result is NaN.

    Args:
        pred: (H, W), inverse depth, relative.
        true: (H, W), inverse depth, per metre.
        valid: (H, W), bool: pixels to fit.

    Returns:
        (H, W), float64, `scale * pred + shift`, per metre. Not clipped: it may be negative.
    """

    def mean(values: Values) -> float:
        chosen = values if valid is None else values[valid]
        return float(chosen.mean()) if chosen.size else float("nan")

    # float64, because a large shift would drown a small range in the variance
    pred, true = pred.astype(np.float64), true.astype(np.float64)
    centre, target = mean(pred), mean(true)
    variance = mean(np.square(pred - centre))
    covariance = mean((pred - centre) * (true - target))
    scale = covariance / variance if variance > 0 else 0.0
    return scale * (pred - centre) + target
