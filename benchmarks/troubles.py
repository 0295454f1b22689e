"""Whether what is wrong with a pair of photos is told, and sound pairs are left in peace.

    python -m benchmarks.troubles [--real FOLDER] [--data PACK] [--composites N] [--pairs N]
        [--half fresh] [--cache FOLDER]

Sound pairs come from the examples, from composites, and from FOLDER, which is laid out as
`python -m depthmask evaluate --help` tells. PACK is packed training data, of which only the side
kept for validation is used; without it, composites are made of the examples. Some of the sound
pairs are spoilt in all ways of `benchmarks/trouble_pairs.py`. A spoilt pair is told if its verdict
is not "good", and named if one of its troubles is of its kind. It has lost if the IoU of the
network's mask fell by more than 0.1, before what is gone from the image was left out of it.

What the network sees and gives is kept in the cache, so that thresholds can be tuned in seconds.
"""

import argparse
import hashlib
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.command import check_folders, run
from benchmarks.photo_pairs import Sample
from benchmarks.trouble_pairs import MAX_SHARE, MIN_SHARE, SEEDS, TROUBLES, Base, make_sound
from depthmask.backends import Backend
from depthmask.inference.predictor import Predictor
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import resize

MIN_LOSS = 0.1  # of IoU
# what else names a kind of trouble rightly
ALSO = {
    "black": {"light"},
    "white": {"light"},
    "exposure": {"black", "white", "light"},
    "balance": {"light"},
    "scene": {"changed", "most", "unaligned"},
    "moved": {"unaligned", "changed"},
    "gone": {"swapped"},
    "covered": {"moved", "unaligned", "changed"},
}


class Seen(NamedTuple):
    """What was predicted of a pair."""

    iou: float  # of the mask
    raw_iou: float  # of the mask with what is gone from the image
    verdict: str
    kinds: frozenset[str]


@dataclass
class CachedBackend:
    """A backend that remembers what it has seen, in a folder."""

    backend: Backend
    folder: Path
    last: Map = field(default_factory=lambda: np.zeros((1, 1), np.float32))  # mask

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def precision(self) -> str:
        return self.backend.precision

    @property
    def device(self) -> str:
        return self.backend.device

    @property
    def resolution(self) -> int:
        return self.backend.resolution

    def run(self, background: Picture, image: Picture) -> dict[str, Map]:
        """See `Backend.run`; the maps are rounded to 8 bits."""
        seen = hashlib.sha256(self.precision.encode() + background.tobytes() + image.tobytes())
        file = self.folder / f"{seen.hexdigest()}.npz"
        if not file.exists():
            maps = self.backend.run(background, image)
            levels = {task: np.rint(values * 255).astype(np.uint8) for task, values in maps.items()}
            np.savez_compressed(file, allow_pickle=False, **levels)
        with np.load(file) as stored:
            maps = {task: stored[task].astype(np.float32) / 255 for task in stored.files}
        self.last = maps["mask"].copy()
        return maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="sequences with truth")
    parser.add_argument("--data", type=Path, metavar="PACK", help="packed training data")
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped one")
    parser.add_argument("--composites", type=int, default=300, help="sound ones")
    parser.add_argument("--pairs", type=int, default=40, help="of the sound ones that are spoilt")
    parser.add_argument("--half", choices=list(SEEDS), default="fresh")
    parser.add_argument("--kinds", nargs="+", default=list(TROUBLES), choices=list(TROUBLES))
    parser.add_argument("--cache", type=Path, default=Path("runs/troubles"))
    options = parser.parse_args()
    check_folders(options.real)
    options.cache.mkdir(parents=True, exist_ok=True)
    predictor = Predictor(options.checkpoint)
    predictor.backend = CachedBackend(predictor.backend, options.cache)
    bases = list(
        make_sound(
            options.half,
            options.cache,
            real=options.real,
            data=options.data,
            composites=options.composites,
        )
    )
    print(f"{predictor.backend.precision}, {options.half} half")
    show_sound(predictor, bases)
    show_spoilt(predictor, choose(bases, options.pairs), options.kinds)


