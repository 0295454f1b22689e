"""Metrics of alpha from the matting literature, and of depth at the mask's border.

All take arrays of one picture, (H, W). Rhemann et al., "A perceptually motivated online benchmark
for image matting", 2009, sum over pixels. Here all but SAD are means, so that pictures of different
sizes compare. A mean over no valid pixel is NaN.
"""

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.evaluation.array_metrics import MASK_THRESHOLD, Valid, Values, masked_mean

_BAND_REACH = 0.02  # of the unknown band to each side of the border, as a share of the diagonal
_GRADIENT_DEVIATION_PIXELS = 1.4  # of the Gaussian
_CONNECTIVITY_LEVELS = 10  # of alpha
_MIN_CONNECTIVITY_GAP = 0.15  # of alpha to its level; a smaller gap counts as none
_STEP_REACH_PIXELS = 2  # from the border, within which a step of depth lies
_MIN_TRUE_STEP = 0.03  # of depth
_MIN_FOUND_SHARE = 0.5  # of the true step
_ALPHA_TOLERANCE = 0.5 / 255


def unknown_band(true: Values) -> Valid:
    """The pixels near the true border, and those that are partly covered."""
    height, width = true.shape
    reach = max(1, round(_BAND_REACH * (height**2 + width**2) ** 0.5))
    highest, lowest = cv2.dilate(true, _square(reach)), cv2.erode(true, _square(reach))
    return np.asarray((highest > _ALPHA_TOLERANCE) & (lowest < 1 - _ALPHA_TOLERANCE))


def absolute_error(pred: Values, true: Values, valid: Valid | None = None) -> float:
    """Mean of |pred - true|."""
    return masked_mean(np.abs(pred - true), valid)


def squared_error(pred: Values, true: Values, valid: Valid | None = None) -> float:
    """Mean of (pred - true)²."""
    return masked_mean(np.square(pred - true), valid)


def sum_of_differences(pred: Values, true: Values, valid: Valid | None = None) -> float:
    """SAD: the sum of |pred - true| in thousands of pixels."""
    difference = np.abs(pred - true)
    chosen = difference if valid is None else difference[valid]
    return float(chosen.sum(dtype=np.float64) / 1000)


def gradient_error(pred: Values, true: Values, valid: Valid | None = None) -> float:
    """Mean of the squared difference between the gradient magnitudes of two masks.

    The gradients are convolutions with derivatives of a Gaussian of 1.4 pixels.

    Args:
        pred: (H, W), in [0, 1].
        true: (H, W), likewise.
        valid: (H, W): pixels that count.

    Returns:
        The mean, per pixel squared.
    """
    return masked_mean(np.square(_gradient_magnitude(pred) - _gradient_magnitude(true)), valid)


def connectivity_error(pred: Values, true: Values, valid: Valid | None = None) -> float:
    """Mean difference between the degrees to which pixels are connected with the object.

    The level of a pixel is the highest alpha at which it is connected with the largest area that is
    opaque in both masks. Its degree is 1 minus the alpha above that level.
    """
    level = _connected_level(pred, true)
    return masked_mean(np.abs(_connected(pred, level) - _connected(true, level)), valid)


def depth_edge_recall(pred_depth: Values, true_depth: Values, true_mask: Values) -> float:
    """Share of the true mask's border at which a true step of depth is found.

    Border pixels count where the true depth has a step of 0.03 or more within two pixels. The step
    is found where the predicted depth has half of it there. NaN where no pixel counts.
    """
    opaque = (true_mask > MASK_THRESHOLD).astype(np.float32)
    border = _local_range(opaque, 1) > 0
    true_step, pred_step = (_local_range(x, _STEP_REACH_PIXELS) for x in (true_depth, pred_depth))
    return masked_mean(
        pred_step >= _MIN_FOUND_SHARE * true_step, border & (true_step >= _MIN_TRUE_STEP)
    )


def _local_range(values: Values, reach: int) -> Values:
    """Largest minus smallest value within a square of `reach` pixels around each pixel."""
    return np.asarray(cv2.dilate(values, _square(reach)) - cv2.erode(values, _square(reach)))


def _square(reach: int) -> npt.NDArray[np.uint8]:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _gradient_magnitude(mask: Values) -> Values:
    reach = round(3 * _GRADIENT_DEVIATION_PIXELS)
    place = np.arange(-reach, reach + 1, dtype=np.float64)
    smooth = np.exp(-(place**2) / (2 * _GRADIENT_DEVIATION_PIXELS**2))
    smooth /= smooth.sum()
    slope = place * smooth / _GRADIENT_DEVIATION_PIXELS**2
    across, along = (
        cv2.sepFilter2D(mask, cv2.CV_64F, x, y, borderType=cv2.BORDER_REPLICATE)
        for x, y in ((slope, smooth), (smooth, slope))
    )
    return np.hypot(across, along)


def _connected_level(pred: Values, true: Values) -> npt.NDArray[np.float32]:
    level = np.zeros(true.shape, np.float32)
    connected = np.ones(true.shape, bool)
    for step in range(1, _CONNECTIVITY_LEVELS + 1):
        threshold = step / _CONNECTIVITY_LEVELS
        both = ((pred >= threshold) & (true >= threshold)).astype(np.uint8)
        _, labels, statistics, _ = cv2.connectedComponentsWithStats(both, connectivity=4)
        sizes = statistics[1:, cv2.CC_STAT_AREA]
        connected &= labels == 1 + int(sizes.argmax()) if len(sizes) else np.zeros_like(connected)
        level[connected] = threshold
    return level


def _connected(alpha: Values, level: npt.NDArray[np.float32]) -> Values:
    gap = alpha - level
    return 1 - gap * (gap >= _MIN_CONNECTIVITY_GAP)
