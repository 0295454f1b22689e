"""The options that `predict`, `evaluate` and `demo` share, and the predictor that they ask for."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.errors import OptionError
from depthmask.files import fingerprint
from depthmask.network.architecture import MODELS

if TYPE_CHECKING:
    from depthmask.evaluation.sequences import Learn, Predict
    from depthmask.inference.background import Background
    from depthmask.inference.predictor import Predictor
    from depthmask.pictures import Picture

_MAX_SHARD_CHARACTERS = 20


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose the network and what runs it."""
    add = parser.add_argument
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--model", choices=MODELS, help="the shipped network (default: set by --quality)"
    )
    weights.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights of your own")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: %(default)s)")
    add(
        "--backend",
        default="auto",
        help="auto, openvino, onnxruntime or torch (default: %(default)s, the fastest that works)",
    )
    add(
        "--quality",
        default="balanced",
        help="fast (a smaller network), balanced or best (more pixels) (default: %(default)s)",
    )


def add_pair_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose what is done to a pair of photos."""
    add = parser.add_argument
    add_resolution_argument(parser)
    add("--no-align", action="store_true", help="do not move the background to the image")
    add("--no-light", action="store_true", help="keep the background's exposure and colours")
    add("--no-refine", action="store_true", help="only enlarge the network's output")
    add(
        "--never-empty",
        action="store_true",
        help="somebody is always in the photos of the background; evaluate then learns it from the "
        "images of a sequence",
    )


def parse_shard(text: str) -> tuple[int, int]:
    """Reads I/N; errors: OptionError."""
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()) or len(text) > _MAX_SHARD_CHARACTERS:
        raise OptionError(f"Write --shard as I/N, such as 2/8, not {text[:40]!r}.")
    return int(index), int(count)


def add_resolution_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --resolution."""
    parser.add_argument(
        "--resolution",
        type=int,
        metavar="R",
        help="the network sees about R x R pixels (default: set by --quality)",
    )


def add_fetch_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --allow-private, of commands that read what `find_input` finds."""
    parser.add_argument(
        "--allow-private", action="store_true", help="fetch from addresses of this network, too"
    )


def weights_fingerprint(options: argparse.Namespace) -> str | None:
    """SHA-256 of the weights that the options choose; None where there are none."""
    from depthmask.inference.predictor import weights_for

    weights = chosen_checkpoint(options) or weights_for(options.quality)
    return fingerprint(weights) if weights.is_file() else None


def make_predictor(options: argparse.Namespace, *, resolution: int | None = None) -> "Predictor":
    """Loads the network that the options of `add_network_arguments` name."""
    from depthmask.inference.predictor import Predictor

    return Predictor(
        chosen_checkpoint(options),
        device=options.device,
        resolution=resolution,
        backend=options.backend,
        quality=options.quality,
    )


def chosen_checkpoint(options: argparse.Namespace) -> Path | None:
    """The weights that the options name; None where --quality is to choose them."""
    from depthmask.network.checkpoint import SHIPPED

    return SHIPPED[options.model] if options.model else options.checkpoint


def make_predict(predictor: "Predictor", options: argparse.Namespace) -> "Predict":
    """Returns what predicts a pair as the options of `add_pair_arguments` ask."""
    return partial(
        predictor.predict,
        align=not options.no_align,
        light=not options.no_light,
        refine=not options.no_refine,
    )


def make_learn_occupied(predictor: "Predictor", options: argparse.Namespace) -> "Learn":
    """Returns what learns a background from photos that are never empty."""
    from depthmask.inference.clean_plate import learn_occupied

    return partial(learn_occupied, predictor=predictor, align=not options.no_align)


def make_background(
    pictures: Sequence["Picture"], options: argparse.Namespace, learn: "Learn | None"
) -> "Background":
    """The photo of the empty scene, or what several teach, perhaps in a way of their own."""
    import numpy as np

    from depthmask.inference.background import learn_background

    if options.mirror_background:
        pictures = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
    if len(pictures) == 1:
        return pictures[0]
    if learn:
        print("Learning the background from photos that are never empty…", file=sys.stderr)
        return learn(pictures)
    return learn_background(pictures, align=not options.no_align)
