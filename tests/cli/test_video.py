"""`video`: a clip in, a clip with alpha out, whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from depthmask.cli.main import main
from depthmask.cli.video import INTERRUPTED
from depthmask.inference.background import Background, LearnedBackground
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Map, Picture, read_grey
from tests.clips.drawing import (
    HEIGHT,
    STEADY,
    UNEVEN,
    WIDTH,
    decoded,
    draw,
    loudness,
    square,
    write,
)
from tests.limits import files_of_at_most

SOURCE_TIMES = [Fraction(time, 1000) for time in UNEVEN]


class Finds:
    """Stands in for a predictor and its network: what is 40 levels brighter is near foreground."""

    resolution, device = 64, "cpu"

    def __init__(self, at_frame: Callable[[int], object] = lambda number: None) -> None:
        self.backend = SimpleNamespace(name="none", precision="none", run_batch=self.run_batch)
        self.calls = 0
        self._at_frame = at_frame

    def run_batch(
        self, backgrounds: Picture, images: Picture, *, tasks: Sequence[str]
    ) -> dict[str, Map]:
        self._at_frame(self.calls)
        self.calls += 1
        mask = _brighter(backgrounds, images)
        depth = np.where(mask > 0, np.float32(0.25), np.float32(0.75))
        return {"mask": mask, "depth": depth}

    def predict(self, background: Background, image: Picture, **_: bool) -> Prediction:
        plate = background.plate if isinstance(background, LearnedBackground) else background
        mask = _brighter(cv2.resize(plate, image.shape[1::-1]), image)
        return Prediction(mask, np.ones_like(mask), 0.0)


def _brighter(background: Any, image: Picture) -> Map:
    return ((image.astype(np.float32) - background).max(axis=-1) > 40).astype(np.float32)


def use(monkeypatch: pytest.MonkeyPatch, network: Finds) -> Finds:
    monkeypatch.setattr("depthmask.cli.video.make_predictor", lambda *_, **__: network)
    return network


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> Finds:
    return use(monkeypatch, Finds())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve frames with uneven times and a tone; each place of the wall is free in most."""
    return write(tmp_path / "clip.mkv", UNEVEN, sound="libopus")