def choose(bases: list[Base], number: int) -> list[Base]:
    """Some pairs with a foreground, evenly spread, of each group about the same share."""
    fit = [base for base in bases if MIN_SHARE < base.sample.true.mean() < MAX_SHARE]
    groups = defaultdict(list)
    for base in fit:
        groups[base.group].append(base)
    shares = {"rendered": 0.15, "real": 0.3, "composites": 1.0}
    chosen: list[Base] = []
    for group in sorted(groups, key=lambda name: shares[name]):
        wanted = min(len(groups[group]), round((number - len(chosen)) * shares[group]))
        places = np.linspace(0, len(groups[group]) - 1, max(1, wanted)).round().astype(int)
        chosen += [groups[group][place] for place in places]
    return chosen


def show_sound(predictor: Predictor, bases: list[Base]) -> None:
    """Prints how many sound pairs of each group are not called good."""
    print("\n| sound pairs | | not called good | as |\n|---|---|---|---|")
    groups = defaultdict(list)
    for base in bases:
        groups[base.group].append(look(predictor, base.sample).verdict)
    for group, verdicts in groups.items():
        alarms = [verdict for verdict in verdicts if verdict != "good"]
        print(f"| {group} | {len(verdicts)} | {len(alarms)} | {', '.join(sorted(alarms))} |")
    whole = [verdict for verdicts in groups.values() for verdict in verdicts]
    alarms = [verdict for verdict in whole if verdict != "good"]
    print(f"| all | {len(whole)} | {len(alarms)}: {len(alarms) / len(whole):.1%} | |", flush=True)


def show_spoilt(predictor: Predictor, bases: list[Base], kinds: list[str]) -> None:
    """Prints a row for each kind of trouble, and one for each of its strengths."""
    print("\n| trouble | pairs | told | have lost | of these told | named | IoU | raw IoU |")
    print("|---" * 8 + "|")
    sound = [look(predictor, base.sample).iou for base in bases]
    for kind in kinds:
        rows = {}
        for strength, spoil in TROUBLES[kind].items():
            seen = [look(predictor, spoil(base)) for base in bases]
            rows[strength] = [(x, best - x.raw_iou) for x, best in zip(seen, sound, strict=True)]
        print_row(f"**{kind}**", kind, [x for row in rows.values() for x in row])
        if len(rows) > 1:
            for strength, row in rows.items():
                print_row(strength, kind, row)


def print_row(name: str, kind: str, row: list[tuple[Seen, float]]) -> None:
    lost = [seen for seen, loss in row if loss > MIN_LOSS]
    told = sum(seen.verdict != "good" for seen, _ in row)
    named = sum(bool(seen.kinds & {kind, *ALSO.get(kind, ())}) for seen in lost)
    of_these = sum(seen.verdict != "good" for seen in lost)
    shares = (f"{count / len(lost):.0%}" if lost else "" for count in (of_these, named))
    iou, raw = (np.mean([getattr(seen, key) for seen, _ in row]) for key in ("iou", "raw_iou"))
    cells = (
        name,
        len(row),
        f"{told / len(row):.0%}",
        len(lost),
        *shares,
        f"{iou:.2f}",
        f"{raw:.2f}",
    )
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def look(predictor: Predictor, sample: Sample) -> Seen:
    """Predicts a pair; IoU is that of what the background shows."""
    found = predictor.predict(sample.background, sample.image, refine=False)
    assert found.pair is not None
    valid = sample.valid if found.unknown is None else sample.valid & ~found.unknown
    mask = found.mask > 0.5
    assert isinstance(predictor.backend, CachedBackend)
    raw = resize(predictor.backend.last, *mask.shape) > 0.5
    kinds = frozenset(trouble.kind for trouble in found.pair.quality.troubles)
    iou, raw_iou = (_iou(x, sample.true, valid) for x in (mask, raw))
    return Seen(iou, raw_iou, found.pair.quality.verdict, kinds)


def _iou(mask: Mask, true: Mask, valid: Mask) -> float:
    both, either = (np.count_nonzero(x & valid) for x in (mask & true, mask | true))
    return both / either if either else 1.0


if __name__ == "__main__":
    sys.exit(run(main))
