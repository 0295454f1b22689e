"""The server of the live tab: it answers the messages of pages. No Gradio here.

A page sends a frame and gets its mask and depth as small pictures; it draws every view by itself.
It has at most two frames under way: while one is predicted, the next one is decoded. What its
camera takes meanwhile is dropped, so no frame waits in a queue.
"""

import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import cv2
import numpy as np

from depthmask.app.live.batches import Batches
from depthmask.app.live.frames import MessageError, decode_frame, depth_url, jpeg_url, mask_url
from depthmask.app.live.quality import FAST, MAIN, Quality, Rung, ladder_from
from depthmask.app.prediction_cache import Sweeper
from depthmask.backends import Backend, BatchBackend
from depthmask.errors import DepthmaskError
from depthmask.evaluation.array_metrics import MASK_THRESHOLD, mask_iou
from depthmask.evaluation.truth import split_labels
from depthmask.inference.capture import (
    CAPTURE_FRAMES,
    MOVING_FRAMES,
    RunNetwork,
    is_moving,
    learn,
)
from depthmask.inference.live_session import Session, Sight, step
from depthmask.inference.stopwatch import Stopwatch
from depthmask.pictures import IGNORED_LABELS, Map, Picture
from depthmask.texts import TEXTS

MAX_VISITORS = 16  # at a time
VISITOR_LIFETIME_S = 600.0  # a visitor who sends no picture for this long has left
# While all places are taken, a visitor who sends no picture for this long gives way to a new one:
IDLE_S = 20.0
IDLE_WITHOUT_BACKGROUND_S = 5.0
FRAMES_UNDER_WAY = 2  # of a page: one that is predicted, and one that waits
MOVING_PAUSE_MS = 150  # between two frames of an empty scene that moves
MAX_PERIOD_MS = 2000.0  # between two frames; who takes longer has paused
LABEL_NOISE = 25  # levels by which a video may change a label of a true mask
MIN_SHOWN_SHARE = 0.002  # of the picture; with less, nothing has entered the scene
TOKEN = re.compile(r"[0-9a-f]{32}")

NO_PLACE_LEFT = (
    f"All {MAX_VISITORS} places for live visitors are taken; try again in a few minutes."
)
NO_BACKGROUND = TEXTS["live"]["no_background"]
BAD_MESSAGE = "The page is of another version than the server; reload the page."
HOLD_ON, STEP_IN = TEXTS["live"]["hold_on"], TEXTS["live"]["step_in"]
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
    enough: int = CAPTURE_FRAMES  # of these, to learn from
    quality: Quality | None = None
    began: float = 0.0  # when the work on the last frame began, by time.monotonic()
    depth: Map | None = None  # what the page has of these,
    background: Picture | None = None
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


