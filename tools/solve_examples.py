"""Predicts the examples, so that the page shows each of them at once.

    python -m tools.solve_examples

To be run again when the weights, the examples, or the files of a scene (scene.py) have changed;
tests notice that.
"""

import argparse
import sys

from benchmarks.command import run
from depthmask.app.examples import find_examples
from depthmask.app.photos.solved import solve
from depthmask.inference.predictor import Predictor
from depthmask.network.checkpoint import WEIGHTS

QUALITY = "balanced"  # what the page is started with


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0]).parse_args()
    predictor = Predictor(WEIGHTS, quality=QUALITY)
    sizes = [solve(example, predictor, WEIGHTS, QUALITY) for example in find_examples()]
    print(f"{len(sizes)} examples, {sum(sizes) / 1e6:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run(main))
