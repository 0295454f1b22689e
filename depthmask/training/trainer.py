"""The training loop: phases of growing size, resumable, on the CPU or a GPU.

Imports torch, numpy and safetensors only, so that it runs on a bare machine from one packed file.
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from depthmask.composites.compose import Batch
from depthmask.composites.pools import Pools, load_pools, load_shared_pools
from depthmask.errors import CheckpointError, OptionError, TrainingError, is_disk_full
from depthmask.files import fingerprint
from depthmask.network.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from depthmask.network.device import autocast, choose_device, is_out_of_memory
from depthmask.network.u2net import U2Net
from depthmask.schema import SchemaError, from_plain
from depthmask.training.batches import Batches
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.distributed import ProcessGroup
from depthmask.training.losses import pixel_weight, task_losses
from depthmask.training.optimizer import Optimizer
from depthmask.training.run_log import Meter, RunLog, RunPosition, StoredRun, print_status
from depthmask.training.sample_sheet import draw_sample_sheet
from depthmask.training.state import holds_run, load_state, save_state, unusable_state
from depthmask.training.validation import validation_metrics

StepResult = tuple[Tensor, dict[str, Tensor], Batch]  # loss, each task's logits, and the samples

# Options that a resumed run may have changed.
_CHANGEABLE = (
    *("out", "device", "compile", "validation", "epoch", "save_minutes", "report_seconds"),
)

TensorLists = tuple[list[Tensor], list[Tensor]]  # of equal length


class Trainer:
    """Trains a network as a configuration says.

    Args:
        config: What to do.
        resume: Go on from the state in `config.out`, if there is one.

    Raises:
        PackError: The data cannot be read.
        TrainingError: There is not enough memory for its pictures.
        CheckpointError: The checkpoint to start from, or the state to resume, cannot be used.
    """

    def __init__(self, config: TrainConfig, *, resume: bool = False) -> None:
        self.config = config
        self.device = choose_device(config.device)
        self.processes = ProcessGroup.join(self.device)
        for phase in config.phases:
            self.processes.check_batch(phase.batch)
        if config.minutes and self.processes.size > 1:
            raise OptionError("Processes have clocks of their own; leave --minutes out.")
        self.train_pools, self.validation_pools = _load_pools(config, self.device)
        self._options = _deciding_options(config)
        self.batches = Batches(
            config, self.train_pools, self.processes, _load_distilled(config, self.device)
        )
        torch.manual_seed(config.seed)
        self.model = _first_model(config)
        if self.processes.size > 1 and self.device.type == "cuda":
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.position = RunPosition()
        self.optimizer = self._build_optimizer()
        self._resumes = resume
        if resume:
            self._load_state()
        self.log = RunLog(config.out, since=self.position.samples)

    def fit(self) -> CheckpointInfo:
        """Runs the phases that are left; returns the description of the last checkpoint.

        Raises:
            TrainingError: The folder holds another run or cannot be written, the loss is not
                finite, or the memory does not suffice.
        """
        out = self.config.out
        if not self._resumes and holds_run(out):
            raise TrainingError(f"{out} holds a run: go on with --resume, or choose another --out.")
        try:
            return self._run_phases()
        except OSError as error:
            raise self._stopped(error) from error

    def _run_phases(self) -> CheckpointInfo:
        info = CheckpointInfo()
        self.config.out.mkdir(parents=True, exist_ok=True)
        while self.position.phase < len(self.config.phases):
            phase = self.config.phases[self.position.phase]
            with self._fitting(phase):
                info = self._whole_phase(phase)
        return info

    def _whole_phase(self, phase: Phase) -> CheckpointInfo:
        """Runs what is left of a phase, and describes its checkpoint, if this process leads."""
        self._run_phase(phase)
        self.position.phase += 1
        self.position.step = 0
        self.optimizer = self._build_optimizer()
        if not self.processes.is_leader:
            return CheckpointInfo()
        info = self.validate(phase.size)
        path = self.config.out / f"phase-{phase.size}.safetensors"
        save_checkpoint(path, self.average, info)
        self._save_state()
        return info

    def _stopped(self, error: OSError) -> TrainingError:
        """What to say when a file of the run cannot be written."""
        out = self.config.out
        why = "The disk is full" if is_disk_full(error) else "A file cannot be written"
        kept = (
            "what it saved last is whole: free some space and go on with --resume"
            if holds_run(out)
            else "nothing was saved yet: free some space and start again"
        )
        return TrainingError(
            f"{why} ({error.filename or out}: {error.strerror}). The run stopped at sample "
            f"{self.position.samples:,}; {kept}."
        )

    @contextmanager
    def _fitting(self, phase: Phase) -> Iterator[None]:
        """Says what to do where a phase needs more memory than is free."""
        try:
            yield
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            what_to_do = (
                "Close other programs and go on with --resume, or choose a smaller batch in "
                "--phases and another --out; --start can begin there from this run's last "
                "checkpoint."
                if holds_run(self.config.out)
                else "Nothing was saved yet: close other programs, or choose a smaller batch in "
                "--phases, and start again."
            )
            raise TrainingError(
                f"{phase.batch} samples of {phase.size} px do not fit into the memory that is "
                f"free. The run stopped at sample {self.position.samples:,}. {what_to_do}"
            ) from error

    @torch.no_grad()
    def validate(self, size: int) -> CheckpointInfo:
        """Measures the averaged weights on composites of pictures never trained on.

        Raises:
            TrainingError: A weight, a metric or an output is not finite; nothing is saved.
        """
        model = _random_model(self.config).to(self.device)
        model.load_state_dict(self.average)
        pools, recipe = self.validation_pools, self.config.recipe
        try:
            metrics = validation_metrics(model.eval(), pools, size, self.config.validation, recipe)
            sheet = draw_sample_sheet(model, pools, size, recipe)
        except FloatingPointError as error:
            raise self._not_finite() from error
        self._check_finite(*metrics.values())
        info = CheckpointInfo(
            tasks=self.config.tasks,
            stages=self.config.stages,
            stride=self.config.stride,
            resolution=size,
            samples=self.position.samples,
            metrics=metrics,
            training=_plain(asdict(self.config)),
        )
        save_checkpoint(self.config.out / "last.safetensors", self.average, info)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        print_status(f"validation at {size} px after {self.position.samples:,} samples:  {shown}")
        self.log.write("validation", size, self.position, metrics)
        self.log.add_sheet(sheet, self.position)
        return info

    def ready(self) -> nn.Module:
        """Puts the network into training mode; returns what `advance` takes a step with."""
        self._enter_training()
        step_model = self.processes.wrap(self.model)  # learns here which parameters have gradients
        if self.config.compile:
            step_model.compile()
        return step_model

    def advance(self, step_model: nn.Module, phase: Phase) -> StepResult:
        """Takes the next step of a phase."""
        started = time.monotonic()
        share = self.share_done(phase)
        self.optimizer.set_rate(phase.rate * one_cycle(share, self.config))
        position = self.position
        batch = self.batches.make(phase, position.samples, self.model, step=position.step)
        result = self._step(step_model, batch)
        self.position.step += 1
        self.position.samples += phase.batch
        self.position.seconds += time.monotonic() - started
        return result

    def share_done(self, phase: Phase) -> float:
        """How much of a phase is done: by its steps or by the clock, whichever is further."""
        minutes = self.config.minutes
        by_clock = self.position.seconds / (60 * minutes) if minutes else 0.0
        return min(1.0, max(self.position.step / phase.steps, by_clock))

    def _run_phase(self, phase: Phase) -> None:
        step_model = self.ready()
        meter = Meter(phase, self.device)
        saved = time.monotonic()
        while self.share_done(phase) < 1:
            meter.add(*self.advance(step_model, phase))
            if not self.processes.is_leader:
                continue
            is_last = self.share_done(phase) == 1
            reports = is_last or meter.seconds > self.config.report_seconds
            validates = self.position.samples % self.config.epoch < phase.batch
            saves = time.monotonic() - saved > self.config.save_minutes * 60
            if reports or validates or saves:  # checked rarely: reading makes a GPU wait
                self._check_finite(meter.loss)
            if reports:
                figures = meter.report(self.share_done(phase))
                self.log.write("training", phase.size, self.position, figures)
            if is_last:
                return  # `fit` validates, then saves: a state comes after all rows of its sample
            if validates:
                self.validate(phase.size)
            if saves:
                self._save_state()
                saved = time.monotonic()

    def _check_finite(self, *figures: float) -> None:
        """Raises TrainingError before a broken network is stored in place of a good one."""
        floats = [value for value in self.average.values() if value.is_floating_point()]
        # A loss is of the weights before the last step, which may have broken them.
        are_finite = torch.stack([value.isfinite().all() for value in floats]).all()
        if not (all(map(math.isfinite, figures)) and are_finite):
            raise self._not_finite()

    def _not_finite(self) -> TrainingError:
        return TrainingError(
            f"The loss is not finite at sample {self.position.samples:,}: lower the rate (the "
            "last number of --phases) and train into another --out; --start can begin there "
            "from this run's last checkpoint, if it has one."
        )

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
        scene = batch.background, batch.image
        weight = pixel_weight(batch.true_mask, *scene, border=config.border, shade=config.shade)
        losses = task_losses(logits, true, depth_loss=config.depth_loss, mask_weight=weight)
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
        done = self.position.step + 1 + (self.position.phase > 0) * 10_000
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
        parts = {
            "weights": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "run": {"position": asdict(self.position), "options": self._options},
        }
        save_state(self.config.out, parts)

    def _load_state(self) -> None:
        out = self.config.out
        stored = load_state(out, ("weights", "average", "optimizer", "run"))
        if stored is None:
            print_status(f"nothing to resume in {out}: starting anew")
            return
        try:
            run = from_plain(stored["run"], StoredRun)
            run.position.check(self.config.phases)
        except SchemaError as error:
            raise unusable_state(out, error) from error
        before = run.options
        if changed := [name for name in before if before[name] != self._options.get(name)]:
            raise CheckpointError(
                f"The run in {out} had other options ({', '.join(changed)}): give the same, or "
                "another --out, where --start can begin from this run's checkpoint."
            )
        try:
            self.position = run.position
            self.model.load_state_dict(stored["weights"])
            for name, value in self.average.items():
                value.copy_(stored["average"][name].view(value.shape))
            self.optimizer.load_state_dict(stored["optimizer"])
        except Exception as error:  # of what a state may hold instead of tensors, each has its own
            raise unusable_state(out, error) from error
        print_status(f"resuming after {self.position.samples:,} samples")


def _load_pools(config: TrainConfig, device: torch.device) -> tuple[Pools, Pools]:
    """What to train and to validate on."""
    try:
        if config.shared_pictures:
            pools = load_shared_pools(config.data, device, pictures=config.shared_pictures)
            return pools, pools
        return load_pools(config.data, device, held_out=config.held_out)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"The pictures of {config.data} do not fit into the memory that is free. Close other "
            "programs, or pack fewer pictures, or smaller ones (--side)."
        ) from error


def _first_model(config: TrainConfig) -> U2Net:
    """A random network, or that of the checkpoint to start from."""
    if config.start is None:
        return _random_model(config)
    model, info = load_checkpoint(config.start)
    if set(info.tasks) != set(config.tasks):
        raise CheckpointError(
            f"{config.start} predicts {' and '.join(info.tasks)}; start with the same --tasks."
        )
    wanted = (CheckpointInfo.in_ch, config.stages, config.stride)
    if (info.in_ch, info.stages, info.stride) != wanted:
        raise CheckpointError(
            f"{config.start} holds a network of another architecture; start from a checkpoint "
            "with the same stages."
        )
    return model


def _random_model(config: TrainConfig) -> U2Net:
    return U2Net(config.tasks, stages=config.stages, stride=config.stride)


def _load_distilled(config: TrainConfig, device: torch.device) -> U2Net | None:
    """The network whose maps are learned from, if there is one."""
    if config.distill is None:
        return None
    model, info = load_checkpoint(config.distill)
    if info.in_ch != CheckpointInfo.in_ch or not set(config.tasks) <= set(info.tasks):
        raise CheckpointError(
            f"{config.distill} does not predict {' and '.join(config.tasks)} from two pictures; "
            "distill from a checkpoint that does."
        )
    model.requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def one_cycle(share: float, config: TrainConfig) -> float:
    """The rate at a share of a phase, relative to its peak: up in a line, down along a cosine."""
    if share < config.warm_up:
        return max(share / config.warm_up, 0.02)
    fall = (share - config.warm_up) / (1 - config.warm_up)
    return config.last_rate + (1 - config.last_rate) * 0.5 * (1 + math.cos(math.pi * fall))


def _deciding_options(config: TrainConfig) -> dict[str, object]:
    """What a run's weights depend on, files by their content: a resumed run has the same."""
    options = {k: v for k, v in _plain(asdict(config)).items() if k not in _CHANGEABLE}
    files = {"data": config.data, "start": config.start, "distill": config.distill}
    return options | {name: path and fingerprint(path) for name, path in files.items()}


def _plain(value: object) -> dict[str, object]:
    """A configuration as JSON-ready values; paths keep their name only."""
    text = json.dumps(value, default=lambda item: Path(item).name)
    return dict(json.loads(text))
