"""The empty scenes of a clip, as --background and --rekey of `depthmask video` name them."""

import argparse
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from depthmask.cli.inputs import find_backgrounds
from depthmask.data.folders import say
from depthmask.errors import HINT, ClipError, OptionError, counted

if TYPE_CHECKING:
    from depthmask.clips import Clip
    from depthmask.inference.background import Background
    from depthmask.inference.clip_scene import ClipScene
    from depthmask.inference.predictor import Predictor

# what the options can do about it
REFUSED_HINT = (
    f"{HINT}--background names a photo of the empty scene, and --rekey a moment at which the "
    "camera comes to stand elsewhere."
)
UNKNOWN_HINT = f"{HINT}--background names a photo of the empty scene."
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")


class Rekey(NamedTuple):
    """From when on another background is taken."""

    time: Fraction  # seconds
    background: str | None  # as it was given; None: it is learned from the clip


def parse_rekey(text: str) -> Rekey:
    """Reads TIME[=PHOTO]; errors: ArgumentTypeError."""
    time, _, background = text.partition("=")
    found = _TIME.fullmatch(time)
    if not found:
        raise argparse.ArgumentTypeError(f"{time!r} is no time; write seconds, or 1:02:03.5")
    hours, minutes, seconds = (Fraction(part or 0) for part in found.groups())
    return Rekey(3600 * hours + 60 * minutes + seconds, background or None)


def find_scenes(
    options: argparse.Namespace, clip: "Clip", predictor: "Predictor", folder: Path
) -> "list[tuple[Fraction, ClipScene]]":
    """The empty scene, and those that --rekey names, each with the time from which on it counts."""
    given = sorted([Rekey(Fraction(0), options.background), *options.rekey], key=lambda x: x.time)
    if len({each.time for each in given}) < len(given):
        raise OptionError("--rekey names one time twice, or 0; leave one out.")
    if clip.seconds is not None and given[-1].time >= clip.seconds:
        raise OptionError(
            f"--rekey {float(given[-1].time):g} is after the end of the clip, which lasts "
            f"{clip.seconds:.1f} s."
        )
    ends = [each.time for each in given[1:]]
    found = []
    for index, (each, end) in enumerate(zip(given, [*ends, None], strict=True)):
        try:
            scene = _scene(options, clip, predictor, each, end, folder / str(index))
        except ClipError:
            say(REFUSED_HINT)
            raise
        for sentence in scene.sentences:
            say(sentence)
        if scene.known < 1 and scene.sentences:
            say(UNKNOWN_HINT)
        found.append((each.time, scene))
    return found


def _scene(
    options: argparse.Namespace,
    clip: "Clip",
    predictor: "Predictor",
    given: Rekey,
    end: Fraction | None,
    folder: Path,
) -> "ClipScene":
    from depthmask.clips import spread_frames
    from depthmask.inference.clip_scene import SAMPLE_SIDE, SAMPLES, lay_scene, learn_scene

    frames = spread_frames(clip, SAMPLES, side=SAMPLE_SIDE, start=given.time, end=end)
    size, align = (clip.height, clip.width), not options.no_align
    if not frames:
        raise ClipError(f"The clip has no frame at {float(given.time):g} s; name another --rekey.")
    if given.background is None:
        say(f"Learning the background from {counted(len(frames), 'frame')} of the clip…")
        return learn_scene(frames, size, predictor, align=align)
    background = _background(given.background, folder, allow_private=options.allow_private)
    return lay_scene(background, frames, size, predictor, align=align)


def _background(text: str, folder: Path, *, allow_private: bool) -> "Background":
    """The empty scene of a photo, or what a folder or a clip of it teaches."""
    from depthmask.clips import is_clip, read_clip, spread_frames
    from depthmask.inference.background import FRAME_SIDE, MAX_FRAMES, learn_background
    from depthmask.pictures import read_photo

    if is_clip(Path(text)):
        photos = spread_frames(read_clip(Path(text)), MAX_FRAMES, side=FRAME_SIDE)
    else:
        found = find_backgrounds([text], folder, allow_private=allow_private)
        photos = [each.read(read_photo).picture for each in found]
    return photos[0] if len(photos) == 1 else learn_background(photos)
