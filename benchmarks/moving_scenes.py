"""Masks of scenes that move: with one photo of the empty scene, their median, and a learned one.

    python -m benchmarks.moving_scenes [--scenes NAME ...] [--photos N] [--frames N] [--sheet FILE]
        [--checkpoint FILE]

Each background of `examples/` is drawn out of shape, differently in each photo: by up to about
12 pixels of 384 in parts of it, as leaves in wind and water are, or as a whole, as by a camera that
shakes. The object of the example stands in the frames, and in some photos of the empty scene
objects pass. Precision, recall and F-measure count the pixels of all frames. The time is that of
the processor for a whole prediction; with several `--frames`, copies are made for the first alone.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.command import check_outputs, run
from benchmarks.photo_pairs import Sample, read_examples
from depthmask.evaluation.sequences import Counts, mask_counts, pooled_scores
from depthmask.inference.background import Background, learn_background
from depthmask.inference.predictor import Predictor
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import resize

WIDTH = 384  # pixels of a scene
GRAINS = (40, 16, 8)  # pixels: sizes of what moves together
AMPLITUDES = (5.0, 3.5, 2.5)  # pixels, of each
NOISE_LEVELS = 2.0
PASSING_PHOTOS = 4  # in a row in which one object passes


@dataclass(frozen=True)
class Movement:
    """How a scene moves between two photos."""

    sway: float = 0.0  # 1: parts of it move as the amplitudes say
    jitter: float = 0.0  # pixels, deviation: the camera shakes
    passing: float = 0.0  # share of the photos at which an object begins to pass


MOVEMENTS = {
    "still": Movement(),
    "a little wind": Movement(sway=0.3),
    "wind": Movement(sway=1),
    "wind, objects pass": Movement(sway=1, passing=0.1),
    "camera shakes": Movement(jitter=3),
    "camera shakes, wind": Movement(sway=1, jitter=2),
}


class Scene:
    """Takes photos of an example's background that moves, of the example's size for all."""

    def __init__(self, sample: Sample, movement: Movement, seed: int) -> None:
        height = round(WIDTH * sample.image.shape[0] / sample.image.shape[1])
        self.background: Picture = resize(sample.background, height, WIDTH)
        self.image: Picture = resize(sample.image, height, WIDTH)
        self.mask: Mask = resize(sample.true.astype(np.float32), height, WIDTH) > 0.5
        self.movement = movement
        self.random = np.random.default_rng(seed)
        # what moves is about half of the scene
        self.moving = np.clip(0.5 + self._smooth(80)[..., :1], 0, 1)
        self.fields = [self._smooth(grain) for grain in GRAINS for _ in range(2)]

    def photo(self, *, shift: int | None = None) -> Picture:
        """The scene at another moment, with the object so many pixels to the right, if at all."""
        height = self.background.shape[0]
        swings = np.sin(self.random.uniform(0, 2 * np.pi, len(self.fields)))
        amplitudes = np.repeat(AMPLITUDES, 2) * swings * self.movement.sway
        flow = sum(a * field for a, field in zip(amplitudes, self.fields, strict=True))
        places = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(height)), axis=-1)
        flow = flow * self.moving + self.random.normal(0, self.movement.jitter, 2) + places
        x, y = cv2.split(flow.astype(np.float32))
        moved = cv2.remap(
            self.background, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        picture = np.asarray(moved, dtype=np.float32)
        if shift is not None:
            matrix = np.array([[1, 0, shift], [0, 1, 0]], np.float64)
            mask = cv2.warpAffine(self.mask.astype(np.uint8), matrix, (WIDTH, height))
            there = np.asarray(cv2.warpAffine(self.image, matrix, (WIDTH, height)))
            picture[np.asarray(mask) > 0] = there[np.asarray(mask) > 0]
        picture += self.random.normal(0, NOISE_LEVELS, picture.shape).astype(np.float32)
        return np.asarray(picture.clip(0, 255).round(), dtype=np.uint8)

    def photos(self, count: int) -> list[Picture]:
        """Photos of the empty scene, through which objects may pass."""
        taken: list[Picture] = []
        while len(taken) < count:
            passes = self.random.random() < self.movement.passing
            start = int(self.random.integers(-WIDTH // 2, WIDTH // 2))
            shifts = [start + 12 * step for step in range(PASSING_PHOTOS)] if passes else [None]
            taken += [self.photo(shift=shift) for shift in shifts]
        return taken[:count]

    def _smooth(self, grain: int) -> Map:
        height = self.background.shape[0]
        size = (max(2, height // grain), max(2, WIDTH // grain), 2)
        rough = self.random.standard_normal(size).astype(np.float32)
        return np.asarray(cv2.resize(rough, (WIDTH, height), interpolation=cv2.INTER_CUBIC))


def backgrounds(photos: list[Picture]) -> Iterator[tuple[str, Background]]:
    yield "one photo", photos[0]
    yield "median", np.median(photos, axis=0).astype(np.uint8)
    yield "learned", learn_background(photos)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", nargs="+", choices=MOVEMENTS, default=list(MOVEMENTS))
    parser.add_argument("--photos", type=int, default=40, help="of each empty scene")
    parser.add_argument("--frames", type=int, default=1, help="with the object, of each scene")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw frames and masks")
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped one")
    options = parser.parse_args()
    check_outputs(options.sheet)
    predictor = Predictor(options.checkpoint)
    samples = [sample for sample in read_examples() if sample.true.any()]
    rows: list[Picture] = []
    print("| scene | background | precision | recall | F | ms |\n|---|---|---|---|---|---|")
    for name in options.scenes:
        totals: dict[str, Counts] = {}
        spent: defaultdict[str, list[float]] = defaultdict(list)
        for seed, sample in enumerate(samples):
            scene = Scene(sample, MOVEMENTS[name], seed)
            known = list(backgrounds(scene.photos(options.photos)))
            frames = [scene.photo(shift=0) for _ in range(options.frames)]
            for frame in frames:
                masks = {}
                for kind, each in known:
                    start = time.process_time()
                    masks[kind] = predictor.predict(each, frame).mask
                    spent[kind].append(time.process_time() - start)
                for kind, mask in masks.items():
                    labels = np.where(scene.mask, 255, 0).astype(np.uint8)
                    totals[kind] = totals.get(kind, 0) + mask_counts(mask, labels)
            grey = [
                np.repeat((mask * 255).astype(np.uint8)[..., None], 3, 2) for mask in masks.values()
            ]
            rows.append(np.hstack([frames[-1], *grey]))
        for kind, counts in totals.items():
            scores = " | ".join(f"{value:.3f}" for value in pooled_scores(counts).values())
            milliseconds = 1000 * float(np.median(spent[kind]))
            print(f"| {name} | {kind} | {scores} | {milliseconds:.0f} |", flush=True)
    if options.sheet:
        height = min(row.shape[0] for row in rows)
        Image.fromarray(np.vstack([row[:height] for row in rows])).save(options.sheet)


if __name__ == "__main__":
    sys.exit(run(main))
