"""The options of `depthmask predict` that say what is written."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.cli.inputs import STREAM, read_backdrop
from depthmask.errors import OptionError

if TYPE_CHECKING:
    from depthmask.inference.outputs import Wanted

_DEPTHS = ("png", "near-bright", "metres", "npy", "ply")
_FORMATS = ("png", "webp", "tiff", "jpeg")


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--depth",
        choices=_DEPTHS,
        default="png",
        help="16-bit grey, far bright or near bright; metres: 16-bit grey in millimetres, which "
        "needs --scale; npy: floats; ply: a cloud of points (default: %(default)s)",
    )
    add(
        "--scale",
        type=float,
        nargs=2,
        metavar=("NEAR", "FAR"),
        help="how many metres away the nearest and the farthest of the empty scene are; it turns "
        "depth into metres",
    )
    add("--crop", action="store_true", help="crop the results to the foreground")
    add(
        "--backdrop",
        metavar="COLOUR|FILE",
        help="put the foreground before it instead of cutting it out: a colour such as white or "
        "#00ff00, or a picture",
    )
    add("--mask-only", action="store_true", help="write the mask alone")
    add("--unknown", action="store_true", help="also write what the background does not show")
    add(
        "--format",
        choices=_FORMATS,
        default="png",
        help="of the cut-out or the picture before a backdrop; jpeg needs --backdrop; tiff is for "
        "mask and depth, too (default: %(default)s)",
    )


def find_wanted(options: argparse.Namespace, folder: Path) -> "Wanted":
    """What to write; the backdrop is read before the prediction, which takes time."""
    from depthmask.inference.outputs import Wanted

    if "" in (options.output, options.backdrop):
        raise OptionError("-o and --backdrop must not be empty; give a name, or leave them out.")
    if options.format == "jpeg" and not (options.backdrop or options.mask_only):
        raise OptionError("JPEG has no transparency; add --backdrop, or choose another --format.")
    if options.depth == "metres" and not options.scale:
        raise OptionError(
            "Depth is relative; for metres, --scale NEAR FAR says how far the nearest and the "
            "farthest of the empty scene are."
        )
    if options.scale and options.depth not in ("metres", "npy", "ply"):
        raise OptionError("--scale is for --depth metres, npy or ply; leave it out, or choose one.")
    if options.scale and not 0.001 <= options.scale[0] < options.scale[1] <= 1e6:
        raise OptionError(
            "--scale takes two distances in metres, the nearer first, from 0.001 to 1,000,000."
        )
    if options.depth == "metres" and options.scale[1] > 65:
        raise OptionError("16 bits of millimetres end at 65 m; use --depth npy.")
    return Wanted(
        depth=options.depth,
        format=options.format,
        scale=tuple(options.scale) if options.scale else None,
        crop=options.crop,
        backdrop=read_backdrop(options, folder / "backdrop") if options.backdrop else None,
        mask_only=options.mask_only,
        unknown=options.unknown,
        one_picture=options.output == STREAM,
    )
