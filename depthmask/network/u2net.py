"""U²-Net with one encoder and one decoder per task.

A U²-Net is a U-Net whose every stage is itself a small U-Net, an `RSU` block. Here all tasks
share the encoder, and each task ("depth", "mask") has a decoder of its own.

Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection",
2020, https://arxiv.org/abs/2005.09007
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depthmask.network.architecture import LITE as LITE
from depthmask.network.architecture import TASKS as TASKS
from depthmask.network.architecture import Stage as Stage


class U2Net(nn.Module):
    """Predicts one map per task from pictures of one scene, usually a background and an image.

    Args:
        tasks: Names of the maps to predict; each gets a decoder.
        in_ch: Channels of all pictures together, 3 for each RGB picture.
        stages: The architecture table, finest stage first.
        stride: Pixels of a picture, along a side, for one of the finest stage.
    """

    def __init__(
        self,
        tasks: Sequence[str] = TASKS,
        in_ch: int = 6,
        stages: Sequence[Stage] = LITE,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.in_ch = in_ch
        self.stride = stride
        self.encoder = Encoder(in_ch, stages, stride)
        self.decoders = nn.ModuleDict({task: Decoder(stages, stride) for task in tasks})

    def forward(self, *pictures: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Maps pictures to logits.

        Args:
            pictures: Each (B, 3, H, W), RGB in [0, 1], any H and W from 1 pixel up.
            tasks: Whose decoders to run; without it, all.

        Returns:
            {task: (B, 1 + S, H, W)}, logits. Channel 0 is the prediction; channels 1..S are what
            each of the S stages alone would say, finest first, for deep supervision.

        Raises:
            ValueError: The pictures do not have `in_ch` channels together.
        """
        x = torch.cat(pictures, dim=1)
        if x.shape[1] != self.in_ch:
            raise ValueError(f"this network takes {self.in_ch} channels, not {x.shape[1]}")
        height, width = x.shape[-2:]
        features = self.encoder(x)
        return {
            task: self.decoders[task](features)[..., :height, :width]
            for task in tasks or self.tasks
        }


class Encoder(nn.Module):
    """Yields one feature map per stage, finest first, each half the size of the one before."""

    def __init__(self, in_ch: int, stages: Sequence[Stage], stride: int = 1) -> None:
        super().__init__()
        widths = [in_ch, *(stage.out_ch for stage in stages)]
        self.stages = nn.ModuleList(
            RSU(ch, *stage, stride=1 if number else stride)
            for number, (ch, stage) in enumerate(zip(widths[:-1], stages, strict=True))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        for stage in self.stages:
            x = stage(halve(x) if features else x)
            features.append(x)
        return features


class Decoder(nn.Module):
    """Climbs back to full size. Every stage casts a vote; a 1×1 convolution weighs the votes.

    A stage below full size votes for each of the `stride` x `stride` pixels that it stands for.
    """

    def __init__(self, encoder: Sequence[Stage], stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        stages = encoder[:-1]
        widths = [stage.out_ch for stage in encoder]
        self.stages = nn.ModuleList(
            RSU(below + skip, *stage)
            for below, skip, stage in zip(widths[1:], widths[:-1], stages, strict=True)
        )
        self.votes = nn.ModuleList(nn.Conv2d(ch, stride**2, 3, padding=1) for ch in widths)
        self.fuse = nn.Conv2d(len(widths), 1, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        maps = self.climb(features)
        votes = [
            F.pixel_shuffle(resize_like(vote(m), maps[0]), self.stride)
            for vote, m in zip(self.votes, maps, strict=True)
        ]
        return torch.cat((self.fuse(torch.cat(votes, dim=1)), *votes), dim=1)

    def climb(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Yields one feature map per stage of the encoder, finest first, as the features come."""
        *skips, x = features
        maps = [x]
        for stage, skip in zip(reversed(self.stages), reversed(skips), strict=True):
            x = stage(torch.cat((resize_like(x, skip), skip), dim=1))
            maps.append(x)
        return maps[::-1]


class RSU(nn.Module):
    """Residual U-block: (B, in_ch, H, W) -> (B, out_ch, H / stride, W / stride), rounded up."""

    def __init__(
        self,
        in_ch: int,
        height: int,
        mid_ch: int,
        out_ch: int,
        dilated: bool = False,
        stride: int = 1,
    ) -> None:
        super().__init__()
        # The two deepest levels share one size; a dilated block keeps one size throughout.
        self.halvings = 0 if dilated else height - 2
        rates = [2**level for level in range(height)] if dilated else [1] * (height - 1) + [2]
        self.stem = conv_bn_relu(in_ch, out_ch, stride=stride)
        self.down = nn.ModuleList(
            conv_bn_relu(mid_ch if level else out_ch, mid_ch, rate)
            for level, rate in enumerate(rates)
        )
        self.up = nn.ModuleList(
            conv_bn_relu(2 * mid_ch, mid_ch if level else out_ch, rate)
            for level, rate in enumerate(rates[:-1])
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.descend(x) + x

    def descend(self, x: Tensor, level: int = 0) -> Tensor:
        """Runs the inner U from `level` to its bottom and back up to `level`."""
        skip = self.down[level](x)
        if level == len(self.up):
            return skip
        if level < self.halvings:
            below = resize_like(self.descend(halve(skip), level + 1), skip)
        else:
            below = self.descend(skip, level + 1)
        return self.up[level](torch.cat((below, skip), dim=1))


def conv_bn_relu(in_ch: int, out_ch: int, dilation: int = 1, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_ch, out_ch, 3, stride=stride, padding=dilation, dilation=dilation),
        nn.BatchNorm2d(out_ch),
        nn.ReLU(inplace=True),
    )


def halve(x: Tensor) -> Tensor:
    # Rounding up keeps a 1-pixel map alive through all five halvings.
    return F.max_pool2d(x, kernel_size=2, ceil_mode=True)


def resize_like(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
