"""`depthmask video`: a clip in, a clip with alpha out."""

import argparse
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

from depthmask.cli.cluster_options import add_ray_argument, on_all_machines
from depthmask.cli.inputs import read_look
from depthmask.cli.options import (
    add_fetch_argument,
    add_network_arguments,
    add_resolution_argument,
    make_predictor,
)
from depthmask.cli.video_scenes import find_scenes, parse_rekey
from depthmask.data.folders import say
from depthmask.errors import HINT, ClipError, OptionError, counted
from depthmask.files import (
    check_file,
    clear_workplace,
    refuse_links,
    remove_all,
    reserved,
    workplace,
    write_whole,
)
from depthmask.progress import Progress

if TYPE_CHECKING:
    from threading import Event

    from depthmask.backends.base import BatchBackend
    from depthmask.clips import Clip
    from depthmask.inference.clip_look import Look
    from depthmask.inference.clip_output import Output
    from depthmask.inference.clip_run import Job, Outcome, Parts
    from depthmask.inference.clip_scene import ClipScene
    from depthmask.inference.predictor import Predictor

INTERRUPTED = 130  # exit code, as shells call the end of a program by Ctrl-C
REKEY_HINT = f"{HINT}--rekey TIME learns the background anew from then on."
MAX_LOST_SHARE = 0.02  # of the frames; more are worth a sentence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("clip", type=Path, metavar="CLIP", help="a file that FFmpeg reads, of a camera at rest")
    add(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="a .webm (VP9) or .mov (ProRes 4444) with alpha, an .mp4 with the mask at the side, "
        "or a folder for PNGs with alpha",
    )
    add(
        "--background",
        metavar="PHOTO|CLIP|FOLDER",
        help="the empty scene (default: it is learned from the clip itself)",
    )
    add(
        "--rekey",
        type=parse_rekey,
        action="append",
        default=[],
        metavar="TIME[=PHOTO]",
        help="from this time on (seconds, or [H:]M:S), learn the background anew, or take another; "
        "can be repeated",
    )
    add(
        "--backdrop",
        metavar="COLOUR|PICTURE|blur",
        help="put the foreground before it instead of cutting it out; blur is the background out "
        "of focus",
    )
    add("--depth", type=Path, metavar="FOLDER", help="also write depth, as PNGs of 16 bits")
    add("--unknown", type=Path, metavar="FILE", help="also draw what is not known of the scene")
    add(
        "--resume",
        action="store_true",
        help="keep what is done beside OUT, and go on from there when the same command is given "
        "again",
    )
    add("--max-seconds", type=float, metavar="S", help="refuse a clip that lasts longer")
    add("--no-smooth", action="store_true", help="predict each frame for itself")
    add("--no-align", action="store_true", help="take the camera to stand still")
    add_ray_argument(add)
    add_resolution_argument(parser)
    add_fetch_argument(parser)
    add_network_arguments(parser)


def run(options: argparse.Namespace) -> None:
    if options.ray:
        on_all_machines(options, "clip", "output", "depth", "checkpoint")
    with TemporaryDirectory(prefix="depthmask-") as folder, ExitStack() as stack:
        _run(options, Path(folder), stack)


