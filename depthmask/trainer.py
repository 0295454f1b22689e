"""The training loop: phases of growing size, resumable, on the CPU or a GPU.

Imports torch, numpy and safetensors only, so that it runs on a bare machine from one packed file.
"""

import csv
import json
import math
import shutil
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from depthmask.checkpoint import CheckpointError, CheckpointInfo, read_checkpoint, save_checkpoint
from depthmask.data.compose import Batch, Recipe, compose
from depthmask.data.dataset import Pools, load_pools
from depthmask.data.draws import Draws
from depthmask.losses import DEPTH_LOSSES, task_losses
from depthmask.metrics import batch_iou, batch_rmse, depth_rmse, mask_iou
from depthmask.model import TASKS, U2Net
from depthmask.team import Team

ASPECTS = (9 / 16, 2 / 3, 3 / 4, 1.0, 4 / 3, 3 / 2, 16 / 9)  # width / height
_VALIDATION_SEED = 1  # training uses TrainConfig.seed
_ASPECT_SEED = 2
_REPORT_SECONDS = 10.0


class TrainingError(RuntimeError):
    """Training cannot go on; the message is one sentence for the user."""


@dataclass(frozen=True)
class Phase:
    """A part of training at one size."""

    size: int  # square root of the pixels of a picture
    samples: int
    batch: int  # samples a step
    rate: float  # peak learning rate

    def __post_init__(self) -> None:
        if min(self.size, self.samples, self.batch) < 1 or self.rate <= 0:
            raise ValueError(f"sizes, samples, batches and rates are positive, not {self}")

    @property
    def steps(self) -> int:
        return math.ceil(self.samples / self.batch)

    @classmethod
    def parse(cls, text: str) -> "Phase":
        """Reads SIZE:SAMPLES:BATCH:RATE, for instance 64:40000:32:3e-3."""
        try:
            size, samples, batch, rate = text.split(":")
            return cls(int(size), int(samples), int(batch), float(rate))
        except ValueError as error:
            raise ValueError(f"write a phase as SIZE:SAMPLES:BATCH:RATE, not {text!r}") from error


