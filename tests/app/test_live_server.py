"""The live tab's server side: one answer for each message, and one background for each page."""

import base64
import threading
import time
import tracemalloc
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from depthmask.app.live import server as live_server
from depthmask.app.live.server import (
    BAD_FRAME,
    BAD_MESSAGE,
    FRAMES_UNDER_WAY,
    MAX_FRAME_SIDE,
    MAX_PICTURE_CHARS,
    MAX_VISITORS,
    MIN_FRAME_SIDE,
    NO_BACKGROUND,
    NO_PLACE_LEFT,
    STEP_IN,
    LiveServer,
)
from depthmask.app.live.views import VIEWS, to_jpeg
from depthmask.backends import Backend
from depthmask.backends.base import OUTPUTS, LockedBackend
from depthmask.errors import CheckpointError
from depthmask.inference.live_session import CAPTURE_FRAMES, STILL_FRAMES
from depthmask.pictures import Map, Picture
from depthmask.render.views import TINT_COLOUR, colour_depth
from tests.repository.test_package import run

ONE, TWO = "1" * 32, "2" * 32
HEIGHT, WIDTH = 120, 160


class FakePredictor(LockedBackend):
    """Stands in for a predictor and its backend: what differs by 60 levels is foreground, near."""

    name, precision, device, resolution = "fake", "fp32", "cpu", 96

    @property
    def backend(self) -> Backend:
        return self

    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        pairs = zip(backgrounds, images, strict=True)
        maps = [self.see(background, image) for background, image in pairs]
        return {task: np.stack([each[task] for each in maps]) for task in ("mask", "depth")}

    def see(self, background: Picture, image: Picture) -> dict[str, Map]:
        difference = np.abs(image.astype(np.int16) - background).max(axis=2)
        mask = (difference > 60).astype(np.float32)
        return {"mask": mask, "depth": np.where(mask > 0, np.float32(0.3), np.float32(0.8))}


@pytest.fixture
def server() -> LiveServer:
    return LiveServer(FakePredictor, debug=True)


