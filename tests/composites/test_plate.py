"""The plate of training is the one that predictions are made with."""

import numpy as np
import pytest
import torch

from depthmask.composites.plate import CLOSE_LEVELS, WINDOW, closest_plate
from depthmask.inference import background
from depthmask.inference.background import CLOSEST_WINDOW, assemble, closest

SHAPE = (3, 40, 56, 3)


def with_other_parts(
    image: np.ndarray, part: int, noise: int, rng: np.random.Generator
) -> np.ndarray:
    """A photo of which some squares show something else, and the rest noise."""
    height, width = SHAPE[1] // part, SHAPE[2] // part
    other = rng.random((len(image), height, width, 1)) < 0.3
    other[:, [0, -1], [0, -1]] = True  # so that predictions too compare the whole picture
    other = other.repeat(part, axis=1).repeat(part, axis=2)
    noisy = (image + rng.integers(-noise, noise + 1, SHAPE)).clip(0, 255)
    return np.where(other, rng.integers(0, 256, SHAPE), noisy).astype(np.uint8)


def batch(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize(("part", "noise"), [(1, 0), (8, 3)])
def test_it_is_what_a_prediction_takes(count: int, part: int, noise: int) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    photos = [with_other_parts(image, part, noise, rng) for _ in range(count)]
    photos.append(photos[0])  # of equal ones the first is taken
    found = closest_plate([batch(photo) for photo in photos], batch(image))
    for number in range(len(image)):
        candidates = [photo[number] for photo in photos]
        expected = assemble(candidates, closest(candidates, image[number]))
        levels = (found[number] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        assert np.array_equal(levels, expected)


def test_its_numbers_are_those_of_predictions() -> None:
    assert WINDOW == CLOSEST_WINDOW
    assert CLOSE_LEVELS == background.CLOSE_LEVELS
