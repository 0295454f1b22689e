"""The server of the live tab: it answers the messages of pages. No Gradio here.

A page has at most two frames under way: while one is predicted, the next one is decoded. What its
camera takes meanwhile is dropped, so no frame waits in a queue.
"""

import base64
import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import cv2
import numpy as np

from depthmask.app.cache_files import new_file, storing
from depthmask.app.live.batches import Batches
from depthmask.app.live.quality import MAIN, Quality, Rung, ladder_from
from depthmask.app.live.views import (
    DEPTH_VIEW,
    VIEWS,
    LiveChoice,
    draw_view,
    full_mask,
    to_jpeg,
)
from depthmask.app.photos.views import foreground_colours
from depthmask.app.prediction_cache import Sweeper
from depthmask.app.reading import frame_reader
from depthmask.backends import Backend, BatchBackend
from depthmask.errors import DepthmaskError, PictureError, StorageError
from depthmask.inference.live_session import (
    CAPTURE_FRAMES,
    RunNetwork,
    Session,
    Sight,
    learn,
    step,
)
from depthmask.inference.stopwatch import Stopwatch
from depthmask.pictures import Map, Picture
from depthmask.render.video import Recording
from depthmask.render.views import cutout

MAX_VISITORS = 16  # at a time
VISITOR_LIFETIME_S = 600.0  # a visitor who sends no picture for this long has left
# While all places are taken, a visitor who sends no picture for this long gives way to a new one:
IDLE_S = 20.0
IDLE_WITHOUT_BACKGROUND_S = 5.0
MAX_PICTURE_CHARS = 2_000_000  # of a picture as a data URL
MIN_FRAME_SIDE, MAX_FRAME_SIDE = 32, 1280  # pixels
FRAMES_UNDER_WAY = 2  # of a page: one that is predicted, and one that waits
MAX_PERIOD_MS = 2000.0  # between two frames; who takes longer has paused
MIN_SHOWN_SHARE = 0.002  # of the picture; with less, nothing has entered the scene
TOKEN = re.compile(r"[0-9a-f]{32}")

NO_PLACE_LEFT = (
    f"All {MAX_VISITORS} places for live visitors are taken; try again in a few minutes."
)
NO_BACKGROUND = "Capture the background first."
BAD_FRAME = "The camera's picture could not be read; reload the page."
BAD_MESSAGE = "The page is of another version than the server; reload the page."
STEP_IN = "Nothing is in the scene: step in."
RECORDING_FULL = "The recording has reached its greatest length; press Stop to get it."
DISK_FULL = "The server's disk is full; press Stop to get what was recorded until then."
Answer = dict[str, Any]


class HasNetwork(Protocol):
    """The part of `Predictor` that this tab needs."""

    @property
    def resolution(self) -> int: ...

    @property
    def backend(self) -> Backend: ...


@dataclass
class Visit:
    """What the server knows about one page. The session is a value, replaced by each frame."""

    session: Session | None = None
    captured: list[Picture] = field(default_factory=list)
    choice: LiveChoice = field(default_factory=LiveChoice)
    last: tuple[Picture, Sight] | None = None
    drawn: LiveChoice | None = None  # how the last frame was drawn
    quality: Quality | None = None
    began: float = 0.0  # when the work on the last frame began, by time.monotonic()
    recording: Recording | None = None
    used: float = field(default_factory=time.monotonic)  # when the last picture came
    places: threading.Semaphore = field(
        default_factory=lambda: threading.Semaphore(FRAMES_UNDER_WAY)
    )
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def gives_way(self) -> float:
        """When a new visitor may take its place, by time.monotonic()."""
        return self.used + (IDLE_S if self.session else IDLE_WITHOUT_BACKGROUND_S)

    def decode(self, picture: object) -> Picture:
        """Decodes a picture that the page sent; see `decode_frame`."""
        frame = decode_frame(picture)
        self.used = time.monotonic()
        return frame

    def close(self) -> None:
        if self.recording is not None:
            self.recording.close()
            self.recording = None