def scene(seed: int = 0) -> Picture:
    rough = np.random.default_rng(seed).integers(60, 190, (HEIGHT // 8, WIDTH // 8, 3))
    wall = cv2.resize(rough.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wall, dtype=np.uint8)


def with_object(picture: Picture) -> Picture:
    shown = picture.copy()
    shown[30:90, 50:110] = (255, 10, 250)
    return shown


def url(picture: Picture) -> str:
    return live_server.data_url(to_jpeg(picture))


def capture(server: LiveServer, token: str, picture: Picture) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for place in range(CAPTURE_FRAMES):
        message = {"do": "capture", "token": token, "first": place == 0, "frame": url(picture)}
        answer = server.answer(message)
    return answer


def look(server: LiveServer, token: str, picture: Picture, **more: Any) -> dict[str, Any]:
    message = {"do": "frame", "token": token, "frame": url(picture), "view": "mask", "at": 5.0}
    return server.answer(message | more)


def seen(answer: dict[str, Any]) -> Picture:
    data = base64.b64decode(answer["picture"].partition(",")[2])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


def test_a_captured_scene_then_an_object(server: LiveServer) -> None:
    answer = capture(server, ONE, scene())
    assert answer == {"captured": True, "selfCheck": 0.0}
    answer = look(server, ONE, with_object(scene()))
    mask = seen(answer) > 127
    truth = np.zeros_like(mask)
    truth[30:90, 50:110] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    assert answer["at"] == 5.0
    assert answer["health"] == "good"
    assert list(answer["stages"]) == ["decode", "align", "network", "smooth", "draw", "encode"]


def test_stages_are_told_for_debugging_only() -> None:
    server = LiveServer(FakePredictor)
    capture(server, ONE, scene())
    assert "stages" not in look(server, ONE, scene())


def test_the_last_frame_can_be_looked_at_in_another_view(server: LiveServer) -> None:
    assert server.answer({"do": "look", "token": ONE})["failed"] == NO_BACKGROUND
    capture(server, ONE, scene())
    assert server.answer({"do": "look", "token": ONE})["failed"] == NO_BACKGROUND
    look(server, ONE, with_object(scene()), view="cutout")
    mask = seen(server.answer({"do": "look", "token": ONE, "view": "mask"})) > 127
    assert mask[60, 80] and not mask[5, 5]
    shown = server.answer({"do": "look", "token": ONE, "view": "backdrop", "colour": "#00ff00"})
    assert seen(shown)[5, 5].tolist() == pytest.approx([0, 255, 0], abs=12)


def test_each_page_has_its_own_background(server: LiveServer) -> None:
    capture(server, ONE, scene(1))
    capture(server, TWO, scene(2))
    for token, seed in ((ONE, 1), (TWO, 2), (ONE, 1)):
        assert (seen(look(server, token, scene(seed))) > 127).mean() < 0.01
    assert (seen(look(server, TWO, scene(1))) > 127).mean() > 0.1


@pytest.mark.parametrize("view", list(VIEWS))
def test_every_view_has_the_size_of_the_frame(server: LiveServer, view: str) -> None:
    capture(server, ONE, scene())
    assert seen(look(server, ONE, with_object(scene()), view=view)).shape[:2] == (HEIGHT, WIDTH)


def test_a_new_background_is_a_colour_or_a_picture(server: LiveServer) -> None:
    capture(server, ONE, scene())
    shown = seen(look(server, ONE, with_object(scene()), view="backdrop", colour="#00ff00"))
    assert shown[5, 5].tolist() == pytest.approx([0, 255, 0], abs=12)
    blue = np.full((50, 90, 3), (0, 0, 255), np.uint8)
    server.answer({"do": "backdrop", "token": ONE, "frame": url(blue)})
    shown = seen(look(server, ONE, with_object(scene()), view="backdrop"))
    assert shown[5, 5].tolist() == pytest.approx([255, 0, 0], abs=12)  # OpenCV's order
    server.answer({"do": "backdrop", "token": ONE})
    shown = seen(look(server, ONE, with_object(scene()), view="backdrop", colour="#00ff00"))
    assert shown[5, 5].tolist() == pytest.approx([0, 255, 0], abs=12)


def test_somebody_in_the_scene_is_told_and_capturing_again_works(server: LiveServer) -> None:
    message: dict[str, Any] = {"do": "capture", "token": ONE}
    for place in range(CAPTURE_FRAMES):
        picture = with_object(scene()) if place % 2 else scene()
        answer = server.answer(message | {"first": place == 0, "frame": url(picture)})
    assert "moved during the capture" in answer["failed"]
    assert look(server, ONE, scene())["failed"] == NO_BACKGROUND
    assert capture(server, ONE, scene())["captured"]


def test_a_snapshot_is_transparent_around_the_object(server: LiveServer) -> None:
    assert server.answer({"do": "snapshot", "token": ONE})["failed"] == NO_BACKGROUND
    capture(server, ONE, scene())
    look(server, ONE, with_object(scene()))
    snapshot = seen(server.answer({"do": "snapshot", "token": ONE}))
    alpha = snapshot[..., 3]
    assert alpha[60, 80] == 255
    assert alpha[5, 5] == 0
    frame = live_server.decode_frame(url(with_object(scene())))[..., ::-1].astype(int)
    border = (alpha > 50) & (alpha < 200)
    assert abs(snapshot[border][:, :3] - frame[border]).max() > 20, "the background is taken out"
    assert abs(snapshot[60, 80, :3] - frame[60, 80]).max() == 0


def test_a_recording_is_written_after_stop(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_server, "new_file", lambda name: tmp_path / name)
    capture(server, ONE, scene())
    assert "Nothing was recorded" in server.answer({"do": "stop", "token": ONE})["failed"]
    server.answer({"do": "record", "token": ONE})
    for place in range(3):
        answer = look(server, ONE, with_object(scene()), at=1000 + 100 * place)
    assert answer["recorded"] == pytest.approx(0.2)
    path = server.answer({"do": "stop", "token": ONE})["path"]
    assert Path(path).read_bytes()[:4] == b"\x1a\x45\xdf\xa3"
    assert look(server, ONE, scene())["recorded"] is None


@pytest.mark.parametrize("at", [None, "soon", [1], float("nan"), 10**400])
def test_a_time_that_is_none_spoils_no_recording(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: object
) -> None:
    monkeypatch.setattr(live_server, "new_file", lambda name: tmp_path / name)
    capture(server, ONE, scene())
    server.answer({"do": "record", "token": ONE})
    look(server, ONE, with_object(scene()), at=1000)
    assert look(server, ONE, with_object(scene()), at=at) == {"failed": BAD_MESSAGE}
    assert Path(server.answer({"do": "stop", "token": ONE})["path"]).exists()


def test_who_leaves_during_a_frame_is_forgotten_after_it() -> None:
    class Leaves(FakePredictor):
        def see(self, background: Picture, image: Picture) -> dict[str, Map]:
            if recording:
                leaving.start()
                deadline = time.monotonic() + 60
                while len(server) and time.monotonic() < deadline:
                    time.sleep(0.01)
            return super().see(background, image)

    server, recording = LiveServer(Leaves), False
    leaving = threading.Thread(target=server.answer, args=[{"do": "leave", "token": ONE}])
    capture(server, ONE, scene())
    server.answer({"do": "record", "token": ONE})
    recording = True
    assert "picture" in look(server, ONE, scene())
    leaving.join(60)
    assert not leaving.is_alive() and len(server) == 0


def test_frames_leave_nothing_on_the_disk(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    capture(server, ONE, scene())
    for _ in range(20):
        look(server, ONE, with_object(scene()))
    assert list(tmp_path.rglob("*")) == []


def test_frames_leave_nothing_in_memory(server: LiveServer) -> None:
    capture(server, ONE, scene())
    tracemalloc.start()
    sizes = []
    for _ in range(3):
        for _ in range(20):
            look(server, ONE, with_object(scene()))
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[2] < sizes[0] + 100_000  # a frame has 58,000 bytes


@pytest.mark.parametrize(
    "message",
    [
        None,
        "frame",
        {},
        {"do": "frame"},
        {"do": "frame", "token": "../x"},
        {"do": "?", "token": ONE},
    ],
)
def test_a_message_from_elsewhere_is_refused(server: LiveServer, message: object) -> None:
    assert server.answer(message) == {"failed": BAD_MESSAGE}


@pytest.mark.parametrize(
    "frame",
    [
        None,
        "",
        "data:image/jpeg;base64,%%",
        "data:image/jpeg;base64,é",
        "data:image/jpeg;base64,",
        "data:image/png;base64,AAAA",
    ],
)
def test_a_broken_picture_is_told(server: LiveServer, frame: object) -> None:
    answer = server.answer({"do": "capture", "token": ONE, "frame": frame})
    assert answer == {"failed": BAD_FRAME}


@pytest.mark.parametrize(
    ("shape", "accepted"),
    [
        ((40, MAX_FRAME_SIDE), True),
        ((40, MAX_FRAME_SIDE + 1), False),
        ((MIN_FRAME_SIDE, 40), True),
        ((MIN_FRAME_SIDE - 1, 40), False),
    ],
)
def test_pictures_have_a_smallest_and_a_largest_size(
    server: LiveServer, shape: tuple[int, int], accepted: bool
) -> None:
    frame = url(np.zeros((*shape, 3), np.uint8))
    answer = server.answer({"do": "capture", "token": ONE, "frame": frame})
    assert ("missing" in answer) == accepted


def test_a_message_has_a_largest_size(server: LiveServer) -> None:
    frame = url(scene())
    for padding, accepted in ((0, True), (MAX_PICTURE_CHARS, False)):
        head, _, data = frame.partition(";")
        padded = f"{head};{'x' * padding}{data}"
        answer = server.answer({"do": "capture", "token": ONE, "frame": padded})
        assert ("missing" in answer) == accepted


def test_a_capture_can_begin_again(server: LiveServer) -> None:
    message = {"do": "capture", "token": ONE, "frame": url(scene())}
    for first in (True, False, False):
        answer = server.answer(message | {"first": first})
    assert answer == {"missing": CAPTURE_FRAMES - 3}
    assert server.answer(message | {"first": True}) == {"missing": CAPTURE_FRAMES - 1}


def test_an_empty_scene_is_told(server: LiveServer) -> None:
    capture(server, ONE, scene())
    assert look(server, ONE, scene())["sentence"] == STEP_IN
    assert look(server, ONE, with_object(scene()))["sentence"] == ""


def test_views_show_what_they_say(server: LiveServer) -> None:
    capture(server, ONE, scene())
    look(server, ONE, with_object(scene()))

    def drawn(view: str) -> Picture:
        return seen(server.answer({"do": "look", "token": ONE, "view": view})).astype(np.int16)

    inside, outside = (60, 80), (100, 20)
    mask = drawn("mask")
    assert mask[inside] > 250 and mask[outside] < 5
    near, far = (
        cv2.cvtColor(colour_depth(np.full((1, 1), at, np.float32)), cv2.COLOR_RGB2BGR)
        for at in (0.3, 0.8)
    )
    depth = drawn("depth")
    assert abs(depth[inside] - near[0, 0]).max() < 12 and abs(depth[outside] - far[0, 0]).max() < 12
    frame = cv2.cvtColor(with_object(scene()), cv2.COLOR_RGB2BGR).astype(np.int16)
    overlay = drawn("composite")
    assert abs(overlay[outside] - frame[outside]).max() < 25, "left as it is"
    assert abs(overlay[inside] - (frame[inside] + np.array(TINT_COLOUR[::-1])) / 2).max() < 25


def take_place(server: LiveServer, token: str) -> str:
    """Sends the first picture of a page; returns the complaint, or ""."""
    answer = server.answer({"do": "backdrop", "token": token, "frame": url(scene())})
    return str(answer.get("failed", ""))


def test_who_leaves_is_forgotten_and_places_are_limited(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(MAX_VISITORS):
        assert take_place(server, f"{number:032x}") == ""
    assert take_place(server, "f" * 32) == NO_PLACE_LEFT
    server.answer({"do": "leave", "token": f"{0:032x}"})
    assert len(server) == MAX_VISITORS - 1
    assert look(server, f"{0:032x}", scene())["failed"] == NO_BACKGROUND
    assert len(server) == MAX_VISITORS - 1  # a late frame brings nobody back
    monkeypatch.setattr(live_server, "VISITOR_LIFETIME_S", -1.0)
    server.sweep()
    assert len(server) == 0


@pytest.mark.parametrize("frame", [None, "", "data:image/jpeg;base64,/9j/", 5])
def test_a_message_without_a_picture_takes_no_place(server: LiveServer, frame: object) -> None:
    for action in ("capture", "backdrop", "frame", "look", "record", "stop", "snapshot"):
        server.answer({"do": action, "token": ONE, "frame": frame})
    assert len(server) == 0


def test_who_sends_no_picture_gives_way_when_all_places_are_taken(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture(server, ONE, scene())
    for number in range(MAX_VISITORS - 1):
        take_place(server, f"{number:032x}")
    monkeypatch.setattr(live_server, "IDLE_WITHOUT_BACKGROUND_S", 0.0)
    for _ in range(3):  # which do not count
        server.answer({"do": "look", "token": f"{0:032x}"})
    assert take_place(server, TWO) == "", "instead of the first one without a background"
    assert server.answer({"do": "record", "token": f"{0:032x}"})["failed"] == NO_BACKGROUND
    assert "picture" in look(server, ONE, scene()), "who follows a scene stays"
    assert len(server) == MAX_VISITORS


def test_one_frame_waits_while_another_is_seen_and_more_are_dropped() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Slow(FakePredictor):
        def see(self, background: Picture, image: Picture) -> dict[str, Map]:
            if slow and not entered.is_set():
                entered.set()
                assert go_on.wait(60)
            return super().see(background, image)

    slow = False
    server = LiveServer(Slow)
    capture(server, ONE, scene())
    slow = True
    answers: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(look(server, ONE, scene())))
        for _ in range(FRAMES_UNDER_WAY + 1)
    ]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    while not answers:  # the third one is dropped, whichever it is
        time.sleep(0.01)
    assert answers == [{"dropped": True}]
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert len(answers) == FRAMES_UNDER_WAY + 1
    assert all("picture" in answer for answer in answers[1:])


def test_what_the_predictor_says_is_passed_on() -> None:
    def never() -> FakePredictor:
        raise CheckpointError("The network could not be loaded.")

    answer = capture(LiveServer(never), ONE, scene())
    assert "could not be loaded" in answer["failed"]


def test_a_few_bytes_cannot_ask_for_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = BytesIO()
    Image.new("1", (9000, 9000)).save(wide, "PNG")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(live_server.MessageError, match="could not be read"):
        live_server.decode_frame(live_server.data_url(wide.getvalue(), "png"))
    with pytest.raises(live_server.MessageError, match="could not be read"):
        live_server.decode_frame(live_server.data_url(b"no picture", "png"))


SWEEP = """
import sys
from pathlib import Path
import gradio as gr
from gradio.route_utils import delete_files_created_by_app
from depthmask.app.live.tab import build_live_tab
from tests.app.test_live_server import ONE, FakePredictor, capture, look, scene, with_object
with gr.Blocks(analytics_enabled=False) as page:
    server = build_live_tab(FakePredictor)
(tab,) = (block for block in page.blocks.values() if isinstance(block, gr.HTML))
capture(server, ONE, scene())
server.answer({"do": "record", "token": ONE})
look(server, ONE, with_object(scene()), at=1000)
path = Path(tab.live({"do": "stop", "token": ONE})["path"])
before = path.exists()
delete_files_created_by_app(page, None)
print(before, path.exists())
"""


@pytest.mark.slow
def test_recordings_are_swept_with_the_rest_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    # in a process of its own: Gradio leaves an event loop open where there was none
    assert run(SWEEP).split() == ["True", "False"]


@pytest.mark.parametrize("at", [2**70, 10**300])
def test_a_time_of_more_than_64_bits_is_answered_as_json(server: LiveServer, at: int) -> None:
    """The page's JSON has no whole numbers that are larger."""
    capture(server, ONE, scene())
    answer = look(server, ONE, scene(), at=at)
    assert answer["at"] == float(at) and isinstance(answer["at"], float)
    assert look(server, ONE, scene(), at=[1]) == {"failed": BAD_MESSAGE}


def frames_until(server: LiveServer, count: int) -> list[dict[str, Any]]:
    """Frames of an object that moves, and what was answered."""
    pictures = [np.roll(with_object(scene()), 9 * place, axis=1) for place in range(count)]
    return [look(server, ONE, picture) for picture in pictures]


def test_a_scene_that_does_not_change_is_not_drawn_again(server: LiveServer) -> None:
    capture(server, ONE, scene())
    answers = [look(server, ONE, with_object(scene())) for _ in range(STILL_FRAMES + 2)]
    assert [answer["picture"] is None for answer in answers] == [False] * (1 + STILL_FRAMES) + [
        True
    ]
    assert answers[-1]["sentence"] == ""
    assert look(server, ONE, with_object(scene()), view="cutout")["picture"] is not None
    assert look(server, ONE, with_object(scene()), view="cutout")["picture"] is None
    server.answer({"do": "look", "token": ONE, "view": "mask"})
    assert look(server, ONE, with_object(scene()), view="mask")["picture"] is None


def test_depth_is_predicted_only_where_it_is_shown() -> None:
    class Watched(FakePredictor):
        def run_batch(
            self, backgrounds: Picture, images: Picture, *, tasks: Sequence[str] = OUTPUTS
        ) -> dict[str, Map]:
            asked.append(set(tasks))
            return super().run_batch(backgrounds, images, tasks=tasks)

    asked: list[set[str]] = []
    server = LiveServer(Watched)
    capture(server, ONE, scene())
    look(server, ONE, with_object(scene()), view="cutout")
    assert asked and all(tasks == {"mask"} for tasks in asked)
    asked.clear()
    look(server, ONE, with_object(scene()), view="depth")
    assert asked == [{"mask", "depth"}]


def test_a_slow_network_is_given_less_to_see(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(FakePredictor):
        def see(self, background: Picture, image: Picture) -> dict[str, Map]:
            now[0] += 0.4
            sides.append(image.shape[0])
            return super().see(background, image)

    now, sides = [0.0], list[int]()
    for clock in ("time.monotonic", "time.perf_counter"):
        monkeypatch.setattr(clock, lambda: now[0])
    server = LiveServer(Slow)
    answer = capture(server, ONE, scene())
    assert answer["captured"]
    answers = frames_until(server, 3)
    assert sides[-1] < sides[0]
    assert "Quality is lowered" in answers[-1]["quality"]
