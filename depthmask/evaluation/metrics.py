"""Metrics of batches of masks and depth maps, as tensors: those that training validates with.

Each returns one value per picture, but for the two of the original project. A mean over no valid
pixel is NaN. `array_metrics` has the metrics that need no torch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from depthmask.evaluation.array_metrics import MASK_THRESHOLD


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
    """IoU of the bands of foreground along the borders of the two masks.

    The edge of the picture counts as border. Empty masks score as in `mask_iou`.
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


def depth_rmse(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """Root of the mean squared error of each picture: (B, H, W) -> (B,), in the inputs' unit."""
    squares = (pred - true).square()
    if valid is None:
        return squares.flatten(1).mean(dim=1).sqrt()
    # not a product: an invalid pixel may hold infinity, and 0 * inf is NaN
    squares = torch.where(valid, squares, torch.zeros_like(squares))
    return (squares.flatten(1).sum(dim=1) / valid.flatten(1).sum(dim=1)).sqrt()


def batch_iou(pred: Tensor, true: Tensor) -> Tensor:
    """The original project's IoU, over all pixels of a batch at once: (B, H, W) -> scalar."""
    return _iou(_foreground(pred, None)[None], _foreground(true, None)[None])[0]


def batch_rmse(pred: Tensor, true: Tensor) -> Tensor:
    """The original project's RMSE, sqrt(MSE + 1e-6) over a whole batch: (B, H, W) -> scalar."""
    return (F.mse_loss(pred, true) + 1e-6).sqrt()


def _foreground(mask: Tensor, valid: Tensor | None) -> Tensor:
    chosen = mask if mask.dtype == torch.bool else mask > MASK_THRESHOLD
    return chosen if valid is None else chosen & valid


def _iou(pred: Tensor, true: Tensor) -> Tensor:
    """IoU of bool (B, ...) -> (B,)."""
    both = (pred & true).flatten(1).sum(dim=1)
    either = (pred | true).flatten(1).sum(dim=1)
    return torch.where(either > 0, both / either.clamp_min(1), torch.ones_like(both / 1))


def _inner_band(mask: Tensor, pixels: int) -> Tensor:
    """Keeps the foreground within `pixels` of the background: bool (B, H, W) -> bool (B, H, W)."""
    outside = F.pad((~mask).float()[:, None], (pixels,) * 4, value=1.0)
    size = 2 * pixels + 1
    grown = F.max_pool2d(F.max_pool2d(outside, (1, size), stride=1), (size, 1), stride=1)
    return mask & (grown[:, 0] > 0)
