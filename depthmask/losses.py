"""Losses on logits, with deep supervision: every stage of a decoder answers for its own map."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

DEPTH_LOSSES = ("bce", "ssim", "l1")

# Constants of the SSIM paper for values in [0, 1], and the side of its window in pixels.
_C1, _C2, _WINDOW = 0.01**2, 0.03**2, 7


def task_losses(
    logits: Mapping[str, Tensor], true: Mapping[str, Tensor], *, depth_loss: str = "bce"
) -> dict[str, Tensor]:
    """Sums each task's loss over its prediction and all side maps, as the original project does.

    Args:
        logits: {task: (B, M, H, W)}, as `U2Net` returns them.
        true: {task: (B, 1, H, W)} in [0, 1]; may hold further tasks.
        depth_loss: "bce" compares depth as if it were a probability; "ssim" and "l1" compare
            pictures. The mask is always compared by binary cross-entropy.

    Returns:
        {task: scalar}.

    Raises:
        ValueError: `depth_loss` is none of `DEPTH_LOSSES`.
    """
    if depth_loss not in DEPTH_LOSSES:
        raise ValueError(f"depth_loss is one of {', '.join(DEPTH_LOSSES)}, not {depth_loss!r}")
    losses = {}
    for task, maps in logits.items():
        kind = depth_loss if task == "depth" else "bce"
        # Half precision cannot resolve how far a confident logit is from the truth.
        losses[task] = _map_loss(maps.float(), true[task].expand_as(maps), kind) * maps.shape[1]
    return losses


def structural_similarity(pred: Tensor, true: Tensor) -> Tensor:
    """Mean SSIM of maps in [0, 1], (B, C, H, W) each, with a flat 7-pixel window.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004.
    """

    def local_mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, _WINDOW, stride=1, padding=_WINDOW // 2, count_include_pad=False)

    pred_mean, true_mean = local_mean(pred), local_mean(true)
    pred_var = local_mean(pred * pred) - pred_mean**2
    true_var = local_mean(true * true) - true_mean**2
    covariance = local_mean(pred * true) - pred_mean * true_mean
    brightness = (2 * pred_mean * true_mean + _C1) / (pred_mean**2 + true_mean**2 + _C1)
    structure = (2 * covariance + _C2) / (pred_var + true_var + _C2)
    return (brightness * structure).mean()


def _map_loss(maps: Tensor, true: Tensor, kind: str) -> Tensor:
    if kind == "bce":
        return F.binary_cross_entropy_with_logits(maps, true)
    if kind == "l1":
        return F.l1_loss(maps.sigmoid(), true)
    return 1 - structural_similarity(maps.sigmoid(), true)