class MessageError(DepthmaskError):
    """A message cannot be answered; the error's sentence is the answer."""


class LiveServer:
    """Answers the messages of any number of pages, each with its own background.

    Args:
        ready: Returns the predictor once it is loaded.
        debug: Answers tell how long each stage took.
    """

    def __init__(self, ready: Callable[[], HasNetwork], *, debug: bool = False) -> None:
        self._models = {MAIN: ready}  # {a rung's model: what returns it once it is loaded}
        self._batches: dict[str, Batches] = {}
        self._debug = debug
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()
        self._sweeper = Sweeper(
            self.sweep, lambda: VISITOR_LIFETIME_S + 1 if self._visits else None
        )
        self._do: dict[str, Callable[[Visit, Answer], Answer]] = {
            "capture": self._capture,
            "frame": self._frame,
            "look": self._look,
            "backdrop": self._backdrop,
            "record": self._record,
            "stop": self._stop,
            "snapshot": self._snapshot,
        }

    def __len__(self) -> int:
        return len(self._visits)

    def answer(self, message: Any) -> Answer:
        """Answers one message; never raises for what a page sends.

        Args:
            message: {"do": action, "token": 32 hexadecimal digits that the page chose, ...}.

        Returns:
            What the page shows; "failed" is a sentence for the user.
        """
        try:
            if not isinstance(message, dict) or not TOKEN.fullmatch(str(message.get("token"))):
                raise MessageError(BAD_MESSAGE)
            if message.get("do") == "leave":
                self._forget(message["token"])
                return {}
            action = self._do.get(str(message.get("do")))
            if action is None:
                raise MessageError(BAD_MESSAGE)
            # A frame that arrives after its page was left must not bring the visitor back.
            new = message["do"] in ("capture", "backdrop")
            visit = self._visit(message["token"], message.get("frame"), new=new)
            if not visit.places.acquire(blocking=False):
                return {"dropped": True}
            try:
                with visit.lock:
                    return action(visit, message)
            finally:
                visit.places.release()
        except (DepthmaskError, RuntimeError) as error:  # the network raises the second
            return {"failed": str(error)}

    def sweep(self) -> None:
        """Forgets the visitors whose lifetime is over."""
        oldest = time.monotonic() - VISITOR_LIFETIME_S
        with self._lock:
            gone = [token for token, visit in self._visits.items() if visit.used < oldest]
        for token in gone:
            self._forget(token)

    def _visit(self, token: str, picture: object, *, new: bool) -> Visit:
        """Returns the visit of a page. It begins with a picture: small messages take no place."""
        self.sweep()
        visit = self._visits.get(token)
        if visit is None:
            if not new:
                raise MessageError(NO_BACKGROUND)
            decode_frame(picture)
            self._make_room()
            with self._lock:
                if len(self._visits) >= MAX_VISITORS and token not in self._visits:
                    raise MessageError(NO_PLACE_LEFT)
                visit = self._visits.setdefault(token, Visit())
        self._sweeper.schedule()
        return visit

    def _make_room(self) -> None:
        """Forgets the visitor who has been idle for longest, if all places are taken."""
        now = time.monotonic()
        with self._lock:
            if len(self._visits) < MAX_VISITORS:
                return
            token = min(self._visits, key=lambda token: self._visits[token].gives_way)
            if self._visits[token].gives_way > now:
                return
        self._forget(token)

    def _forget(self, token: str) -> None:
        with self._lock:
            visit = self._visits.pop(token, None)
        if visit is not None:
            with visit.lock:  # its last frame may still be worked on
                visit.close()

    def _capture(self, visit: Visit, message: Answer) -> Answer:
        """Takes one frame of the empty scene; after the last, learns the background."""
        if message.get("first"):
            visit.captured = []
        visit.captured.append(visit.decode(message.get("frame")))
        if len(visit.captured) < CAPTURE_FRAMES:
            return {"missing": CAPTURE_FRAMES - len(visit.captured)}
        frames, visit.captured = visit.captured, []
        if visit.quality is None:
            visit.quality = Quality(ladder_from(self._models[MAIN]().resolution))
        rung, quality = visit.quality.rung, visit.quality
        see = self._see(rung)

        def timed(background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
            begin = time.monotonic()
            maps = see(background, image, tasks)
            quality.note(1000 * (time.monotonic() - begin), 0.0)  # so that the first frame is quick
            return maps

        learned = learn(frames, timed, size=_size(rung, frames[0]))
        visit.session, visit.last, visit.drawn = Session(learned), None, None
        return {"captured": True, "selfCheck": learned.self_check}

    def _frame(self, visit: Visit, message: Answer) -> Answer:
        """Predicts one frame and draws the chosen view."""
        if visit.session is None or visit.quality is None:
            raise MessageError(NO_BACKGROUND)
        at = _number(message.get("at", 0))
        waited = min(max(_number(message.get("waited", 0)), 0), MAX_PERIOD_MS)
        period, visit.began = 1000 * (time.monotonic() - visit.began), time.monotonic()
        clock = Stopwatch()
        frame = visit.decode(message.get("frame"))
        clock.lap("decode")
        choice = _choose(visit, message)
        sight = self._step(visit, frame, choice)
        clock.lap("step")
        full = self._record_frame(visit, message, frame, sight)
        same = sight.unchanged and choice.is_drawn_as(visit.drawn)
        shown = None if same else draw_view(choice, frame, sight)
        clock.lap("draw")
        answer: Answer = {
            "picture": None if shown is None else data_url(to_jpeg(shown)),
            "at": at,
            "sentence": full or sight.sentence or ("" if _shows(sight) else STEP_IN),
            "health": sight.health,
            "quality": visit.quality.sentence,
            "selfCheck": visit.session.learned.self_check,
            "recorded": visit.recording.seconds if visit.recording else None,
        }
        visit.drawn = choice
        clock.lap("encode")
        _note(visit.quality, sight, own_ms=sum(clock.milliseconds.values()), period=period - waited)
        if self._debug:
            answer["stages"] = _stages(clock.milliseconds, sight.milliseconds)
        return answer

    def _step(self, visit: Visit, frame: Picture, choice: LiveChoice) -> Sight:
        """Predicts a frame at the visitor's quality; depth only where it is shown."""
        assert visit.session is not None and visit.quality is not None
        rung = visit.quality.rung
        visit.session, sight = step(
            visit.session,
            frame,
            self._see(rung),
            size=_size(rung, frame),
            depth_every=rung.depth_every if choice.view == DEPTH_VIEW else None,
        )
        visit.last = frame, sight
        return sight

    def _see(self, rung: Rung) -> RunNetwork:
        """Returns what runs a rung's network, for all visitors together."""
        model = self._models[rung.model]()
        with self._lock:
            if rung.model not in self._batches:
                # all that `make_backend` makes run batches
                self._batches[rung.model] = Batches(cast(BatchBackend, model.backend))
            return self._batches[rung.model].see

    def _look(self, visit: Visit, message: Answer) -> Answer:
        """Draws the last frame again, in another view."""
        if visit.last is None:
            raise MessageError(NO_BACKGROUND)
        choice = _choose(visit, message)
        if choice.view == DEPTH_VIEW:  # it may not have been needed until now
            self._step(visit, visit.last[0], choice)
        visit.drawn = choice
        return {"picture": data_url(to_jpeg(draw_view(choice, *visit.last)))}

    def _record_frame(self, visit: Visit, message: Answer, frame: Picture, sight: Sight) -> str:
        """Adds the frame to the recording, if there is one; returns a sentence when it is full."""
        if visit.recording is None:
            return ""
        seconds = _number(message.get("at")) / 1000
        if visit.recording.add(seconds, frame, sight.mask):
            return ""
        return DISK_FULL if visit.recording.is_cut_short else RECORDING_FULL

    def _backdrop(self, visit: Visit, message: Answer) -> Answer:
        picture = message.get("frame")
        visit.choice = replace(visit.choice, backdrop=visit.decode(picture) if picture else None)
        return {}

    def _record(self, visit: Visit, message: Answer) -> Answer:
        visit.close()
        visit.recording = Recording()
        return {}

    def _stop(self, visit: Visit, message: Answer) -> Answer:
        """Ends the recording and returns {"path": the WebM in Gradio's cache}.

        If the disk is full, the recording is kept: the page may ask once more.
        """
        if visit.recording is None:
            raise MessageError("Nothing was recorded: press Record first.")
        try:
            path = new_file("depthmask.webm")
            with storing():
                visit.recording.write(path)
        except StorageError as error:
            return {"failed": f"{error} The recording is kept: press Stop again.", "kept": True}
        except DepthmaskError:
            visit.close()
            raise
        visit.close()
        return {"path": str(path)}

    def _snapshot(self, visit: Visit, message: Answer) -> Answer:
        """Returns the last frame's foreground as a PNG with alpha."""
        if visit.last is None:
            raise MessageError(NO_BACKGROUND)
        frame, sight = visit.last
        mask = full_mask(frame, sight)
        pixels = cutout(foreground_colours(frame, sight.background, mask), mask)
        done, data = cv2.imencode(".png", np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA)))
        assert done
        return {"picture": data_url(data.tobytes(), "png")}


