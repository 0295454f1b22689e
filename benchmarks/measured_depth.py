"""How exact depth is on photos whose depth was measured.

    python -m benchmarks.measured_depth FOLDER [--measured-depth DIR] [--checkpoint FILE ...]

Each photo of an empty scene is given as background and as image. FOLDER holds photos, and depth
under their names, as for `depthmask pack --measured-depth`. One row is printed for each folder with
photos, and one for all. Inverse depth is fitted to the truth by a scale and a shift. The first row
of each is a baseline: a fit of the mean truth, which is what a flat map gets.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.command import check_folders, run
from depthmask.data.folders import find_pictures
from depthmask.data.measured import find_measured, read_measured
from depthmask.evaluation.sequences import depth_scores
from depthmask.inference.predictor import Predictor
from depthmask.network.checkpoint import WEIGHTS
from depthmask.pictures import Map, Picture, read_picture

COLUMNS = ("abs_rel", "delta1", "rmse_m")
Scores = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--measured-depth", type=Path, metavar="DIR", help="default: FOLDER")
    parser.add_argument("--checkpoint", type=Path, nargs="+", default=[WEIGHTS])
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each Nth photo")
    options = parser.parse_args()
    check_folders(options.folder)
    measured = options.measured_depth or options.folder
    paths, depth = find_measured(find_pictures(options.folder), options.folder, measured)
    chosen = [path for path in paths if path in depth][:: max(1, options.every)]
    predictors = {path.name: Predictor(path) for path in options.checkpoint}
    found: dict[str, dict[str, list[Scores]]] = {"flat": {}, **{name: {} for name in predictors}}
    for path in chosen:
        photo = read_picture(path)
        metres = read_measured(depth[path], photo)
        scene = path.parent.name
        found["flat"].setdefault(scene, []).append(flat_scores(metres))
        for name, predictor in predictors.items():
            found[name].setdefault(scene, []).append(photo_scores(predictor, photo, metres))
    print(f"{'':40} {'photos':>7} " + " ".join(f"{column:>9}" for column in COLUMNS))
    for scene in found["flat"]:
        for name, scenes in found.items():
            print_row(f"{scene}, {name}", scenes[scene])
    for name, scenes in found.items():
        print_row(f"all, {name}", [scores for rows in scenes.values() for scores in rows])


def photo_scores(predictor: Predictor, photo: Picture, metres: Map) -> Scores:
    """Scores the depth of an empty scene, see `depth_scores`; metres are (H, W), 0 = none."""
    depth = predictor.predict(photo, photo, align=False, light=False, refine=False).depth
    return depth_scores(depth, metres)


def flat_scores(metres: Map) -> Scores:
    """The scores of a depth map that is the same everywhere."""
    return depth_scores(np.full(metres.shape, 0.5, np.float32), metres)


def print_row(name: str, rows: list[Scores]) -> None:
    means = (np.mean([row[column] for row in rows if row]) for column in COLUMNS)
    print(f"{name:40} {len(rows):7} " + " ".join(f"{mean:9.3f}" for mean in means), flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
