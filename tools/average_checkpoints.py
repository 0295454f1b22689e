"""Averages checkpoints: python -m tools.average_checkpoints --data PACK -r R -o OUT FILE...

The mean of weights from the end of runs that began alike often does better than each. It is scored
at R pixels, where it shall be used, on composites of held-out pictures made by the default recipe;
its configuration is the last FILE's. With `--mask-from FILE...` the mask's decoder is the mean of
those instead, for runs with `--only` that began from the same encoder.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.command import check_outputs, run
from depthmask.composites.pools import load_checkpoint_pools
from depthmask.composites.recipe import Recipe
from depthmask.errors import OptionError
from depthmask.network.checkpoint import CheckpointInfo, read_checkpoint, save_checkpoint
from depthmask.network.u2net import U2Net
from depthmask.training.config import TrainConfig
from depthmask.training.validation import validation_metrics

State = dict[str, Tensor]
ENCODER, MASK = "encoder.", "decoders.mask."  # how the names of their tensors begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--mask-from", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--data", type=Path, required=True, metavar="PACK")
    parser.add_argument("-r", "--resolution", type=int, required=True, metavar="R")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    options = parser.parse_args()
    check_outputs(options.output)
    state, info = average(options.files)
    names: dict[str, object] = {"averaged": [file.name for file in options.files]}
    if options.mask_from:
        state = graft(state, average(options.mask_from)[0])
        names["mask_averaged"] = [file.name for file in options.mask_from]
    model = U2Net(info.tasks, info.in_ch, info.stages, info.stride)
    model.load_state_dict(state)
    _, pools = load_checkpoint_pools(options.data, info, torch.device("cpu"))
    info = replace(
        info,
        resolution=options.resolution,
        training=info.training | names,
        metrics=validation_metrics(
            model.eval(), pools, options.resolution, TrainConfig.validation, Recipe()
        ),
    )
    save_checkpoint(options.output, state, info)


def average(files: Sequence[Path]) -> tuple[State, CheckpointInfo]:
    """The mean of the files' weights, and the last one's description."""
    states, infos = zip(*(read_checkpoint(file) for file in files), strict=True)
    last = states[-1]
    for file, state in zip(files, states, strict=True):
        if {k: t.shape for k, t in state.items()} != {k: t.shape for k, t in last.items()}:
            raise OptionError(
                f"{file} and {files[-1]} hold different networks; average alike ones."
            )
    mean = {
        key: torch.stack([state[key] for state in states]).mean(dim=0)
        if tensor.is_floating_point()
        else tensor
        for key, tensor in last.items()
    }
    return mean, infos[-1]


def graft(state: State, masks: State) -> State:
    """One network with the mask's decoder of another that has the same encoder."""
    if state.keys() != masks.keys() or not any(key.startswith(MASK) for key in state):
        raise OptionError("--mask-from needs networks of both mask and depth, all alike.")
    for key, tensor in state.items():
        if key.startswith(ENCODER) and not torch.allclose(tensor, masks[key], atol=1e-6):
            raise OptionError(
                "--mask-from needs the same encoder; train with --only from one file."
            )
    return {key: (masks if key.startswith(MASK) else state)[key] for key in state}


if __name__ == "__main__":
    sys.exit(run(main))
