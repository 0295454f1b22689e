"""How far depth's labels depend on what should not matter: how sure the truth of composites is.

    python -m benchmarks.depth_labels --data PACK --teacher FILE:UNIT[:WEIGHT] ... [--real DIR]

Labels held-out backgrounds as they are, and mirrored, darker, smaller, by views and by each teacher
alone, and prints how far these depths are from one another in the unit of `benchmarks.composites`:
RMSE over the standard deviation of the depth of all pictures. No network can be expected to come
nearer to such labels than they come to themselves.

Then labels the images whose depth is known, the repository's examples and every fourth frame of the
sequences in DIR that have depth, and prints the share of the inverse depth's variance that the
labels leave unexplained (1 - r^2), one picture at a time and with views.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.command import check_folders, run
from benchmarks.examples import EXAMPLES
from depthmask.composites.pools import Pool, load_checkpoint_pools
from depthmask.data.teachers import Ensemble, TeacherSpec
from depthmask.depth import depth_from_ratio, inverse_from_depth
from depthmask.evaluation.array_metrics import Values, depth_rmse
from depthmask.evaluation.sequences import pictures_of
from depthmask.network.checkpoint import WEIGHTS, read_info
from depthmask.pictures import Map, Mask, Picture, read_grey, read_picture, read_true_depth

SIDE = 112  # pixels at which depths are compared
SHORT_SIDE = 448  # of an example, as the teacher sees it

Labeller = Callable[[Picture], Map]  # depth of (SIDE, SIDE), see `depthmask.depth`
Known = tuple[str, Picture, Values, Mask]  # scene's name, image, inverse depth, where that is known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="packed training data")
    parser.add_argument(
        "--teacher", type=TeacherSpec.parse, nargs="+", required=True, metavar="FILE:UNIT[:WEIGHT]"
    )
    parser.add_argument("--checkpoint", type=Path, default=WEIGHTS, help="says what is held out")
    parser.add_argument("--count", type=int, default=200, help="pictures at most")
    parser.add_argument("--real", type=Path, metavar="DIR", help="sequences, some with depth")
    options = parser.parse_args()
    check_folders(options.real)
    _, pools = load_checkpoint_pools(
        options.data, read_info(options.checkpoint), torch.device("cpu")
    )
    shown = list(pictures(pools.backgrounds, options.count))
    print(f"{len(shown)} held-out backgrounds, {SIDE} px, RMSE over the deviation of all labels")
    for name, difference in compare(shown, options.teacher).items():
        print(f"  {name:60} {difference:.3f}")
    known = [*known_examples(), *(known_frames(options.real) if options.real else ())]
    print("Depth that is known: share of the inverse depth's variance left unexplained")
    for views in (False, True):
        for scene, share in unexplained(known, Ensemble(options.teacher, views=views)).items():
            print(f"  {'views' if views else 'plain'} {scene:54} {share:.3f}")


def pictures(pool: Pool, count: int) -> Iterator[Picture]:
    """The pool's first pictures, as the squares that composites show."""
    for member in pool.members[:count].tolist():
        yield pool.levels[0][member].permute(1, 2, 0).contiguous().numpy()


def compare(shown: Sequence[Picture], teachers: Sequence[TeacherSpec]) -> dict[str, float]:
    """How far labels are apart that ought to be the same, by what differs."""
    plain = labeller(teachers)
    labels = [plain(picture) for picture in shown]
    deviation = float(np.std(np.stack(labels)))

    def apart(one: Sequence[Map], other: Sequence[Map]) -> float:
        return float(np.mean(list(map(depth_rmse, one, other)))) / deviation

    found = {
        "picture mirrored": apart(labels, [plain(p[:, ::-1].copy())[:, ::-1] for p in shown]),
        "picture a fifth darker": apart(labels, [plain((p * 0.8).astype(np.uint8)) for p in shown]),
        "picture of half the side": apart(labels, [plain(_halved(p)) for p in shown]),
        "by views": apart(labels, list(map(labeller(teachers, views=True), shown))),
    }
    if len(teachers) > 1:
        alone = {spec: list(map(labeller([spec]), shown)) for spec in teachers}
        for spec, own in alone.items():
            found[f"{spec.path.stem} alone"] = apart(labels, own)
        for one, other in combinations(alone, 2):
            name = f"{one.path.stem} against {other.path.stem}"
            found[name] = apart(alone[one], alone[other])
    return found


def known_examples() -> Iterator[Known]:
    """The repository's examples, whose depth is that of their models."""
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        image = read_picture(folder / "image.jpg")
        depth = _smaller(read_true_depth(folder / "depth.png"))
        yield folder.name, _smaller(image), inverse_from_depth(depth), depth > 0


def known_frames(folder: Path) -> Iterator[Known]:
    """Every fourth frame of the sequences with depth, in millimetres; 0 is unknown."""
    for path in sorted(folder.glob("*/depth/*.png"))[::4]:
        sequence = path.parent.parent
        depth = read_grey(path).astype(np.float32)
        images = pictures_of(sequence / "image")
        image = read_picture(images.get(path.stem, sequence / "image" / path.name))
        yield sequence.name, image, 1 / np.maximum(depth, 1), depth > 0


def unexplained(known: Sequence[Known], ensemble: Ensemble) -> dict[str, float]:
    """1 - r^2 of labels and truth by scene, and the mean over scenes."""
    found: dict[str, list[float]] = {}
    for scene, image, inverse, valid in known:
        r = np.corrcoef(ensemble.label(image)[valid], inverse[valid])[0, 1]
        found.setdefault(scene, []).append(float(1 - r**2))
    scenes = {scene: float(np.mean(shares)) for scene, shares in found.items()}
    return {**scenes, "mean": float(np.mean(list(scenes.values())))}


def labeller(teachers: Sequence[TeacherSpec], *, views: bool = False) -> Labeller:
    """What turns a picture into its depth, by an ensemble."""
    ensemble = Ensemble(teachers, views=views)

    def label(picture: Picture) -> Map:
        ratio = cv2.resize(ensemble.label(picture), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return np.asarray(depth_from_ratio(torch.from_numpy(ratio)).numpy(), dtype=np.float32)

    return label


def _halved(picture: Picture) -> Picture:
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(half, dtype=np.uint8)


def _smaller(picture: Values) -> Values:
    scale = SHORT_SIDE / min(picture.shape[:2])
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    sys.exit(run(main))