@pytest.fixture
def wall(tmp_path: Path) -> Path:
    """A photo of the empty scene."""
    path = tmp_path / "wall.png"
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), (40, 60, 80), np.uint8)).save(path)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["video", *map(str, arguments)]) == 0
    return dict(json.loads(capsys.readouterr().out))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["video", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()[-1]


def check_alpha(pictures: Sequence[Picture]) -> None:
    for index, picture in enumerate(pictures):
        assert np.abs(picture[..., 3] / 255 - square(index)).mean() < 0.03


@pytest.mark.parametrize("name", ["out.webm", "out.mov"])
def test_alpha_times_and_sound(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    report = run(capsys, clip, "-o", tmp_path / name)
    assert report["frames"] == 12 and report["whole"]
    pictures, times = decoded(tmp_path / name)
    assert times == SOURCE_TIMES
    check_alpha(pictures)
    inside = pictures[3][10:22, 16:26, :3]
    assert np.abs(inside.astype(int) - (230, 180, 60)).mean() < 6
    level, seconds = loudness(tmp_path / name)
    assert level > 0.2 and abs(seconds - 0.5) < 0.06
    assert not [*tmp_path.glob(".*")]


def test_pictures_depth_and_their_times(
    clip: Path, wall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, depth = tmp_path / "out", tmp_path / "depth"
    run(capsys, clip, "--background", wall, "-o", out, "--depth", depth)
    names = [f"{number:06d}.png" for number in range(1, 13)]
    assert sorted(path.name for path in out.iterdir()) == [*names, "times.csv"]
    check_alpha([np.asarray(Image.open(out / name)) for name in names])
    rows = [row.split(",") for row in (out / "times.csv").read_text().splitlines()[1:]]
    assert [(name, Fraction(time)) for name, time in rows] == [
        *zip(names, SOURCE_TIMES, strict=True)
    ]
    again = refused(capsys, clip, "--background", wall, "-o", out)
    assert "is there already" in again
    values = read_grey(depth / "000005.png")
    assert values.dtype == np.uint16
    assert abs(values[12, 24] / 65535 - 0.25) < 0.01 and abs(values[40, 5] / 65535 - 0.75) < 0.01


def test_both_sides_a_backdrop_and_blur(
    clip: Path, wall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (clip, "--background", wall, "-o", tmp_path / "out.mp4")
    run(capsys, *common)
    sides, times = decoded(tmp_path / "out.mp4")
    assert times == SOURCE_TIMES and sides[0].shape[:2] == (HEIGHT, 2 * WIDTH)
    assert np.abs(sides[4][:, WIDTH:, 0] / 255 - square(4)).mean() < 0.03
    assert np.abs(sides[4][:, :WIDTH, :3].astype(int) - draw(4)).mean() < 6
    for backdrop, colour in (("#00ff00", (0, 255, 0)), ("blur", (40, 60, 80))):
        run(capsys, *common, "--backdrop", backdrop)
        shown = decoded(tmp_path / "out.mp4")[0][4]
        assert shown.shape[:2] == (HEIGHT, WIDTH)
        assert np.abs(np.median(shown[30:, :, :3], axis=(0, 1)) - colour).max() < 8
        assert np.abs(shown[12:20, 20:28, :3].astype(int) - (230, 180, 60)).mean() < 10


def test_a_clip_is_turned_upright(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "clip.mov", rotation=90)
    run(capsys, source, "-o", tmp_path / "out.mov")
    picture = decoded(tmp_path / "out.mov")[0][2]
    assert picture.shape[:2] == (WIDTH, HEIGHT)
    assert np.abs(picture[..., 3] / 255 - np.rot90(square(2))).mean() < 0.03


@pytest.mark.parametrize("kind", ["clip", "folder"])
def test_a_background_of_several_photos(
    clip: Path, wall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    if kind == "clip":
        empty = write(tmp_path / "empty.mp4", [0, 40, 80], picture=lambda _: wall_picture(wall))
    else:
        empty = tmp_path / "empty"
        empty.mkdir()
        for name in "abc":
            (empty / f"{name}.png").write_bytes(wall.read_bytes())
    report = run(capsys, clip, "--background", empty, "-o", tmp_path / "out.mov")
    assert report["backgrounds"][0]["known"] == 1
    check_alpha(decoded(tmp_path / "out.mov")[0])


def wall_picture(path: Path) -> Picture:
    return np.asarray(Image.open(path))


def test_what_was_never_free_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hides(Finds):
        """Finds somebody in the lower right corner of all frames."""

        def predict(self, background: Background, image: Picture, **_: bool) -> Prediction:
            mask = np.zeros(image.shape[:2], np.float32)
            mask[32:, 48:] = 1
            return Prediction(mask, np.ones_like(mask), 0.0)

    use(monkeypatch, Hides())
    source = write(tmp_path / "clip.mp4", picture=lambda _: draw(0))
    unknown = tmp_path / "unknown.png"
    assert main(["video", str(source), "-o", f"{tmp_path}/out.mp4", "--unknown", str(unknown)]) == 0
    printed = capsys.readouterr()
    known = json.loads(printed.out)["backgrounds"][0]["known"]
    assert 0.8 < known < 0.95 and "never free in the clip" in printed.err
    drawn = np.asarray(Image.open(unknown))
    assert drawn[40, 56] == 255 and drawn[10, 10] == 0
    assert abs(int(decoded(tmp_path / "out.mp4")[0][0][40, WIDTH + 56, 0]) - 96) < 6


def test_another_background_from_a_time_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lit(index: int) -> Picture:  # the lamp is switched on in half of the wall
        picture = draw(index)
        if index >= 6:
            picture[28:, :32] = 200
        return picture

    source = write(tmp_path / "clip.mp4", picture=lit)
    arguments = (source, "-o", tmp_path / "out.mp4")
    report = run(capsys, *arguments, "--rekey", "0:00.24")
    assert [each["from"] for each in report["backgrounds"]] == [0, 0.24]
    for index, picture in enumerate(decoded(tmp_path / "out.mp4")[0]):
        assert np.abs(picture[:, WIDTH:, 0] / 255 - square(index)).mean() < 0.06
    told = tmp_path / "lit.png"
    Image.fromarray(np.where(square(6)[..., None] > 0, 60, lit(6)).astype(np.uint8)).save(told)
    run(capsys, *arguments, "--rekey", f"0.24={told}")
    assert decoded(tmp_path / "out.mp4")[0][8][40, WIDTH + 10, 0] < 40


def at(number: int, act: Callable[[], object]) -> Callable[[int], object]:
    return lambda call: act() if call == number else None


def use_until(monkeypatch: pytest.MonkeyPatch, last: int | None) -> Finds:
    """A network during whose call of this number the command is asked to stop.

    No signal is sent: it could end the process that runs the tests.
    """
    stop = threading.Event()
    monkeypatch.setattr("depthmask.inference.clip_run.stop_on_signals", lambda: nullcontext(stop))
    return use(monkeypatch, Finds(lambda call: stop.set() if call == last else None))


def test_ctrl_c_leaves_a_playable_file(
    clip: Path,
    wall: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_until(monkeypatch, 6)
    out = tmp_path / "out.webm"
    with pytest.raises(SystemExit) as ended:
        main(["video", str(clip), "--background", str(wall), "-o", str(out)])
    assert ended.value.code == INTERRUPTED
    printed = capsys.readouterr()
    assert f"{out} holds the first 7 frames." in printed.err
    assert json.loads(printed.out)["whole"] is False
    pictures, times = decoded(out)
    assert times == SOURCE_TIMES[:7]
    check_alpha(pictures)
    assert loudness(out)[1] < 0.3  # the sound ends with the pictures
    assert not [*tmp_path.glob(".*")]


def test_an_error_leaves_the_file_that_was_there(
    clip: Path, wall: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError

    use(monkeypatch, Finds(at(6, fail)))
    out = tmp_path / "out.webm"
    out.write_text("kept")
    with pytest.raises(RuntimeError):
        main(["video", str(clip), "--background", str(wall), "-o", str(out)])
    assert out.read_text() == "kept" and not [*tmp_path.glob(".*")]


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, wall: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)

    def noisy(index: int) -> Picture:
        bright = random.integers(200, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        return np.where(square(index)[..., None] > 0, bright, np.uint8(40))

    source = write(tmp_path / "clip.mkv", picture=noisy)
    before = sorted(os.listdir(tmp_path))
    for name in ("out.webm", "out.mov"):
        with files_of_at_most(1500):
            words = refused(capsys, source, "--background", wall, "-o", tmp_path / name)
        assert "free some space" in words and f"{tmp_path / name} could" in words
    assert sorted(os.listdir(tmp_path)) == before


KILLED = """
import os, signal, sys
import pytest
from tests.cli import test_video as tests
name, *arguments = sys.argv[1:]
with pytest.MonkeyPatch.context() as patch:
    tests.use(patch, tests.Finds(tests.at(9, lambda: os.kill(os.getpid(), signal.Signals[name]))))
    patch.setattr("depthmask.inference.clip_run.PART_FRAMES", 4)
    tests.main(["video", *arguments])
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_clip_and_the_command(
    clip: Path, wall: Path, tmp_path: Path, name: str
) -> None:
    arguments = [str(clip), "--background", str(wall), "-o", str(tmp_path / "out.webm")]
    ended = subprocess.run([sys.executable, "-c", KILLED, name, *arguments], capture_output=True)
    assert ended.returncode == INTERRUPTED, ended.stderr
    assert len(decoded(tmp_path / "out.webm")[0]) == 10


def killed_at_frame_nine(*arguments: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "SIGKILL", *arguments], capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr


def test_a_killed_run_goes_on(
    clip: Path,
    wall: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    network: Finds,
) -> None:
    monkeypatch.setattr("depthmask.inference.clip_run.PART_FRAMES", 4)
    once, out, depth = tmp_path / "once.webm", tmp_path / "out.webm", tmp_path / "depth"
    common = [str(clip), "--background", str(wall), "--resume"]
    arguments = [*common, "-o", str(out), "--depth", str(depth)]
    killed_at_frame_nine(*arguments)
    assert not out.exists()
    report = run(capsys, *arguments)
    assert network.calls == 4 and report["frames"] == 12  # eight frames were in two parts
    run(capsys, *common, "-o", once, "--depth", tmp_path / "once-depth")
    (found, times), (expected, _) = decoded(out), decoded(once)
    assert times == SOURCE_TIMES and loudness(out)[1] > 0.4
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
    assert contents(depth) == contents(tmp_path / "once-depth")
    assert not [*tmp_path.glob(".*")]


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_killed_run_leaves_the_file_that_was_there_and_can_be_made_again(
    clip: Path, wall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    out = tmp_path / "out.mov"
    out.write_text("kept")
    arguments = [str(clip), "--background", str(wall), "-o", str(out)]
    killed_at_frame_nine(*arguments)
    assert out.read_text() == "kept"
    left = {path.name for path in tmp_path.iterdir()} - {"clip.mkv", "wall.png", "out.mov"}
    assert left == {".out.mov.tmp", ".out.mov.lock"}
    assert run(capsys, *arguments, *more)["whole"]
    assert decoded(out)[1] == SOURCE_TIMES
    assert not [*tmp_path.glob(".*")]


def test_a_folder_of_pictures_that_a_killed_run_has_begun_goes_on(
    clip: Path, wall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(clip), "--background", str(wall), "-o", str(tmp_path / "out")]
    killed_at_frame_nine(*arguments)
    begun = contents(tmp_path / "out")
    assert 0 < len(begun) < 13
    assert "go on with --resume" in refused(capsys, *arguments)
    assert contents(tmp_path / "out") == begun
    assert run(capsys, *arguments, "--resume")["frames"] == 12
    assert len(contents(tmp_path / "out")) == 13 and not [*tmp_path.glob(".*")]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("change", ["options", "clip"])
def test_an_interrupted_run_goes_on_unless_something_changes(
    change: str,
    clip: Path,
    wall: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("depthmask.inference.clip_run.PART_FRAMES", 4)
    out = tmp_path / "out.mov"
    arguments = [str(clip), "--background", str(wall), "--resume", "-o", str(out)]
    use_until(monkeypatch, 5)
    with pytest.raises(SystemExit):
        main(["video", *arguments])
    assert decoded(out)[1] == SOURCE_TIMES[:6]
    capsys.readouterr()
    again = use_until(monkeypatch, 1)
    with pytest.raises(SystemExit):
        main(["video", *arguments])
    assert "4 frames are there already." in capsys.readouterr().err and again.calls == 2
    last = use_until(monkeypatch, None)
    if change == "options":
        arguments.append("--no-smooth")
    else:
        os.utime(clip, (1, 1))  # another clip of the same name and size
    assert main(["video", *arguments]) == 0
    assert "made anew" in capsys.readouterr().err and last.calls == 12
    assert decoded(out)[1] == SOURCE_TIMES


def test_a_moving_camera_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 64, 3), dtype=np.uint8)
    scene = np.asarray(cv2.resize(noise, None, fx=10, fy=10, interpolation=cv2.INTER_CUBIC))

    def pan(index: int) -> Picture:
        return np.asarray(scene[:, 40 * index : 40 * index + 160], np.uint8)

    source = write(tmp_path / "clip.mp4", picture=pan)
    assert "The camera moves" in refused(capsys, source, "-o", tmp_path / "out.webm")
    assert not (tmp_path / "out.webm").exists()


def test_a_clip_that_is_too_long_is_refused(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, clip, "-o", tmp_path / "out.webm", "--max-seconds", 0.1)
    assert "at most 0.1 s are taken" in said
    assert not (tmp_path / "out.webm").exists()


def test_a_shaking_camera_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    rough = random.integers(0, 180, (38, 50, 3), dtype=np.uint8)
    scene = np.asarray(cv2.resize(rough, (200, 150), interpolation=cv2.INTER_CUBIC))
    shifts = random.integers(0, 5, (12, 2))

    def shaken(index: int) -> Picture:
        picture = scene.copy()
        picture[40:90, 20 + 10 * index : 50 + 10 * index] = 250
        x, y = shifts[index]
        return np.asarray(picture[y : y + 140, x : x + 190], np.uint8)

    source = write(tmp_path / "clip.mp4", picture=shaken)
    run(capsys, source, "-o", tmp_path / "out.mov")
    for index, picture in enumerate(decoded(tmp_path / "out.mov")[0]):
        true = np.zeros((150, 200), bool)
        true[40:90, 20 + 10 * index : 50 + 10 * index] = True
        x, y = shifts[index]
        true = true[y : y + 140, x : x + 190]
        found = picture[..., 3] > 127
        assert (found & true).sum() / (found | true).sum() > 0.8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "out.avi"], ".avi is not written; use .webm, .mov, .mp4"),
        (["-o", "clip.mp4"], "would be overwritten"),
        (["-o", "full"], "is there already"),
        (["-o", "out.mov", "--depth", "full"], "is there already"),
        (["-o", "out.mov", "--unknown", "out.jpg"], "must end in .png"),
        (["-o", "out.mov", "--backdrop", "nope"], "no colour and no picture"),
        (["-o", "out.mov", "--rekey", "9"], "after the end of the clip"),
        (["-o", "out.mov", "--rekey", "0.2", "--rekey", "0.2"], "twice"),
        (["-o", "out.mov", "--background", "missing.png"], "missing.png"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "clip.mp4", STEADY)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert words in refused(capsys, "clip.mp4", *arguments)
    assert sorted(os.listdir(tmp_path)) == ["clip.mp4", "full"]


def test_a_time_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["video", "clip.mp4", "-o", "out.mov", "--rekey", "soon"])
    assert "'soon' is no time" in capsys.readouterr().err
