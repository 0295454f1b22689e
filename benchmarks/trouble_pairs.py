"""Pairs of photos that go wrong, made of sound ones: one kind of trouble each, at some strengths.

`make_sound` gives the sound pairs, and `TROUBLES` what is done to them.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from benchmarks.photo_pairs import (
    Change,
    Sample,
    expose,
    move,
    read_examples,
    read_sequences,
    samples_of,
)
from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import crop_to_aspect, resize

COMPOSITE_SIZE = (288, 384)  # pixels
MIN_SHARE, MAX_SHARE = 0.01, 0.6  # of the picture: the foreground of a pair that is to go wrong


REAL_FRAMES = 16  # of each sequence
SEEDS = {"tuned": 2**30 + 78, "fresh": 2**30 + 79}  # of composites


class Base(NamedTuple):
    """A sound pair, and others of its group that lend it what is strange to it."""

    group: str  # real, rendered or composites
    number: int
    sample: Sample
    other: Sample  # has a foreground
    elsewhere: Sample  # shows another scene


Spoil = Callable[[Base], Sample]  # a pair gone wrong, with the truth it has then


def make_sound(
    half: str, cache: Path, *, real: Path | None, data: Path | None, composites: int
) -> Iterator[Base]:
    """Sound pairs: real ones, the examples, and composites of held-out pictures or the examples.

    Args:
        half: "tuned", on which thresholds were chosen, or "fresh": a fifth of the real frames or
            the others, and composites of a seed or of another.
        cache: Keeps composites from one run to the next, as unpacking takes minutes.
        real: A folder of sequences.
        data: A pack of training data; without it, composites are made of the examples.
        composites: How many.
    """
    groups: dict[str, list[Sample]] = {"rendered": list(read_examples())}
    if real is not None:
        groups["real"] = list(read_sequences(real, REAL_FRAMES))
    if data is not None:
        kept = cache / f"composites-{half}-{composites}.npz"
        groups["composites"] = list(_kept(kept, lambda: _compose(data, composites, SEEDS[half])))
    else:
        groups["composites"] = list(_mix(groups["rendered"], composites, SEEDS[half]))
    for group, samples in groups.items():
        near, far = (5, REAL_FRAMES) if group == "real" else (1, 2)
        for number, sample in enumerate(samples):
            if group == "real" and (number % 5 == 0) != (half == "tuned"):
                continue
            if np.array_equal(sample.background, sample.image):
                continue  # an empty scene and a perfect camera: one photo twice
            others = [samples[(number + step) % len(samples)] for step in range(len(samples))]
            other = next(x for x in others[near:] if x.true.mean() > MIN_SHARE)
            yield Base(group, number, sample, other, others[far])


def _kept(file: Path, make: Callable[[], Iterator[Sample]]) -> Iterator[Sample]:
    """Samples of one size as a file has them; made, and written there, if it is missing."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        stacks = [np.stack(values) for values in zip(*make(), strict=True)]
        np.savez(file, allow_pickle=False, **dict(zip(Sample._fields, stacks, strict=True)))
    with np.load(file) as stored:
        stacks = [stored[name] for name in Sample._fields]
    return (Sample(*values) for values in zip(*stacks, strict=True))


def _compose(data: Path, number: int, seed: int) -> Iterator[Sample]:
    """Composites as a careful user takes them: small shake, drift and noise, and shadows."""
    from depthmask.composites.compose import compose
    from depthmask.composites.pools import load_pools
    from depthmask.composites.recipe import Lens, Recipe
    from depthmask.training.config import TrainConfig

    _, pools = load_pools(data, torch.device("cpu"), held_out=TrainConfig.held_out)
    lens = Lens(gain=0.12, offset=2 / 255, gamma=0.05, noise_level=5 / 255)
    recipe = replace(
        Recipe(lens=lens), camouflage=0.0, lattice=0.0, unseen=0.0, lamp=0.0, sunbeam=0.0,
        sway=0.0, dynamic_texture=0.0, screen=0.0, clouds=0.0, jitter=0.0, parallax=0.0,
        reflection=0.0,
    )  # fmt: skip
    for numbers in torch.arange(number).split(16):
        yield from samples_of(
            compose(pools, numbers, size=COMPOSITE_SIZE, seed=seed, recipe=recipe)
        )


def _mix(samples: list[Sample], number: int, seed: int) -> Iterator[Sample]:
    """The examples' things in one another's scenes."""
    things = [sample for sample in samples if sample.true.any()]
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        scene, thing = samples[index % len(samples)], things[index % len(things)]
        size = rng.uniform(0.3, 0.9)
        background = scene.background
        image, covered = paste(background, thing, size, rng.uniform(-0.4, 0.4, 2))
        drift = expose(*rng.uniform(-0.15, 0.15) + rng.uniform(-0.03, 0.03, 3))
        moved = move(rng.uniform(0, 0.006))(drift(background))
        yield Sample(moved, image, covered > 0.5, np.ones(covered.shape, bool))


