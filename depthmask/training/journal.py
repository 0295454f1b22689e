"""What a training run tells on the terminal while it runs."""

import math
import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from depthmask.composites.compose import Batch
from depthmask.errors import TrainingError
from depthmask.training.config import Phase
from depthmask.training.validation import score

_REPORT_SECONDS = 10.0


@dataclass
class RunPosition:
    """Where a run stands; stored with its state."""

    phase: int = 0
    step: int = 0  # in this phase
    samples: int = 0  # in all phases
    seconds: float = 0.0


class Meter:
    """Running means of a phase, read rarely: reading makes a GPU wait."""

    def __init__(self, phase: Phase, device: torch.device) -> None:
        self.phase = phase
        self.total = torch.zeros((), device=device)
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
        figures |= {name: value.mean().item() for name, value in score(*self.latest).items()}
        figures["images_per_second"] = self.count * self.phase.batch / seconds
        done = step / self.phase.steps
        bar = "█" * round(20 * done) + "░" * (20 - round(20 * done))
        shown = "  ".join(
            f"{name} {figures[name]:.4f}" for name in ("loss", "iou", "rmse") if name in figures
        )
        rate = figures["images_per_second"]
        say(f"{self.phase.size:4} px {bar} {done:4.0%}  {shown}  {rate:.1f} images/s", again=True)
        self._restart()
        return figures


def say(line: str, *, again: bool = False) -> None:
    """Prints a line on stderr; one that comes again and again replaces itself on a terminal."""
    stays = not (again and sys.stderr.isatty())
    print(
        f"\r\033[K{line}" if sys.stderr.isatty() else line,
        end="\n" if stays else "",
        file=sys.stderr,
        flush=True,
    )
