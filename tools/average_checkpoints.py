"""Averages checkpoints of one training run: python -m tools.average_checkpoints -r R -o OUT FILE...

The mean of weights from the end of several phases often does better than each. R is the resolution
at which the result was found to work best; everything else is described as in the last FILE.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from depthmask.checkpoint import read_checkpoint, save_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("-r", "--resolution", type=int, required=True, metavar="R")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    options = parser.parse_args()
    states, infos = zip(*(read_checkpoint(file) for file in options.files), strict=True)
    mean = {
        key: torch.stack([state[key] for state in states]).mean(dim=0)
        if last.is_floating_point()
        else last
        for key, last in states[-1].items()
    }
    training = {**infos[-1].training, "averaged": [file.name for file in options.files]}
    info = replace(infos[-1], resolution=options.resolution, training=training)
    save_checkpoint(options.output, mean, info)


if __name__ == "__main__":
    main()
