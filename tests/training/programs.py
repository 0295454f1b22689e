"""What the tests of training run in processes of their own."""

import contextlib
import sys
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import save_file

import train
from depthmask.network.architecture import MODELS
from depthmask.training import trainer as trainer_module
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.trainer import Trainer
from tests.conftest import TINY


def train_tiny(arguments: list[str]) -> None:
    """Runs train.py with a tiny network, and ends the process with its exit code."""
    torch.set_num_threads(1)
    with mock.patch.dict(MODELS, main=(TINY, 1)):
        sys.exit(train.main(arguments))


def take_steps(data: Path, out: Path) -> None:
    """Takes three steps in float32; leaves the last gradients and weights beside `out`."""
    phase = Phase(32, 12, 4, 1e-3)
    config = TrainConfig(
        data=data, out=out, phases=(phase,), stages=TINY, device="cpu", freeze_norm=True
    )
    exact = mock.patch.object(trainer_module, "autocast", return_value=contextlib.nullcontext())
    with exact:
        trainer = Trainer(config)
        step_model = trainer.ready()
        for _ in range(3):
            trainer.advance(step_model, phase)
    if trainer.processes.is_leader:
        for kind in ("grad", "data"):
            parameters = trainer.model.named_parameters()
            tensors = {name: getattr(p, kind).contiguous() for name, p in parameters}
            save_file(tensors, out.with_suffix(f".{kind}"))
    trainer.processes.leave()


if __name__ == "__main__":
    torch.set_num_threads(1)
    take_steps(*map(Path, sys.argv[1:]))
