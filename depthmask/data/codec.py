"""A picture codec in plain torch: a block DCT as in JPEG, on any device.

It keeps packed data small, and it gives composites the damage of a camera's JPEG.
"""

import lzma
import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_SIDE = 8  # pixels
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 1}]
# Planes worked on at once. As floats they stay below 32 MB at 512 pixels a side: what is larger,
# glibc asks the system for each time, which took two thirds of the time of reading a pack.
PLANES_AT_ONCE = 16


def block_dct(pictures: Tensor) -> Tensor:
    """Transforms (..., H, W), H and W multiples of 8, to coefficients (..., H/8, W/8, 64)."""
    blocks = pictures.unflatten(-1, (-1, BLOCK_SIDE)).unflatten(-3, (-1, BLOCK_SIDE))
    return blocks.transpose(-2, -3).flatten(-2) @ _dct_matrix(pictures).T


def inverse_block_dct(coefficients: Tensor) -> Tensor:
    """Undoes `block_dct`."""
    pixels = coefficients @ _dct_matrix(coefficients)
    blocks = pixels.unflatten(-1, (BLOCK_SIDE, BLOCK_SIDE))
    return blocks.transpose(-2, -3).flatten(-2, -1).flatten(-3, -2)


def quantisation_steps(step: float | Tensor, like: Tensor) -> Tensor:
    """Computes step widths, (..., 64), that grow with frequency, where the eye is less exact.

    Args:
        step: Of the lowest frequency, in grey levels: a number or (...,).
        like: Any tensor of the wanted device and type.
    """
    frequency = torch.arange(BLOCK_SIDE, device=like.device, dtype=like.dtype)
    factors = 1 + (frequency[:, None] + frequency).flatten() * 0.35
    return torch.as_tensor(step, device=like.device, dtype=like.dtype)[..., None] * factors


def jpeg_damage(pictures: Tensor, step: Tensor) -> Tensor:
    """Rounds pictures in the frequency domain, as JPEG does.

    Args:
        pictures: (B, 3, H, W), RGB, 0 to 1, any size.
        step: (B,), of the lowest frequency, in grey levels. Damage of 2 is hardly visible, damage
            of 30 is obvious.
    """
    height, width = pictures.shape[-2:]
    padding = (0, -width % BLOCK_SIDE, 0, -height % BLOCK_SIDE)
    padded = F.pad(ycbcr_from_rgb(pictures) * 255, padding, mode="replicate")
    # Colour is rounded twice as coarsely as brightness.
    steps = quantisation_steps(step[:, None] * step.new_tensor([1.0, 2.0, 2.0]), padded)
    steps = steps[:, :, None, None]
    damaged = inverse_block_dct((block_dct(padded) / steps).round() * steps)
    return rgb_from_ycbcr(damaged[..., :height, :width] / 255).clamp(0, 1)


def compress(planes: Tensor, step: float) -> bytes:
    """Packs uint8 planes, (N, S, S), S a multiple of 8, into bytes."""
    coefficients = block_dct(planes.float() - 128)
    rounded = (coefficients / _storage_steps(step, coefficients)).round()
    # Equal frequencies side by side make long runs of zeros.
    stream = rounded.clamp(-127, 127).to(torch.int8).movedim(-1, 0).contiguous()
    return lzma.compress(stream.numpy().tobytes(), format=lzma.FORMAT_RAW, filters=_FILTERS)


def decompress(data: bytes, count: int, side: int, step: float) -> Tensor:
    """Undoes `compress`: uint8 (count, side, side); ValueError where the data are of others."""
    expected = count * side**2
    coder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    raw = bytearray(coder.decompress(data, expected + 1))  # no more, whatever the data unpack to
    if len(raw) != expected or not coder.eof:
        raise ValueError(f"{count} planes of {side} pixels a side are expected")
    blocks = side // BLOCK_SIDE
    stream = torch.frombuffer(raw, dtype=torch.int8).view(BLOCK_SIDE**2, count, blocks, blocks)
    steps = _storage_steps(step, torch.empty(0))
    planes = torch.empty(count, side, side, dtype=torch.uint8)
    for rounded, part in zip(
        stream.split(PLANES_AT_ONCE, dim=1), planes.split(PLANES_AT_ONCE), strict=True
    ):
        decoded = inverse_block_dct(rounded.movedim(0, -1).float() * steps)
        part.copy_(decoded.add_(128).round_().clamp_(0, 255))
    return planes


def ycbcr_from_rgb(rgb: Tensor) -> Tensor:
    """Turns RGB, (B, 3, H, W), 0 to 1, into YCbCr (ITU-R BT.601, full range)."""
    red, green, blue = rgb.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack((luma, (blue - luma) / 1.772 + 0.5, (red - luma) / 1.402 + 0.5), dim=1)


def rgb_from_ycbcr(ycbcr: Tensor) -> Tensor:
    """Undoes `ycbcr_from_rgb`. The result may leave [0, 1] a little."""
    luma, blue_difference, red_difference = ycbcr.unbind(1)
    red = luma + 1.402 * (red_difference - 0.5)
    blue = luma + 1.772 * (blue_difference - 0.5)
    return torch.stack((red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue), dim=1)


def _storage_steps(step: float, like: Tensor) -> Tensor:
    steps = quantisation_steps(step, like)
    # The first coefficient is 8 times a block's mean, and must fit a signed byte.
    steps[0] = max(step, float(BLOCK_SIDE))
    return steps


def _dct_matrix(like: Tensor) -> Tensor:
    """The orthonormal DCT-II of a block, (64, 64): a row per frequency, a column per pixel.

    One product with it is many times faster than two with 8x8 matrices for each block.
    """
    position = torch.arange(BLOCK_SIDE, device=like.device, dtype=like.dtype)
    line = torch.cos((position + 0.5) * position[:, None] * (math.pi / BLOCK_SIDE)) * 0.5
    line[0] *= math.sqrt(0.5)
    return torch.kron(line, line)
