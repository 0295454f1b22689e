"""The dry run of a training run: how much time and memory it will take, in under a minute."""

import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from depthmask.errors import TrainingError
from depthmask.network.device import is_out_of_memory
from depthmask.training.config import Phase
from depthmask.training.run_log import print_status
from depthmask.training.trainer import Trainer
from depthmask.training.validation import validation_metrics

_TIMED_VALIDATION = 16  # samples


@dataclass(frozen=True)
class StepCost:
    """What a step of a phase takes."""

    seconds: float
    peak_memory: int  # bytes: of the process, or those torch took on a GPU


def dry_run(trainer: Trainer, *, timing_s: float = 20.0) -> None:
    """Prints what a run will take, measured on a few steps of each phase; writes nothing.

    The steps change the trainer's weights: make a new trainer to train.

    Args:
        trainer: Of the run.
        timing_s: Seconds to spend on steps, shared by the phases.

    Raises:
        TrainingError: The folder for the run cannot be written, or a phase needs too much memory.
    """
    config = trainer.config
    tell = print_status if trainer.processes.is_leader else _print_nothing
    _check_folder(trainer)
    for name in ("foregrounds", "backgrounds"):
        pools = (trainer.train_pools, trainer.validation_pools)
        train, validation = (len(vars(pool)[name].members) for pool in pools)
        tell(f"{name}: {train:,} to train on, {validation:,} to validate on")
    parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
    tell(f"network: {parameters:,} parameters, {', '.join(config.tasks)}, on {trainer.device}")
    total = 0.0
    first, done = trainer.position.phase, trainer.position.step
    limit_s = timing_s / max(len(config.phases) - first, 1)
    for number, phase in enumerate(config.phases[first:]):
        steps = phase.steps - (done if number == 0 else 0)
        cost = time_steps(trainer, phase, limit_s=limit_s)
        validations = steps * phase.batch // config.epoch + 1
        seconds = steps * cost.seconds + validations * _validation_seconds(trainer, phase)
        total += seconds
        tell(
            f"{phase.size:4} px: {steps * phase.batch:,} samples in {steps:,} steps of "
            f"{phase.batch}, {phase.batch / cost.seconds:.1f} images/s, {duration(seconds)} with "
            f"validation ({validations}x); memory up to {cost.peak_memory / 2**30:.1f} GiB"
        )
    if config.minutes:
        total = min(total, config.minutes * 60)
    tell(f"in all: {duration(total)}")


def time_steps(trainer: Trainer, phase: Phase, *, limit_s: float) -> StepCost:
    """Trains for about `limit_s` seconds, at least two steps, of which the first is not timed.

    Raises:
        TrainingError: The memory does not suffice, or the loss is not finite.
    """
    trainer.position.step = 0
    with _fitting(phase):
        step_model = trainer.ready()
        end = time.monotonic() + limit_s
        result = trainer.advance(step_model, phase)
        result[0].item()
        started, steps = time.monotonic(), 0
        while trainer.processes.leaders_choice(steps == 0 or time.monotonic() < end):
            result = trainer.advance(step_model, phase)
            steps += 1
        loss = result[0].item()  # read once: reading makes a GPU wait
        seconds = (time.monotonic() - started) / steps
    if not math.isfinite(loss):
        raise TrainingError(
            f"The loss is not finite after {steps + 1} steps of {phase.size} px; check --start, or "
            "lower the learning rate (the last number of --phases)."
        )
    return StepCost(seconds, peak_memory(trainer.device))


@contextmanager
def _fitting(phase: Phase) -> Iterator[None]:
    """Says what to do where a phase needs more memory than there is."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"{phase.batch} samples of {phase.size} px do not fit into the memory; choose a "
            "smaller batch in --phases."
        ) from error


def _print_nothing(line: str) -> None:
    """In place of `print_status`, in processes that do not lead."""


def _validation_seconds(trainer: Trainer, phase: Phase) -> float:
    """Time of a validation in seconds, from a part of one."""
    config = trainer.config
    samples = min(config.validation, _TIMED_VALIDATION)
    started = time.monotonic()
    model = trainer.model.eval()
    with _fitting(phase):
        validation_metrics(model, trainer.validation_pools, phase.size, samples, config.recipe)
    return (time.monotonic() - started) * config.validation / samples


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
