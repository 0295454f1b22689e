"""The original project's network, written anew as functions of its own state dict.

It does not use `depthmask.network.u2net`: it looks tensors up by the original's key names, so that
agreement between the two is evidence.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]

HEIGHTS = {1: 7, 2: 6, 3: 5, 4: 4, 5: 4, 6: 4}  # levels of each stage's blocks
DILATED = {5, 6}
WIDTH, INNER = 64, 16


def forward(state: State, x: Tensor) -> dict[str, list[Tensor]]:
    """Logits of the fused map and the six side maps of each task, in the original's order."""
    features: list[Tensor] = []
    for stage in range(1, 7):
        if features:
            x = F.max_pool2d(x, 2, stride=2, ceil_mode=True)
        x = block(state, f"stage{stage}", x, stage)
        features.append(x)
    return {task: decode(state, task, features) for task in ("depth", "seg")}


def decode(state: State, task: str, features: list[Tensor]) -> list[Tensor]:
    x = features[5]
    maps = {6: x}
    for stage in range(5, 0, -1):
        skip = features[stage - 1]
        x = block(state, f"{task}_stage{stage}d", torch.cat((upsample(x, skip), skip), 1), stage)
        maps[stage] = x
    sides = []
    for stage in range(1, 7):
        side = convolve(state, f"{task}_side{stage}", maps[stage], padding=1)
        sides.append(upsample(side, maps[1]))
    fused = convolve(state, f"{task}_out", torch.cat(sides, 1), padding=0)
    return [fused, *sides]


def block(state: State, name: str, x: Tensor, stage: int) -> Tensor:
    height, dilated = HEIGHTS[stage], stage in DILATED
    entry = unit(state, f"{name}.rebnconvin", x, 1)
    down = [unit(state, f"{name}.rebnconv1", entry, 1)]
    for level in range(2, height + 1):
        is_last = level == height
        before = down[-1]
        if not dilated and not is_last:
            before = F.max_pool2d(before, 2, stride=2, ceil_mode=True)
        rate = 2 ** (level - 1) if dilated else (2 if is_last else 1)
        down.append(unit(state, f"{name}.rebnconv{level}", before, rate))
    x = down[-1]
    for level in range(height - 1, 0, -1):
        skip = down[level - 1]
        rate = 2 ** (level - 1) if dilated else 1
        x = unit(state, f"{name}.rebnconv{level}d", torch.cat((upsample(x, skip), skip), 1), rate)
    return x + entry


def unit(state: State, name: str, x: Tensor, rate: int) -> Tensor:
    x = convolve(state, f"{name}.conv_s1", x, padding=rate, dilation=rate)
    norm = f"{name}.bn_s1"
    mean, var = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
    return F.relu(F.batch_norm(x, mean, var, state[f"{norm}.weight"], state[f"{norm}.bias"]))


def convolve(state: State, name: str, x: Tensor, *, padding: int, dilation: int = 1) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.conv2d(x, weight, bias, padding=padding, dilation=dilation)


def upsample(x: Tensor, like: Tensor) -> Tensor:
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def random_state(seed: int = 0) -> State:
    """A state dict with the original's keys and shapes."""
    generator = torch.Generator().manual_seed(seed)
    return {key: _random(key, shape, generator) for key, shape in shapes()}


def _random(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.tensor(1)
    values = torch.rand(shape, generator=generator) - 0.5
    if len(shape) == 4:  # keep activations of order 1, or 100 layers overflow
        return values * (24 / (shape[1] * shape[2] * shape[3])) ** 0.5
    return values + 1 if "running_var" in key or "bn_s1.weight" in key else values


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    for stage in range(1, 7):
        yield from _block_shapes(f"stage{stage}", 6 if stage == 1 else WIDTH, HEIGHTS[stage])
    for task in ("depth", "seg"):
        for stage in range(1, 6):
            yield from _block_shapes(f"{task}_stage{stage}d", 2 * WIDTH, HEIGHTS[stage])
        for stage in range(1, 7):
            yield f"{task}_side{stage}.weight", (1, WIDTH, 3, 3)
            yield f"{task}_side{stage}.bias", (1,)
        yield f"{task}_out.weight", (1, 6, 1, 1)
        yield f"{task}_out.bias", (1,)


def _block_shapes(name: str, in_ch: int, height: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _unit_shapes(f"{name}.rebnconvin", in_ch, WIDTH)
    for level in range(1, height + 1):
        yield from _unit_shapes(f"{name}.rebnconv{level}", WIDTH if level == 1 else INNER, INNER)
    for level in range(1, height):
        yield from _unit_shapes(
            f"{name}.rebnconv{level}d", 2 * INNER, WIDTH if level == 1 else INNER
        )


def _unit_shapes(name: str, in_ch: int, out_ch: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.conv_s1.weight", (out_ch, in_ch, 3, 3)
    yield f"{name}.conv_s1.bias", (out_ch,)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.bn_s1.{part}", (out_ch,)
    yield f"{name}.bn_s1.num_batches_tracked", ()
