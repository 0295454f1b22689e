"""How good a mask or a depth map is: pure functions, one value per picture.

Wherever an average over pixels has no valid pixel to stand on, it is NaN: there is nothing to
say, and neither 0 nor 1 would be true. Masks never come to that, see `mask_iou`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

THRESHOLD = 0.5  # a pixel above it is foreground
GRADIENT_SCALE = (
    1.4  # pixels, deviation of the Gaussian that matting's gradient error is taken with
)
DELTA1 = 1.25  # a depth within this factor of the truth is right


def mask_iou(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """Intersection over union of each picture's masks.

    Two empty masks agree, and score 1; an empty mask against one that is not scores 0.

    Args:
        pred: (B, H, W), bool, or a probability in [0, 1] that is cut at 0.5.
        true: (B, H, W), likewise.
        valid: (B, H, W), bool: pixels that count. Without it, all do.

    Returns:
        (B,), float in [0, 1].
    """
    return _iou(_foreground(pred, valid), _foreground(true, valid))


def boundary_iou(
    pred: Tensor, true: Tensor, valid: Tensor | None = None, *, width: float = 0.02
) -> Tensor:
    """IoU of the two bands of foreground along each mask's border: tells how fine an edge is.

    The edge of the picture counts as border too. Empty masks score as in `mask_iou`.
    Cheng et al., "Boundary IoU", 2021, https://arxiv.org/abs/2103.16562

    Args:
        pred: (B, H, W), as for `mask_iou`.
        true: (B, H, W), likewise.
        valid: (B, H, W), bool: pixels that count.
        width: Of the band, as a share of the picture's diagonal; at least one pixel.

    Returns:
        (B,), float in [0, 1].
    """
    height, breadth = true.shape[-2:]
    pixels = max(1, round(width * (height**2 + breadth**2) ** 0.5))
    bands = (_inner_band(_foreground(mask, None), pixels) for mask in (pred, true))
    return _iou(*(_foreground(band, valid) for band in bands))


def gradient_error(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """How much steeper or flatter than the truth a mask is, at the border above all.

    The mean over pixels of the squared difference of gradient magnitudes, each taken with
    derivatives of a Gaussian of 1.4 pixels. Rhemann et al., "A perceptually motivated online
    benchmark for image matting", 2009, who sum where this averages, so that sizes compare.

    Args:
        pred: (B, H, W), float in [0, 1].
        true: (B, H, W), likewise.
        valid: (B, H, W), bool: pixels that count.

    Returns:
        (B,), float, per pixel squared.
    """
    return masked_mean((_steepness(pred) - _steepness(true)).square(), valid)


def depth_rmse(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """Root of the mean squared error of each picture: (B, H, W) -> (B,), in the inputs' unit."""
    return masked_mean((pred - true).square(), valid).sqrt()


def abs_rel(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of |pred - true| / true of each picture: (B, H, W), any unit > 0 -> (B,)."""
    return masked_mean((pred - true).abs() / true, valid)


def delta1(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """Share of each picture's pixels within a factor 1.25 of truth: (B, H, W), unit > 0 -> (B,)."""
    return masked_mean((torch.maximum(pred / true, true / pred) < DELTA1).float(), valid)


def align_inverse_depth(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """Fits each picture's inverse depth to the truth by a scale and a shift, by least squares.

    A flat prediction gets the mean of the truth; without a valid pixel the result is NaN.

    Args:
        pred: (B, H, W), inverse depth, relative.
        true: (B, H, W), inverse depth, per metre.
        valid: (B, H, W), bool: pixels to fit.

    Returns:
        (B, H, W), float64, `scale * pred + shift`, per metre. Not clipped: it may be negative.
    """
    # float64, because a large shift would drown a small range in the variance
    pred, true = pred.double(), true.double()
    pred_mean, true_mean = (masked_mean(x, valid)[:, None, None] for x in (pred, true))
    covariance = masked_mean((pred - pred_mean) * (true - true_mean), valid)
    variance = masked_mean((pred - pred_mean).square(), valid)
    scale = torch.where(variance > 0, covariance / variance, torch.zeros_like(variance))
    return scale[:, None, None] * (pred - pred_mean) + true_mean


def batch_iou(pred: Tensor, true: Tensor) -> Tensor:
    """The original project's IoU: over all pixels of a batch at once. (B, H, W) -> scalar."""
    return _iou(_foreground(pred, None)[None], _foreground(true, None)[None])[0]


def batch_rmse(pred: Tensor, true: Tensor) -> Tensor:
    """The original project's RMSE: sqrt(MSE + 1e-6) over a whole batch. (B, H, W) -> scalar."""
    return (F.mse_loss(pred, true) + 1e-6).sqrt()


def _foreground(mask: Tensor, valid: Tensor | None) -> Tensor:
    chosen = mask if mask.dtype == torch.bool else mask > THRESHOLD
    return chosen if valid is None else chosen & valid


def _steepness(mask: Tensor) -> Tensor:
    """Gradient magnitudes of (B, H, W), at the scale of `GRADIENT_SCALE` pixels."""
    reach = round(3 * GRADIENT_SCALE)
    place = torch.arange(-reach, reach + 1, dtype=mask.dtype, device=mask.device)
    smooth = (-place.square() / (2 * GRADIENT_SCALE**2)).exp()
    smooth = smooth / smooth.sum()
    slope = place * smooth / GRADIENT_SCALE**2
    padded = F.pad(mask[:, None], (reach,) * 4, mode="replicate")
    along, across = (
        F.conv2d(F.conv2d(padded, down[None, None, :, None]), right[None, None, None])[:, 0]
        for down, right in ((smooth, slope), (slope, smooth))
    )
    return torch.hypot(along, across)


def _iou(pred: Tensor, true: Tensor) -> Tensor:
    """IoU of bool (B, ...) -> (B,)."""
    both = (pred & true).flatten(1).sum(dim=1)
    either = (pred | true).flatten(1).sum(dim=1)
    return torch.where(either > 0, both / either.clamp_min(1), torch.ones_like(both / 1))


def masked_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of each picture's valid pixels, (B, H, W) -> (B,); NaN where there are none."""
    if valid is None:
        return values.flatten(1).mean(dim=1)
    # not a product: an invalid pixel may hold infinity, and 0 * inf is NaN
    chosen = torch.where(valid, values, torch.zeros_like(values)).flatten(1)
    return chosen.sum(dim=1) / valid.flatten(1).sum(dim=1)


def _inner_band(mask: Tensor, pixels: int) -> Tensor:
    """Keeps the foreground within `pixels` of the background: bool (B, H, W) -> bool (B, H, W)."""
    outside = F.pad((~mask).float()[:, None], (pixels,) * 4, value=1.0)
    size = 2 * pixels + 1
    grown = F.max_pool2d(F.max_pool2d(outside, (1, size), stride=1), (size, 1), stride=1)
    return mask & (grown[:, 0] > 0)
