"""`camera`: a clip in the webcam's place, and a virtual camera that notes what it is sent."""

import sys
import threading
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
from PIL import Image

from depthmask.cli import camera
from depthmask.cli.main import main
from depthmask.clips.webcam import ENDED
from depthmask.inference.capture import CAPTURE_FRAMES
from depthmask.pictures import Picture
from tests.cli.test_video import Finds
from tests.clips.drawing import HEIGHT, WIDTH, square, write

GREEN = (0, 255, 0)
WALL = np.full((HEIGHT, WIDTH, 3), (40, 60, 80), np.uint8)
EMPTY_FRAMES = camera.STEP_OUT_FRAMES + CAPTURE_FRAMES


class Virtual(ModuleType):
    """Stands in for pyvirtualcam, and for its camera."""

    device = "/dev/video10"

    def __init__(self) -> None:
        super().__init__("pyvirtualcam")
        self.sent: list[Picture] = []
        self.opened: list[Any] = []

    def Camera(self, width: int, height: int, fps: float, *, device: str | None) -> Self:
        self.opened.append((width, height, device))
        if device == "/dev/none":
            raise RuntimeError("no such\ndevice")
        return self

    def send(self, frame: Picture) -> None:
        self.sent.append(frame)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.append("closed")


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> Virtual:
    found = Virtual()
    monkeypatch.setitem(sys.modules, "pyvirtualcam", found)
    monkeypatch.setattr("depthmask.cli.camera.make_predictor", lambda *_, **__: Finds())
    monkeypatch.setattr(sys, "stdin", StringIO())
    # each frame of the clip counts, as fast as it is read
    monkeypatch.setattr(
        "depthmask.clips.webcam.time",
        SimpleNamespace(monotonic=iter(range(10_000)).__next__, sleep=lambda _: None),
    )
    return found


def clip(path: Path, *, empty: int) -> str:
    """A webcam that shows the empty wall for so many frames, then a square that moves."""
    pictures = [WALL] * empty
    pictures += [np.where(square(index)[..., None] > 0, np.uint8(220), WALL) for index in range(8)]
    times = [40 * place for place in range(len(pictures))]
    return str(write(path / "clip.mkv", times, picture=pictures.__getitem__))


def run(*arguments: str) -> int:
    return main(["camera", "--backdrop", "#00ff00", *arguments])


def check_square(sent: list[Picture]) -> None:
    for index, frame in enumerate(sent):
        is_backdrop = np.abs(frame.astype(int) - GREEN).max(axis=2) < 40
        assert np.mean(is_backdrop != (square(index) == 0)) < 0.03


def test_the_empty_scene_is_captured_and_the_rest_replaced(
    virtual: Virtual, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = clip(tmp_path, empty=1 + EMPTY_FRAMES)
    assert run("--from", source, "--to", "/dev/video10") == 2
    printed = capsys.readouterr().err
    assert virtual.opened == [(WIDTH, HEIGHT, "/dev/video10"), "closed"]
    grey, *rest = virtual.sent
    assert (grey == 128).all(), "nothing of the room is sent before the scene is known"
    assert len(rest) == 8
    check_square(rest)
    assert camera.STEP_OUT in printed and camera.CAPTURED in printed
    assert printed.splitlines()[-1] == f"depthmask: {ENDED}"


def test_a_photo_of_the_empty_scene_needs_no_capture(
    virtual: Virtual, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(WALL).save(tmp_path / "wall.png")
    source = clip(tmp_path, empty=2)
    assert run("--from", source, "--background", str(tmp_path / "wall.png")) == 2
    assert camera.STEP_OUT not in capsys.readouterr().err
    check_square(virtual.sent[1:])
    assert len(virtual.sent) == 1 + 8


def test_enter_captures_again(
    virtual: Virtual,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Image.fromarray(WALL).save(tmp_path / "wall.png")
    pressed: list[Any] = []

    def on_enter() -> Any:
        pressed.append(threading.Event())
        return pressed[0]

    monkeypatch.setattr(camera, "_on_enter", on_enter)
    send = virtual.send

    def press(frame: Picture) -> None:
        send(frame)
        if len(virtual.sent) == 3:
            pressed[0].set()

    monkeypatch.setattr(virtual, "send", press)
    source = clip(tmp_path, empty=4 + EMPTY_FRAMES)
    assert run("--from", source, "--background", str(tmp_path / "wall.png")) == 2
    assert capsys.readouterr().err.count(camera.CAPTURED) == 1
    check_square(virtual.sent[4:])
    assert len(virtual.sent) == 1 + 2 + 1 + 8


def test_a_capture_that_fails_is_told_and_tried_again(
    virtual: Virtual, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The light is turned on during the first capture."""
    brighter = [(WALL + 6 * place).astype(np.uint8) for place in range(CAPTURE_FRAMES)]
    pictures = [WALL] * (1 + camera.STEP_OUT_FRAMES) + brighter + brighter[-1:] * EMPTY_FRAMES
    times = [40 * place for place in range(len(pictures))]
    source = write(tmp_path / "clip.mkv", times, picture=pictures.__getitem__)
    assert run("--from", str(source)) == 2
    printed = capsys.readouterr().err
    assert "The light changed during the capture" in printed
    assert printed.count(camera.STEP_OUT) == 2 and printed.count(camera.CAPTURED) == 1
    assert len(virtual.sent) == 2 and all((frame == 128).all() for frame in virtual.sent)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "nothing.mp4"], "There is no camera nothing.mp4"),
        (["--to", "/dev/none"], "No virtual camera can be opened (no such device). On Linux"),
    ],
)
def test_what_is_missing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    source = clip(tmp_path, empty=2)
    assert run("--from", source, *arguments) == 2
    assert sentence in capsys.readouterr().err


def test_a_missing_library_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    assert run("--from", clip(tmp_path, empty=2)) == 2
    assert camera.MISSING in capsys.readouterr().err


@pytest.mark.parametrize("size", ["640", "x480", "640x", "9x9", "1e3x480", "640x-480"])
def test_a_size_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], size: str) -> None:
    with pytest.raises(SystemExit):
        run("--size", size)
    assert "is no size" in capsys.readouterr().err
