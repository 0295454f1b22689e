"""Random numbers that belong to a sample's number, not to its place in a batch or on a device."""

from copy import copy

import torch
from torch import Tensor

SEEDS = 2**30  # as many for training; what is measured on has one beyond them

_MASK = 0x7FFFFFFF
# Normal deviates are sums of a hash's four bytes: mean 4 * 127.5, variance 4 * (256² - 1) / 12.
_BYTES_MEAN, _BYTES_STD = 510.0, 147.8


class Draws:
    """A stream of draws for each sample of a batch.

    Sample i gets the same numbers whatever the batch holds beside it, on any device. Each call
    takes the next place in the stream, so the order of calls is part of the seed.

    Args:
        seed: Selects the family of streams.
        numbers: (B,) int64, the samples' numbers.
    """

    def __init__(self, seed: int, numbers: Tensor) -> None:
        low, high = numbers & _MASK, numbers >> 31
        start = torch.full_like(low, seed & _MASK).to(torch.int32)
        self.keys = _hash(_hash(start ^ high.to(torch.int32)) + low.to(torch.int32))
        self.calls = 0

    def branch(self, number: int) -> "Draws":
        """A stream of its own; drawing from it leaves what this one draws as it was."""
        other = copy(self)
        other.keys, other.calls = _hash(self.keys ^ number), 0
        return other

    def uniform(self, low: float = 0.0, high: float = 1.0, *, each: int | None = None) -> Tensor:
        """(B,) or (B, each) numbers from [low, high)."""
        bits = self._bits(each or 1)
        unit = ((bits >> 7) & 0xFFFFFF).float() / 2**24
        drawn = low + (high - low) * unit
        return drawn if each else drawn[:, 0]

    def log_uniform(self, low: float, high: float) -> Tensor:
        """(B,) numbers from [low, high), their logarithm uniform."""
        ends = torch.tensor([low, high], dtype=torch.float64).log().tolist()
        return self.uniform(*ends).exp()

    def chance(self, probability: float) -> Tensor:
        """(B,) booleans, true with the given probability."""
        return self.uniform() < probability

    def signed(self, size: float, *, each: int | None = None) -> Tensor:
        """(B,) or (B, each) numbers from [-size, size)."""
        return self.uniform(-size, size, each=each)

    def noise(self, *shape: int) -> Tensor:
        """(B, *shape) nearly normal deviates, mean 0, variance 1, cut off at 3.5."""
        count = torch.Size(shape).numel()
        bits = self._bits(count)
        total = (bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + ((bits >> 24) & 255)
        return ((total.float() - _BYTES_MEAN) / _BYTES_STD).view(-1, *shape)

    def _bits(self, count: int) -> Tensor:
        self.calls += 1
        place = torch.arange(count, device=self.keys.device, dtype=torch.int32)
        return _hash(_hash(self.keys + self.calls * 0x3C6EF372)[:, None] + place * 0x1B873593)


def _hash(x: Tensor) -> Tensor:
    """Mixes int32 bits; multiply-xorshift rounds with constants found by C. Wellons (lowbias32)."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * 0x7FEB352D
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * (0x846CA68B - 2**32)
    return x ^ ((x >> 16) & 0xFFFF)
