"""The network as it is run: one map a task, nothing that only training needs.

Batch norms are folded into the convolutions before them, and each task's fuse weights into its
votes: enlarging is linear, so weighing a vote before or after it is the same. What goes in are the
bytes of two pictures; their scale is folded into the first convolution.
"""

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from depthmask.network.u2net import Decoder, U2Net, resize_like


class FusedNet(nn.Module):
    """A trained network, folded; the original is left as it is.

    Args:
        model: In evaluation mode, of two pictures.
    """

    def __init__(self, model: U2Net) -> None:
        super().__init__()
        model = deepcopy(model).float().eval()
        _fold_batch_norms(model)
        _fold_scale(model)
        for decoder in model.decoders.values():
            assert isinstance(decoder, Decoder)
            _fold_fuse(decoder)
        self.tasks = model.tasks
        self.stride = model.stride
        self.encoder = model.encoder
        self.decoders = model.decoders
        self.requires_grad_(False)

    def forward(self, background: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Maps two pictures to one map a task.

        Args:
            background: (B, h, w, 3), uint8, RGB.
            image: The same.

        Returns:
            For each of `tasks`, (B, h, w), float32 in [0, 1].
        """
        pixels = torch.cat((background, image), dim=3)
        features = self.encoder(pixels.permute(0, 3, 1, 2).float())
        height, width = image.shape[1:3]
        return tuple(
            _fused_map(decoder, features)[:, :height, :width] for decoder in self.decoders.values()
        )


def _fused_map(decoder: nn.Module, features: Sequence[Tensor]) -> Tensor:
    """Sums the weighed votes of a decoder: (B, H, W), float32 in [0, 1], of whole strides."""
    assert isinstance(decoder, Decoder)
    maps = decoder.climb(features)
    votes = [vote(m) for vote, m in zip(decoder.votes, maps, strict=True)]
    total = votes[0]
    for vote in votes[1:]:
        total = total + resize_like(vote, total)
    return F.pixel_shuffle(total, decoder.stride)[:, 0].float().sigmoid()


def _fold_batch_norms(model: nn.Module) -> None:
    for block in model.modules():
        if not isinstance(block, nn.Sequential):
            continue
        for at, (conv, norm) in enumerate(pairwise(list(block))):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[at] = fuse_conv_bn_eval(conv, norm)
                block[at + 1] = nn.Identity()


def _fold_scale(model: U2Net) -> None:
    """Lets the first convolution take bytes, which bf16 holds exactly, unlike bytes / 255."""
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        first.weight /= 255


def _fold_fuse(decoder: Decoder) -> None:
    with torch.no_grad():
        for vote, weight in zip(decoder.votes, decoder.fuse.weight[0, :, 0, 0], strict=True):
            assert isinstance(vote, nn.Conv2d) and vote.bias is not None
            vote.weight *= weight
            vote.bias *= weight
        first, fuse = decoder.votes[0], decoder.fuse
        assert isinstance(first, nn.Conv2d) and first.bias is not None and fuse.bias is not None
        first.bias += fuse.bias
