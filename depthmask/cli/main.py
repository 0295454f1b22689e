"""The command line: `python -m depthmask COMMAND --help`.

A command is a row in `COMMANDS`. What it needs is imported when it runs, so that help is quick.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from depthmask import __version__
from depthmask.cli import data as data_commands
from depthmask.errors import DepthmaskError, OptionError
from depthmask.files import check_file

if TYPE_CHECKING:
    from depthmask.evaluation.sequences import Predict
    from depthmask.inference.predictor import Prediction, Predictor
    from depthmask.pictures import Map, Mask, Picture

INSTALL = (
    "run `pip install -r requirements.txt`, and on a slim Linux image, for OpenCV, "
    "`apt-get install libgl1 libglib2.0-0`."
)
BAD_INPUT = 2  # exit code, the one argparse uses as well


@dataclass(frozen=True)
class Command:
    """One sub-command."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code: bad input is one sentence on stderr and a 2."""
    options = _make_parser().parse_args(arguments)
    try:
        COMMANDS[options.command].run(options)
    except (DepthmaskError, OSError, MemoryError) as error:
        return _refuse(error)
    except ImportError as error:
        return _refuse(f"{error}; {INSTALL}")
    return 0


def _refuse(why: object) -> int:
    print(f"depthmask: {why}", file=sys.stderr)
    return BAD_INPUT


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m depthmask",
        description="Foreground mask and dense depth from two photos: the empty scene, and the "
        "scene with something in it.",
    )
    parser.add_argument("--version", action="version", version=f"depthmask {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(
            commands.add_parser(name, help=command.summary, description=command.summary)
        )
    return parser


def _add_predictor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="weights (default: those in weights/)"
    )
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: %(default)s)"
    )
    parser.add_argument(
        "--backend",
        default="auto",
        help="auto, openvino, onnxruntime or torch (default: %(default)s, the fastest that works)",
    )
    parser.add_argument(
        "--resolution",
        type=int,
        metavar="R",
        help="let the network see about R x R pixels (default: what the quality asks for)",
    )
    parser.add_argument(
        "--quality",
        default="balanced",
        help="fast, balanced or best: fewer or more pixels for the network (default: %(default)s)",
    )


def _add_pair_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-align", action="store_true", help="do not move the background to the image"
    )
    parser.add_argument(
        "--no-light", action="store_true", help="leave the background's exposure and colours"
    )
    parser.add_argument(
        "--no-refine", action="store_true", help="only enlarge what the network sees"
    )


def _make_predict(predictor: "Predictor", options: argparse.Namespace) -> "Predict":
    """What a command is to call for each pair, as its options want it."""
    return partial(
        predictor.predict,
        align=not options.no_align,
        light=not options.no_light,
        refine=not options.no_refine,
    )


def _make_predictor(options: argparse.Namespace) -> "Predictor":
    from depthmask.inference.predictor import Predictor

    return Predictor(
        options.checkpoint,
        device=options.device,
        resolution=options.resolution,
        backend=options.backend,
        quality=options.quality,
    )


def _add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("background", type=Path, help="photo of the empty scene")
    parser.add_argument("image", type=Path, help="photo of the scene with something in it")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FOLDER", help="made where missing"
    )
    _add_predictor_arguments(parser)
    _add_pair_arguments(parser)
    parser.add_argument(
        "--true-mask", type=Path, metavar="FILE", help="compare: white is foreground"
    )
    parser.add_argument(
        "--true-depth", type=Path, metavar="FILE", help="compare: 8 or 16 bits, white is depth 1"
    )


