"""What a step of training asks of a GPU: operations, and waits for their results.

    python -m benchmarks.training_kernels [--sizes 64 224] [--batch 8] [--ahead 8] [--data PACK]

A GPU idles while Python launches many small operations, and whenever Python waits for a value. Both
are counted here on the CPU, where the same calls are made, for a step of the trainer on toy
pictures. Views are not counted, for they launch nothing. The baseline makes the composites of each
step by themselves; the other makes those of several steps at once (`train.py --ahead`).
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.command import run
from benchmarks.training_rate import draw_pictures
from depthmask.data.packfile import write_pack
from depthmask.errors import OptionError
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.trainer import Trainer

# Python waits until the value is there, or until it has reached the GPU.
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "lift_fresh"}


class OperationCount(TorchDispatchMode):
    """Counts operations that are no views, by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's stubs have no types here
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if not func.is_view:
            self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 224])
    parser.add_argument("--batch", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--ahead", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--data", type=Path, metavar="PACK", help="default: toy pictures")
    options = parser.parse_args()
    if min(*options.sizes, options.batch, options.ahead) < 1:
        raise OptionError("Sizes, --batch and --ahead are numbers from 1 on; choose others.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = options.data or folder / "pack.safetensors"
        if options.data is None:
            write_pack(data, draw_pictures(), step=8)
        print(f"{'size':>5} {'':24} {'ahead 1':>10} {f'ahead {options.ahead}':>10} {'ratio':>7}")
        for size in options.sizes:
            phase = Phase(size, options.ahead * options.batch, options.batch, 1e-3)
            rows = [count_step(data, phase, ahead) for ahead in (1, options.ahead)]
            for row, before in rows[0].items():
                after = rows[1][row]
                ratio = f"{before / after:6.2f}x" if after else ""
                print(f"{size:5} {row:24} {before:10.1f} {after:10.1f} {ratio:>7}", flush=True)


def count_step(data: Path, phase: Phase, ahead: int) -> dict[str, float]:
    """Operations and waits a step: of the composites, a mean over the phase, and of the rest."""
    config = TrainConfig(
        data=data,
        out=data.parent / "run",
        phases=(phase,),
        aspects=(1.0,),
        ahead=ahead,
        device="cpu",
    )
    trainer = Trainer(config)
    with OperationCount() as made:
        for step in range(phase.steps):
            batch = trainer.batches.make(phase, step * phase.batch, trainer.model, step=step)
    step_model = trainer.ready()
    trainer._step(step_model, batch)  # the first one also makes the optimizer's state
    with OperationCount() as rest:
        trainer._step(step_model, batch)
    waits = [sum(part.counts[name] for name in WAITS) for part in (made, rest)]
    composites = made.counts.total() / phase.steps
    return {
        "composites: operations": composites,
        "composites: waits": waits[0] / phase.steps,
        "the rest: operations": rest.counts.total(),
        "the rest: waits": waits[1],
        "in all: operations": composites + rest.counts.total(),
        "in all: waits": waits[0] / phase.steps + waits[1],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)  # counts need no speed
    sys.exit(run(main))
