"""`depthmask camera`: a webcam in, a virtual camera out, with another backdrop."""

import argparse
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol, cast

from depthmask.cli.inputs import find_backgrounds, read_look
from depthmask.cli.options import (
    add_fetch_argument,
    add_network_arguments,
    add_resolution_argument,
    make_predictor,
)
from depthmask.data.folders import say
from depthmask.errors import CaptureError, OptionError
from depthmask.progress import Progress

if TYPE_CHECKING:
    from depthmask.backends.base import BatchBackend
    from depthmask.clips.webcam import Webcam
    from depthmask.inference.clip_look import Look
    from depthmask.inference.clip_scene import ClipScene
    from depthmask.inference.predictor import Predictor
    from depthmask.pictures import Picture

Ask = Callable[[], bool]

RATE = 30.0  # frames a second, of the virtual camera
STEP_OUT_FRAMES, STEP_OUT_PAUSE_S = 30, 0.1  # before the empty scene is captured
PAUSE_S = 0.1  # between two frames of it
LOST_FRAMES = 30  # in a row, until the user is told
MISSING = 'pyvirtualcam is missing: pip install "depthmask[camera]"'
NO_DEVICE = (
    "No virtual camera can be opened ({}). On Linux, "
    "`sudo modprobe v4l2loopback video_nr=10 exclusive_caps=1` makes /dev/video10."
)
STEP_OUT = "Step out of the picture: the empty scene is captured in three seconds."
HOLD_ON = "Something moves there: stay out for some seconds more."
CAPTURED = "The empty scene is captured: step in. Enter captures it again, Ctrl-C ends."
MOVED = "The camera was moved, or the scene is hidden: press Enter, and step out."


class Sink(Protocol):
    """A virtual camera."""

    @property
    def device(self) -> str: ...

    def send(self, frame: "Picture") -> None: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--from",
        dest="source",
        default="0",
        metavar="CAMERA",
        help="the webcam's number or device, or a clip in its place (default: %(default)s)",
    )
    add(
        "--to",
        metavar="DEVICE",
        help="the virtual camera, such as /dev/video10 (default: the first that is free)",
    )
    add(
        "--background",
        metavar="PHOTO|FOLDER",
        help="the empty scene (default: it is captured at the start)",
    )
    add(
        "--backdrop",
        default="blur",
        metavar="COLOUR|PICTURE|blur",
        help="what is put behind you; blur is the background out of focus (default: %(default)s)",
    )
    add(
        "--size",
        type=_size,
        default=(480, 640),
        metavar="WxH",
        help="pixels that the webcam is asked for (default: 640x480)",
    )
    add_resolution_argument(parser)
    add_fetch_argument(parser)
    add_network_arguments(parser)
    parser.set_defaults(quality="fast")


def run(options: argparse.Namespace) -> None:
    from depthmask.clips.webcam import Webcam
    from depthmask.inference.clip_run import stop_on_signals

    with TemporaryDirectory(prefix="depthmask-") as folder:
        look = read_look(options, Path(folder) / "backdrop")
        photos = _photos(options, Path(folder))
        predictor = make_predictor(options, resolution=options.resolution)
        with (
            Webcam(options.source, *options.size) as webcam,
            _sink(options, webcam) as sink,
            stop_on_signals() as stop,
        ):
            say(f"The virtual camera is {sink.device}.")
            again = _on_enter()

            def ends() -> bool:
                return stop.is_set() or again.is_set()

            while not stop.is_set():
                # until the scene is known, nothing of the room is sent
                sink.send(_grey(webcam))
                scene = _laid(photos, webcam, predictor) or _captured(webcam, predictor)
                photos = []  # Enter asks for a capture
                again.clear()
                if scene:
                    _show(webcam, sink, scene, predictor, look, ends)


