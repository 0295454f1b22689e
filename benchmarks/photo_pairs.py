"""What is done to a pair of photos before the network sees it, measured step by step.

    python -m benchmarks.photo_pairs FOLDER --data PACK [--frames N] [--samples N]
        [--groups real ...]

FOLDER is laid out as `python -m depthmask evaluate --help` tells; PACK is packed training data, of
which only the side kept for validation is used. To each background is done what cameras do between
two shots, and the mask is compared with the truth without alignment and light match, with one of
them, and with both. Then every pair is shown in both orders, and two views of one scene must stay
empty: scikit-image's stereo pair of a motorcycle, where near things move by up to 60 pixels.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import torch

from benchmarks.command import check_folders, run
from depthmask.evaluation.frames import background_of, frames_with_truth
from depthmask.evaluation.metrics import boundary_iou, mask_iou
from depthmask.evaluation.sequences import MIN_FOREGROUND_SHARE
from depthmask.evaluation.truth import split_labels
from depthmask.files import EXAMPLES
from depthmask.inference.light import LightMatch, apply_light
from depthmask.inference.predictor import Predictor
from depthmask.pictures import Mask, Picture, read_labels, read_mask, read_picture
from depthmask.training.config import TrainConfig

if TYPE_CHECKING:
    from depthmask.composites.compose import Batch

STEPS: dict[
    str, dict[str, Any]
] = {  # the mask is not refined: that is measured elsewhere, and needs its time
    "neither": {"align": False, "light": False, "refine": False},
    "align": {"align": True, "light": False, "refine": False},
    "light": {"align": False, "light": True, "refine": False},
    "both": {"align": True, "light": True, "refine": False},
}


class Sample(NamedTuple):
    """A pair with its truth."""

    background: Picture  # (H, W, 3)
    image: Picture  # (H, W, 3)
    true: Mask  # (H, W)
    valid: Mask  # (H, W), pixels that count


Change = Callable[[Picture], Picture]


def move(share: float) -> Change:
    """Moves a picture by a share of its diagonal, turns it by as many times 30 degrees."""

    def change(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        distance = share * float(np.hypot(height, width))
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 30 * share, 1.0)
        matrix = turn + distance * np.array([[0, 0, 0.8], [0, 0, 0.6]])
        moved = cv2.warpAffine(
            picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        return np.asarray(moved, dtype=np.uint8)

    return change


def expose(*stops: float) -> Change:
    """Changes the light by some stops in red, green and blue."""
    match = LightMatch(np.exp2(np.array(stops)), 0.0, True, "")
    return lambda picture: apply_light(picture, match)


def compress(quality: int) -> Change:
    """Saves as JPEG and reads it again."""

    def change(picture: Picture) -> Picture:
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)

    return change


def add_noise(level: float) -> Change:
    """Adds noise of a standard deviation in levels, the same for each picture of one size."""

    def change(picture: Picture) -> Picture:
        noise = np.random.default_rng(0).normal(0, level, picture.shape)
        return np.rint(picture + noise).clip(0, 255).astype(np.uint8)

    return change


def shade(share: float) -> Change:
    """Takes a share of the light from a slanted half of a picture; the border is soft."""

    def change(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        rows, columns = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        lit = 1 - share / (1 + np.exp(-20 * (columns + 0.5 * rows)))
        return np.rint(picture * lit[..., None]).astype(np.uint8)

    return change


CHANGES: dict[str, Change] = {
    "as taken": lambda picture: picture,
    "moved 1 %": move(0.01),
    "moved 3 %": move(0.03),
    "-1 stop": expose(-1, -1, -1),
    "+1 stop": expose(1, 1, 1),
    "warmer": expose(0.3, 0, -0.3),
    "half in shadow": shade(0.35),
    "noise": add_noise(10),
    "JPEG of quality 30": compress(30),
    "several": lambda picture: compress(30)(
        add_noise(10)(expose(-0.8, -1, -1.2)(move(0.01)(picture)))
    ),
}


def read_sequences(folder: Path, frames: int) -> Iterator[Sample]:
    """Some frames of each sequence in a folder, evenly spread."""
    for sequence in sorted(path for path in folder.iterdir() if (path / "mask").is_dir()):
        known = frames_with_truth(sequence, needed={"mask"})
        if not known:
            continue
        for number in np.linspace(0, len(known) - 1, frames).round().astype(int):
            labels = read_labels(known[number]["mask"])
            image = read_picture(known[number]["image"])
            background = read_picture(background_of(sequence))
            yield Sample(background, image, *split_labels(labels))


def read_examples() -> Iterator[Sample]:
    """The rendered pairs of this repository."""
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        true = read_mask(folder / "mask.png")
        background, image = (read_picture(folder / f"{x}.jpg") for x in ("background", "image"))
        yield Sample(background, image, true, np.ones_like(true))


def make_composites(data: Path, number: int) -> Iterator[Sample]:
    """Composites of held-out pictures, with shadows, in which the camera did nothing."""
    from depthmask.composites.compose import compose
    from depthmask.composites.pools import load_pools
    from depthmask.composites.recipe import Recipe

    _, pools = load_pools(data, torch.device("cpu"), held_out=TrainConfig.held_out)
    recipe = Recipe(moves=0.0, parallax=0.0, lens=None)
    return samples_of(compose(pools, torch.arange(number), size=(240, 320), recipe=recipe))


def samples_of(batch: "Batch") -> Iterator[Sample]:
    """The pairs of a batch of composites."""
    pictures = [
        (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        for x in (batch.background, batch.image)
    ]
    for background, image, mask in zip(*pictures, batch.true_mask[:, 0].numpy(), strict=True):
        true = mask > 0.5
        yield Sample(background, image, true, np.ones_like(true))


GROUPS: dict[str, Callable[[argparse.Namespace], Iterable[Sample]]] = {
    "real": lambda options: read_sequences(options.folder, options.frames),
    "rendered": lambda options: read_examples(),
    "composites": lambda options: make_composites(options.data, options.samples),
}


def measure(
    predictor: Predictor, samples: list[Sample], change: Change, chosen: list[str]
) -> list[str]:
    """Mean IoU and boundary IoU for each choice of steps, over the samples with a foreground."""
    cells = []
    for steps in (STEPS[name] for name in chosen):
        scores = []
        for sample in samples:
            if sample.true.mean() < MIN_FOREGROUND_SHARE:
                continue
            found = predictor.predict(change(sample.background), sample.image, **steps)
            maps = [torch.from_numpy(x)[None] for x in (found.mask, sample.true, sample.valid)]
            scores.append([metric(*maps).item() for metric in (mask_iou, boundary_iou)])
        iou, boundary = np.mean(scores, axis=0)
        cells.append(f"{iou:.3f} / {boundary:.3f}")
    return cells


def show_orders(predictor: Predictor, samples: Iterable[Sample]) -> str:
    """Shares of pairs that are called swapped, when they are not and when they are."""
    called = [
        [
            predictor.predict(*order).pair
            for order in ((x.background, x.image), (x.image, x.background))
        ]
        for x in samples
        if x.true.mean() >= MIN_FOREGROUND_SHARE
    ]
    shares = np.mean(
        [
            [pair is not None and pair.quality.verdict == "swapped" for pair in row]
            for row in called
        ],
        axis=0,
    )
    return f"{len(called)} pairs | {shares[0]:.1%} | {shares[1]:.1%}"


def show_stereo(predictor: Predictor) -> None:
    """Share of two views of one scene that is taken for foreground."""
    try:
        from skimage import data
    except ImportError:
        print("The stereo pair is left out; it comes with `pip install scikit-image`.")
        return
    left, right, _ = data.stereo_motorcycle()
    print("\n| the motorcycle's view | foreground without alignment | with |\n|---|---|---|")
    for name, background, image in (("left", right, left), ("right", left, right)):
        shares = [
            (predictor.predict(background, image, align=align).mask > 0.5).mean()
            for align in (False, True)
        ]
        print(f"| {name} | {shares[0]:.1%} | {shares[1]:.1%} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="packed training data")
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped one")
    parser.add_argument("--frames", type=int, default=4, help="of each sequence")
    parser.add_argument("--samples", type=int, default=32, help="composites")
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--groups", nargs="+", default=list(GROUPS), choices=list(GROUPS))
    options = parser.parse_args()
    check_folders(options.folder)
    predictor = Predictor(options.checkpoint)
    groups = {name: list(GROUPS[name](options)) for name in options.groups}
    show_stereo(predictor)
    print("\n| order | | called swapped: right order | wrong order |\n|---|---|---|---|")
    for name, samples in groups.items():
        print(f"| {name} | {show_orders(predictor, samples)} |", flush=True)
    for name, samples in groups.items():
        print(f"\n| {name}: IoU / boundary IoU | " + " | ".join(options.steps) + " |")
        print("|---" * (len(options.steps) + 1) + "|")
        for label, change in CHANGES.items():
            cells = measure(predictor, samples, change, options.steps)
            print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(run(main))
