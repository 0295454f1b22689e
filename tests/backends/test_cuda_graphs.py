"""Each shape is recorded once and then replayed; only a few shapes are kept."""

import logging
from pathlib import Path
from weakref import WeakSet

import numpy as np
import pytest
import torch
from torch import Tensor

from depthmask.backends.cuda_graphs import MAX_SHAPES, Call, GraphCache
from depthmask.backends.pytorch import TorchBackend
from tests.backends.test_backends import noise


def add(backgrounds: Tensor, images: Tensor) -> tuple[Tensor, ...]:
    return (backgrounds + images,)


def pair(side: int) -> tuple[Tensor, Tensor]:
    return torch.ones(1, side, side, 3), torch.full((1, side, side, 3), float(side))


class Recorder:
    """Stands in for CUDA: a replay computes anew, and is counted."""

    def __init__(self) -> None:
        self.recorded: list[int] = []
        self.replayed: list[int] = []

    def __call__(self, call: Call, backgrounds: Tensor, images: Tensor) -> Call:
        self.recorded.append(images.shape[1])

        def replay(backgrounds: Tensor, images: Tensor) -> tuple[Tensor, ...]:
            self.replayed.append(images.shape[1])
            return call(backgrounds, images)

        return replay


def test_each_shape_is_recorded_once() -> None:
    recorder = Recorder()
    recorded = GraphCache(add, recorder)
    for side in (32, 64, 32, 32, 64):
        (total,) = recorded(*pair(side))
        assert torch.equal(total, torch.full((1, side, side, 3), side + 1.0))
    assert recorder.recorded == [32, 64]
    assert recorder.replayed == [32, 64, 32, 32, 64]


def test_the_shape_unused_for_longest_is_forgotten() -> None:
    recorder = Recorder()
    recorded = GraphCache(add, recorder)
    sides = list(range(1, MAX_SHAPES + 1))
    for side in [*sides, 1, MAX_SHAPES + 1, 1, 2]:  # 2 has made room
        recorded(*pair(side))
    assert recorder.recorded == [*sides, MAX_SHAPES + 1, 2]


def test_what_cannot_be_recorded_is_run_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(call: Call, backgrounds: Tensor, images: Tensor) -> Call:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    recorded = GraphCache(add, refuse)
    with caplog.at_level(logging.WARNING):
        for side in (32, 64):
            (total,) = recorded(*pair(side))
            assert total[0, 0, 0, 0] == side + 1
    (line,) = caplog.messages
    assert line.endswith("run without them: operation not permitted")


def test_recordings_make_room_for_one_that_does_not_fit_beside_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    there: WeakSet[Call] = WeakSet()

    class Small(Recorder):
        """Has memory for two recordings, none of which is of 99 pixels."""

        def __call__(self, call: Call, backgrounds: Tensor, images: Tensor) -> Call:
            if len(there) == 2 or images.shape[1] == 99:
                raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 MiB")
            made = super().__call__(call, backgrounds, images)
            there.add(made)
            return made

    recorder = Small()
    recorded = GraphCache(add, recorder)
    for side in (32, 64, 96, 96, 32):
        recorded(*pair(side))
    assert recorder.recorded == [32, 64, 96, 32] and recorder.replayed == [32, 64, 96, 96, 32]
    assert not caplog.messages
    for side in (99, 98):
        (total,) = recorded(*pair(side))
        assert total[0, 0, 0, 0] == side + 1
    (line,) = caplog.messages
    assert line.endswith("run without them: CUDA out of memory.") and not there


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_on_a_gpu_replays_say_what_the_cpu_says(tiny_checkpoint: Path) -> None:
    cpu = TorchBackend(tiny_checkpoint, device="cpu", precision="fp32")
    gpu = TorchBackend(tiny_checkpoint, device="cuda", precision="fp32")
    pairs = [noise(64, 96), noise(64, 96)[::-1], noise(32, 64)]
    for background, image in pairs:
        expected, maps = cpu.run(background, image), gpu.run(background, image)
        for task, values in maps.items():
            assert np.abs(values - expected[task]).max() < 1e-2, task  # TF32 rounds
