"""The training loop: phases of growing size, resumable, on the CPU or a GPU.

Imports torch, numpy and safetensors only, so that it runs on a bare machine from one packed file.
"""

import json
import math
import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from depthmask.composites.compose import Batch
from depthmask.composites.pools import Pools, load_pools, load_shared_pools
from depthmask.errors import CheckpointError, TrainingError
from depthmask.files import fingerprint
from depthmask.network.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from depthmask.network.device import autocast, choose_device
from depthmask.network.u2net import U2Net
from depthmask.training.batches import Supply
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.distributed import Team
from depthmask.training.journal import Meter, RunPosition, say
from depthmask.training.losses import task_losses
from depthmask.training.optimizer import Optimizer
from depthmask.training.run_log import Records
from depthmask.training.sample_sheet import draw_sheet
from depthmask.training.state import Tensors, damaged, holds_run, load_state, save_state
from depthmask.training.validation import measure

StepResult = tuple[Tensor, dict[str, Tensor], Batch]  # loss, each task's logits, and the samples

# Options that a resumed run may have changed.
_DECIDES_NOTHING = ("out", "device", "compile", "validation", "epoch", "save_minutes")

TensorLists = tuple[list[Tensor], list[Tensor]]  # of equal length


class Trainer:
    """Trains a network as a configuration says.

    Args:
        config: What to do.
        resume: Go on from the state in `config.out`, if there is one.

    Raises:
        PackError: The data cannot be read.
        CheckpointError: The checkpoint to start from, or the state to resume, cannot be used.
    """

    def __init__(self, config: TrainConfig, *, resume: bool = False) -> None:
        self.config = config
        self.device = choose_device(config.device)
        self.team = Team.join(self.device)
        for phase in config.phases:
            self.team.check(phase.batch)
        self.train_pools, self.validation_pools = _load_pools(config, self.device)
        self._options = _what_decides(config)
        self.supply = Supply(config, self.train_pools, self.team)
        torch.manual_seed(config.seed)
        self.model = _first_model(config)
        if self.team.size > 1 and self.device.type == "cuda":
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.progress = RunPosition()
        self.optimizer = self._build_optimizer()
        self._resumes = resume
        if resume:
            self._load_state()
        self.records = Records(config.out, since=self.progress.samples)

    def fit(self) -> CheckpointInfo:
        """Runs the phases that are left; returns the description of the last checkpoint.

        Raises:
            TrainingError: The folder holds another run, or the loss is no longer finite.
        """
        info = CheckpointInfo()
        out = self.config.out
        if not self._resumes and holds_run(out):
            raise TrainingError(f"{out} holds a run: go on with --resume, or choose another --out.")
        out.mkdir(parents=True, exist_ok=True)
        while self.progress.phase < len(self.config.phases):
            phase = self.config.phases[self.progress.phase]
            self._run_phase(phase)
            self.progress.phase += 1
            self.progress.step = 0
            self.optimizer = self._build_optimizer()
            if self.team.leads:
                info = self.validate(phase.size)
                path = self.config.out / f"phase-{phase.size}.safetensors"
                save_checkpoint(path, self.average, info)
                self._save_state()
        return info

    @torch.no_grad()
    def validate(self, size: int) -> CheckpointInfo:
        """Measures the averaged weights on composites of pictures never trained on."""
        model = U2Net(self.config.tasks).to(self.device)
        model.load_state_dict(self.average)
        metrics = measure(
            model.eval(), self.validation_pools, size, self.config.validation, self.config.recipe
        )
        info = CheckpointInfo(
            tasks=self.config.tasks,
            resolution=size,
            samples=self.progress.samples,
            metrics=metrics,
            training=_plain(asdict(self.config)),
        )
        save_checkpoint(self.config.out / "last.safetensors", self.average, info)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        say(f"validation at {size} px after {self.progress.samples:,} samples:  {shown}")
        self.records.write("validation", size, self.progress, metrics)
        self.records.show(
            draw_sheet(model, self.validation_pools, size, self.config.recipe), self.progress
        )
        return info

    def ready(self) -> nn.Module:
        """Puts the network into training mode; returns what `advance` takes a step with."""
        self._enter_training()
        step_model = self.team.wrap(self.model)  # learns here which parameters have gradients
        if self.config.compile:
            step_model.compile()
        return step_model

    def advance(self, step_model: nn.Module, phase: Phase) -> StepResult:
        """Takes the next step of a phase."""
        started = time.monotonic()
        share = self.progress.step / phase.steps
        self.optimizer.set_rate(phase.rate * one_cycle(share, self.config))
        batch = self.supply.batch(phase, self.progress.samples, self.model)
        result = self._step(step_model, batch)
        self.progress.step += 1
        self.progress.samples += phase.batch
        self.progress.seconds += time.monotonic() - started
        return result

    def _run_phase(self, phase: Phase) -> None:
        step_model = self.ready()
        meter = Meter(phase, self.device)
        saved = time.monotonic()
        while self.progress.step < phase.steps:
            meter.add(*self.advance(step_model, phase))
            if not self.team.leads:
                continue
            is_last = self.progress.step == phase.steps
            if meter.is_due() or is_last:
                figures = meter.report(self.progress.step)
                self.records.write("training", phase.size, self.progress, figures)
            if is_last:
                return  # `fit` validates, then saves: a state comes after all rows of its sample
            if self.progress.samples % self.config.epoch < phase.batch:
                self.validate(phase.size)
            if time.monotonic() - saved > self.config.save_minutes * 60:
                meter.check()
                self._save_state()
                saved = time.monotonic()

    def _enter_training(self) -> None:
        only = self.config.only
        trained = self.model.decoders[only] if only else self.model
        self.model.eval().requires_grad_(False)
        trained.train().requires_grad_(True)
        if self.config.freeze_norm:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _step(self, model: nn.Module, batch: Batch) -> StepResult:
        config = self.config
        with autocast(self.device):
            logits = model(batch.background, batch.image, tasks=config.trained)
        true = {"mask": batch.true_mask, "depth": batch.true_depth}
        losses = task_losses(logits, true, depth_loss=config.depth_loss, border=config.border)
        loss = torch.stack(
            [config.task_weights[task] * value for task, value in losses.items()]
        ).sum()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self.optimizer.step()
        self._update_average()
        return loss.detach(), {task: maps[:, :1].detach() for task, maps in logits.items()}, batch

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on the average follows closely, or it would remember the random start.
        done = self.progress.step + 1 + (self.progress.phase > 0) * 10_000
        decay = min(self.config.average, (1 + done) / (10 + done))
        floats, counters = self._averaged
        torch._foreach_lerp_(*floats, 1 - decay)
        torch._foreach_copy_(*counters)

    @cached_property
    def _averaged(self) -> tuple[TensorLists, TensorLists]:
        """Pairs of averaged and current tensors: those with a fraction, and those that count."""
        current = self.model.state_dict()
        floats = [key for key, value in current.items() if value.is_floating_point()]
        counters = [key for key in current if key not in set(floats)]
        return (
            ([self.average[key] for key in floats], [current[key] for key in floats]),
            ([self.average[key] for key in counters], [current[key] for key in counters]),
        )

    def _build_optimizer(self) -> Optimizer:
        return Optimizer(
            self.model,
            weight_decay=self.config.weight_decay,
            fused=self.device.type in {"cpu", "cuda"},
        )

    def _save_state(self) -> None:
        save_state(self.config.out, self._state_tensors(), self.progress, self._options)

    def _state_tensors(self) -> Tensors:
        tensors = {"model": self.model.state_dict(), "average": self.average}
        return tensors | self.optimizer.state()

    def _load_state(self) -> None:
        found = load_state(self.config.out, self._options)
        if found is None:
            say(f"nothing to resume in {self.config.out}: starting anew")
            return
        stored, self.progress = found
        try:
            self.model.load_state_dict(stored["model"])
            for name, value in self.average.items():
                value.copy_(stored["average"][name])
            self.optimizer.restore(stored)
        except (LookupError, ValueError, RuntimeError) as error:
            raise damaged(self.config.out, error) from error
        say(f"resuming after {self.progress.samples:,} samples")


