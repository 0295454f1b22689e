"""The live tab's server side: one answer for each message, and one background for each page."""

import base64
import threading
import time
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from depthmask.app.live import server as live_server
from depthmask.app.live.frames import (
    BAD_FRAME,
    MAX_PICTURE_CHARS,
    MessageError,
    data_url,
    decode_frame,
    jpeg_url,
)
from depthmask.app.live.server import (
    BAD_MESSAGE,
    FRAMES_UNDER_WAY,
    MAX_VISITORS,
    NO_BACKGROUND,
    NO_PLACE_LEFT,
    STEP_IN,
    LiveServer,
)
from depthmask.backends import Backend
from depthmask.backends.base import LockedBackend
from depthmask.errors import CheckpointError
from depthmask.inference.capture import CAPTURE_FRAMES, MOVING_FRAMES
from depthmask.inference.live_session import STILL_FRAMES
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.worker import LARGEST_SIDE, SMALLEST_SIDE

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


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, of which quality and the distance of depths depend: it stands still."""
    time_s = [0.0]
    for clock in ("time.monotonic", "time.perf_counter"):
        monkeypatch.setattr(clock, lambda: time_s[0])
    return time_s


@pytest.fixture
def server() -> LiveServer:
    return LiveServer(FakePredictor, debug=True)


def scene(seed: int = 0) -> Picture:
    rough = np.random.default_rng(seed).integers(60, 190, (HEIGHT // 8, WIDTH // 8, 3))
    wall = cv2.resize(rough.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wall, dtype=np.uint8)


def with_object(picture: Picture, left: int = 50) -> Picture:
    shown = picture.copy()
    shown[30:90, left : left + 60] = (255, 10, 250)
    return shown


def with_screen(picture: Picture, seed: int) -> Picture:
    """A part of the scene shows one of five patterns."""
    shown, rng = picture.copy(), np.random.default_rng(seed % 5)
    pattern = rng.integers(0, 2, (3, WIDTH // 10), np.uint8) * 200
    shown[:30] = pattern.repeat(10, axis=0).repeat(10, axis=1)[..., None]
    return shown


def url(picture: Picture) -> str:
    return jpeg_url(picture)


def capture(server: LiveServer, token: str, picture: Picture) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for place in range(CAPTURE_FRAMES):
        message = {"do": "capture", "token": token, "first": place == 0, "frame": url(picture)}
        answer = server.answer(message)
    return answer


def look(server: LiveServer, token: str, picture: Picture, **more: Any) -> dict[str, Any]:
    message = {"do": "frame", "token": token, "frame": url(picture), "at": 5.0}
    return server.answer(message | more)


def seen(url: str) -> Picture:
    """The picture of a data URL, as it is encoded."""
    data = base64.b64decode(url.partition(",")[2])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


def mask_of(answer: dict[str, Any]) -> Mask:
    """The mask of an answer, at the size of the frame."""
    levels = cv2.resize(seen(answer["mask"]), (WIDTH, HEIGHT))
    return np.asarray(levels) > 127


def test_a_captured_scene_then_an_object(server: LiveServer) -> None:
    answer = capture(server, ONE, scene())
    learned = seen(answer.pop("background"))[..., ::-1].astype(int)
    assert abs(learned - scene()).mean() < 3
    qualities = answer.pop("qualities")
    assert qualities[0] == f"{FakePredictor.resolution} pixels a side" and len(qualities) > 1
    assert answer == {"captured": True, "selfCheck": 0.0}
    answer = look(server, ONE, with_object(scene()))
    mask = mask_of(answer)
    truth = np.zeros_like(mask)
    truth[30:90, 50:110] = True
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    assert answer["at"] == 5.0
    assert answer["health"] == "good"
    assert answer["empty"] is False
    assert list(answer["stages"]) == ["decode", "align", "network", "smooth", "encode"]


def test_depth_is_sent_as_levels_of_its_own_size(server: LiveServer) -> None:
    capture(server, ONE, scene())
    answer = look(server, ONE, with_object(scene()))
    depth = seen(answer["depth"])
    assert depth.ndim == 2 and depth.shape == seen(answer["mask"]).shape
    height, width = depth.shape
    assert depth[height // 2, width // 2] == pytest.approx(0.3 * 255, abs=6)
    assert depth[height // 20, width // 20] == pytest.approx(0.8 * 255, abs=6)


def test_stages_are_told_for_debugging_only() -> None:
    server = LiveServer(FakePredictor)
    capture(server, ONE, scene())
    assert "stages" not in look(server, ONE, scene())


def test_each_page_has_its_own_background(server: LiveServer) -> None:
    capture(server, ONE, scene(1))
    capture(server, TWO, scene(2))
    for token, seed in ((ONE, 1), (TWO, 2), (ONE, 1)):
        assert mask_of(look(server, token, scene(seed))).mean() < 0.01
    assert mask_of(look(server, TWO, scene(1))).mean() > 0.1


def test_somebody_in_the_scene_is_told_and_capturing_again_works(server: LiveServer) -> None:
    message: dict[str, Any] = {"do": "capture", "token": ONE}
    for place in range(MOVING_FRAMES):
        picture = with_object(scene(), left=3 * place)
        answer = server.answer(message | {"first": place == 0, "frame": url(picture)})
    assert "moved during the capture" in answer["failed"]
    assert look(server, ONE, scene())["failed"] == NO_BACKGROUND
    assert capture(server, ONE, scene())["captured"]


def test_a_scene_that_moves_is_watched_for_longer(server: LiveServer) -> None:
    message: dict[str, Any] = {"do": "capture", "token": ONE}
    answers = []
    for place in range(MOVING_FRAMES):
        picture = url(with_screen(scene(), place))
        answers.append(server.answer(message | {"first": place == 0, "frame": picture}))
    assert answers[CAPTURE_FRAMES - 2] == {"missing": 1}
    assert answers[CAPTURE_FRAMES - 1]["missing"] == MOVING_FRAMES - CAPTURE_FRAMES
    assert answers[CAPTURE_FRAMES - 1]["enough"] == MOVING_FRAMES
    assert "hold on" in answers[CAPTURE_FRAMES - 1]["sentence"]
    assert answers[-1]["captured"]
    for place in (2, 4, 3):
        assert mask_of(look(server, ONE, with_screen(scene(), place))).mean() < 0.03
    assert mask_of(look(server, ONE, with_object(with_screen(scene(), 1)))).mean() > 0.1


def test_iou_is_told_where_a_frame_has_a_true_mask(server: LiveServer) -> None:
    capture(server, ONE, scene())
    assert "iou" not in look(server, ONE, with_object(scene()))
    truth = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    truth[30:90, 50:110] = 255
    found = look(server, ONE, with_object(scene()), truth=url(truth))["iou"]
    assert found > 0.9
    truth[30:90, 80:110] = 0
    half = look(server, ONE, with_object(scene()), truth=url(truth))["iou"]
    assert half == pytest.approx(0.5, abs=0.05)
    for grey in (85, 170):
        truth[30:90, 80:110] = grey
        ignored = look(server, ONE, with_object(scene()), truth=url(truth))["iou"]
        assert ignored > 0.9, "grey does not count"


def test_a_visitor_may_fix_the_quality() -> None:
    class Large(FakePredictor):
        resolution = 224

    server = LiveServer(Large)
    qualities = capture(server, ONE, scene())["qualities"]
    wide = seen(look(server, ONE, with_object(scene()))["mask"]).shape[1]
    answer = look(server, ONE, with_object(scene()), quality=str(len(qualities) - 1))
    assert seen(answer["mask"]).shape[1] < wide
    assert answer["quality"] == f"Quality is fixed: {qualities[-1]}."
    answer = look(server, ONE, with_object(scene()), quality="0")
    assert seen(answer["mask"]).shape[1] == wide
    assert "fixed" not in look(server, ONE, with_object(scene()), quality="auto")["quality"]


def test_a_background_that_was_moved_along_is_sent_again(server: LiveServer) -> None:
    rng = np.random.default_rng(0)
    rough = rng.integers(40, 200, (30, 40, 3)).astype(np.uint8)
    wall = np.asarray(cv2.resize(rough, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)
    capture(server, ONE, wall)
    shift = np.array([[1, 0, 6], [0, 1, -3]], np.float64)
    moved = np.asarray(cv2.warpAffine(wall, shift, (320, 240), borderMode=cv2.BORDER_REFLECT_101))
    noise = (rng.normal(0, 3, moved.shape) for _ in range(12))
    answers = [look(server, ONE, (moved + each).clip(0, 255).astype(np.uint8)) for each in noise]
    assert answers[0]["background"] is None
    (again,) = [each["background"] for each in answers if each["background"]]
    assert abs(seen(again)[20:-20, 20:-20, ::-1].astype(int) - moved[20:-20, 20:-20]).mean() < 8


@pytest.mark.parametrize("at", [None, "soon", [1], float("nan"), 10**400])
def test_a_time_that_is_none_is_refused(server: LiveServer, at: object) -> None:
    capture(server, ONE, scene())
    assert look(server, ONE, with_object(scene()), at=at) == {"failed": BAD_MESSAGE}
    assert look(server, ONE, with_object(scene()))["mask"]


def test_who_leaves_during_a_frame_is_forgotten_after_it() -> None:
    class Leaves(FakePredictor):
        def see(self, background: Picture, image: Picture) -> dict[str, Map]:
            if following:
                leaving.start()
                for _ in range(6000):
                    if len(server):
                        time.sleep(0.01)
            return super().see(background, image)

    server, following = LiveServer(Leaves), False
    leaving = threading.Thread(target=server.answer, args=[{"do": "leave", "token": ONE}])
    capture(server, ONE, scene())
    following = True
    assert "mask" in look(server, ONE, scene())
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
        ((40, LARGEST_SIDE), True),
        ((40, LARGEST_SIDE + 1), False),
        ((SMALLEST_SIDE, 40), True),
        ((SMALLEST_SIDE - 1, 40), False),
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


def take_place(server: LiveServer, token: str) -> str:
    """Sends the first picture of a page; returns the complaint, or ""."""
    answer = server.answer({"do": "capture", "token": token, "frame": url(scene())})
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
    for action in ("capture", "frame"):
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
        server.answer({"do": "frame", "token": f"{0:032x}"})
    assert take_place(server, TWO) == "", "instead of the first one without a background"
    assert look(server, f"{0:032x}", scene())["failed"] == NO_BACKGROUND
    assert "mask" in look(server, ONE, scene()), "who follows a scene stays"
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
    assert all("mask" in answer for answer in answers[1:])


def test_what_the_predictor_says_is_passed_on() -> None:
    def never() -> FakePredictor:
        raise CheckpointError("The network could not be loaded.")

    answer = capture(LiveServer(never), ONE, scene())
    assert "could not be loaded" in answer["failed"]


def test_a_few_bytes_cannot_ask_for_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = BytesIO()
    Image.new("1", (9000, 9000)).save(wide, "PNG")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(MessageError, match="could not be read"):
        decode_frame(data_url(wide.getvalue(), "png"))
    with pytest.raises(MessageError, match="could not be read"):
        decode_frame(data_url(b"no picture", "png"))


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


def test_what_does_not_change_is_not_sent_again(server: LiveServer) -> None:
    capture(server, ONE, scene())
    answers = [look(server, ONE, with_object(scene())) for _ in range(STILL_FRAMES + 8)]
    assert all(answer["mask"] for answer in answers[: 1 + STILL_FRAMES])
    assert answers[-1]["mask"] is answers[-1]["depth"] is None
    assert answers[-1]["sentence"] == ""
    again = look(server, ONE, with_object(scene()), fresh=True)
    assert again["mask"] and again["depth"] and again["background"], "an answer was lost"


def test_depth_is_predicted_less_often_than_the_mask(server: LiveServer) -> None:
    capture(server, ONE, scene())
    answers = frames_until(server, 12)
    assert all(answer["mask"] for answer in answers)
    assert answers[0]["depth"]
    places = [place for place, answer in enumerate(answers) if answer["depth"]]
    assert len(places) > 1
    assert min(np.diff(places)) > 1


def test_a_slow_network_is_given_less_to_see(now: list[float]) -> None:
    class Slow(FakePredictor):
        def see(self, background: Picture, image: Picture) -> dict[str, Map]:
            now[0] += 0.4
            sides.append(image.shape[0])
            return super().see(background, image)

    sides = list[int]()
    server = LiveServer(Slow)
    answer = capture(server, ONE, scene())
    assert answer["captured"]
    answers = frames_until(server, 3)
    assert sides[-1] < sides[0]
    assert "Quality is lowered" in answers[-1]["quality"]