def _size(text: str) -> tuple[int, int]:
    """Height and width of a text such as 640x480."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()) or not (
        16 <= int(width) <= 7680 and 16 <= int(height) <= 4320
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write one such as 640x480")
    return int(height), int(width)


def _photos(options: argparse.Namespace, folder: Path) -> "list[Picture]":
    from depthmask.pictures import read_photo

    if options.background is None:
        return []
    found = find_backgrounds(
        [options.background], folder / "background", allow_private=options.allow_private
    )
    return [each.read(read_photo).picture for each in found]


def _sink(options: argparse.Namespace, webcam: "Webcam") -> AbstractContextManager[Sink]:
    try:
        import pyvirtualcam
    except ImportError as error:
        raise OptionError(MISSING) from error
    height, width = webcam.size
    try:
        camera = pyvirtualcam.Camera(width, height, RATE, device=options.to)
    except RuntimeError as error:
        raise OptionError(NO_DEVICE.format(" ".join(str(error).split()))) from error
    return cast(AbstractContextManager[Sink], camera)


def _on_enter() -> threading.Event:
    """An event that is set whenever the user presses Enter."""
    pressed = threading.Event()

    def wait() -> None:
        for _ in sys.stdin:
            pressed.set()

    threading.Thread(target=wait, daemon=True).start()
    return pressed


def _grey(webcam: "Webcam") -> "Picture":
    import numpy as np

    return np.full((*webcam.size, 3), 128, np.uint8)


def _laid(
    photos: "Sequence[Picture]", webcam: "Webcam", predictor: "Predictor"
) -> "ClipScene | None":
    """The empty scene of photos; None without any."""
    from depthmask.inference.background import learn_background
    from depthmask.inference.clip_scene import lay_scene

    if not photos:
        return None
    background = photos[0] if len(photos) == 1 else learn_background(photos)
    scene = lay_scene(background, [webcam.read()], webcam.size, predictor)
    for sentence in scene.sentences:
        say(sentence)
    return scene


def _captured(webcam: "Webcam", predictor: "Predictor") -> "ClipScene | None":
    """The empty scene of a capture; None, and a sentence, where that fails."""
    from depthmask.inference.capture import CAPTURE_FRAMES, MOVING_FRAMES, is_moving, learn
    from depthmask.inference.clip import run_pair
    from depthmask.inference.clip_scene import captured_scene
    from depthmask.inference.predictor import network_size

    see = partial(run_pair, cast("BatchBackend", predictor.backend))
    say(STEP_OUT)
    webcam.read_spaced(STEP_OUT_FRAMES, STEP_OUT_PAUSE_S)
    frames = webcam.read_spaced(CAPTURE_FRAMES, PAUSE_S)
    if is_moving(frames):
        say(HOLD_ON)
        frames += webcam.read_spaced(MOVING_FRAMES - CAPTURE_FRAMES, PAUSE_S)
    try:
        learned = learn(frames, see, size=network_size(*webcam.size, predictor.resolution))
    except CaptureError as error:
        say(str(error))
        return None
    say(CAPTURED)
    return captured_scene(learned)


def _show(
    webcam: "Webcam",
    sink: Sink,
    scene: "ClipScene",
    predictor: "Predictor",
    look: "Look",
    ends: Ask,
) -> None:
    """Sends frames until the user wants something else."""
    from depthmask.inference.clip import ClipState, finish_frame, see_frame
    from depthmask.inference.clip_look import draw
    from depthmask.inference.predictor import network_size

    size = network_size(*webcam.size, predictor.resolution)
    backend = cast("BatchBackend", predictor.backend)
    state, lost = ClipState.of(scene), 0
    progress = Progress(None, "frames", say)
    while not ends():
        frame, before = webcam.read(), state.lost
        state, seen = see_frame(state, scene, frame, backend, size=size)
        sink.send(draw(frame, finish_frame(scene, seen), look))
        progress.add()
        lost = lost + 1 if state.lost > before else 0
        if lost == LOST_FRAMES:
            say(MOVED)
