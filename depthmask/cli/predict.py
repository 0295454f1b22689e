"""`depthmask predict`: the mask and the depth of a pair of photos.

The options and the predictor are shared with `depthmask evaluate` and `depthmask demo`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.errors import OptionError
from depthmask.files import refuse_links, write_together
from depthmask.network.architecture import MODELS

if TYPE_CHECKING:
    from depthmask.evaluation.sequences import Predict
    from depthmask.inference.predictor import Prediction, Predictor
    from depthmask.pictures import Picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("background", type=Path, help="photo of the empty scene")
    add("image", type=Path, help="photo of the same scene with something in it")
    add(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where the results go; the folder is made if it is missing",
    )
    add_network_arguments(parser)
    add_pair_arguments(parser)
    add(
        "--true-mask",
        type=Path,
        metavar="FILE",
        help="compare with it; white is foreground, or see docs/usage.md",
    )
    add(
        "--true-depth",
        type=Path,
        metavar="FILE",
        help="compare with it; relative, 8 or 16 bits, white is depth 1; or millimetres",
    )


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
    add(
        "--resolution",
        type=int,
        metavar="R",
        help="the network sees about R x R pixels (default: set by --quality)",
    )
    add("--no-align", action="store_true", help="do not move the background to the image")
    add("--no-light", action="store_true", help="keep the background's exposure and colours")
    add("--no-refine", action="store_true", help="only enlarge the network's output")


def run(options: argparse.Namespace) -> None:
    from depthmask.depth import CONVENTION
    from depthmask.evaluation.sequences import read_truth, score_prediction, truth_remarks
    from depthmask.pictures import read_photo

    _check_outputs(options)
    start = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:  # the network is loaded while the photos are read
        network = pool.submit(make_predictor, options, resolution=options.resolution)
        background, background_notes = read_photo(options.background)
        image, image_notes = read_photo(options.image)
        true_mask, true_depth = read_truth(options.true_mask, options.true_depth, image)
        _make_folder(options.output)
        predictor = network.result()
    loaded = time.perf_counter()
    for path, notes in ((options.background, background_notes), (options.image, image_notes)):
        for note in notes:
            print(f"{path}: {note}", file=sys.stderr)
    prediction = make_predict(predictor, options)(background, image)
    assert prediction.pair is not None, "a Predictor reports on the pair"
    writing = time.perf_counter()
    files = _write_prediction(options.output, image, prediction)
    remarks = truth_remarks(prediction, true_mask, true_depth)
    for sentence in (prediction.pair.quality.sentence, *remarks):
        print(sentence, file=sys.stderr)
    seconds = {
        "load": loaded - start,
        "predict": prediction.seconds,
        "write": time.perf_counter() - writing,
    }
    report = {
        **files,
        **score_prediction(
            prediction, true_labels=true_mask and true_mask.labels, true_depth=true_depth
        ),
        "resolution": predictor.resolution,
        "device": predictor.device,
        "backend": predictor.backend.name,
        "precision": predictor.backend.precision,
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
        "convention": CONVENTION,
        "pair": prediction.pair.summary(),
        "notes": {"background": background_notes, "image": image_notes, "truth": remarks},
    }
    print(json.dumps(report, indent=2))


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


def _write_prediction(folder: Path, image: "Picture", prediction: "Prediction") -> dict[str, str]:
    from depthmask.inference.refinement import unmix
    from depthmask.pictures import cutout_png, depth_png, mask_png
    from depthmask.render.views import cutout

    def encode_cutout() -> bytes:
        colours = image
        if prediction.background is not None:
            colours = unmix(image, prediction.background, prediction.mask)
        return cutout_png(cutout(colours, prediction.mask))

    files = _outputs(folder)
    encoders: dict[Path, Callable[[], bytes]] = {
        files["mask"]: partial(mask_png, prediction.mask),
        files["depth"]: partial(depth_png, prediction.depth),
        files["cutout"]: encode_cutout,
    }
    with ThreadPoolExecutor() as pool:  # packing lets other threads run
        running = {path: pool.submit(encode) for path, encode in encoders.items()}
    write_together({path: content.result() for path, content in running.items()})
    return {name: str(path) for name, path in files.items()}


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuses to overwrite an input, to follow a link, and to replace a folder."""
    inputs = (options.background, options.image, options.true_mask, options.true_depth)
    read = {os.path.realpath(path) for path in inputs if path}
    for path in _outputs(options.output).values():
        refuse_links(path.parent, path.name)
        if os.path.isdir(path):
            raise OptionError(f"{path} cannot be written, for it is a folder; choose another -o.")
        if os.path.realpath(path) in read:
            raise OptionError(f"{path} is an input and would be overwritten; choose another -o.")


def _outputs(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}.png" for name in ("mask", "depth", "cutout")}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another."
        ) from error
