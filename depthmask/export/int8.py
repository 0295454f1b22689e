"""The network in 8-bit integers: NNCF's post-training quantisation, calibrated on pairs.

Weights get a scale for each output channel. Maps between layers get one scale a layer, from the
values that occur while the network runs. The votes stay floats: as bytes, mask and depth would have
to share a scale. True masks tell what int8 costs.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from depthmask.backends.base import INPUTS, VOTES
from depthmask.backends.graphs import import_openvino, import_without
from depthmask.composites.compose import compose
from depthmask.composites.pools import load_checkpoint_pools
from depthmask.composites.random_streams import TRAINING_SEEDS
from depthmask.evaluation.array_metrics import MASK_THRESHOLD, mask_iou
from depthmask.network.checkpoint import CheckpointInfo
from depthmask.pictures import Map, Mask, Picture

Run = Callable[[Picture, Picture], dict[str, Map]]
Pair = tuple[Picture, Picture]
ModelT = TypeVar("ModelT")

JUDGED_COMPOSITES = 64
_SEED = TRAINING_SEEDS + 7  # of the composites; neither training nor `measure` has it


class Sample(NamedTuple):
    """A pair with its true mask."""

    background: Picture  # (h, w, 3)
    image: Picture  # (h, w, 3)
    true_mask: Mask  # (h, w)


def quantize(model: ModelT, pairs: Sequence[Pair]) -> ModelT:
    """Gives a model in int8.

    Args:
        model: Of the package onnx or of OpenVINO, made from a graph of `write_onnx` with weights
            in fp32. OpenVINO's takes a tenth of the time.
        pairs: To choose scales by, with their mirror images and empty scenes.

    Raises:
        ImportError: NNCF is missing.
    """
    nncf = import_nncf()
    # not by nncf.set_log_level, which changes handlers that others have put there
    logging.getLogger("nncf").setLevel(logging.ERROR)
    shown = list(_vary(pairs))

    def feed(pair: Pair) -> dict[str, Picture]:
        return {name: picture[None] for name, picture in zip(INPUTS, pair, strict=True)}

    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NNCF about itself
        return nncf.quantize(
            model,
            nncf.Dataset(shown, feed),
            subset_size=len(shown),
            ignored_scope=nncf.IgnoredScope(patterns=[f"{VOTES}_.*"]),
        )


def import_nncf() -> Any:
    """Imports NNCF without the part that sends an event each time it is used.

    Raises:
        ImportError: NNCF or OpenVINO is missing.
    """
    import_openvino()
    return import_without("nncf", "openvino_telemetry")


def _vary(pairs: Sequence[Pair]) -> Iterator[Pair]:
    for background, image in pairs:
        yield background, image
        yield np.ascontiguousarray(background[:, ::-1]), np.ascontiguousarray(image[:, ::-1])
        yield background, background


def draw_composites(data: Path, info: CheckpointInfo) -> Iterator[Sample]:
    """Makes composites of packed pictures that the network was not trained on.

    Args:
        data: As `python -m depthmask pack` writes it. Of the file that the checkpoint was trained
            on, the same pictures are held out; of one with few pictures, none.
        info: The checkpoint's.

    Raises:
        PackError: The file cannot be read.
    """
    _, pools = load_checkpoint_pools(data, info, torch.device("cpu"))
    size = (info.resolution, info.resolution)
    for number in range(JUDGED_COMPOSITES):
        made = compose(pools, torch.tensor([number]), size=size, seed=_SEED)
        true_mask = made.true_mask[0, 0].numpy() > MASK_THRESHOLD
        yield Sample(_to_picture(made.background), _to_picture(made.image), true_mask)


def _to_picture(values: Tensor) -> Picture:
    """Turns (1, 3, h, w) in [0, 1] into (h, w, 3) bytes."""
    return (values[0].permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous().numpy()


def mean_iou(run: Run, samples: Sequence[Sample]) -> float:
    """Mean IoU with the true masks."""
    scores = [mask_iou(run(s.background, s.image)["mask"], s.true_mask) for s in samples]
    return float(np.mean(scores))
