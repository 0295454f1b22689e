"""`depthmask export`: writes the network as a graph for other runtimes."""

import argparse
import json
from pathlib import Path

from depthmask.errors import OptionError
from depthmask.network.architecture import MODELS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--model", choices=MODELS, default="main", help="the shipped network")
    weights.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights of your own")
    add("--format", choices=("onnx", "openvino", "torch"), default="onnx", help="of the graph")
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="ends in .onnx, .xml or .pt2 (default: beside the checkpoint, for the backends)",
    )
    add(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        default="fp32",
        help="of the stored weights; int8: of the arithmetic too (default: %(default)s)",
    )
    add(
        "--dynamic",
        action="store_true",
        help="accept sides that are multiples of 32 (default: a square of the checkpoint's "
        "resolution)",
    )
    add(
        "--pairs",
        type=Path,
        metavar="DIR",
        help="holds NAME/background.* and NAME/image.*, which compare the graph with torch and set "
        "the scales of int8 (default: the shipped examples)",
    )
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="packed pictures: test int8 on composites of them (default: on DIR/NAME/mask.*)",
    )


def run(options: argparse.Namespace) -> None:
    from depthmask.backends import graph_of
    from depthmask.export.exporter import GRAPH_SUFFIXES, export
    from depthmask.files import EXAMPLES
    from depthmask.network.checkpoint import SHIPPED

    if not (options.output or options.dynamic or options.format == "torch"):
        raise OptionError(
            "A graph beside the weights must accept every size; add --dynamic or -o FILE."
        )
    checkpoint = options.checkpoint or SHIPPED[options.model]
    beside = graph_of(checkpoint, options.precision).with_suffix(GRAPH_SUFFIXES[options.format])
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
