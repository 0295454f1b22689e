"""How good alpha is, by the measures of the matting literature; and depth at the mask's border.

One value per picture, as in `metrics`. Rhemann et al., "A perceptually motivated online benchmark
for image matting", 2009, sum where these average over pixels, so that sizes compare; only SAD sums.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from depthmask.evaluation.metrics import masked_mean

_BAND = 0.02  # half the unknown band's width, as a share of the diagonal
_LEVELS = 10  # steps of alpha at which connectivity is looked at
_LEAST_GAP = 0.15  # of alpha to the level where it is connected; less is not seen
_REACH = 2  # pixels around the border in which a step of depth may lie
_LEAST_STEP = 0.03  # of depth; a smaller step need not be found


def unknown_band(true: Tensor) -> Tensor:
    """The pixels near the true border, and those partly covered: (B, H, W) -> bool (B, H, W)."""
    height, width = true.shape[-2:]
    reach = max(1, round(_BAND * (height**2 + width**2) ** 0.5))
    high, low = _grown(true, reach), -_grown(-true, reach)
    return (high > 0.5 / 255) & (low < 1 - 0.5 / 255)


def absolute_error(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of |pred - true|, (B, H, W) -> (B,); NaN where no pixel is valid."""
    return masked_mean((pred - true).abs(), valid)


def squared_error(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of (pred - true)², (B, H, W) -> (B,); NaN where no pixel is valid."""
    return masked_mean((pred - true).square(), valid)


def sum_of_differences(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """SAD: the sum of |pred - true| in thousands of pixels, (B, H, W) -> (B,)."""
    difference = (pred - true).abs()
    if valid is not None:
        difference = difference * valid
    return difference.flatten(1).sum(dim=1) / 1000


def connectivity_error(pred: Tensor, true: Tensor, valid: Tensor | None = None) -> Tensor:
    """How differently pixels hang together with the object, mean over pixels: (B, H, W) -> (B,).

    A pixel's level is the highest alpha at which it is connected with the largest area that is
    opaque in both; what it has above that level counts.
    """
    values = []
    for one, other in zip(pred.cpu().numpy(), true.cpu().numpy(), strict=True):
        level = _connected_level(one, other)
        values.append(np.abs(_connected(one, level) - _connected(other, level)))
    return masked_mean(torch.from_numpy(np.stack(values)).to(pred), valid)


def depth_edge_recall(pred_depth: Tensor, true_depth: Tensor, true_mask: Tensor) -> Tensor:
    """Share of the true mask's border where a true step of depth is found, (B, H, W) each -> (B,).

    Counted are border pixels with a true step of 0.03 or more within two pixels; it is found where
    the prediction has half of it there. NaN where there is none.
    """
    opaque = (true_mask > 0.5).float()
    border = _grown(opaque, 1) + _grown(-opaque, 1) > 0
    true_step, pred_step = (
        _grown(x, _REACH) + _grown(-x, _REACH) for x in (true_depth, pred_depth)
    )
    counted = border & (true_step >= _LEAST_STEP)
    return masked_mean((pred_step >= 0.5 * true_step).float(), counted)


def _grown(values: Tensor, reach: int) -> Tensor:
    """The largest value within a square of `reach` pixels around each."""
    side = 2 * reach + 1
    along = F.max_pool2d(values[:, None].float(), (1, side), stride=1, padding=(0, reach))
    return F.max_pool2d(along, (side, 1), stride=1, padding=(reach, 0))[:, 0]


def _connected_level(pred: NDArray[np.float32], true: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each pixel the highest level at which it belongs to the largest common area."""
    level = np.zeros(true.shape, np.float32)
    still = np.ones(true.shape, bool)
    for step in range(1, _LEVELS + 1):
        threshold = step / _LEVELS
        both = ((pred >= threshold) & (true >= threshold)).astype(np.uint8)
        _, labels, statistics, _ = cv2.connectedComponentsWithStats(both, connectivity=4)
        sizes = statistics[1:, cv2.CC_STAT_AREA]
        still &= labels == 1 + int(sizes.argmax()) if len(sizes) else np.zeros_like(still)
        level[still] = threshold
    return level


def _connected(alpha: NDArray[np.float32], level: NDArray[np.float32]) -> NDArray[np.float32]:
    gap = alpha - level
    return np.asarray(1 - gap * (gap >= _LEAST_GAP), dtype=np.float32)
