"""Whether memory stays flat over many predictions, through each backend.

    python -m benchmarks.prediction_memory [--predictions 2000] [--backends NAME ...]

Each backend predicts an example, small, again and again, in a process of its own; the photos differ
a little from one prediction to the next. It prints the megabytes of the process after each quarter.
The exit code is 1 if a backend holds over a tenth more in the end than after the first quarter.
"""

import argparse
import sys
from multiprocessing import get_context

import numpy as np

from benchmarks.command import resident_megabytes, run
from depthmask.backends import backend_names
from depthmask.files import EXAMPLES
from depthmask.inference.predictor import Predictor
from depthmask.pictures import read_picture
from depthmask.pictures.resize import resize

SIZE = (240, 320)  # height and width of the photos
QUARTERS = 4
MOST_GROWTH = 1.1


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--predictions", type=int, default=2000, metavar="N", help="(%(default)s)")
    add("--backends", nargs="+", choices=backend_names(), default=backend_names(), metavar="NAME")
    options = parser.parse_args()
    grown = []
    print("megabytes after each quarter", flush=True)
    for name in options.backends:
        with get_context("spawn").Pool(1) as pool:
            megabytes = pool.apply(watch, (name, options.predictions))
        print(f"{name:12}", *(f"{value:8.1f}" for value in megabytes), flush=True)
        if not megabytes[-1] < MOST_GROWTH * megabytes[0]:
            grown.append(name)
    if grown:
        print(f"memory grows with {', '.join(grown)}")
        sys.exit(1)


def watch(backend: str, count: int) -> list[float]:
    """Predicts so many times, and returns the megabytes of this process after each quarter."""
    predictor = Predictor(backend=backend, quality="fast")
    teddy = EXAMPLES / "teddy"
    background, image = (
        resize(read_picture(teddy / f"{name}.jpg"), *SIZE) for name in ("background", "image")
    )
    dice = np.random.default_rng(0)
    megabytes = []
    for _ in range(QUARTERS):
        for _ in range(max(1, count // QUARTERS)):
            noise = dice.integers(0, 3, image.shape, dtype=np.uint8)
            predictor.predict(background, np.minimum(image, 253) + noise)
        megabytes.append(resident_megabytes())
    return megabytes


if __name__ == "__main__":
    sys.exit(run(main))
