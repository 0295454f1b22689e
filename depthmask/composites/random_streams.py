"""Random numbers that depend on a sample's number, and not on its batch or device."""

from copy import copy
from functools import cache

import torch
from torch import Tensor

TRAINING_SEEDS = 2**30  # training takes seeds below this number, validation takes others

# So many calls of `uniform` and the like, for so many numbers each, are hashed at once: a GPU waits
# for Python, which would otherwise launch twenty small operations a call.
_BLOCK, _BLOCK_WIDTH = 64, 4

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
        self._block: tuple[int, Tensor] | None = None

    def spawn(self, number: int) -> "RandomStreams":
        """Returns further streams. Their use does not advance this object."""
        spawned = copy(self)
        spawned._keys, spawned._calls, spawned._block = _hash(self._keys ^ number), 0, None
        return spawned

    def uniform(self, low: float = 0.0, high: float = 1.0, *, each: int | None = None) -> Tensor:
        """Draws (B,) or (B, each) numbers from [low, high)."""
        drawn = low + (high - low) * self._units(each or 1)
        return drawn if each else drawn[:, 0]

    def log_uniform(self, low: float, high: float) -> Tensor:
        """Draws (B,) numbers from [low, high) whose logarithm is uniform."""
        return self.uniform(*_logarithms(low, high)).exp()

    def symmetric(self, limit: float, *, each: int | None = None) -> Tensor:
        """Draws (B,) or (B, each) numbers from [-limit, limit)."""
        return self.uniform(-limit, limit, each=each)

    def chance(self, probability: float) -> Tensor:
        """Draws (B,) booleans that are true with the given probability."""
        return self.uniform() < probability

    def normal(self, *shape: int) -> Tensor:
        """Draws (B, *shape) numbers, nearly normal: mean 0, variance 1, limits -3.5 and 3.5."""
        count = torch.Size(shape).numel()
        self._calls += 1
        bits = self._bits(self._calls, 1, count)[:, 0]
        total = (bits & 255) + ((bits >> 8) & 255) + ((bits >> 16) & 255) + ((bits >> 24) & 255)
        return ((total.float() - _BYTES_MEAN) / _BYTES_DEVIATION).view(-1, *shape)

    def _units(self, count: int) -> Tensor:
        """The next (B, count) numbers from [0, 1)."""
        number, row = divmod(self._calls, _BLOCK)
        self._calls += 1
        if count > _BLOCK_WIDTH:
            return _to_units(self._bits(self._calls, 1, count)[:, 0])
        if self._block is None or self._block[0] != number:
            bits = self._bits(number * _BLOCK + 1, _BLOCK, _BLOCK_WIDTH)
            self._block = number, _to_units(bits)
        return self._block[1][:, row, :count]

    def _bits(self, first: int, calls: int, count: int) -> Tensor:
        """What so many calls draw, beginning with the first: (B, calls, count) int32."""
        device = self._keys.device
        call = (torch.arange(first, first + calls, device=device) * 0x3C6EF372).to(torch.int32)
        position = torch.arange(count, device=device, dtype=torch.int32) * 0x1B873593
        return _hash(_hash(self._keys[:, None] + call)[:, :, None] + position)


@cache
def _logarithms(low: float, high: float) -> tuple[float, float]:
    first, second = torch.tensor([low, high], dtype=torch.float64).log().tolist()
    return first, second


def _to_units(bits: Tensor) -> Tensor:
    return ((bits >> 7) & 0xFFFFFF).float() / 2**24


def _hash(x: Tensor) -> Tensor:
    """Mixes int32 bits by the multiply-xorshift rounds of C. Wellons' lowbias32."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * 0x7FEB352D
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * (0x846CA68B - 2**32)
    return x ^ ((x >> 16) & 0xFFFF)
