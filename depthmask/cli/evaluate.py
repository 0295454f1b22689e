"""`depthmask evaluate`: measures masks and depth against ground truth."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.cli.options import (
    add_network_arguments,
    add_pair_arguments,
    make_learn_occupied,
    make_predict,
    make_predictor,
)
from depthmask.errors import OptionError
from depthmask.files import check_files, write_together

if TYPE_CHECKING:
    from depthmask.evaluation.sequences import Predict

# The defaults of --split and --held-out. Their value is None unless they are given, so that they
# can be refused where they mean nothing.
_SPLIT, _HELD_OUT = "test", 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "folder",
        type=Path,
        help="a data set that `depthmask build` or the original project made; or sequences: "
        "SEQ/background.png, SEQ/image/*.png, SEQ/mask/*.png (255 foreground, 0 background, 85 "
        "and 170 ignored) and SEQ/depth/*.png (16 bits, millimetres, 0 unknown), or other formats; "
        "SEQ/before/*.png: photos from which the background is learned; or videos of CDnet 2014",
    )
    add("--json", type=Path, metavar="FILE", help="write the numbers to a file")
    add("--html", type=Path, metavar="FILE", help="of a data set: write a page with the samples")
    add(
        "--split",
        choices=("train", "test", "mixed"),
        help=f"of a data set: the split to score (default: {_SPLIT})",
    )
    add("--limit", type=int, metavar="N", help="of a data set: score N samples, spread evenly")
    add(
        "--held-out",
        type=float,
        metavar="SHARE",
        help="of the original project's data: the share of cut-outs and backgrounds in the test "
        f"split (default: {_HELD_OUT:g})",
    )
    add_network_arguments(parser)
    add_pair_arguments(parser)


def run(options: argparse.Namespace) -> None:
    from depthmask.evaluation.sequences import evaluate_folder

    check_files(options.json, options.html)  # before the evaluation, which may take an hour
    predictor = make_predictor(options, resolution=options.resolution)
    predict = make_predict(predictor, options)

    def progress(line: str) -> None:
        print(line, file=sys.stderr)

    files: dict[Path, bytes] = {}
    learn = make_learn_occupied(predictor, options) if options.never_empty else None
    result = _score(predict, options, progress, files) or evaluate_folder(
        predict, options.folder, learn=learn, progress=progress
    )
    text = json.dumps(result, indent=2, allow_nan=False)
    print(text)
    if options.json:
        files[options.json] = f"{text}\n".encode()
    write_together(files)


def _score(
    predict: "Predict",
    options: argparse.Namespace,
    progress: Callable[[str], None],
    files: dict[Path, bytes],
) -> Mapping[str, object] | None:
    """Scores a data set of composites; returns None if the folder holds sequences.

    The page of --html is added to the files that are to be written.
    """
    from depthmask.datasets.reader import is_dataset, open_dataset

    if is_dataset(options.folder) and options.never_empty:
        raise OptionError("--never-empty is for sequences; leave it out.")
    if not is_dataset(options.folder):
        _refuse_for_sequences(options)
        return None
    from depthmask.evaluation.composites import evaluate_composites
    from depthmask.evaluation.report import report_page

    if options.limit is not None and options.limit < 1:
        raise OptionError(f"--limit must be 1 or more, not {options.limit}.")
    held_out = _HELD_OUT if options.held_out is None else options.held_out
    dataset = open_dataset(options.folder, held_out=held_out)
    result, scored = evaluate_composites(
        predict, dataset, side=options.split or _SPLIT, limit=options.limit, progress=progress
    )
    if options.html:
        files[options.html] = report_page(result, scored, dataset, predict)
    return result


def _refuse_for_sequences(options: argparse.Namespace) -> None:
    asked = {
        "--html": options.html,
        "--split": options.split,
        "--limit": options.limit,
        "--held-out": options.held_out,
    }
    given = [name for name, value in asked.items() if value is not None]
    if given:
        raise OptionError(f"{options.folder} is no data set; leave out {' and '.join(given)}.")
