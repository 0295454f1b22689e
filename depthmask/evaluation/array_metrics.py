"""Metrics of one mask or one depth map, as arrays.

`metrics` has what training needs, for batches of tensors. Two functions stand in both modules,
`mask_iou` and `depth_rmse`, because the page and `predict` do without torch; a test compares them.
A mean over no valid pixel is NaN.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]  # of any real type
Valid = npt.NDArray[np.bool_]  # pixels that count

MASK_THRESHOLD = 0.5  # a pixel above it is foreground
DELTA_FACTOR = 1.25  # between predicted and true depth, for `delta`

_SSIM_WINDOW_PIXELS, _SSIM_DEVIATION_PIXELS = 11, 1.5
_SSIM_K1, _SSIM_K2 = 0.01, 0.03


def mask_iou(pred: Values, true: Values, valid: Valid | None = None) -> float:
    """Intersection over union. Two empty masks agree, and score 1.

    Args:
        pred: (H, W), bool, or a probability in [0, 1] that is cut at 0.5.
        true: (H, W), likewise.
        valid: (H, W). Without it, all pixels count.
    """
    pred, true = _foreground(pred, valid), _foreground(true, valid)
    union = np.count_nonzero(pred | true)
    return np.count_nonzero(pred & true) / union if union else 1.0


def f_measure(pred: Values, true: Values, *, beta_squared: float = 0.3) -> float:
    """F = (1 + β²) P R / (β² P + R), with precision P and recall R; NaN without true foreground.

    β² = 0.3 as in Achanta et al., "Frequency-tuned Salient Region Detection", 2009.

    Args:
        pred: (H, W), as for `mask_iou`.
        true: (H, W), likewise.
        beta_squared: Below 1, precision counts more than recall.
    """
    pred, true = _foreground(pred, None), _foreground(true, None)
    if not true.any():
        return float("nan")
    hits = np.count_nonzero(pred & true)
    return float(
        (1 + beta_squared) * hits / (np.count_nonzero(pred) + beta_squared * np.count_nonzero(true))
    )


def depth_rmse(pred: Values, true: Values, valid: Valid | None = None) -> float:
    """Root of the mean squared error, (H, W) each, in the unit of the inputs."""
    return float(np.sqrt(masked_mean(np.square(pred - true), valid)))


def abs_rel(pred: Values, true: Values, valid: Valid | None = None) -> float:
    """Mean of |pred - true| / true, (H, W) each, of any unit above 0."""
    return masked_mean(np.abs(pred - true) / true, valid)


def delta(pred: Values, true: Values, valid: Valid | None = None, *, power: int = 1) -> float:
    """Share of pixels within a factor of 1.25^power of the truth, (H, W) each, any unit above 0."""
    return masked_mean(np.maximum(pred / true, true / pred) < DELTA_FACTOR**power, valid)


def structural_similarity(pred: Values, true: Values) -> float:
    """SSIM, the mean over windows around all pixels; the picture is mirrored at its edges.

    The windows are Gaussian, of 11 x 11 pixels and a deviation of 1.5. Wang et al., "Image Quality
    Assessment: From Error Visibility to Structural Similarity", 2004.

    Args:
        pred: (H, W), in [0, 1].
        true: (H, W), likewise.

    Returns:
        A number in [-1, 1]; 1 for equal pictures.
    """
    pred, true = pred.astype(np.float64), true.astype(np.float64)
    pred_mean, true_mean = _windowed(pred), _windowed(true)
    pred_variance = _windowed(pred**2) - pred_mean**2
    true_variance = _windowed(true**2) - true_mean**2
    covariance = _windowed(pred * true) - pred_mean * true_mean
    means = (2 * pred_mean * true_mean + _SSIM_K1**2) / (pred_mean**2 + true_mean**2 + _SSIM_K1**2)
    structure = (2 * covariance + _SSIM_K2**2) / (pred_variance + true_variance + _SSIM_K2**2)
    return float((means * structure).mean())


def masked_mean(values: Values, valid: Valid | None) -> float:
    """Mean of the valid pixels; NaN where there are none."""
    chosen = values if valid is None else values[valid]
    return float(chosen.mean(dtype=np.float64)) if chosen.size else float("nan")


def _foreground(mask: Values, valid: Valid | None) -> Valid:
    chosen = mask if mask.dtype == bool else mask > MASK_THRESHOLD
    return chosen if valid is None else chosen & valid


def _windowed(values: Values) -> Values:
    """Gaussian means of the windows around all pixels, (H, W) -> (H, W)."""
    reach = _SSIM_WINDOW_PIXELS // 2
    place = np.arange(-reach, reach + 1)
    weights = np.exp(-(place**2) / (2 * _SSIM_DEVIATION_PIXELS**2))
    weights /= weights.sum()
    values = np.pad(values, reach, mode="reflect")
    for axis in (0, 1):
        views = np.lib.stride_tricks.sliding_window_view(values, _SSIM_WINDOW_PIXELS, axis)
        values = views @ weights
    return values
