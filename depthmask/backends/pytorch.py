"""The backend that runs a checkpoint by torch, on any device of torch; on CUDA as CUDA graphs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from depthmask.backends.base import STRIDE, LockedBackend
from depthmask.backends.cuda_graphs import Call, GraphCache, record
from depthmask.errors import BackendError
from depthmask.network.checkpoint import check_tasks, load_checkpoint
from depthmask.network.device import (
    choose_device,
    free_memory,
    has_fast_bfloat16,
    is_out_of_memory,
)
from depthmask.network.folded import FusedNet
from depthmask.pictures import Map, Picture

_LOG = logging.getLogger(__name__)
_NO_MEMORY = (
    "There is not enough memory for the network; close other programs, or lower the quality or "
    "resolution."
)
_FULL_GPU = (
    "The GPU has too little free memory for the network; close other programs that use it, or "
    "give --device cpu."
)
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TorchBackend(LockedBackend):
    """Runs a checkpoint by torch.

    Args:
        checkpoint: A file that `load_checkpoint` reads.
        device: "auto" (CUDA, else MPS, else CPU), or a name of torch's.
        precision: "fp32", "bf16" or "fp16"; without it, fp16 on CUDA, bf16 on CPUs with
            instructions for it, else fp32.

    Raises:
        CheckpointError: The checkpoint cannot be read, lacks mask or depth, or takes other than
            two pictures.
        BackendError: The GPU has too little free memory.
        ValueError: There is no such device.
    """

    name = "torch"

    def __init__(
        self, checkpoint: Path, *, device: str = "auto", precision: str | None = None
    ) -> None:
        super().__init__()
        self._device = choose_device(device)
        self.device = str(self._device)
        model, self.info = load_checkpoint(checkpoint)
        check_tasks(checkpoint, self.info)
        self.resolution = self.info.resolution
        self.precision = precision or best_precision(self._device)
        with _memory_explained(_FULL_GPU):
            net = FusedNet(model).to(self._device)
            # torch's stubs do not know memory_format here
            self.net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        on_cuda = self._device.type == "cuda"
        self._call: Call = GraphCache(self._compute, record) if on_cuda else self._compute
        self._on_cpu: FusedNet | None = None  # once the memory of the GPU was used up
        self._said: set[str] = set()

    def try_device(self) -> None:
        """Runs a small pair where the network is, and nowhere else.

        Raises:
            RuntimeError: As torch does, where that fails.
        """
        nothing = np.zeros((1, STRIDE, STRIDE, 3), np.uint8)
        with self._lock:
            self._run_whole(nothing, nothing)

    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        """Halves a batch for which there is too little memory; one pair is then run on the CPU."""
        try:
            return self._run_whole(backgrounds, images)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if len(images) == 1 and self._device.type == "cpu":
                raise BackendError(_NO_MEMORY) from error
        # here, and not above, where the error would keep what the failed call has allocated
        free_memory(self._device)
        if len(images) == 1:
            return self._run_on_cpu(backgrounds, images)
        self._warn("There is too little free memory for a whole batch; it is run in parts.")
        half = len(images) // 2
        halves = [self._run_batch(backgrounds[p], images[p]) for p in (np.s_[:half], np.s_[half:])]
        return {task: np.concatenate([part[task] for part in halves]) for task in halves[0]}

    @torch.inference_mode()
    def _run_whole(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        maps = self._call(self._to_tensor(backgrounds), self._to_tensor(images))
        return {
            task: values.cpu().numpy() for task, values in zip(self.net.tasks, maps, strict=True)
        }

    @torch.inference_mode()
    def _run_on_cpu(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        self._warn("The GPU has too little free memory; what does not fit runs on the CPU.")
        with _memory_explained(_NO_MEMORY):
            if self._on_cpu is None:
                self._on_cpu = _copy_on_cpu(self.net)
            pair = (torch.from_numpy(pictures.copy()) for pictures in (backgrounds, images))
            maps = self._on_cpu(*pair)
        return {task: values.numpy() for task, values in zip(self.net.tasks, maps, strict=True)}

    def _warn(self, sentence: str) -> None:
        """Says a sentence once."""
        if sentence not in self._said:
            self._said.add(sentence)
            _LOG.warning(sentence)

    def _compute(self, backgrounds: Tensor, images: Tensor) -> tuple[Tensor, ...]:
        kind = _TYPES[self.precision]
        # nothing is cached: a recording must hold the making of all that it reads
        with torch.autocast(
            self._device.type, kind, enabled=kind != torch.float32, cache_enabled=False
        ):
            return self.net(backgrounds, images)

    def _to_tensor(self, pictures: Picture) -> Tensor:
        # a copy, since torch takes neither read-only arrays nor reversed channels
        return torch.from_numpy(pictures.copy()).to(self._device)


@contextmanager
def _memory_explained(sentence: str) -> Iterator[None]:
    """Lets the user read a sentence where there is no memory.

    Raises:
        BackendError: There is none.
    """
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise BackendError(sentence) from error
        raise


def _copy_on_cpu(net: FusedNet) -> FusedNet:
    """Copies a network without asking for memory where it is."""
    moved = {id(each): nn.Parameter(each.cpu(), requires_grad=False) for each in net.parameters()}
    return deepcopy(net, moved)  # takes what is moved already for what it would copy


def best_precision(device: torch.device) -> str:
    """The fastest precision that a device has instructions for."""
    if device.type == "cuda":
        return "fp16"
    return "bf16" if has_fast_bfloat16(device) else "fp32"
