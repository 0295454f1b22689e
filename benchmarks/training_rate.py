"""Images a second while training, beside the original project's loader and loop.

    python -m benchmarks.training_rate [--quick] [--sizes 64 96 112 224] [--batch N] [--device NAME]

Both train the same network, in turn, on toy pictures that are drawn here, so no data is needed.
`benchmarks.original_loop` tells what the original's loop does. This project's loop is its trainer,
composites included.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.command import run
from benchmarks.original_loop import original_rate, write_files
from depthmask.data.packfile import PackedPictures, bytes_from_ratio, write_pack
from depthmask.network.device import choose_device
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.dry_run import time_steps
from depthmask.training.trainer import Trainer

PICTURES = 48  # cut-outs and backgrounds, each
SIDE = 256  # of one, in pixels
# By size: the batch of the original's loop, and of this project's. On a CPU a step of the
# original's own batches would take minutes.
CPU_BATCHES = {64: (32, 32), 96: (24, 24), 112: (16, 16), 224: (8, 8)}
CUDA_BATCHES = {64: (64, 512), 96: (64, 256), 112: (128, 256), 224: (32, 64)}
QUICK_BATCHES = {64: (4, 4)}
_ENDLESS_SAMPLES = 10**9  # of the phase: the loop ends with its time


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
    phase = Phase(size, _ENDLESS_SAMPLES, batch, 1e-3)
    config = TrainConfig(
        data=folder / "pack.safetensors",
        out=folder / "run",
        phases=(phase,),
        device=str(device),
        compile=with_compile,
    )
    return batch / time_steps(Trainer(config), phase, limit_s=seconds).seconds


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


if __name__ == "__main__":
    sys.exit(run(main))
