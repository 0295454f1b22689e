"""The network in 8-bit integers: NNCF's post-training quantisation, calibrated on composites.

A weight gets a scale of its output channel, and what flows between layers one scale a layer, as
is seen there while the network runs on composites. Others of them tell what it costs.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from depthmask._openvino import import_nncf
from depthmask.backends.protocol import INPUTS
from depthmask.checkpoint import CheckpointInfo
from depthmask.data.compose import compose
from depthmask.data.dataset import Pools
from depthmask.measure import load_sides
from depthmask.metrics import THRESHOLD
from depthmask.pictures import Map, Mask, Picture
from depthmask.scores import mask_iou

Run = Callable[[Picture, Picture], dict[str, Map]]
ModelT = TypeVar("ModelT")

CALIBRATION, VALIDATION = 64, 64  # composites
_SEED = 7  # of both; neither training nor `measure` has it


class Composite(NamedTuple):
    """A pair with its true mask."""

    background: Picture  # (h, w, 3)
    image: Picture  # (h, w, 3)
    true_mask: Mask  # (h, w)


@dataclass(frozen=True)
class Composites:
    """What to choose scales by, and what to judge them by."""

    calibration: Sequence[Composite]
    validation: Sequence[Composite]


def draw_composites(data: Path, info: CheckpointInfo) -> Composites:
    """Makes composites of packed pictures: for validation, of those the network never saw.

    Args:
        data: As `python -m depthmask pack` writes it. Of the file that the checkpoint was trained
            on, the same pictures are held out; of one with a few pictures, all serve for both.
        info: The checkpoint's.

    Raises:
        PackError: The file cannot be read.
    """
    train, held_out = load_sides(data, info, torch.device("cpu"))
    return Composites(
        list(_draw(train, range(CALIBRATION), info.resolution)),
        list(_draw(held_out, range(CALIBRATION, CALIBRATION + VALIDATION), info.resolution)),
    )


def _draw(pools: Pools, numbers: range, side: int) -> Iterator[Composite]:
    for number in numbers:
        made = compose(pools, torch.tensor([number]), size=(side, side), seed=_SEED)
        true_mask = made.true_mask[0, 0].numpy() > THRESHOLD
        yield Composite(_to_picture(made.background), _to_picture(made.image), true_mask)


def _to_picture(values: Tensor) -> Picture:
    """Turns (1, 3, h, w) in [0, 1] into (h, w, 3) bytes."""
    return (values[0].permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous().numpy()


def quantize(model: ModelT, composites: Sequence[Composite]) -> ModelT:
    """Gives a model in int8.

    Args:
        model: Of the package onnx or of OpenVINO, from a graph of `depthmask.onnx_graph` with
            weights in fp32. OpenVINO's takes a tenth of the time.
        composites: To choose scales by.

    Raises:
        ImportError: NNCF is missing.
    """
    nncf = import_nncf()
    nncf.set_log_level(logging.ERROR)

    def feed(composite: Composite) -> dict[str, Picture]:
        pictures = (composite.background[None], composite.image[None])
        return dict(zip(INPUTS, pictures, strict=True))

    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NNCF about itself
        return nncf.quantize(model, nncf.Dataset(composites, feed), subset_size=len(composites))


def mean_iou(run: Run, composites: Sequence[Composite]) -> float:
    """Mean IoU with the true masks over composites."""
    scores = [mask_iou(run(c.background, c.image)["mask"], c.true_mask) for c in composites]
    return float(np.mean(scores))