DEFAULT_PHASES = (
    Phase(64, 40_000, 32, 3e-3),
    Phase(96, 16_000, 24, 2e-3),
    Phase(112, 14_000, 16, 1.5e-3),
    Phase(224, 5_000, 8, 6e-4),
)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a training run goes."""

    data: Path  # file made by `python -m depthmask pack`
    out: Path  # folder for checkpoints, state and log
    phases: tuple[Phase, ...] = DEFAULT_PHASES
    tasks: tuple[str, ...] = TASKS
    depth_loss: str = "bce"
    mask_weight: float = 2.0
    depth_weight: float = 1.0
    weight_decay: float = 1e-3
    warm_up: float = 0.1  # share of a phase
    last_rate: float = 0.05  # at a phase's end, as a share of its peak
    average: float = 0.995  # decay of the running average of the weights, a step
    clip: float = 10.0  # largest norm of the gradient
    held_out: float = 0.08  # share of the shots kept for validation
    validation: int = 128  # samples
    epoch: int = 8192  # samples between validations
    save_minutes: float = 3.0
    seed: int = 0
    device: str = "auto"
    compile: bool = False
    start: Path | None = None  # checkpoint to begin from
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        if not self.phases:
            raise ValueError("name at least one phase")
        if self.depth_loss not in DEPTH_LOSSES:
            raise ValueError(f"depth_loss is one of {', '.join(DEPTH_LOSSES)}")
        if not self.tasks or set(self.tasks) - set(TASKS):
            raise ValueError(f"tasks are among {', '.join(TASKS)}")
        if not 0 <= self.held_out < 1:
            raise ValueError("held_out is a share from 0 to under 1")


@dataclass
class Progress:
    """Where a run stands; stored with its state."""

    phase: int = 0
    step: int = 0  # in this phase
    samples: int = 0  # in all phases
    seconds: float = 0.0


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
        self.device = _choose_device(config.device)
        self.team = Team.join(self.device)
        self.train_pools, self.validation_pools = load_pools(
            config.data, self.device, held_out=config.held_out
        )
        torch.manual_seed(config.seed)
        self.model = U2Net(config.tasks)
        if config.start:
            state, _ = read_checkpoint(config.start)
            self.model.load_state_dict(state)
        if self.team.size > 1 and self.device.type == "cuda":
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.progress = Progress()
        self.optimizer = self._build_optimizer()
        self.log = _Log(config.out / "log.csv")
        if resume:
            self._load_state()

    def fit(self) -> CheckpointInfo:
        """Runs the phases that are left; returns the description of the last checkpoint.

        Raises:
            TrainingError: The loss is no longer finite.
        """
        info = CheckpointInfo()
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
        _say(f"validation at {size} px after {self.progress.samples:,} samples:  {shown}")
        self.log.write("validation", size, self.progress, metrics)
        return info

    def _run_phase(self, phase: Phase) -> None:
        step_model = self.team.wrap(self.model)
        if self.config.compile:
            step_model.compile()
        self.model.train()
        meter = _Meter(phase, self.device)
        saved = time.monotonic()
        for step in range(self.progress.step, phase.steps):
            started = time.monotonic()
            self._set_rate(phase, step)
            batch = self._next_batch(phase)
            meter.add(*self._step(step_model, batch))
            self.progress.step += 1
            self.progress.samples += phase.batch
            self.progress.seconds += time.monotonic() - started
            if not self.team.leads:
                continue
            if meter.is_due() or step + 1 == phase.steps:
                self.log.write("training", phase.size, self.progress, meter.report(step + 1))
            if self.progress.samples % self.config.epoch < phase.batch and step + 1 < phase.steps:
                self.validate(phase.size)
                self.model.train()
            if time.monotonic() - saved > self.config.save_minutes * 60:
                meter.check()
                self._save_state()
                saved = time.monotonic()

    def _next_batch(self, phase: Phase) -> Batch:
        first = self.progress.samples
        numbers = torch.arange(first, first + phase.batch, device=self.device)
        chosen = Draws(_ASPECT_SEED, torch.tensor([first])).uniform().item()
        size = frame_size(phase.size, ASPECTS[int(chosen * len(ASPECTS))])
        return compose(
            self.train_pools,
            self.team.share(numbers),
            size=size,
            seed=self.config.seed,
            recipe=self.config.recipe,
        )

    def _step(self, model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor], Batch]:
        config = self.config
        weights = {"mask": config.mask_weight, "depth": config.depth_weight}
        with _autocast(self.device):
            logits = model(*_inputs(batch))
        losses = task_losses(logits, _truth(batch), depth_loss=config.depth_loss)
        loss = torch.stack([weights[task] * value for task, value in losses.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
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
        current = self.model.state_dict()
        floats = [key for key, value in current.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self.average[key] for key in floats], [current[key] for key in floats], 1 - decay
        )
        for key in current.keys() - set(floats):
            self.average[key].copy_(current[key])

    def _build_optimizer(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            self.model.parameters(),
            weight_decay=self.config.weight_decay,
            fused=self.device.type == "cuda",
        )

    def _set_rate(self, phase: Phase, step: int) -> None:
        rate = phase.rate * one_cycle(step / phase.steps, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    # The state is split over files because some transports refuse large ones.

    def _save_state(self) -> None:
        """Writes the state beside the old one, then swaps: a killed run loses minutes at most."""
        folder, draft, old = (
            self.config.out / name for name in ("state", "state.new", "state.old")
        )
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, tensors in self._state_tensors().items():
            save_file(
                {k: v.cpu().contiguous() for k, v in tensors.items()}, draft / f"{name}.safetensors"
            )
        (draft / "progress.json").write_text(json.dumps(asdict(self.progress)))
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
        shutil.rmtree(old, ignore_errors=True)

    def _state_tensors(self) -> dict[str, dict[str, Tensor]]:
        names = [name for name, _ in self.model.named_parameters()]
        moments = self.optimizer.state_dict()["state"]
        tensors = {"model": self.model.state_dict(), "average": self.average}
        for key in ("exp_avg", "exp_avg_sq", "step"):
            tensors[key] = {names[i]: torch.as_tensor(m[key]) for i, m in moments.items()}
        return tensors

    def _load_state(self) -> None:
        folder = self.config.out / "state"
        if not folder.exists():
            folder = self.config.out / "state.old"  # killed between the two renames
        if not folder.exists():
            _say(f"nothing to resume in {self.config.out}: starting anew")
            return
        try:
            stored = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
            self.progress = Progress(**json.loads((folder / "progress.json").read_text()))
            self.model.load_state_dict(stored["model"])
            self.average = {k: stored["average"][k].to(v) for k, v in self.average.items()}
            self._restore_moments(stored)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
            raise CheckpointError(
                f"The state in {folder} cannot be resumed ({error}); start without --resume."
            ) from error
        _say(f"resuming after {self.progress.samples:,} samples")

    def _restore_moments(self, stored: dict[str, dict[str, Tensor]]) -> None:
        state = self.optimizer.state_dict()
        keys = ("exp_avg", "exp_avg_sq", "step")
        for number, (name, _) in enumerate(self.model.named_parameters()):
            if name in stored["step"]:
                state["state"][number] = {key: stored[key][name] for key in keys}
        self.optimizer.load_state_dict(state)


@torch.no_grad()
def measure(
    model: nn.Module, pools: Pools, size: int, samples: int, recipe: Recipe, *, batch: int = 16
) -> dict[str, float]:
    """Scores a network on composites.

    Args:
        model: In evaluation mode, on the pools' device.
        pools: What to compose; for honest figures, pictures never trained on.
        size: Side of the square samples in pixels.
        samples: How many; always the same ones.
        recipe: How they are made.
        batch: Samples at a time; the original project's metrics depend on it.

    Returns:
        `iou` and `rmse` (means over pictures), `batch_iou` and `batch_rmse` (the original's), and
        `rmse_over_deviation`: RMSE over the standard deviation of the true depth of all samples.
    """
    device = pools.foregrounds.aspect.device
    found: dict[str, list[Tensor]] = {}
    depths: list[Tensor] = []
    for first in range(0, samples, batch):
        numbers = torch.arange(first, min(first + batch, samples), device=device)
        made = compose(pools, numbers, size=(size, size), seed=_VALIDATION_SEED, recipe=recipe)
        with _autocast(device):
            logits = model(*_inputs(made))
        for name, value in _scores(logits, made).items():
            found.setdefault(name, []).append(value.reshape(-1))
        depths.append(made.true_depth.flatten())
    metrics = {name: torch.cat(values).mean().item() for name, values in found.items()}
    if "rmse" in metrics:
        metrics["rmse_over_deviation"] = metrics["rmse"] / torch.cat(depths).std().item()
    return metrics


def one_cycle(share: float, config: TrainConfig) -> float:
    """The rate at a share of a phase, relative to its peak: up in a line, down along a cosine."""
    if share < config.warm_up:
        return max(share / config.warm_up, 0.02)
    fall = (share - config.warm_up) / (1 - config.warm_up)
    return config.last_rate + (1 - config.last_rate) * 0.5 * (1 + math.cos(math.pi * fall))


def frame_size(size: int, aspect: float) -> tuple[int, int]:
    """Height and width of about size² pixels with the given aspect, multiples of 16."""
    height, width = size / math.sqrt(aspect), size * math.sqrt(aspect)
    return max(16, round(height / 16) * 16), max(16, round(width / 16) * 16)


def _scores(logits: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    scores: dict[str, Tensor] = {}
    if "mask" in logits:
        pred, true = logits["mask"][:, 0].float().sigmoid(), batch.true_mask[:, 0]
        scores |= {"iou": mask_iou(pred, true), "batch_iou": batch_iou(pred, true)}
    if "depth" in logits:
        pred, true = logits["depth"][:, 0].float().sigmoid(), batch.true_depth[:, 0]
        scores |= {"rmse": depth_rmse(pred, true), "batch_rmse": batch_rmse(pred, true)}
    return scores


def _inputs(batch: Batch) -> tuple[Tensor, Tensor]:
    # The network's first layer sees their concatenation; channels_last there is what matters.
    return batch.background, batch.image


def _truth(batch: Batch) -> dict[str, Tensor]:
    return {"mask": batch.true_mask, "depth": batch.true_depth}


def _autocast(device: torch.device) -> AbstractContextManager[object]:
    if device.type in {"cuda", "cpu"}:
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


def _choose_device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _plain(value: object) -> dict[str, object]:
    """A configuration as JSON-ready values; paths keep their name only."""
    text = json.dumps(value, default=lambda item: Path(item).name)
    return dict(json.loads(text))


class _Meter:
    """Running means of a phase, read rarely: reading makes a GPU wait."""

    def __init__(self, phase: Phase, device: torch.device) -> None:
        self.phase = phase
        self.total = torch.zeros((), device=device)
        self.scores: dict[str, float] = {}
        self.latest: tuple[dict[str, Tensor], Batch] | None = None
        self._restart()

    def _restart(self) -> None:
        self.total.zero_()
        self.count = 0
        self.since = time.monotonic()

    def add(self, loss: Tensor, logits: dict[str, Tensor], batch: Batch) -> None:
        self.total += loss
        self.count += 1
        self.latest = (logits, batch)

    def is_due(self) -> bool:
        return time.monotonic() - self.since > _REPORT_SECONDS

    def check(self) -> float:
        """The mean loss since the last report; raises TrainingError if it is not finite."""
        loss = self.total.item() / max(self.count, 1)
        if not math.isfinite(loss):
            raise TrainingError(
                "The loss is no longer finite: lower the learning rate (the last number of "
                "--phases) and go on from the last state with --resume."
            )
        return loss

    def report(self, step: int) -> dict[str, float]:
        assert self.latest is not None, "report follows add"
        seconds = time.monotonic() - self.since
        figures = {"loss": self.check()}
        figures |= {name: value.mean().item() for name, value in _scores(*self.latest).items()}
        figures["images_per_second"] = self.count * self.phase.batch / seconds
        done = step / self.phase.steps
        bar = "█" * round(20 * done) + "░" * (20 - round(20 * done))
        shown = "  ".join(
            f"{name} {figures[name]:.4f}" for name in ("loss", "iou", "rmse") if name in figures
        )
        rate = figures["images_per_second"]
        _say(f"{self.phase.size:4} px {bar} {done:4.0%}  {shown}  {rate:.1f} images/s", again=True)
        self._restart()
        return figures


class _Log:
    """A CSV of all figures, one row a report; appended to, so that a resumed run goes on in it."""

    COLUMNS = (
        *("kind", "size", "samples", "seconds", "loss", "iou", "rmse"),
        *("batch_iou", "batch_rmse", "rmse_over_deviation", "images_per_second"),
    )

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, kind: str, size: int, progress: Progress, figures: dict[str, float]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        row = {"kind": kind, "size": size, "samples": progress.samples}
        row |= {"seconds": round(progress.seconds)}
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self.COLUMNS, restval="")
            if is_new:
                writer.writeheader()
            writer.writerow(row | {name: f"{value:.5g}" for name, value in figures.items()})


def _say(line: str, *, again: bool = False) -> None:
    """Prints a line; one that comes again and again replaces itself on a terminal."""
    stays = not (again and sys.stderr.isatty())
    print(
        f"\r\033[K{line}" if sys.stderr.isatty() else line,
        end="\n" if stays else "",
        file=sys.stderr,
        flush=True,
    )
