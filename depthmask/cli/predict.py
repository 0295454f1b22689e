"""`depthmask predict`: the mask and the depth of a pair of photos, or of a folder of them."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from depthmask.cli.cluster_options import add_ray_argument
from depthmask.cli.inputs import STREAM, Input, find_backgrounds, find_input
from depthmask.cli.options import (
    add_fetch_argument,
    add_network_arguments,
    add_pair_arguments,
    make_background,
    make_learn_occupied,
    make_predict,
    make_predictor,
)
from depthmask.cli.outputs import add_output_arguments, find_wanted
from depthmask.errors import OptionError
from depthmask.files import refuse_links, write_together

if TYPE_CHECKING:
    from depthmask.inference.outputs import Wanted
    from depthmask.inference.pair_quality import PairReport
    from depthmask.pictures import Photo

_STEPS = ("load", "predict", "write")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    where = "a file, an http(s) address, or - for standard input"
    add(
        "background",
        help=f"photo of the empty scene: {where}; or a folder with several, in which leaves, water "
        "or screens may move",
    )
    add(
        "image",
        help="photo of the same scene with something in it: likewise; or a folder with many, whose "
        "subfolders count, too",
    )
    add(
        "-o",
        "--output",
        metavar="FOLDER",
        help="where the results go, made if it is missing; - writes the cut-out to standard output "
        "and the JSON to standard error (default: beside the image, IMAGE-mask.png and so on). Of "
        "a folder of images: mask/NAME.png, depth/NAME.png and so on, subfolders kept; two images "
        "whose names differ in the ending alone keep it, as in mask/NAME.jpg.png",
    )
    add(
        "--background",
        dest="more_backgrounds",
        action="append",
        default=[],
        metavar="PHOTO",
        help="one more photo of the empty scene, or a folder of them; can be repeated",
    )
    add_output_arguments(parser)
    _add_folder_arguments(parser)
    add_network_arguments(parser)
    add_pair_arguments(parser)
    add(
        "--mirror-background",
        action="store_true",
        help="mirror the background first, for a camera that mirrored one of the photos",
    )
    add_fetch_argument(parser)
    add("--true-mask", type=Path, metavar="FILE", help="compare with it; white is foreground")
    add(
        "--true-depth",
        type=Path,
        metavar="FILE",
        help="compare with it; relative, 8 or 16 bits, white is depth 1; or millimetres",
    )


def _add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(
        "folders of images",
        "What is done is kept; the same command goes on where it stopped. report.html and "
        "report.csv tell what failed, and the exit code is 1 then.",
    ).add_argument
    add(
        "--pairs",
        metavar="names|FILE",
        help="each image has its own background: names, that of the same name in the folder "
        "BACKGROUND; or a CSV with the columns background and image (and name, of the results), "
        "paths below the two folders",
    )
    add("--watch", action="store_true", help="wait for more images until Ctrl-C")
    add("--shard", metavar="I/N", help="make part I of N, for jobs on several machines")
    add(
        "--jobs",
        type=int,
        metavar="N",
        help="images that are worked on at once (default: as many as processors, at most 8; with "
        "--ray, 2 in each worker)",
    )
    add_ray_argument(add)


def run(options: argparse.Namespace) -> None:
    from depthmask.cli.predict_folder import is_for_folders, run_folder

    with TemporaryDirectory(prefix="depthmask-") as folder:
        if is_for_folders(options):
            run_folder(options, Path(folder))
        else:
            _run(options, Path(folder))


def _run(options: argparse.Namespace, folder: Path) -> None:
    from depthmask.evaluation.sequences import read_truth, score_prediction, truth_remarks
    from depthmask.inference.outputs import crop_box, describe, encode
    from depthmask.pictures import read_metadata, read_photo

    given = [options.background, *options.more_backgrounds]
    if [*given, options.image, options.backdrop].count(STREAM) > 1:
        raise OptionError("Only one of the photos can come from standard input; name the other.")
    start = time.perf_counter()
    allow = options.allow_private
    empty = find_backgrounds(given, folder / "backgrounds", allow_private=allow)
    shown = find_input(options.image, folder / "image", allow_private=allow)
    inputs = [*empty, shown]
    wanted = find_wanted(options, folder)
    files = _outputs(options, shown, wanted)
    places = list(files.values())
    _check_outputs(options, inputs, places)
    with ThreadPoolExecutor(1) as pool:  # the network is loaded while the photos are read
        network = pool.submit(make_predictor, options, resolution=options.resolution)
        *backgrounds, image = (each.read(read_photo) for each in inputs)
        mask, depth = read_truth(options.true_mask, options.true_depth, image.picture)
        _make_folders(places)
        predictor = network.result()
    loaded = time.perf_counter()
    _print_notes(inputs, (*backgrounds, image))
    occupied = options.never_empty or any(_is_same_file(each, shown) for each in empty)
    learn = make_learn_occupied(predictor, options) if occupied and len(empty) > 1 else None
    background = make_background([photo.picture for photo in backgrounds], options, learn)
    prediction = make_predict(predictor, options)(background, image.picture)
    writing = time.perf_counter()
    encoded = encode(image.picture, prediction, wanted, shown.read(read_metadata))
    _write({files[name]: content for name, content in encoded.items()})
    written = time.perf_counter()
    remarks = truth_remarks(prediction, mask, depth)
    seconds = (loaded - start, prediction.seconds, written - writing)
    notes = dict.fromkeys(note for photo in backgrounds for note in photo.notes)
    report = {
        **{name: str(path) for name, path in files.items()},
        **score_prediction(prediction, true_labels=mask and mask.labels, true_depth=depth),
        **({"crop": crop_box(prediction.mask)} if options.crop else {}),
        **describe(predictor, prediction),
        "seconds": dict(zip(_STEPS, (round(value, 3) for value in seconds), strict=True)),
        "notes": {"background": tuple(notes), "image": image.notes, "truth": remarks},
    }
    if prediction.pair:
        _print_verdict(prediction.pair)
    for remark in remarks:
        print(remark, file=sys.stderr)
    print(json.dumps(report, indent=2), file=sys.stderr if options.output == STREAM else sys.stdout)


def _is_same_file(one: Input, other: Input) -> bool:
    return os.path.realpath(one.path) == os.path.realpath(other.path)


def _print_verdict(report: "PairReport") -> None:
    print(*report.quality.sentences, file=sys.stderr)
    if report.mirrored:
        print("The option --mirror-background mirrors it.", file=sys.stderr)


def _outputs(options: argparse.Namespace, image: Input, wanted: "Wanted") -> dict[str, Path]:
    """Where each result goes, by its name."""
    from depthmask.inference.outputs import file_names

    names = file_names(wanted)
    if options.output == STREAM:
        return dict.fromkeys(names, Path(STREAM))
    if options.output is None:
        return {name: image.folder / f"{image.stem}-{file}" for name, file in names.items()}
    return {name: Path(options.output) / file for name, file in names.items()}


def _check_outputs(
    options: argparse.Namespace, inputs: Sequence[Input], files: Sequence[Path]
) -> None:
    """Refuses to overwrite an input, to follow a link, and to replace a folder."""
    read = {*(each.path for each in inputs), options.true_mask, options.true_depth}
    read.add(Path(options.backdrop) if options.backdrop else None)
    real = {os.path.realpath(path) for path in read if path}
    for path in files:
        refuse_links(path.parent, path.name)
        if os.path.isdir(path):
            raise OptionError(f"{path} cannot be written, for it is a folder; choose another -o.")
        if os.path.realpath(path) in real:
            raise OptionError(f"{path} is an input and would be overwritten; choose another -o.")


def _make_folders(files: Sequence[Path]) -> None:
    for folder in {path.parent for path in files}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(
                f"The folder {folder} cannot be made ({error.strerror}); choose another."
            ) from error


def _print_notes(inputs: Sequence[Input], photos: Sequence["Photo"]) -> None:
    for found, photo in zip(inputs, photos, strict=True):
        for note in photo.notes:
            print(f"{found.name}: {note}", file=sys.stderr)


def _write(files: Mapping[Path, bytes]) -> None:
    if Path(STREAM) not in files:
        write_together(files)
        return
    sys.stdout.buffer.write(files[Path(STREAM)])
    sys.stdout.buffer.flush()