def paste(picture: Picture, thing: Sample, size: float, place: np.ndarray) -> tuple[Picture, Map]:
    """Pastes a sample's foreground into a picture, scaled by `size`, off the centre by `place`.

    Returns:
        The picture, and which share of each pixel is new.
    """
    height, width = picture.shape[:2]
    rows, columns = thing.true.shape
    scale = size * min(height / rows, width / columns)
    middle = np.array([np.mean(x) for x in np.nonzero(thing.true)][::-1])
    there = (np.array([0.5, 0.5]) + place) * (width, height)
    matrix = np.column_stack([scale * np.eye(2), there - scale * middle])
    alpha = cv2.GaussianBlur(thing.true.astype(np.float32), (0, 0), 0.7)
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    alpha, colours = (
        np.asarray(cv2.warpAffine(x, matrix, (width, height), flags=flags))
        for x in (alpha, thing.image)
    )
    mixed = picture + alpha[..., None] * (colours.astype(np.float32) - picture)
    return np.rint(mixed).clip(0, 255).astype(np.uint8), alpha.astype(np.float32)


def on_background(change: Change) -> Spoil:
    return lambda base: base.sample._replace(background=change(base.sample.background))


def on_image(change: Change) -> Spoil:
    return lambda base: base.sample._replace(image=change(base.sample.image))


def grey(picture: Picture) -> Picture:
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def blur(share: float) -> Change:
    """Out of focus: a disc whose radius is a share of the diagonal."""

    def change(picture: Picture) -> Picture:
        radius = max(1, round(share * float(np.hypot(*picture.shape[:2]))))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
        return np.asarray(cv2.filter2D(picture, -1, disc / disc.sum()), dtype=np.uint8)

    return change