class LiveServer:
    """Answers the messages of any number of pages, each with its own background.

    Args:
        ready: Returns the predictor once it is loaded.
        fast: Returns one of the fast network, for machines on which the other is too slow.
        debug: Answers tell how long each stage took.
    """

    def __init__(
        self,
        ready: Callable[[], HasNetwork],
        *,
        fast: Callable[[], HasNetwork] | None = None,
        debug: bool = False,
    ) -> None:
        # {a rung's model: what returns it once it is loaded}
        self._models = {MAIN: ready} | ({FAST: fast} if fast else {})
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
            new = message["do"] == "capture"
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
            self._visits.pop(token, None)

    def _capture(self, visit: Visit, message: Answer) -> Answer:
        """Takes one frame of the empty scene; after the last, learns the background.

        A scene that moves is watched for longer.
        """
        if message.get("first"):
            visit.captured, visit.enough = [], CAPTURE_FRAMES
        visit.captured.append(visit.decode(message.get("frame")))
        if len(visit.captured) == CAPTURE_FRAMES and is_moving(visit.captured):
            visit.enough = MOVING_FRAMES
        if len(visit.captured) < visit.enough:
            more = {"enough": visit.enough, "pause": MOVING_PAUSE_MS, "sentence": HOLD_ON}
            moving = more if visit.enough > CAPTURE_FRAMES else {}
            return {"missing": visit.enough - len(visit.captured), **moving}
        frames, visit.captured = visit.captured, []
        if visit.quality is None:
            visit.quality = Quality(
                ladder_from(self._models[MAIN]().resolution, fast=FAST in self._models)
            )
        visit.quality.choose(message.get("quality"))
        rung, quality = visit.quality.rung, visit.quality
        see = self._see(rung)

        def timed(background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
            begin = time.monotonic()
            maps = see(background, image, tasks)
            quality.note(1000 * (time.monotonic() - begin), 0.0)  # so that the first frame is quick
            return maps

        learned = learn(frames, timed, size=_size(rung, frames[0]))
        visit.session = Session(learned)
        visit.depth, visit.background = None, learned.picture
        return {
            "captured": True,
            "selfCheck": learned.self_check,
            "background": jpeg_url(learned.picture),
            "qualities": quality.choices,
        }

    def _frame(self, visit: Visit, message: Answer) -> Answer:
        """Predicts one frame."""
        if visit.session is None or visit.quality is None:
            raise MessageError(NO_BACKGROUND)
        at = _number(message.get("at", 0))
        waited = min(max(_number(message.get("waited", 0)), 0), MAX_PERIOD_MS)
        period, visit.began = 1000 * (time.monotonic() - visit.began), time.monotonic()
        clock = Stopwatch()
        frame = visit.decode(message.get("frame"))
        clock.lap("decode")
        visit.quality.choose(message.get("quality"))
        rung = visit.quality.rung
        visit.session, sight = step(
            visit.session,
            frame,
            self._see(rung),
            size=_size(rung, frame),
            depth_every=rung.depth_every,
        )
        clock.lap("step")
        if message.get("fresh"):
            visit.depth = visit.background = None
        answer = {"at": at, **_pictures(visit, sight), **_tell(visit, sight)}
        if message.get("truth"):
            answer["iou"] = _iou(sight.mask, decode_frame(message["truth"]))
        clock.lap("encode")
        _note(visit.quality, sight, own_ms=sum(clock.milliseconds.values()), period=period - waited)
        if self._debug:
            answer["stages"] = _stages(clock.milliseconds, sight.milliseconds)
        return answer

    def _see(self, rung: Rung) -> RunNetwork:
        """Returns what runs a rung's network, for all visitors together."""
        model = self._models[rung.model]()
        with self._lock:
            if rung.model not in self._batches:
                # all that `make_backend` makes run batches
                self._batches[rung.model] = Batches(cast(BatchBackend, model.backend))
            return self._batches[rung.model].see


def _pictures(visit: Visit, sight: Sight) -> Answer:
    """The maps, and the background if it has moved; None for what the page has already."""
    fresh = visit.depth is None
    depth = None if sight.depth is visit.depth else sight.depth
    background = None if sight.background is visit.background else sight.background
    visit.depth, visit.background = sight.depth, sight.background
    return {
        "mask": None if sight.unchanged and not fresh else mask_url(sight.mask),
        "depth": None if depth is None else depth_url(depth),
        "background": None if background is None else jpeg_url(background),
        "gain": [round(float(gain), 4) for gain in sight.gain.gain],
    }


def _tell(visit: Visit, sight: Sight) -> Answer:
    """What the page says about a frame."""
    assert visit.session is not None and visit.quality is not None
    empty = not _shows(sight)
    return {
        "sentence": sight.sentence or (STEP_IN if empty else ""),
        "health": sight.health,
        "empty": empty,
        "quality": visit.quality.sentence,
        "selfCheck": visit.session.learned.self_check,
    }


def _iou(mask: Map, truth: Picture) -> float:
    """IoU with a true mask, (H, W, 3), whose white is foreground, and whose grey does not count."""
    height, width = truth.shape[:2]
    full = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    labels = truth[..., 1].copy()  # green, which videos keep best
    for label in IGNORED_LABELS:
        labels[np.abs(labels.astype(np.int16) - label) < LABEL_NOISE] = label
    return mask_iou(np.asarray(full), *split_labels(labels))


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise MessageError(BAD_MESSAGE) from error
    if not math.isfinite(number):
        raise MessageError(BAD_MESSAGE)
    return number


def _shows(sight: Sight) -> bool:
    """Tells whether anything is in the scene."""
    return bool((sight.mask > MASK_THRESHOLD).mean() > MIN_SHOWN_SHARE)


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
        "encode": outer["encode"],
    }
    return {stage: round(time, 1) for stage, time in whole.items()}
