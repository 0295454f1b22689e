"""Trains the network: python train.py --data PACK --out DIR."""

import argparse
import sys
import threading
from pathlib import Path

from depthmask.errors import DepthmaskError, error_sentence
from depthmask.network.architecture import MODELS, TASKS
from depthmask.training.config import DEFAULT_PHASES, PROTOCOLS, Phase, TrainConfig
from depthmask.training.dry_run import dry_run
from depthmask.training.losses import DEPTH_LOSSES
from depthmask.training.trainer import Trainer

# options that are no field of TrainConfig
_NOT_IN_CONFIG = ("resume", "dry_run", "protocol", "model")


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        fields = {
            name: value for name, value in vars(options).items() if name not in _NOT_IN_CONFIG
        }
        stages, stride = MODELS[options.model]
        config = TrainConfig(**PROTOCOLS[options.protocol], stages=stages, stride=stride, **fields)
        trainer = Trainer(config, resume=options.resume)
        if options.dry_run:
            dry_run(trainer)
        else:
            trainer.fit()
        trainer.processes.leave()
    except DepthmaskError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"train.py: {error_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nStopped; go on with --resume --out {options.out}", file=sys.stderr)
        return 130
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line; most options are fields of TrainConfig."""
    shown = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shown)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="file made by `python -m depthmask pack`")
    add("--out", type=Path, required=True, help="folder for checkpoints, state and log")
    phases, shape = [str(phase) for phase in DEFAULT_PHASES], "SIZE:SAMPLES:BATCH:RATE"
    add("--phases", nargs="+", default=phases, metavar=shape, help="one after another")
    add("--model", choices=MODELS, default="main", help="the network to train")
    add("--tasks", nargs="+", choices=TASKS, default=[*TASKS], help="what to predict")
    add("--only", choices=TASKS, help="train its decoder alone; the rest stays as --start has it")
    add("--depth-loss", choices=DEPTH_LOSSES, default="bce", help="what depth's error is")
    add("--depth-weight", type=float, default=1.0, help="of depth's loss; the mask's is 2")
    add("--border", type=float, default=4.0, help="how much more the mask's border counts")
    add("--shade", type=float, default=0.0, help="how much more darkened pixels count for the mask")
    add("--limit", type=int, default=0, metavar="N", help="train on N composites, over and over")
    add("--original-share", type=float, default=0.0, help="of batches made as the original's")
    plates = "of batches whose background is chosen from several photos, pixel by pixel"
    add("--plate-share", type=float, default=0.1, help=plates)
    add("--half-share", type=float, default=0.0, help="of batches at half a phase's size")
    shares = "share of batches at another size; may be several"
    add("--mixed", nargs="+", type=size_share, default=(), metavar="SIZE:SHARE", help=shares)
    add("--ahead", type=int, default=1, help="steps whose composites are made at once; for a GPU")
    add("--minutes", type=float, default=0.0, help="the rate's cycle, and the phase, end by then")
    add("--distill", type=Path, metavar="FILE", help="checkpoint to learn from beside the truth")
    add("--distill-share", type=float, default=0.25, help="of batches that learn from it")
    add("--candidates", type=int, default=1, help="composites to choose each from: the hardest")
    protocol = "original: 100 cut-outs on 100 backgrounds, in training and validation alike"
    add("--protocol", choices=PROTOCOLS, default="depthmask", help=protocol)
    add("--start", type=Path, help="checkpoint to begin from")
    add("--held-out", type=float, default=0.08, help="share of the shots kept for validation")
    add("--validation", type=int, default=128, help="samples of a validation")
    add("--epoch", type=int, default=8192, help="samples between validations")
    add("--save-minutes", type=float, default=3.0, help="between two states to resume from")
    add("--seed", type=int, default=0, help="another one, other composites")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps ...")
    add("--compile", action="store_true", help="torch.compile: pays on a GPU, not on a CPU")
    add("--freeze-norm", action="store_true", help="keep --start's batch-norm statistics")
    add("--dry-run", action="store_true", help="check data, sizes, memory and time; train nothing")
    add("--resume", action="store_true", help="go on from the state in --out")
    options = parser.parse_args(arguments)
    try:
        options.phases = tuple(Phase.parse(text) for text in options.phases)
    except DepthmaskError as error:
        parser.error(str(error))
    options.tasks, options.mixed = tuple(options.tasks), tuple(options.mixed)
    return options


def size_share(text: str) -> tuple[int, float]:
    """Reads SIZE:SHARE, for instance 112:0.2; argparse makes a sentence of a ValueError."""
    size, share = text.split(":")
    return int(size), float(share)


def pass_over_disk_errors(arguments: threading.ExceptHookArgs) -> None:
    """Shows what a thread raised, unless it is a disk's error: that of the main thread is shown."""
    if not isinstance(arguments.exc_value, OSError):
        threading.__excepthook__(arguments)


if __name__ == "__main__":
    threading.excepthook = pass_over_disk_errors
    sys.exit(main())
