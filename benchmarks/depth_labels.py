"""How exact the depth labels of composites are.

    python -m benchmarks.depth_labels --data PACK --teacher FILE:UNIT[:WEIGHT] ... [--real DIR]

First it labels held-out backgrounds, and the same mirrored, darker, smaller, with views, and by
each teacher alone. It prints how much the depths differ: RMSE over the standard deviation of the
depth of all pictures, as in `benchmarks.composites`. No network can be expected to differ less from
such labels.

Then it labels images of known depth: the repository's examples, and every fourth frame of the
sequences in DIR that have depth. It prints the share of the inverse depth's variance that the
labels do not explain (1 - r^2), without and with views.
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
from depthmask.composites.pools import Pool, load_checkpoint_pools
from depthmask.data.teachers import Ensemble, TeacherSpec
from depthmask.depth import depth_from_ratio, inverse_from_depth
from depthmask.evaluation.array_metrics import Values, depth_rmse
from depthmask.evaluation.frames import pictures_of
from depthmask.evaluation.truth import known_depth
from depthmask.files import EXAMPLES
from depthmask.network.checkpoint import WEIGHTS, read_info
from depthmask.pictures import Map, Mask, Picture, read_picture, read_true_depth

SIDE = 112  # of the depth maps that are compared, in pixels
EXAMPLE_SHORT_SIDE = 448  # of an example as the teacher sees it, in pixels

Labeller = Callable[[Picture], Map]  # depth of (SIDE, SIDE), see `depthmask.depth`
KnownDepth = tuple[str, Picture, Values, Mask]  # scene, image, inverse depth, its valid pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="packed training data")
    parser.add_argument(
        "--teacher", type=TeacherSpec.parse, nargs="+", required=True, metavar="FILE:UNIT[:WEIGHT]"
    )
    parser.add_argument(
        "--checkpoint", type=Path, default=WEIGHTS, help="tells which pictures are held out"
    )
    parser.add_argument("--count", type=int, default=200, help="pictures at most")
    parser.add_argument("--real", type=Path, metavar="DIR", help="sequences, some with depth")
    options = parser.parse_args()
    check_folders(options.real)
    _, pools = load_checkpoint_pools(
        options.data, read_info(options.checkpoint), torch.device("cpu")
    )
    shown = list(first_pictures(pools.backgrounds, options.count))
    print(f"{len(shown)} held-out backgrounds, {SIDE} px, RMSE over the deviation of all labels")
    for name, found in compare_labels(shown, options.teacher).items():
        print(f"  {name:60} {found:.3f}")
    known = [*read_known_examples(), *(read_known_frames(options.real) if options.real else ())]
    print("Images of known depth: share of the inverse depth's variance that is not explained")
    for views in (False, True):
        for scene, share in unexplained_variance(
            known, Ensemble(options.teacher, views=views)
        ).items():
            print(f"  {'views' if views else 'plain'} {scene:54} {share:.3f}")


def first_pictures(pool: Pool, count: int) -> Iterator[Picture]:
    """Yields the pool's first pictures as squares, (S, S, 3)."""
    for member in pool.members[:count].tolist():
        yield pool.levels[0][member].permute(1, 2, 0).contiguous().numpy()


def compare_labels(shown: Sequence[Picture], teachers: Sequence[TeacherSpec]) -> dict[str, float]:
    """Measures how much labels differ that should be the same, for each kind of change."""
    label = make_labeller(teachers)
    labels = [label(picture) for picture in shown]
    deviation = float(np.std(np.stack(labels)))

    def difference(one: Sequence[Map], other: Sequence[Map]) -> float:
        return float(np.mean(list(map(depth_rmse, one, other)))) / deviation

    found = {
        "picture mirrored": difference(labels, [label(p[:, ::-1].copy())[:, ::-1] for p in shown]),
        "picture a fifth darker": difference(
            labels, [label((p * 0.8).astype(np.uint8)) for p in shown]
        ),
        "picture of half the side": difference(labels, [label(_halved(p)) for p in shown]),
        "with views": difference(labels, list(map(make_labeller(teachers, views=True), shown))),
    }
    if len(teachers) > 1:
        alone = {spec: list(map(make_labeller([spec]), shown)) for spec in teachers}
        for spec, own in alone.items():
            found[f"{spec.path.stem} alone"] = difference(labels, own)
        for one, other in combinations(alone, 2):
            name = f"{one.path.stem} against {other.path.stem}"
            found[name] = difference(alone[one], alone[other])
    return found


def read_known_examples() -> Iterator[KnownDepth]:
    """Yields the repository's examples, whose depth is exact."""
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        image = read_picture(folder / "image.jpg")
        depth = _shrunk(read_true_depth(folder / "depth.png").values)
        yield folder.name, _shrunk(image), inverse_from_depth(depth), depth > 0


def read_known_frames(folder: Path) -> Iterator[KnownDepth]:
    """Yields every fourth frame of the sequences with depth."""
    for path in sorted(folder.glob("*/depth/*.png"))[::4]:
        sequence = path.parent.parent
        depth = read_true_depth(path).values
        images = pictures_of(sequence / "image")
        image = read_picture(images.get(path.stem, sequence / "image" / path.name))
        valid = known_depth(depth)
        yield sequence.name, image, 1 / np.where(valid, depth, 1), valid


def unexplained_variance(known: Sequence[KnownDepth], ensemble: Ensemble) -> dict[str, float]:
    """Computes 1 - r^2 of labels and true inverse depth for each scene, and their mean."""
    found: dict[str, list[float]] = {}
    for scene, image, inverse, valid in known:
        r = np.corrcoef(ensemble.label(image)[valid], inverse[valid])[0, 1]
        found.setdefault(scene, []).append(float(1 - r**2))
    scenes = {scene: float(np.mean(shares)) for scene, shares in found.items()}
    return {**scenes, "mean": float(np.mean(list(scenes.values())))}


def make_labeller(teachers: Sequence[TeacherSpec], *, views: bool = False) -> Labeller:
    """Returns a function that labels a picture with an ensemble."""
    ensemble = Ensemble(teachers, views=views)

    def label(picture: Picture) -> Map:
        ratio = cv2.resize(ensemble.label(picture), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return np.asarray(depth_from_ratio(torch.from_numpy(ratio)).numpy(), dtype=np.float32)

    return label


def _halved(picture: Picture) -> Picture:
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.asarray(half, dtype=np.uint8)


def _shrunk(picture: Values) -> Values:
    scale = EXAMPLE_SHORT_SIDE / min(picture.shape[:2])
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


if __name__ == "__main__":
    sys.exit(run(main))
