"""Muon for the kernels of convolutions, AdamW for everything else, driven as one.

Imports torch only, as training does on a bare machine.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

# The quintic of Newton and Schulz: five rounds bring singular values of (0, 1] near 1.
# Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
_QUINTIC, _ROUNDS = (3.4445, -4.7750, 2.0315), 5
# An update has this root mean square at rate 1, about that of AdamW, so that both take one rate.
# Liu et al., "Muon is Scalable for LLM Training", 2025.
_UPDATE_RMS = 0.2
_STATE = {"Muon": ("momentum",), "AdamW": ("exp_avg", "exp_avg_sq", "step")}  # of a parameter


class Muon(torch.optim.Optimizer):
    """Steps along the momentum made orthogonal: no direction in a kernel outweighs the others.

    Args:
        params: Kernels of two or more dimensions, seen as matrices (first dimension, all others).
        weight_decay: Share of a weight that a step at rate 1 takes away.
        momentum: Decay of the gradients' running mean, a step.
    """

    def __init__(
        self, params: Iterable[Tensor], *, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": 1e-3, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            kernels = [kernel for kernel in group["params"] if kernel.grad is not None]
            gradients = [kernel.grad for kernel in kernels]
            for kernel in kernels:
                if not self.state[kernel]:
                    self.state[kernel]["momentum"] = torch.zeros_like(kernel)
            means = [self.state[kernel]["momentum"] for kernel in kernels]
            torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
            ahead = torch._foreach_lerp(gradients, means, group["momentum"])  # Nesterov
            updates = _orthogonalised(list(ahead))
            torch._foreach_mul_(kernels, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(kernels, updates, alpha=-group["lr"])


class Optimizer:
    """Both optimizers of a network's parameters.

    Args:
        model: Its parameters of two or more dimensions go to Muon, unless they have one output:
            the last layers of a decoder are vectors.
        weight_decay: For both.
        fused: Whether AdamW uses a fused kernel, for CUDA.
    """

    def __init__(self, model: nn.Module, *, weight_decay: float, fused: bool = False) -> None:
        parameters = list(model.parameters())
        kernels = [p for p in parameters if p.ndim > 1 and len(p) > 1]
        others = [p for p in parameters if not (p.ndim > 1 and len(p) > 1)]
        self._parts: list[torch.optim.Optimizer] = []
        if kernels:
            self._parts.append(Muon(kernels, weight_decay=weight_decay))
        if others:
            self._parts.append(torch.optim.AdamW(others, weight_decay=weight_decay, fused=fused))

    def set_rate(self, rate: float) -> None:
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate

    def zero_grad(self) -> None:
        for part in self._parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: the state of each parameter, by optimizer.

        Rates and the like are not in it: the configuration says them.
        """
        return {type(part).__name__: part.state_dict()["state"] for part in self._parts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave.

        Raises:
            ValueError, TypeError, KeyError, ...: It is not of these parameters.
        """
        for part in self._parts:
            kind = type(part).__name__
            parameters = [p for group in part.param_groups for p in group["params"]]
            for number, values in state[kind].items():
                _check_state(values, parameters[number], _STATE[kind])
            part.load_state_dict(part.state_dict() | {"state": state[kind]})


def _check_state(values: Mapping[str, Tensor], parameter: Tensor, names: tuple[str, ...]) -> None:
    """Raises ValueError unless values are what an optimizer keeps of a parameter."""
    if tuple(sorted(values)) != names:
        raise ValueError(f"{', '.join(names)} are expected")
    for name, value in values.items():
        if value.shape != (() if name == "step" else parameter.shape):
            raise ValueError(f"{name} is of another parameter")


def _orthogonalised(updates: list[Tensor]) -> list[Tensor]:
    """The nearest (semi-)orthogonal matrices, scaled to `_UPDATE_RMS`; equal shapes go together."""
    shapes: dict[tuple[int, int], list[int]] = {}
    for number, update in enumerate(updates):
        shapes.setdefault((len(update), update[0].numel()), []).append(number)
    result = list(updates)
    for (rows, columns), numbers in shapes.items():
        stack = torch.stack([updates[n].reshape(rows, columns) for n in numbers]).float()
        scaled = _newton_schulz(stack) * (_UPDATE_RMS * max(rows, columns) ** 0.5)
        for number, matrix in zip(numbers, scaled, strict=True):
            result[number] = matrix.reshape(updates[number].shape)
    return result


def _newton_schulz(x: Tensor) -> Tensor:
    """Brings the singular values of (N, R, C) matrices near 1."""
    first, third, fifth = _QUINTIC
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    wide = x if x.shape[1] <= x.shape[2] else x.mT
    for _ in range(_ROUNDS):
        gram = wide @ wide.mT
        wide = first * wide + (third * gram + fifth * gram @ gram) @ wide
    return wide if x.shape[1] <= x.shape[2] else wide.mT
