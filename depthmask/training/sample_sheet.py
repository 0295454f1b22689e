"""A sheet of predictions: the same few composites at every validation, to see a network learn.

Needs torch alone, as all that runs while training: hence a PNG writer of its own.
"""

import struct
import zlib

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depthmask.composites.compose import compose
from depthmask.composites.pools import Pools
from depthmask.composites.recipe import Recipe
from depthmask.training.validation import COMPOSITES_SEED, finite_logits

_ROWS = 6
_TILE, _GAP = 128, 4  # pixels
# Near to far, of rising darkness: it reads in grey and with any colour vision.
_DEPTH_COLOURS = ((252, 253, 191), (254, 159, 109), (222, 73, 104), (140, 41, 129), (0, 0, 4))


@torch.no_grad()
def draw_sample_sheet(model: nn.Module, pools: Pools, size: int, recipe: Recipe) -> Tensor:
    """Draws a row for each sample: background, image, true and predicted mask and depth.

    Args:
        model: In evaluation mode, on the pools' device.
        pools: What to compose, as for `validation_metrics`.
        size: Side of the square samples in pixels.
        recipe: How they are made.

    Returns:
        (H, W, 3) uint8, RGB, on the CPU. A task the network lacks leaves its prediction grey.

    Raises:
        FloatingPointError: As `finite_logits`.
    """
    numbers = torch.arange(_ROWS, device=pools.foregrounds.aspect.device)
    batch = compose(pools, numbers, size=(size, size), seed=COMPOSITES_SEED, recipe=recipe)
    logits = finite_logits(model, batch)
    pred = {task: maps[:, :1].float().sigmoid() for task, maps in logits.items()}
    missing = torch.full_like(batch.background, 0.5)
    tiles = [
        batch.background,
        batch.image,
        batch.true_mask.expand_as(missing),
        pred["mask"].expand_as(missing) if "mask" in pred else missing,
        _coloured(batch.true_depth),
        _coloured(pred["depth"]) if "depth" in pred else missing,
    ]
    enlarged = F.interpolate(torch.cat(tiles), (_TILE, _TILE), mode="bilinear")
    framed = F.pad(enlarged, (_GAP // 2,) * 4, value=1.0)
    grid = framed.unflatten(0, (len(tiles), _ROWS))  # (column, row, 3, H, W)
    sheet = grid.permute(1, 3, 0, 4, 2).flatten(0, 1).flatten(1, 2)
    return (sheet.clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def encode_png(picture: Tensor) -> bytes:
    """Packs an RGB picture, (H, W, 3) uint8, as a PNG."""
    height, width, _ = picture.shape
    pixels = picture.flatten(1)
    # Filter 2 of PNG: each row as its difference to the one above, modulo 256.
    changes = torch.cat((pixels[:1], pixels[1:] - pixels[:-1]))
    rows = torch.cat((torch.full_like(changes[:, :1], 2), changes), dim=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB
    packed = zlib.compress(rows.numpy().tobytes(), 6)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", packed), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _coloured(depth: Tensor) -> Tensor:
    """Colours depth in [0, 1], (B, 1, H, W) -> (B, 3, H, W): near is bright, far is black."""
    colours = depth.new_tensor(_DEPTH_COLOURS) / 255
    place = depth[:, 0].clamp(0, 1) * (len(colours) - 1)
    below = place.long().clamp_max(len(colours) - 2)
    blended = torch.lerp(colours[below], colours[below + 1], (place - below)[..., None])
    return blended.movedim(-1, 1)
