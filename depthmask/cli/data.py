"""`depthmask build`, `merge`, `inspect` and `pack`: the commands that make and show data sets."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.cli.cluster_options import add_ray_argument
from depthmask.cli.options import parse_shard
from depthmask.errors import OptionError
from depthmask.files import check_file

if TYPE_CHECKING:
    from depthmask.datasets.build import Runner

_MEASURED_HELP = (
    "depth of some backgrounds, under their names: 16-bit PNG of millimetres, 0 = none; teachers "
    "fill what was not measured; DIR may be that of the backgrounds"
)


def add_build_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--foregrounds", type=Path, required=True, metavar="DIR", help="pictures with alpha")
    add("--backgrounds", type=Path, required=True, metavar="DIR", help="photos of empty scenes")
    add("--out", type=Path, required=True, metavar="DIR", help="a new folder, or one to continue")
    add("--size", type=int, default=224, help="side in pixels (default: %(default)s)")
    add(
        "--placements",
        type=int,
        default=20,
        metavar="N",
        help="random placements of each cut-out on each background (default: %(default)s)",
    )
    add("--flip", action="store_true", help="add the same number of mirrored samples")
    add(
        "--scale",
        type=float,
        default=0.5,
        help="an object's longest side in sides of the frame (default: %(default)s)",
    )
    add(
        "--depth",
        default="contact",
        metavar="TEACHER",
        help="contact: an object is as far away as the place it stands on, and the shipped network "
        "labels the backgrounds; contact:TEACHER: a teacher labels the backgrounds; "
        "onnx:FILE[:metres] or hf:MODEL[:metres]: a teacher labels every composite (default: "
        "%(default)s)",
    )
    add("--measured-depth", type=Path, metavar="DIR", help=_MEASURED_HELP)
    add(
        "--layout",
        choices=("plain", "original"),
        default="plain",
        help="plain: PNG masks and 16-bit depth; original: the original project's folders and "
        "JPEGs (default: %(default)s)",
    )
    add("--seed", type=int, default=0, help="of the placements (default: %(default)s)")
    add(
        "--held-out",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share of the cut-outs and backgrounds in the test split (default: %(default)s)",
    )
    add("--shard", default="1/1", metavar="I/N", help="make part I of N; `merge` joins them")
    add("--jobs", type=int, metavar="N", help="threads (default: as many as processors)")
    add_ray_argument(add)


def run_build(options: argparse.Namespace) -> None:
    from depthmask.datasets.build import Folders, build
    from depthmask.datasets.plan import Settings

    settings = Settings(
        size=options.size,
        placements=options.placements,
        flip=options.flip,
        scale=options.scale,
        depth=options.depth,
        layout=options.layout,
        seed=options.seed,
        held_out=options.held_out,
    )
    if options.jobs is not None and (options.ray or options.jobs < 1):
        raise OptionError(
            "--jobs must be 1 or more, and cannot be combined with --ray, which uses all machines."
        )
    build(
        Folders(options.foregrounds, options.backgrounds, options.out, options.measured_depth),
        settings,
        shard=parse_shard(options.shard),
        runner=_make_runner(options),
    )


def _make_runner(options: argparse.Namespace) -> "Runner":
    from depthmask.datasets.build import Threads

    if not options.ray:
        return Threads(options.jobs)
    from depthmask.datasets.ray import RayTasks

    return RayTasks(options.ray)


def add_merge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "parts", type=Path, nargs="+", metavar="PART", help="folders made with --shard I/N"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the whole data set")


def run_merge(options: argparse.Namespace) -> None:
    from depthmask.datasets.merge import merge

    merge(options.parts, options.out)


def add_inspect_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "dataset",
        type=Path,
        help="a folder that `build` made, or the original project's folders or zips",
    )
    add("-o", "--output", type=Path, required=True, metavar="FILE", help="the sheet, a PNG")
    add(
        "--samples",
        type=int,
        default=400,
        metavar="N",
        help="number of samples for the distributions (default: %(default)s)",
    )
    add(
        "--held-out",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="share in the test split, if no manifest tells (default: %(default)s)",
    )


def run_inspect(options: argparse.Namespace) -> None:
    from depthmask.datasets.inspect import inspect
    from depthmask.datasets.reader import open_dataset

    if options.samples < 1:
        raise OptionError(f"--samples must be 1 or more, not {options.samples}.")
    if options.output.suffix.lower() != ".png":
        raise OptionError(
            f"The sheet is a PNG; choose a name that ends in .png, not {options.output}."
        )
    check_file(options.output)
    dataset = open_dataset(options.dataset, held_out=options.held_out)
    print(json.dumps(inspect(dataset, options.output, samples=options.samples), indent=2))


def add_pack_arguments(parser: argparse.ArgumentParser) -> None:
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
    add(
        "--side",
        type=int,
        default=256,
        help="pixels per side of a packed picture (default: %(default)s)",
    )
    add("--max-mb", type=float, default=50, help="largest size in MB (default: %(default)s)")
    views = "label ten views of each background: ten times the work, for a small teacher's errors"
    add("--views", action="store_true", help=views)
    add("--measured-depth", type=Path, metavar="DIR", help=_MEASURED_HELP)


def run_pack(options: argparse.Namespace) -> None:
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
        measured=options.measured_depth,
    )