def _predict(options: argparse.Namespace) -> None:
    from depthmask.depth import CONVENTION
    from depthmask.evaluation.sequences import compare
    from depthmask.pictures import read_photo

    _check_outputs(options)
    background, background_notes = read_photo(options.background)
    image, image_notes = read_photo(options.image)
    truth = _read_truth(options, image)
    _make_folder(options.output)
    start = time.perf_counter()
    predictor = _make_predictor(options)
    loaded = time.perf_counter()
    for path, notes in ((options.background, background_notes), (options.image, image_notes)):
        for note in notes:
            print(f"{path}: {note}", file=sys.stderr)
    prediction = _make_predict(predictor, options)(background, image)
    assert prediction.pair is not None, "a Predictor looks at pairs"
    writing = time.perf_counter()
    files = _write_prediction(options.output, image, prediction)
    print(prediction.pair.quality.sentence, file=sys.stderr)
    seconds = {
        "load": loaded - start,
        "predict": prediction.seconds,
        "write": time.perf_counter() - writing,
    }
    report = {
        **files,
        **compare(prediction, true_mask=truth.mask, true_depth=truth.depth),
        "resolution": predictor.resolution,
        "device": predictor.device,
        "backend": predictor.backend.name,
        "precision": predictor.backend.precision,
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
        "convention": CONVENTION,
        "pair": prediction.pair.summary(),
        "notes": {"background": background_notes, "image": image_notes},
    }
    print(json.dumps(report, indent=2))


class Truth(NamedTuple):
    """What a prediction is to be compared with, where it is known."""

    mask: "Mask | None"
    depth: "Map | None"


def _read_truth(options: argparse.Namespace, image: "Picture") -> Truth:
    from depthmask.pictures import check_size, read_mask, read_true_depth

    truth = Truth(
        read_mask(options.true_mask) if options.true_mask else None,
        read_true_depth(options.true_depth) if options.true_depth else None,
    )
    for path, array in zip((options.true_mask, options.true_depth), truth, strict=True):
        if array is not None:  # told now, not after the prediction
            check_size(array, image, str(path))
    return truth