def _choose(visit: Visit, message: Answer) -> LiveChoice:
    """Updates and returns the visitor's choice of view and colour."""
    wanted = str(message.get("view"))
    visit.choice = replace(
        visit.choice,
        view=wanted if wanted in VIEWS else visit.choice.view,
        colour=str(message.get("colour", visit.choice.colour)),
    )
    return visit.choice


def decode_frame(url: object) -> Picture:
    """Decodes the picture of a data URL: (H, W, 3), uint8, RGB.

    Raises:
        MessageError: It is no picture, or its size is out of range.
    """
    text = str(url)
    if len(text) > MAX_PICTURE_CHARS or not text.startswith("data:image/"):
        raise MessageError(BAD_FRAME)
    try:
        data = base64.b64decode(text.partition(",")[2], validate=True)
    except ValueError as error:  # binascii.Error, and what is not ASCII
        raise MessageError(BAD_FRAME) from error
    try:
        return frame_reader().frame(data)
    except PictureError as error:
        raise MessageError(BAD_FRAME) from error


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise MessageError(BAD_MESSAGE) from error
    if not math.isfinite(number):
        raise MessageError(BAD_MESSAGE)
    return number


def data_url(data: bytes, kind: str = "jpeg") -> str:
    """Makes a data URL, which a page shows without another request or a file on the disk."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _shows(sight: Sight) -> bool:
    """Tells whether anything is in the scene."""
    return bool((sight.mask > 0.5).mean() > MIN_SHOWN_SHARE)


def _size(rung: Rung, frame: Picture) -> tuple[int, int]:
    from depthmask.inference.predictor import network_size  # heavy; the page need not wait for it

    height, width = frame.shape[:2]
    return network_size(height, width, rung.resolution)


def _note(quality: Quality, sight: Sight, *, own_ms: float, period: float) -> None:
    """Tells the quality how long a frame took.

    Args:
        quality: Of the visitor.
        sight: What was predicted.
        own_ms: Milliseconds from the frame's arrival to its answer.
        period: Milliseconds since the frame before, without those in which there was none to send.
    """
    network = sight.milliseconds.get("network")
    if network is None:  # nothing was predicted
        return
    others = own_ms - network
    if period < MAX_PERIOD_MS + network:
        others = max(others, period - network)
    quality.note(network, others)


def _stages(outer: dict[str, float], inner: dict[str, float]) -> dict[str, float]:
    """Joins the milliseconds of the stages of a frame, in their order."""
    whole = {
        "decode": outer["decode"],
        **inner,
        "draw": outer["draw"],
        "encode": outer["encode"],
    }
    return {stage: round(time, 1) for stage, time in whole.items()}
