"""A rehearsal of a training run: what it will take, found out in under a minute."""

import math
import os
import sys
import time
from dataclasses import dataclass

import torch

from depthmask.errors import TrainingError
from depthmask.training.config import Phase
from depthmask.training.journal import say
from depthmask.training.trainer import Trainer
from depthmask.training.validation import measure

_SECONDS = 20.0  # to time steps, shared by the phases
_VALIDATED = 16  # samples, to time a validation


@dataclass(frozen=True)
class Pace:
    """How fast steps of a phase were."""

    seconds: float  # a step
    peak: int  # bytes: of the process, or those torch took on a GPU


def rehearse(trainer: Trainer) -> None:
    """Says what a run will take, by a few steps of each phase; writes nothing.

    The trainer's weights have moved afterwards: make a new one to train.

    Raises:
        TrainingError: The folder for the run cannot be written, or a phase needs too much memory.
    """
    config = trainer.config
    tell = say if trainer.team.leads else _keep_quiet
    _check_folder(trainer)
    for name in ("foregrounds", "backgrounds"):
        pools = (trainer.train_pools, trainer.validation_pools)
        train, validation = (len(vars(pool)[name].members) for pool in pools)
        tell(f"{name}: {train:,} to train on, {validation:,} to validate on")
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    tell(f"network: {parameters:,} parameters, {', '.join(config.tasks)}, on {trainer.device}")
    total = 0.0
    first, done = trainer.progress.phase, trainer.progress.step
    limit_s = _SECONDS / max(len(config.phases) - first, 1)
    for number, phase in enumerate(config.phases[first:]):
        steps = phase.steps - (done if number == 0 else 0)
        pace = time_steps(trainer, phase, limit_s=limit_s)
        validations = steps * phase.batch // config.epoch + 1
        seconds = steps * pace.seconds + validations * _validation_seconds(trainer, phase)
        total += seconds
        tell(
            f"{phase.size:4} px: {steps * phase.batch:,} samples in {steps:,} steps of "
            f"{phase.batch}, {phase.batch / pace.seconds:.1f} images/s, {duration(seconds)} with "
            f"validation ({validations}x); memory up to {pace.peak / 2**30:.1f} GiB"
        )
    tell(f"in all: {duration(total)}")


def time_steps(trainer: Trainer, phase: Phase, *, limit_s: float) -> Pace:
    """Trains for about `limit_s` seconds, at least two steps, of which the first is not timed.

    Raises:
        TrainingError: The memory does not suffice, or the loss is not finite.
    """
    trainer.progress.step = 0
    try:
        step_model = trainer.ready()
        end = time.monotonic() + limit_s
        result = trainer.advance(step_model, phase)
        result[0].item()
        started, steps = time.monotonic(), 0
        while trainer.team.agrees(steps == 0 or time.monotonic() < end):
            result = trainer.advance(step_model, phase)
            steps += 1
        loss = result[0].item()  # read once: reading makes a GPU wait
        seconds = (time.monotonic() - started) / steps
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"{phase.batch} samples of {phase.size} px do not fit into the memory; choose a "
            "smaller batch in --phases."
        ) from error
    if not math.isfinite(loss):
        raise TrainingError(
            f"The loss is not finite after {steps + 1} steps of {phase.size} px; check --start, or "
            "lower the learning rate (the last number of --phases)."
        )
    return Pace(seconds, peak_memory(trainer.device))


def _keep_quiet(line: str) -> None:
    """What the processes say that do not lead."""


def _validation_seconds(trainer: Trainer, phase: Phase) -> float:
    """Time of a validation in seconds, from a part of one."""
    config = trainer.config
    started = time.monotonic()
    model = trainer.model.eval()
    measure(model, trainer.validation_pools, phase.size, _VALIDATED, config.recipe)
    return (time.monotonic() - started) * config.validation / _VALIDATED


def _check_folder(trainer: Trainer) -> None:
    out = trainer.config.out
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise TrainingError(f"{out} cannot be written; choose another folder with --out.")


def peak_memory(device: torch.device) -> int:
    """The most memory taken so far, in bytes: torch's on a GPU, else this process's.

    0 where the system does not tell, on Windows.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0
    import resource  # Unix has it alone

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def duration(seconds: float) -> str:
    """A time span for people: 45 s, 12 min, 3.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