def shake(share: float) -> Change:
    """Motion blur: a slanted line whose length is a share of the diagonal."""

    def change(picture: Picture) -> Picture:
        length = max(3, round(share * float(np.hypot(*picture.shape[:2]))))
        line = np.zeros((length, length), np.float32)
        cv2.line(line, (0, length // 3), (length - 1, length - 1 - length // 3), 1.0)
        return np.asarray(cv2.filter2D(picture, -1, line / line.sum()), dtype=np.uint8)

    return change


def crop(aspect: float, zoom: float = 1.0) -> Change:
    """Keeps the middle of a picture: of an aspect, or a zoom's share of each side."""

    def change(picture: Picture) -> Picture:
        height, width = picture.shape[:2]
        if zoom > 1:
            down, right = (round(x * (1 - 1 / zoom) / 2) for x in (height, width))
            return np.ascontiguousarray(picture[down : height - down, right : width - right])
        if width / height < aspect:
            return crop_to_aspect(picture, round(width / aspect), width)
        return crop_to_aspect(picture, height, round(height * aspect))

    return change


def stir(share: float, reach: float) -> Spoil:
    """Leaves: in patches over a share of the image, pixels come from nearby, each patch its way."""

    def spoil(base: Base) -> Sample:
        image = base.sample.image
        height, width = image.shape[:2]
        rng = np.random.default_rng(base.number)
        diagonal = float(np.hypot(height, width))
        fine = [_waves(rng, height, width, 0.02 * diagonal) for _ in range(2)]
        where = _waves(rng, height, width, 0.12 * diagonal)
        stirred = where > np.quantile(where, 1 - share)
        y, x = np.mgrid[:height, :width].astype(np.float32)
        amount = reach * diagonal * cv2.GaussianBlur(stirred.astype(np.float32), (0, 0), 2)
        moved = cv2.remap(
            base.sample.background,
            x + amount * fine[0],
            y + amount * fine[1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        true = base.sample.true[..., None]
        return base.sample._replace(background=np.where(true, base.sample.background, moved))

    return spoil


def _waves(rng: np.random.Generator, height: int, width: int, length: float) -> Map:
    """Smooth noise of deviation 1 whose features have about a length in pixels."""
    noise = cv2.GaussianBlur(
        rng.normal(size=(height, width)).astype(np.float32), (0, 0), length / 2
    )
    return np.asarray(noise / noise.std(), np.float32)


def screen(base: Base) -> Sample:
    """A screen with a dark frame shows one picture in the background, and another in the image."""
    height, width = base.sample.image.shape[:2]
    rows, columns = round(0.3 * height), round(0.3 * width)
    rng = np.random.default_rng(base.number)
    # where it hides least of the foreground
    places = rng.uniform(0.05, 0.65, (20, 2)) * (height, width)
    top, left = min(
        places.astype(int).tolist(),
        key=lambda at: base.sample.true[at[0] : at[0] + rows, at[1] : at[1] + columns].sum(),
    )
    part = np.s_[top : top + rows, left : left + columns]
    shown = (
        resize(base.other.background[::2, ::2], rows, columns),
        resize(base.other.image[:, ::-1], rows, columns),
    )
    pictures = []
    for picture, film in zip((base.sample.background, base.sample.image), shown, strict=True):
        edge = max(2, height // 100)
        framed = cv2.copyMakeBorder(
            film[edge:-edge, edge:-edge],
            edge,
            edge,
            edge,
            edge,
            cv2.BORDER_CONSTANT,
            value=(20,) * 3,
        )
        picture = picture.copy()
        true = base.sample.true[part][..., None] & (picture is base.sample.image)
        picture[part] = np.where(true, picture[part], framed)
        pictures.append(picture)
    if base.sample.true[part].any():  # the foreground stays in front
        pictures[1] = np.where(base.sample.true[..., None], base.sample.image, pictures[1])
    return base.sample._replace(background=pictures[0], image=pictures[1])


def gone(size: float) -> Spoil:
    """Somebody is in the background photo who is gone from the image."""

    def spoil(base: Base) -> Sample:
        sample = base.sample
        if base.group == "real" and base.other.image.shape == sample.image.shape:
            return sample._replace(background=base.other.image)
        rng = np.random.default_rng(base.number)
        background, _ = paste(sample.background, base.other, size, rng.uniform(-0.35, 0.35, 2))
        return sample._replace(background=background)

    return spoil


def stepped_aside(share: float) -> Spoil:
    """The foreground stood aside in the background photo: by a share of its width.

    It stood where there is more room, and at least half of it within the frame.
    """

    def spoil(base: Base) -> Sample:
        sample = base.sample
        height, width = sample.true.shape
        columns = np.nonzero(sample.true.any(axis=0))[0]
        own, left, right = np.ptp(columns) + 1, columns[0], width - 1 - columns[-1]
        by = min(share * own, max(left, right) + own / 2) * (1 if right > left else -1)
        shift = np.array([[1, 0, by], [0, 1, 0]], np.float32)
        alpha = cv2.warpAffine(sample.true.astype(np.float32), shift, (width, height))[..., None]
        there = cv2.warpAffine(sample.image, shift, (width, height))
        mixed = sample.background + alpha * (there.astype(np.float32) - sample.background)
        return sample._replace(background=np.rint(mixed).astype(np.uint8))

    return spoil


def shrink_to(longest: int) -> Spoil:
    def spoil(base: Base) -> Sample:
        height, width = base.sample.true.shape
        rows, columns = longest, max(8, round(longest * width / height))
        background, image = (resize(x, rows, columns) for x in base.sample[:2])
        true = resize(base.sample.true.astype(np.float32), rows, columns) > 0.5
        return Sample(background, image, true, np.ones_like(true))

    return spoil


def swap(base: Base) -> Sample:
    return base.sample._replace(background=base.sample.image, image=base.sample.background)


TROUBLES: dict[str, dict[str, Spoil]] = {
    "mirrored": {"background": on_background(lambda x: np.ascontiguousarray(x[:, ::-1]))},
    "exchanged": {
        "background": on_background(lambda x: np.ascontiguousarray(x[..., ::-1])),
        "image": on_image(lambda x: np.ascontiguousarray(x[..., ::-1])),
    },
    "grey": {"background": on_background(grey), "image": on_image(grey)},
    "balance": {
        "warm 0.5 stops": on_background(expose(0.25, 0, -0.25)),
        "warm 1": on_background(expose(0.5, 0, -0.5)),
        "cold 1.6": on_background(expose(-0.8, 0, 0.8)),
        "green 1": on_image(expose(-0.5, 0.5, -0.5)),
    },
    "exposure": {
        "-2 stops": on_image(expose(-2, -2, -2)),
        "-3": on_image(expose(-3, -3, -3)),
        "-4": on_image(expose(-4, -4, -4)),
        "+2": on_image(expose(2, 2, 2)),
        "+3": on_image(expose(3, 3, 3)),
        "+4": on_background(expose(4, 4, 4)),
    },
    "black": {
        "-8 stops": on_image(expose(-8, -8, -8)),
        "background": on_background(expose(-9, -9, -9)),
    },
    "white": {"+6 stops": on_image(expose(6, 6, 6)), "background": on_background(expose(6, 6, 6))},
    "gone": {
        "as large": gone(0.8),
        "small": gone(0.35),
        "aside 0.6": stepped_aside(0.6),
        "aside 1.5": stepped_aside(1.5),
    },
    "swapped": {"": swap},
    "stirring": {"a fifth": stir(0.2, 0.008), "half": stir(0.5, 0.012), "screen": screen},
    "blurred": {
        "image 0.4 %": on_image(blur(0.004)),
        "image 1 %": on_image(blur(0.01)),
        "background 1 %": on_background(blur(0.01)),
        "shaken 2 %": on_image(shake(0.02)),
    },
    "scene": {"": lambda base: base.sample._replace(background=base.elsewhere.background)},
    "covered": {"16:9": on_background(crop(16 / 9)), "zoom 1.3": on_background(crop(0, 1.3))},
    "moved": {
        "4 %": on_background(move(0.04)),
        "10 %": on_background(move(0.1)),
        "30 %": on_background(move(0.3)),
    },
    "small": {"28 rows": shrink_to(28)},
    "same": {"": lambda base: base.sample._replace(background=base.sample.image)},
}