def _run(options: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    from depthmask.clips import read_clip
    from depthmask.inference.clip_run import Job, stop_on_signals
    from depthmask.inference.predictor import network_size

    clip = read_clip(options.clip)
    _check_length(options, clip)
    look = _look(options, folder)
    _check_outputs(options, clip)
    sign = stack.enter_context(reserved(options.output))
    if options.depth:
        stack.enter_context(reserved(options.depth))
    for note in clip.notes:
        say(note)
    predictor = make_predictor(options, resolution=options.resolution)
    scenes = find_scenes(options, clip, predictor, folder)
    _write_unknown(options, clip, scenes)
    size = network_size(clip.height, clip.width, predictor.resolution)
    backend = cast("BatchBackend", predictor.backend)
    job = Job(clip, scenes, backend, size, look, smooth=not options.no_smooth)
    with stop_on_signals() as stop:
        outcome = _convert(options, job, stop, sign)
    _tell_end(options, clip, outcome)
    print(json.dumps(_report(options, job, predictor, outcome), indent=2))
    if not outcome.whole:
        raise SystemExit(INTERRUPTED)


def _check_length(options: argparse.Namespace, clip: "Clip") -> None:
    most = options.max_seconds
    if most is not None and (clip.seconds or 0) > most:
        raise ClipError(
            f"The clip lasts {clip.seconds:.1f} s; at most {most:g} s are taken. Cut it shorter."
        )


def _look(options: argparse.Namespace, folder: Path) -> "Look":
    """What is drawn; a backdrop is read before the work, which takes time."""
    from depthmask.clips import FORMATS
    from depthmask.inference.clip_look import Look

    if options.backdrop is not None:
        return read_look(options, folder / "backdrop")
    kind = FORMATS.get(options.output.suffix.lower())
    return Look("cutout" if kind is None or kind.has_alpha else "sides")


def _check_outputs(options: argparse.Namespace, clip: "Clip") -> None:
    """Refuses endings that are not written, folders with other files, and the clip itself."""
    from depthmask.clips import FORMATS
    from depthmask.inference.clip_output import TIMES

    files = [path for path in (options.output, options.unknown) if path and _is_file(path)]
    folders = [path for path in (options.output, options.depth) if path and not _is_file(path)]
    suffix = options.output.suffix.lower()
    if suffix and suffix not in FORMATS:
        raise OptionError(f"{suffix} is not written; use {', '.join(FORMATS)}, or a folder's name.")
    if options.unknown and options.unknown.suffix.lower() != ".png":
        raise OptionError(f"{options.unknown} must end in .png.")
    for path in files:
        if os.path.isdir(path):
            raise OptionError(f"{path} cannot be written, for it is a folder; choose another.")
        if os.path.realpath(path) == os.path.realpath(clip.path):
            raise OptionError(f"{path} is the clip and would be overwritten; choose another -o.")
        check_file(path)
    for path in folders:
        refuse_links(path.parent, path.name)
        known = options.resume and (path / TIMES).is_file()
        if path.is_file() or (path.is_dir() and any(path.iterdir()) and not known):
            raise OptionError(
                f"{path} is there already; choose a new folder, or go on with --resume."
            )


def _is_file(path: Path) -> bool:
    return bool(path.suffix)


def _write_unknown(
    options: argparse.Namespace, clip: "Clip", scenes: "list[tuple[Fraction, ClipScene]]"
) -> None:
    from depthmask.inference.clip_look import unknown_picture
    from depthmask.pictures.write import encode_picture

    if options.unknown:
        drawn = unknown_picture(scenes[0][1].unknown, (clip.height, clip.width))
        write_whole(options.unknown, encode_picture(drawn, "png"))


def _convert(options: argparse.Namespace, job: "Job", stop: "Event", sign: str) -> "Outcome":
    """Runs the job in a folder of drafts, which --resume keeps until all is done."""
    from depthmask.inference.clip_run import Parts

    out, clip = options.output, job.clip
    with ExitStack() as stack:
        if options.resume:
            clear_workplace(out)
            drafts = out.with_name(f".{out.name}.parts")
            parts = Parts(drafts, _plan(options, clip))
            if parts.is_other:
                say("What an earlier command with other options had done is made anew.")
        else:
            drafts, parts = stack.enter_context(workplace(out)), None
        done = _frames_made(options, parts, drafts)
        if done:
            say(f"{counted(done, 'frame')} are there already.")
        progress = Progress(clip.frames, "frames", say, before=done)
        try:
            outcome = _make(options, job, drafts, sign, parts, stop=stop, tell=progress.add)
        except OSError as error:
            if Path(error.filename or "").parent == drafts:
                error.filename = str(out)
            raise
        outcome.rate = progress.rate
    if options.resume and outcome.whole:
        remove_all(drafts)
    return outcome


def _frames_made(options: argparse.Namespace, parts: "Parts | None", drafts: Path) -> int:
    if options.ray:
        from depthmask.cli.video_cluster import frames_made

        return frames_made(drafts)
    return parts.frames if parts else 0


def _make(
    options: argparse.Namespace,
    job: "Job",
    drafts: Path,
    sign: str,
    parts: "Parts | None",
    *,
    stop: "Event",
    tell: Callable[[int], None],
) -> "Outcome":
    from depthmask.inference.clip_run import convert

    if options.ray:
        from depthmask.cli.video_cluster import convert_on_cluster

        return convert_on_cluster(options, job, drafts, sign, stop=stop, tell=tell)
    picture, depth = _outputs(options, job, drafts, parts.frames if parts else 0)
    return convert(job, picture, depth, stop=stop, tell=tell, parts=parts)


def _plan(options: argparse.Namespace, clip: "Clip") -> str:
    """Tells a run from one of other options or of another clip."""
    state = clip.path.stat()
    named = {name: str(value) for name, value in vars(options).items()}
    named["ray"] = str(bool(options.ray))  # the same cluster may have another address later
    return json.dumps({**named, "bytes": state.st_size, "changed": state.st_mtime_ns}, indent=1)


def _outputs(
    options: argparse.Namespace, job: "Job", drafts: Path, done: int
) -> "tuple[Output, Output | None]":
    from depthmask.inference.clip_output import ClipFile, ClipInParts, PictureFolder

    clip, out = job.clip, options.output
    depth = PictureFolder(options.depth, done=done) if options.depth else None
    if not _is_file(out):
        return PictureFolder(out, done=done), depth
    kind = ClipInParts if options.resume else ClipFile
    return kind(out, clip, job.look.size(clip.height, clip.width), drafts), depth


def _tell_end(options: argparse.Namespace, clip: "Clip", outcome: "Outcome") -> None:
    if outcome.damaged:
        say(f"{counted(len(outcome.damaged), 'piece')} of the clip could not be decoded.")
    if clip.sound and not _is_file(options.output):
        say("The clip's sound is not written: pictures have none.")
    share = outcome.frames or 1
    if outcome.lost > MAX_LOST_SHARE * share:
        say(
            f"In {counted(outcome.lost, 'frame')} the camera could not be followed: too little of "
            "the background is visible there. It was taken to stand where it stood before."
        )
    if outcome.swapped > MAX_LOST_SHARE * share:
        say(
            "Something in the background seems to have left the scene; the place shows as "
            "foreground."
        )
        say(REKEY_HINT)
    if not outcome.whole:
        more = " Give the same command again to go on." if options.resume else ""
        say(f"Stopped: {options.output} holds the first {counted(outcome.frames, 'frame')}.{more}")


def _report(
    options: argparse.Namespace, job: "Job", predictor: "Predictor", outcome: "Outcome"
) -> dict[str, object]:
    from depthmask.depth import CONVENTION

    scenes = [
        {
            "from": float(start),
            "known": round(scene.known, 4),
            "moves": bool(scene.empty.candidates),
            "sentences": scene.sentences,
        }
        for start, scene in job.scenes
    ]
    return {
        "output": str(options.output),
        **({"depth": str(options.depth), "convention": CONVENTION} if options.depth else {}),
        **({"unknown": str(options.unknown)} if options.unknown else {}),
        "frames": outcome.frames,
        "whole": outcome.whole,
        "frames_a_second": round(outcome.rate, 2),
        "seconds": {stage: round(value, 3) for stage, value in outcome.seconds.items()},
        "resolution": predictor.resolution,
        "device": predictor.device,
        "backend": predictor.backend.name,
        "precision": predictor.backend.precision,
        "backgrounds": scenes,
        "not_followed": outcome.lost,
        **({} if outcome.retries is None else {"retries": outcome.retries}),
        "notes": job.clip.notes,
    }
