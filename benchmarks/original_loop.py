"""The original project's loader and training loop, for comparison.

Both are written anew from the original's description: a JPEG each for background, image, mask and
depth; a data set that opens, resizes and normalises them with Pillow; a DataLoader with workers;
float32; binary cross-entropy over 14 sigmoid maps; Adam along a one-cycle. The metrics that the
original computed after each step are left out, which makes this loop faster.
"""

import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from depthmask.composites.compose import Batch, compose
from depthmask.composites.pools import load_shared_pools
from depthmask.composites.recipe import ORIGINAL
from depthmask.network.u2net import U2Net

FILE_SIDE = 224  # of a stored picture, in pixels
ENDLESS_STEPS = 10**9  # of the rate's cycle: the loop ends with its time

# Means and standard deviations that the original normalised with.
BACKGROUND_STATS = ((0.5558, 0.5201, 0.4632), (0.2150, 0.2160, 0.2305))
IMAGE_STATS = ((0.5445, 0.5092, 0.4564), (0.2265, 0.2253, 0.2360))


def original_rate(
    folder: Path, size: int, batch: int, seconds: float, device: torch.device
) -> float:
    """Images a second of the original's loop."""
    loader = DataLoader(
        StoredComposites(folder, size),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=min(4, os.cpu_count() or 1),
        pin_memory=device.type == "cuda",
        persistent_workers=True,
    )
    model = U2Net().to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1e-2, total_steps=ENDLESS_STEPS, div_factor=10, anneal_strategy="linear"
    )
    started, steps, end = 0.0, -1, time.monotonic() + seconds
    while True:
        for samples in loader:
            original_step(model, optimizer, *(part.to(device) for part in samples))
            schedule.step()
            steps += 1
            if steps == 0:  # the workers are up and the device is warm
                started = time.monotonic()
            elif time.monotonic() > end:
                return steps * batch / (time.monotonic() - started)


def original_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    background: Tensor,
    image: Tensor,
    true_mask: Tensor,
    true_depth: Tensor,
) -> float:
    """A step in float32; the loss is read, as it is shown after each."""
    optimizer.zero_grad()
    logits = model(background, image)
    loss = torch.zeros((), device=image.device)
    for task, true in (("mask", true_mask), ("depth", true_depth)):
        for number in range(logits[task].shape[1]):
            pred = logits[task][:, number : number + 1].sigmoid()
            loss = loss + F.binary_cross_entropy(pred, true)
    loss.backward()
    optimizer.step()
    return loss.item()


class StoredComposites(Dataset[tuple[Tensor, ...]]):
    """The original's data set: four JPEG files a sample, decoded each time."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size

    def __len__(self) -> int:
        return len(list((self.folder / "bg").iterdir()))

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        name = f"{number}.jpg"
        return (
            normalised(self._read("bg", name, "RGB"), *BACKGROUND_STATS),
            normalised(self._read("fg_bg", name, "RGB"), *IMAGE_STATS),
            self._read("fg_bg_mask", name, "L"),
            self._read("dense_depth", name, "L"),
        )

    def _read(self, kind: str, name: str, mode: str) -> Tensor:
        """A picture as (C, size, size) in [0, 1]."""
        with Image.open(self.folder / kind / name) as file:
            resized = file.convert(mode).resize((self.size, self.size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(resized)).view(self.size, self.size, -1)
        return pixels.permute(2, 0, 1).contiguous().float() / 255


def normalised(picture: Tensor, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Tensor:
    columns = (torch.tensor(values)[:, None, None] for values in (mean, deviation))
    return (picture - next(columns)) / next(columns)


def write_files(folder: Path, count: int) -> None:
    """Writes composites of `folder / "pack.safetensors"` as the original stored them."""
    pools = load_shared_pools(folder / "pack.safetensors", torch.device("cpu"), pictures=100)
    for numbers in torch.arange(count).split(16):
        batch = compose(pools, numbers, size=(FILE_SIDE, FILE_SIDE), recipe=ORIGINAL)
        for kind, pictures in files_of(batch).items():
            (folder / kind).mkdir(exist_ok=True)
            for number, picture in zip(numbers.tolist(), pictures, strict=True):
                pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0)
                Image.fromarray(pixels.squeeze(-1).numpy()).save(folder / kind / f"{number}.jpg")


def files_of(batch: Batch) -> dict[str, Tensor]:
    """The original's folders, and what lies in each."""
    return {
        "bg": batch.background,
        "fg_bg": batch.image,
        "fg_bg_mask": batch.true_mask,
        "dense_depth": batch.true_depth,
    }
