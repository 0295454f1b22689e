"""Losses on logits, with deep supervision: every stage of a decoder answers for its own map."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

DEPTH_LOSSES = ("bce", "ssim", "l1", "gradient")

_BORDER = 5  # pixels, side of the window in which a mask's border is felt
_DARK = 0.05  # of full scale: added to brightness, so that noise in dark places is no shade

# Constants of the SSIM paper for values in [0, 1], and the side of its window in pixels.
_C1, _C2, _WINDOW = 0.01**2, 0.03**2, 7

# Of the gradient loss: its share beside bce, and how often the maps are halved.
_STEEPNESS, _SCALES = 0.25, 4


def task_losses(
    logits: Mapping[str, Tensor],
    true: Mapping[str, Tensor],
    *,
    depth_loss: str = "bce",
    mask_weight: Tensor | None = None,
) -> dict[str, Tensor]:
    """Sums each task's loss over its prediction and all side maps, as the original project does.

    Args:
        logits: {task: (B, M, H, W)}, as `U2Net` returns them.
        true: {task: (B, 1, H, W)} in [0, 1]; may hold further tasks.
        depth_loss: "bce" compares depth as if it were a probability; "ssim" and "l1" compare
            pictures; "gradient" adds to bce how their slopes differ. The mask is always compared by
            binary cross-entropy.
        mask_weight: (B, 1, H, W), how much each pixel counts for the mask; None = all alike.

    Returns:
        {task: scalar}.

    Raises:
        ValueError: `depth_loss` is none of `DEPTH_LOSSES`.
    """
    if depth_loss not in DEPTH_LOSSES:
        raise ValueError(f"depth_loss is one of {', '.join(DEPTH_LOSSES)}, not {depth_loss!r}")
    losses = {}
    for task, maps in logits.items():
        target = true[task].expand_as(maps)
        maps = maps.float()  # half precision cannot resolve how far a confident logit is off
        if task == "mask":
            weight = None if mask_weight is None else mask_weight.expand_as(maps)
            loss = F.binary_cross_entropy_with_logits(maps, target, weight=weight)
        else:
            loss = _map_loss(maps, target, depth_loss)
        losses[task] = loss * maps.shape[1]
    return losses


def pixel_weight(
    true_mask: Tensor, background: Tensor, image: Tensor, *, border: float, shade: float
) -> Tensor | None:
    """How much each pixel counts for the mask, (B, 1, H, W), 1 or more; None if all count alike.

    Args:
        true_mask: (B, 1, H, W), 0 to 1.
        background: (B, 3, H, W), 0 to 1, like `image`.
        image: The same scene with the foreground.
        border: How much more a pixel counts where all around it is different; on a straight border
            it is about half of that.
        shade: How much more a pixel counts that is black where the background is white. Shadows
            and dark things count alike, so that neither is preferred.
    """
    if not border and not shade:
        return None
    weight = border_weight(true_mask, border)
    return weight + shade * darkening(background, image) if shade else weight


def darkening(background: Tensor, image: Tensor) -> Tensor:
    """The share of a background's light that is missing in an image, (B, 1, H, W), 0 to 1."""
    before, after = (picture.mean(dim=1, keepdim=True) + _DARK for picture in (background, image))
    return (1 - after / before).clamp_min(0)


def border_weight(true_mask: Tensor, border: float) -> Tensor:
    """Weights of the mask's pixels, (B, 1, H, W), from 1 to 1 + border; for (B, 1, H, W).

    Wei et al., "F3Net: Fusion, Feedback and Focus for Salient Object Detection", 2020, with a
    window of 5 pixels instead of 31, for pictures a fifth as large.
    """
    around = F.avg_pool2d(true_mask, _BORDER, 1, _BORDER // 2, count_include_pad=False)
    return 1 + border * (around - true_mask).abs()


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


def steepness(error: Tensor) -> Tensor:
    """Mean difference between neighbours in (B, C, H, W), across plus along, over four scales.

    Of the difference of two depth maps it tells how far their edges and planes differ, wherever
    the maps lie. Li and Snavely, "MegaDepth", 2018; each scale here averages over 2 x 2 pixels.
    """
    total = error.new_zeros(())
    for _ in range(_SCALES):
        if min(error.shape[-2:]) < 2:
            break
        total = total + error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        error = F.avg_pool2d(error, 2)
    return total


def _map_loss(maps: Tensor, true: Tensor, kind: str) -> Tensor:
    if kind == "bce":
        return F.binary_cross_entropy_with_logits(maps, true)
    if kind == "l1":
        return F.l1_loss(maps.sigmoid(), true)
    if kind == "gradient":
        cross_entropy = F.binary_cross_entropy_with_logits(maps, true)
        return cross_entropy + _STEEPNESS * steepness(maps.sigmoid() - true)
    return 1 - structural_similarity(maps.sigmoid(), true)
