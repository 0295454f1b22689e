"""What a training run shall do: its phases, and everything that decides how they go."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from depthmask.composites.pools import HELD_OUT_SHARE
from depthmask.composites.random_streams import TRAINING_SEEDS
from depthmask.composites.recipe import ORIGINAL, Recipe
from depthmask.errors import OptionError
from depthmask.network.architecture import LITE, TASKS, Stage
from depthmask.training.losses import DEPTH_LOSSES

MAX_SIZE = 4096  # of a picture, in pixels
MAX_COUNT = 10**9  # of samples and the like


@dataclass(frozen=True)
class Phase:
    """A part of training at one size."""

    size: int  # square root of the pixels of a picture
    samples: int
    batch: int  # samples a step
    rate: float  # peak learning rate

    def __post_init__(self) -> None:
        if min(self.size, self.samples, self.batch) < 1 or not 0 < self.rate < math.inf:
            raise OptionError(f"sizes, samples, batches and rates are positive, not {self}")
        if self.size > MAX_SIZE or max(self.samples, self.batch) > MAX_COUNT:
            raise OptionError(
                f"a size is at most {MAX_SIZE}, samples and batch {MAX_COUNT:,}, not {self}"
            )

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.size}:{self.samples}:{self.batch}:{self.rate:g}"

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
            raise OptionError(f"write a phase as SIZE:SAMPLES:BATCH:RATE, not {text!r}") from error


DEFAULT_PHASES = (
    Phase(64, 40_000, 16, 3e-3),
    Phase(96, 16_000, 24, 2e-3),
    Phase(112, 14_000, 16, 1.5e-3),
    Phase(224, 5_000, 8, 6e-4),
)

ASPECTS = (9 / 16, 2 / 3, 3 / 4, 1.0, 4 / 3, 3 / 2, 16 / 9)  # width / height


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides how a training run goes."""

    data: Path  # file made by `python -m depthmask pack`
    out: Path  # folder for checkpoints, state and log
    phases: tuple[Phase, ...] = DEFAULT_PHASES
    tasks: tuple[str, ...] = TASKS
    stages: tuple[Stage, ...] = LITE  # the network's architecture table
    stride: int = 1  # pixels of a picture, along a side, for one of the finest stage
    only: str | None = None  # the task whose decoder alone is trained, beside frozen weights
    depth_loss: str = "bce"
    mask_weight: float = 2.0
    depth_weight: float = 1.0
    border: float = 4.0  # how much more the mask's border counts, see `depthmask.training.losses`
    shade: float = 0.0  # how much more what is darker than the background counts, as for `border`
    weight_decay: float = 1e-3
    warm_up: float = 0.1  # share of a phase
    last_rate: float = 0.05  # at a phase's end, as a share of its peak
    minutes: float = 0.0  # above 0: the rate follows the clock, and the phase ends by then
    average: float = 0.995  # decay of the running average of the weights, a step
    clip: float = 10.0  # largest norm of the gradient
    held_out: float = HELD_OUT_SHARE  # share of the shots kept for validation
    shared_pictures: int = 0  # above 0: so many of each kind, in training and validation alike
    limit: int = 0  # above 0: so many different composites, over and over
    candidates: int = 1  # made for each sample trained on; the hardest are taken
    ahead: int = 1  # steps whose composites are made at once: fewer, larger kernels on a GPU
    aspects: tuple[float, ...] = ASPECTS  # of the frames, one a batch
    original_share: float = 0.0  # share of the batches made as the original project made its own
    plate_share: float = 0.1  # share of the batches whose backgrounds come of several photos
    half_share: float = 0.0  # share of the batches at half a phase's size
    mixed: tuple[tuple[int, float], ...] = ()  # other sizes than a phase's, and shares of batches
    distill: Path | None = None  # checkpoint whose maps are learned from, beside the truth
    distill_share: float = 0.25  # share of the batches in which they are
    freeze_norm: bool = False  # batch norms keep the statistics they start with
    validation: int = 128  # samples
    epoch: int = 8192  # samples between validations
    save_minutes: float = 3.0  # between states
    report_seconds: float = 10.0  # between rows of the log
    seed: int = 0
    device: str = "auto"
    compile: bool = False
    start: Path | None = None  # checkpoint to begin from
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        if not self.phases:
            raise OptionError("name at least one phase")
        if len(self.stages) < 2:
            raise OptionError("stages are at least two rows of an architecture table")
        if self.depth_loss not in DEPTH_LOSSES:
            raise OptionError(f"depth_loss is one of {', '.join(DEPTH_LOSSES)}")
        if not self.tasks or set(self.tasks) - set(TASKS):
            raise OptionError(f"tasks are among {', '.join(TASKS)}")
        if self.only is not None and self.only not in self.tasks:
            raise OptionError(f"only is among the tasks: {', '.join(self.tasks)}")
        if self.only and self.start is None:
            raise OptionError("only trains beside a checkpoint's weights; name it with --start")
        if not 0 <= self.held_out < 1:
            raise OptionError("held_out is a share from 0 to under 1")
        if self.stride < 1:
            raise OptionError("stride is 1 or more")
        for name in ("original_share", "plate_share", "half_share", "distill_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} is a share from 0 to 1")
        for name in ("limit", "shared_pictures"):
            if not 0 <= getattr(self, name) <= MAX_COUNT:
                raise OptionError(f"{name} is 0, or how many there shall be, up to {MAX_COUNT:,}")
        for name in ("candidates", "ahead", "validation", "epoch"):
            if not 1 <= getattr(self, name) <= MAX_COUNT:
                raise OptionError(f"{name} is from 1 to {MAX_COUNT:,}")
        for name in (
            "mask_weight",
            "depth_weight",
            "border",
            "shade",
            "save_minutes",
            "report_seconds",
            "minutes",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(f"{name} is a number, 0 or more")
        if self.ahead > 1 and self.candidates > 1:
            raise OptionError("ahead makes composites before the hardest can be known: leave it 1")
        if self.minutes and len(self.phases) > 1:
            raise OptionError("minutes are for a run of one phase; name one")
        if any(not 16 <= size <= MAX_SIZE or not 0 <= share <= 1 for size, share in self.mixed):
            raise OptionError(f"mixed are sizes from 16 to {MAX_SIZE}, each with a share up to 1")
        if sum(share for _, share in self.mixed) > 1:
            raise OptionError("the shares of mixed are at most 1 together")
        if not 0 <= self.seed < TRAINING_SEEDS:
            raise OptionError(f"seed is a number from 0 to {TRAINING_SEEDS - 1}")

    @property
    def trained(self) -> tuple[str, ...]:
        """The tasks whose decoders are trained."""
        return (self.only,) if self.only else self.tasks

    @property
    def task_weights(self) -> dict[str, float]:
        """How much a task's loss counts, by task; 0 for what is not trained."""
        weights = {"mask": self.mask_weight, "depth": self.depth_weight}
        return {task: weights[task] if task in self.trained else 0.0 for task in TASKS}


# How --protocol changes the configuration. The original project's: 100 cut-outs on 100 backgrounds,
# square, and a random split over composites, so that validation shares every picture with training.
PROTOCOLS: dict[str, dict[str, Any]] = {
    "depthmask": {},
    "original": {"recipe": ORIGINAL, "aspects": (1.0,), "shared_pictures": 100},
}
