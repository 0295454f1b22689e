"""Random numbers that depend on a sample's number, and not on its batch or device."""

from copy import copy

import torch
from torch import Tensor

TRAINING_SEEDS = 2**30  # training takes seeds below this number, validation takes others

_LOW_BITS = 0x7FFFFFFF
# `normal` adds up the four bytes of a hash: mean 4 * 127.5, variance 4 * (256² - 1) / 12.
_BYTES_MEAN, _BYTES_DEVIATION = 510.0, 147.8


class RandomStreams:
    """A stream of random numbers for each sample of a batch.

    A sample gets the same numbers on any device and in any batch. Each call of a method takes the
    next position of all streams, so the order of the calls decides the numbers.

    Args:
        seed: Selects a family of streams.
        numbers: (B,) int64, the samples' numbers.
    """

    def __init__(self, seed: int, numbers: Tensor) -> None:
        low, high = numbers & _LOW_BITS, numbers >> 31
        start = torch.full_like(low, seed & _LOW_BITS).to(torch.int32)
        self._keys = _hash(_hash(start ^ high.to(torch.int32)) + low.to(torch.int32))
        self._calls = 0

    def spawn(self, number: int) -> "RandomStreams":
        """Returns further streams. Their use does not advance this object."""
        spawned = copy(self)
        spawned._keys, spawned._calls = _hash(self._keys ^ number), 0
        return spawned

    def uniform(self, low: float = 0.0, high: float = 1.0, *, each: int | None = None) -> Tensor:
        """Draws (B,) or (B, each) numbers from [low, high)."""
        bits = self._bits(each or 1)
        unit = ((bits >> 7) & 0xFFFFFF).float() / 2**24
        drawn = low + (high - low) * unit
        return drawn if each else drawn[:, 0]

    def log_uniform(self, low: float, high: float) -> Tensor:
        """Draws (B,) numbers from [low, high) whose logarithm is uniform."""
        ends = torch.tensor([low, high], dtype=torch.float64).log().tolist()
        return self.uniform(*ends).exp()

    def symmetric(self, limit: float, *, each: int | None = None) -> Tensor:
        """Draws (B,) or (B, each) numbers from [-limit, limit)."""
        return self.uniform(-limit, limit, each=each)

    def chance(self, probability: float) -> Tensor:
        """Draws (B,) booleans that are true with the given probability."""
        return self.uniform() < probability

    def normal(self, *shape: int) -> Tensor:
        """Draws (B, *shape) numbers, nearly normal: mean 0, variance 1, limits -3.5 and 3.5."""
        count = torch.Size(shape).numel()
        bits = self._bits(count)
        total = (bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + ((bits >> 24) & 255)
        return ((total.float() - _BYTES_MEAN) / _BYTES_DEVIATION).view(-1, *shape)

    def _bits(self, count: int) -> Tensor:
        self._calls += 1
        position = torch.arange(count, device=self._keys.device, dtype=torch.int32)
        call_keys = _hash(self._keys + self._calls * 0x3C6EF372)
        return _hash(call_keys[:, None] + position * 0x1B873593)


def _hash(x: Tensor) -> Tensor:
    """Mixes int32 bits by the multiply-xorshift rounds of C. Wellons' lowbias32."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * 0x7FEB352D
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * (0x846CA68B - 2**32)
    return x ^ ((x >> 16) & 0xFFFF)