def _load_pools(config: TrainConfig, device: torch.device) -> tuple[Pools, Pools]:
    """What to train and to validate on."""
    if config.shared_pictures:
        pools = load_shared_pools(config.data, device, pictures=config.shared_pictures)
        return pools, pools
    return load_pools(config.data, device, held_out=config.held_out)


def _first_model(config: TrainConfig) -> U2Net:
    """A random network, or that of the checkpoint to start from."""
    if config.start is None:
        return U2Net(config.tasks)
    model, info = load_checkpoint(config.start)
    if set(info.tasks) != set(config.tasks):
        raise CheckpointError(
            f"{config.start} predicts {' and '.join(info.tasks)}; start with the same --tasks."
        )
    return model


def one_cycle(share: float, config: TrainConfig) -> float:
    """The rate at a share of a phase, relative to its peak: up in a line, down along a cosine."""
    if share < config.warm_up:
        return max(share / config.warm_up, 0.02)
    fall = (share - config.warm_up) / (1 - config.warm_up)
    return config.last_rate + (1 - config.last_rate) * 0.5 * (1 + math.cos(math.pi * fall))


def _what_decides(config: TrainConfig) -> dict[str, object]:
    """What a run's weights depend on, files by their content: a resumed run has the same."""
    options = {k: v for k, v in _plain(asdict(config)).items() if k not in _DECIDES_NOTHING}
    files = {"data": config.data, "start": config.start}
    return options | {name: path and fingerprint(path) for name, path in files.items()}


def _plain(value: object) -> dict[str, object]:
    """A configuration as JSON-ready values; paths keep their name only."""
    text = json.dumps(value, default=lambda item: Path(item).name)
    return dict(json.loads(text))
