"""Averages checkpoints: python -m tools.average_checkpoints --data PACK -r R -o OUT FILE...

The mean of weights from the end of runs that began alike often does better than each. It is scored
at R pixels, where it shall be used, on composites of held-out pictures made by the default recipe;
its configuration is the last FILE's.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.command import check_outputs, run
from depthmask.checkpoint import read_checkpoint, save_checkpoint
from depthmask.config import TrainConfig
from depthmask.data.recipe import Recipe
from depthmask.measure import load_sides, measure
from depthmask.model import U2Net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--data", type=Path, required=True, metavar="PACK")
    parser.add_argument("-r", "--resolution", type=int, required=True, metavar="R")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    options = parser.parse_args()
    check_outputs(options.output)
    states, infos = zip(*(read_checkpoint(file) for file in options.files), strict=True)
    mean = {
        key: torch.stack([state[key] for state in states]).mean(dim=0)
        if last.is_floating_point()
        else last
        for key, last in states[-1].items()
    }
    model = U2Net(infos[-1].tasks)
    model.load_state_dict(mean)
    _, pools = load_sides(options.data, infos[-1], torch.device("cpu"))
    info = replace(
        infos[-1],
        resolution=options.resolution,
        training={**infos[-1].training, "averaged": [file.name for file in options.files]},
        metrics=measure(model.eval(), pools, options.resolution, TrainConfig.validation, Recipe()),
    )
    save_checkpoint(options.output, mean, info)


if __name__ == "__main__":
    sys.exit(run(main))
