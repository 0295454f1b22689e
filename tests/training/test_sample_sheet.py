"""The sheet of predictions: its places, and the PNG it is stored as."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from depthmask.composites.pools import load_pools
from depthmask.composites.recipe import Recipe
from depthmask.training.sample_sheet import draw_sample_sheet, encode_png
from depthmask.training.validation import validation_metrics
from tests.data import packs

TILE = 132  # pixels, its frame included


class Certain(nn.Module):
    """Says that all is foreground, and all is near."""

    def __init__(self, tasks: Sequence[str], *, mask: float = 20.0) -> None:
        super().__init__()
        self.logits = {"mask": mask, "depth": -20.0}
        self.tasks = tasks

    def forward(self, background: Tensor, image: Tensor) -> dict[str, Tensor]:
        shape = (len(image), 7, *image.shape[-2:])
        return {task: torch.full(shape, self.logits[task]) for task in self.tasks}


@pytest.mark.parametrize("tasks", [("mask", "depth"), ("mask",)])
def test_each_column_is_in_its_place(tmp_path: Path, tasks: tuple[str, ...]) -> None:
    data = packs.write(tmp_path / "pack.safetensors")
    _, pools = load_pools(data, torch.device("cpu"), held_out=0.3)
    sheet = draw_sample_sheet(Certain(tasks), pools, 32, Recipe(empty=1.0))
    assert sheet.shape == (6 * TILE, 6 * TILE, 3) and sheet.dtype == torch.uint8
    columns = sheet.unflatten(1, (6, TILE))[:, :, 2:-2].movedim(1, 0)  # (column, H, W, 3)
    inside = columns[:, 10 : TILE - 10]
    assert inside[2].max() == 0, "the true mask of an empty scene"
    assert inside[3].min() == 255, "the predicted one"
    near = (252, 253, 191) if "depth" in tasks else (128, 128, 128)
    assert inside[5].flatten(0, 1).unique(dim=0).tolist() == [list(near)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_outputs_that_are_no_numbers_are_told(tmp_path: Path, value: float) -> None:
    data = packs.write(tmp_path / "pack.safetensors")
    _, pools = load_pools(data, torch.device("cpu"), held_out=0.3)
    broken = Certain(("mask",), mask=value)
    with pytest.raises(FloatingPointError):
        draw_sample_sheet(broken, pools, 32, Recipe())
    with pytest.raises(FloatingPointError):
        validation_metrics(broken, pools, 32, 2, Recipe())


def test_a_png_holds_what_went_in() -> None:
    picture = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8))
    decoded = np.asarray(Image.open(io.BytesIO(encode_png(picture))))
    assert np.array_equal(decoded, picture.numpy())
