"""The plate of training is the one that predictions are made with."""

import numpy as np
import pytest
import torch

from depthmask.composites.plate import WINDOW, closest_plate
from depthmask.inference.background import CLOSEST_WINDOW, assemble, closest


@pytest.mark.parametrize("count", [1, 2, 5])
def test_it_is_what_a_prediction_takes(count: int) -> None:
    rng = np.random.default_rng(0)
    shape = (3, 40, 56, 3)
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    photos = [
        np.where(rng.random((*shape[:3], 1)) < 0.7, image, rng.integers(0, 256, shape)).astype(
            np.uint8
        )
        for _ in range(count)
    ]
    photos.append(photos[0])  # of equal ones the first is taken

    def batch(pictures: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255

    found = closest_plate([batch(photo) for photo in photos], batch(image))
    for number in range(len(image)):
        candidates = [photo[number] for photo in photos]
        expected = assemble(candidates, closest(candidates, image[number]))
        levels = (found[number] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        assert np.array_equal(levels, expected)


def test_the_window_is_that_of_predictions() -> None:
    assert WINDOW == CLOSEST_WINDOW