def _write_prediction(folder: Path, image: "Picture", prediction: "Prediction") -> dict[str, str]:
    from depthmask.inference.refinement import unmix
    from depthmask.pictures import write_cutout, write_depth, write_mask
    from depthmask.render.views import cutout

    files = _outputs(folder)
    write_mask(files["mask"], prediction.mask)
    write_depth(files["depth"], prediction.depth)
    if prediction.background is not None:
        image = unmix(image, prediction.background, prediction.mask)
    write_cutout(files["cutout"], cutout(image, prediction.mask))
    return {name: str(path) for name, path in files.items()}


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuses to write over what is read."""
    inputs = (options.background, options.image, options.true_mask, options.true_depth)
    read = {Path(path).resolve() for path in inputs if path}
    for path in _outputs(options.output).values():
        if path.resolve() in read:
            raise OptionError(f"{path} is read here and would be written over; choose another -o.")


def _outputs(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}.png" for name in ("mask", "depth", "cutout")}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another."
        ) from error


def _add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        help="holds SEQ/background.png, SEQ/image/*.png, SEQ/mask/*.png (255 foreground, "
        "0 background, 170 left out) and SEQ/depth/*.png (16 bits, millimetres, 0 unknown), or "
        "other pictures named so; or a data set that `build` made, or the original project's",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to a file")
    data_commands.add_score_arguments(parser)
    _add_predictor_arguments(parser)
    _add_pair_arguments(parser)


def _evaluate(options: argparse.Namespace) -> None:
    from depthmask.evaluation.sequences import evaluate_folder

    for file in (options.json, options.html):
        if file:  # told now, not after an hour
            check_file(file)
    predict = _make_predict(_make_predictor(options), options)

    def progress(line: str) -> None:
        print(line, file=sys.stderr)

    result = data_commands.score(predict, options, progress) or evaluate_folder(
        predict, options.folder, progress=progress
    )
    text = json.dumps(result, indent=2, allow_nan=False)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


def _add_pack_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--foregrounds", type=Path, required=True, metavar="DIR", help="pictures with alpha")
    add("--backgrounds", type=Path, required=True, metavar="DIR", help="photos of empty scenes")
    add(
        "--teacher",
        action="append",
        required=True,
        metavar="FILE:UNIT[:WEIGHT]",
        help="ONNX network that labels depth; UNIT is inverse or metres; several make an ensemble",
    )
    add("-o", "--output", type=Path, required=True, metavar="FILE", help="the packed data")
    add("--side", type=int, default=256, help="pixels a side that are kept (default: %(default)s)")
    add("--max-mb", type=float, default=50, help="largest size in MB (default: %(default)s)")
    views = "label ten views of a background: ten times the work, less of a small teacher's error"
    add("--views", action="store_true", help=views)


def _pack(options: argparse.Namespace) -> None:
    from depthmask.data.pack import pack
    from depthmask.data.teachers import TeacherSpec

    pack(
        options.foregrounds,
        options.backgrounds,
        [TeacherSpec.parse(text) for text in options.teacher],
        options.output,
        side=options.side,
        max_mb=options.max_mb,
        views=options.views,
    )


def _add_export_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--checkpoint", type=Path, metavar="FILE", help="weights (default: those in weights/)")
    add("--format", choices=("onnx", "openvino", "torch"), default="onnx", help="of the graph")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="ends in .onnx, .xml or .pt2 (default: beside the checkpoint, where it is looked for)",
    )
    add(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="of the stored weights; int8: of the arithmetic, too (default: %(default)s)",
    )
    add(
        "--dynamic",
        action="store_true",
        help="any sides that are multiples of 32 (default: the checkpoint's resolution, a square)",
    )
    add(
        "--pairs",
        type=Path,
        metavar="DIR",
        help="holds NAME/background.* and NAME/image.* to compare on, and to choose the scales of "
        "int8 by (default: examples/)",
    )
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="packed pictures: judge int8 by composites of them (default: by DIR/NAME/mask.*)",
    )


def _export(options: argparse.Namespace) -> None:
    from depthmask.backends import graph_of
    from depthmask.export.exporter import EXAMPLES, SUFFIXES, export
    from depthmask.network.checkpoint import WEIGHTS

    if not (options.output or options.dynamic or options.format == "torch"):
        raise OptionError(
            "A graph beside the weights must take every size: add --dynamic, or name a file by -o."
        )
    checkpoint = options.checkpoint or WEIGHTS
    beside = graph_of(checkpoint, options.precision).with_suffix(SUFFIXES[options.format])
    report = export(
        checkpoint,
        options.output or beside,
        kind=options.format,
        precision=options.precision,
        dynamic=options.dynamic,
        pairs=options.pairs or EXAMPLES,
        data=options.data,
    )
    print(json.dumps(report, indent=2))


def _add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--checkpoint", type=Path, metavar="FILE", help="weights (default: those in weights/)")
    add("--json", type=Path, metavar="FILE", help="write the numbers to a file")
    add("--svg", type=Path, metavar="FILE", help="draw the speed of each")
    add("--quick", action="store_true", help="one size, under a minute")


def _bench(options: argparse.Namespace) -> None:
    from depthmask.cli.bench import as_table, bench, draw, report
    from depthmask.network.checkpoint import WEIGHTS

    for file in (options.json, options.svg):
        if file:  # told now, not after minutes
            check_file(file)
    rows = bench(
        options.checkpoint or WEIGHTS,
        sizes=(224,) if options.quick else (224, 512),
        seconds=10 if options.quick else 60,
        say=lambda line: print(line, file=sys.stderr),
    )
    print(as_table(rows))
    if options.json:
        options.json.write_text(json.dumps(report(rows), indent=2) + "\n")
    if options.svg:
        options.svg.write_text(draw(rows))


COMMANDS = {
    "build": Command(
        "Build a data set of composites on disk, with masks and depth.",
        data_commands.add_build_arguments,
        data_commands.run_build,
    ),
    "merge": Command(
        "Join and check the parts of a data set that `build --shard` has made.",
        data_commands.add_merge_arguments,
        data_commands.run_merge,
    ),
    "inspect": Command(
        "Draw a sheet of a data set's samples and distributions.",
        data_commands.add_inspect_arguments,
        data_commands.run_inspect,
    ),
    "pack": Command(
        "Pack folders of cut-outs and backgrounds into one file to train on.",
        _add_pack_arguments,
        _pack,
    ),
    "predict": Command(
        "Find the mask and the depth of a pair of photos.", _add_predict_arguments, _predict
    ),
    "export": Command(
        "Write the network as a graph for other runtimes, and compare it with torch.",
        _add_export_arguments,
        _export,
    ),
    "bench": Command(
        "Measure how fast each backend runs the network here.", _add_bench_arguments, _bench
    ),
    "evaluate": Command(
        "Measure how well masks and depth agree with ground truth.",
        _add_evaluate_arguments,
        _evaluate,
    ),
}

if __name__ == "__main__":
    sys.exit(main())
