"""Block-DCT pictures in plain torch: JPEG's idea, on any device, without an image library.

It serves twice: it keeps a packed data set small, and it gives composites the damage that a
camera's JPEG does.
"""

import lzma
import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 8
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 1}]


def block_dct(pictures: Tensor) -> Tensor:
    """Transforms (..., H, W), H and W multiples of 8, to coefficients (..., H/8, W/8, 64)."""
    blocks = pictures.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK)).transpose(-2, -3)
    return blocks.flatten(-2) @ _basis(pictures).T


def inverse_block_dct(coefficients: Tensor) -> Tensor:
    """Undoes `block_dct`."""
    blocks = (coefficients @ _basis(coefficients)).unflatten(-1, (BLOCK, BLOCK))
    return blocks.transpose(-2, -3).flatten(-2, -1).flatten(-3, -2)


def quantisation_steps(finest: float | Tensor, like: Tensor) -> Tensor:
    """Step widths (..., 64) that grow with frequency, where the eye is less exact.

    Args:
        finest: Step of the lowest frequencies in grey levels; a tensor (...,) gives one each.
        like: Any tensor of the wanted device and type.
    """
    frequency = torch.arange(BLOCK, device=like.device, dtype=like.dtype)
    shape = 1 + (frequency[:, None] + frequency).flatten() * 0.35
    return torch.as_tensor(finest, device=like.device, dtype=like.dtype)[..., None] * shape


def jpeg_damage(pictures: Tensor, finest: Tensor) -> Tensor:
    """Rounds pictures in the frequency domain, as a JPEG does.

    Args:
        pictures: (B, 3, H, W), RGB in [0, 1], any size.
        finest: (B,), step of the lowest frequencies in grey levels: 2 is hardly seen, 30 is ugly.
    """
    height, width = pictures.shape[-2:]
    padding = (0, -width % BLOCK, 0, -height % BLOCK)
    padded = F.pad(to_ycbcr(pictures) * 255, padding, mode="replicate")
    # Colour is rounded twice as coarsely as brightness.
    steps = quantisation_steps(finest[:, None] * finest.new_tensor([1.0, 2.0, 2.0]), padded)
    steps = steps[:, :, None, None]
    damaged = inverse_block_dct((block_dct(padded) / steps).round() * steps)
    return to_rgb(damaged[..., :height, :width] / 255).clamp(0, 1)


def compress(pictures: Tensor, finest: float) -> bytes:
    """Packs uint8 planes (N, S, S), S a multiple of 8, into bytes."""
    coefficients = block_dct(pictures.float() - 128)
    rounded = (coefficients / _storage_steps(finest, coefficients)).round()
    # Equal frequencies side by side make long runs of zeros.
    stream = rounded.clamp(-127, 127).to(torch.int8).movedim(-1, 0).contiguous()
    return lzma.compress(stream.numpy().tobytes(), format=lzma.FORMAT_RAW, filters=_FILTERS)


def decompress(data: bytes, count: int, side: int, finest: float) -> Tensor:
    """Undoes `compress`: uint8 (count, side, side)."""
    raw = bytearray(lzma.decompress(data, format=lzma.FORMAT_RAW, filters=_FILTERS))
    blocks = side // BLOCK
    stream = torch.frombuffer(raw, dtype=torch.int8).view(BLOCK * BLOCK, count, blocks, blocks)
    coefficients = stream.movedim(0, -1).float()
    planes = inverse_block_dct(coefficients * _storage_steps(finest, coefficients))
    return (planes + 128).round().clamp(0, 255).to(torch.uint8)


def _storage_steps(finest: float, like: Tensor) -> Tensor:
    steps = quantisation_steps(finest, like)
    # A block's mean, 8 grey levels of coefficient to the level, must fit a signed byte.
    steps[0] = max(finest, float(BLOCK))
    return steps


def to_ycbcr(rgb: Tensor) -> Tensor:
    """RGB (B, 3, H, W) to brightness and two colour differences (ITU-R BT.601, full range)."""
    red, green, blue = rgb.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack((luma, (blue - luma) / 1.772 + 0.5, (red - luma) / 1.402 + 0.5), dim=1)


def to_rgb(ycbcr: Tensor) -> Tensor:
    """Undoes `to_ycbcr`; values may leave [0, 1] a little."""
    luma, blue_difference, red_difference = ycbcr.unbind(1)
    red = luma + 1.402 * (red_difference - 0.5)
    blue = luma + 1.772 * (blue_difference - 0.5)
    return torch.stack((red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue), dim=1)


def _basis(like: Tensor) -> Tensor:
    """The orthonormal DCT-II of a block as one matrix, (64, 64): row = frequency, column = pixel.

    One product with it is many times faster than two with 8x8 matrices a block.
    """
    position = torch.arange(BLOCK, device=like.device, dtype=like.dtype)
    line = torch.cos((position + 0.5) * position[:, None] * (math.pi / BLOCK)) * 0.5
    line[0] *= math.sqrt(0.5)
    return torch.kron(line, line)
