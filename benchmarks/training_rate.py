"""Images a second while training, beside the original project's loader and loop.

    python -m benchmarks.training_rate [--quick] [--sizes 64 96 112 224] [--batch N] [--device NAME]

Both train the same network, in turn, on toy pictures that are drawn here, so no data is needed.
The original's way is written anew from its description: a JPEG each for background, image, mask
and depth; a data set that opens, resizes and normalises them with Pillow; a DataLoader with
workers; float32; binary cross-entropy over 14 sigmoid maps; Adam along a one-cycle. Its metrics
after each step are left out, in its favour. This project's way is its trainer, composites included.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.command import run
from depthmask.composites.compose import Batch, compose
from depthmask.composites.pools import load_shared_pools
from depthmask.composites.recipe import ORIGINAL
from depthmask.data.packfile import PackedPictures, bytes_from_ratio, write_pack
from depthmask.network.device import choose_device
from depthmask.network.u2net import U2Net
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.dry_run import time_steps
from depthmask.training.trainer import Trainer

PICTURES = 48  # cut-outs and backgrounds, each
SIDE = 256  # of one, in pixels
FILE_SIDE = 224  # of one, in pixels
# The original's batch and this project's. The original's own would take minutes a step on a CPU.
CPU_BATCHES = {64: (32, 32), 96: (24, 24), 112: (16, 16), 224: (8, 8)}
CUDA_BATCHES = {64: (64, 512), 96: (64, 256), 112: (128, 256), 224: (32, 64)}
QUICK_BATCHES = {64: (4, 4)}
_NEVER = 10**9  # samples: the loop ends with its time

# Means and standard deviations that the original normalised with.
BACKGROUND_STATS = ((0.5558, 0.5201, 0.4632), (0.2150, 0.2160, 0.2305))
IMAGE_STATS = ((0.5445, 0.5092, 0.4564), (0.2265, 0.2253, 0.2360))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", type=int, nargs="+", choices=CPU_BATCHES, default=list(CPU_BATCHES)
    )
    parser.add_argument("--batch", type=int, help="default: one for each size and device")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--quick", action="store_true", help="64 px, a few steps")
    options = parser.parse_args()
    device = choose_device(options.device)
    batches = CUDA_BATCHES if device.type == "cuda" else CPU_BATCHES
    sizes, seconds = options.sizes, options.seconds
    if options.quick:
        sizes, seconds, batches = [64], 0.0, QUICK_BATCHES
    if options.batch:
        batches = dict.fromkeys(sizes, (options.batch, options.batch))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pack(folder / "pack.safetensors", draw_pictures(), step=8)
        write_files(folder, 2 * max(batches[size][0] for size in sizes))
        print(f"{device}, {torch.get_num_threads()} threads, {os.cpu_count()} cores")
        print(f"{'size':>5} {'original':>22} {'depthmask':>22} {'ratio':>6}")
        for size in sizes:
            rates = (
                original_rate(folder, size, batches[size][0], seconds, device),
                our_rate(
                    folder, size, batches[size][1], seconds, device, with_compile=options.compile
                ),
            )
            cells = (
                f"{rate:9.1f}/s, batch {batch:3}"
                for rate, batch in zip(rates, batches[size], strict=True)
            )
            print(f"{size:5} {' '.join(cells)} {rates[1] / rates[0]:6.2f}", flush=True)


def our_rate(
    folder: Path, size: int, batch: int, seconds: float, device: torch.device, *, with_compile: bool
) -> float:
    """Images a second of this project's trainer."""
    phase = Phase(size, _NEVER, batch, 1e-3)
    config = TrainConfig(
        data=folder / "pack.safetensors",
        out=folder / "run",
        phases=(phase,),
        device=str(device),
        compile=with_compile,
    )
    return batch / time_steps(Trainer(config), phase, limit_s=seconds).seconds


def original_rate(
    folder: Path, size: int, batch: int, seconds: float, device: torch.device
) -> float:
    """Images a second of the original's loop."""
    loader = DataLoader(
        Composites(folder, size),
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
        optimizer, max_lr=1e-2, total_steps=_NEVER, div_factor=10, anneal_strategy="linear"
    )
    started, steps, end = 0.0, -1, time.monotonic() + seconds
    while True:
        for samples in loader:
            step_as_the_original(model, optimizer, *(part.to(device) for part in samples))
            schedule.step()
            steps += 1
            if steps == 0:  # the workers are up and the device is warm
                started = time.monotonic()
            elif time.monotonic() > end:
                return steps * batch / (time.monotonic() - started)


def step_as_the_original(
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


class Composites(Dataset[tuple[Tensor, ...]]):
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


def draw_pictures() -> dict[str, PackedPictures]:
    """Smooth random backgrounds with labels, and discs of random colours."""
    dice = torch.Generator().manual_seed(0)

    def smooth(channels: int, grain: int, side: int) -> Tensor:
        noise = torch.rand(PICTURES, channels, grain, grain, generator=dice)
        return F.interpolate(noise, (side, side), mode="bicubic").clamp(0, 1)

    names = [f"toy_{number}_1" for number in range(PICTURES)]
    aspect = torch.linspace(0.5, 1.8, PICTURES)
    line = torch.linspace(-1, 1, SIDE)
    disc = ((0.95 - line[:, None].hypot(line)) * 40).clamp(0, 1)
    cutouts = torch.cat((smooth(3, 16, SIDE), disc.expand(PICTURES, 1, SIDE, SIDE)), dim=1)
    return {
        "foregrounds": PackedPictures(names, aspect.clone(), (cutouts * 255).to(torch.uint8)),
        "backgrounds": PackedPictures(
            names,
            aspect,
            (smooth(3, 32, SIDE) * 255).to(torch.uint8),
            bytes_from_ratio(smooth(1, 4, SIDE // 2)[:, 0]),
        ),
    }


def write_files(folder: Path, count: int) -> None:
    """Writes composites as the original stored them."""
    pools = load_shared_pools(folder / "pack.safetensors", torch.device("cpu"), pictures=PICTURES)
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


if __name__ == "__main__":
    sys.exit(run(main))
