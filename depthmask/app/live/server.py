"""The live tab's visitors: a message from a page comes in, an answer goes out. No Gradio here.

A page sends one frame, waits for the answer, and takes the newest frame next: what comes meanwhile
is dropped, and no frame ever waits in a queue.
"""

import base64
import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, Protocol

import cv2
import numpy as np
from PIL import Image

from depthmask.app.cache_files import new_file
from depthmask.app.live.views import VIEWS, Choice, draw, full_mask, to_jpeg
from depthmask.app.photos.views import foreground_colours
from depthmask.app.watch import Watch
from depthmask.errors import CaptureError, RecordingError
from depthmask.inference.live_session import FRAMES, Session, Sight, Stopwatch, learn, step
from depthmask.pictures import Map, Picture
from depthmask.render.video import Recording, write_webm
from depthmask.render.views import cutout

MOST = 16  # visitors at a time
KEEP_S = 600.0  # a visitor who sends nothing for so long has left
LARGEST = 2_000_000  # bytes of a message's picture
SMALLEST_SIDE, LARGEST_SIDE = 32, 1280  # pixels, of a frame
LEAST_SEEN = 0.002  # of the picture: less is nothing that has entered
TOKEN = re.compile(r"[0-9a-f]{32}")

FULL = f"All {MOST} places for live visitors are taken; try again in a few minutes."
NOTHING_YET = "Capture the background first."
BAD_FRAME = "The camera's picture could not be read; reload the page."
BAD_MESSAGE = "The page and the server do not fit together; reload the page."
STEP_IN = "Nothing is in the scene: step in."
FULL_TAPE = "The recording is as long as it can be; press Stop to get it."
Answer = dict[str, Any]


class SeesPairs(Protocol):
    """What this tab needs of a `Predictor`."""

    @property
    def resolution(self) -> int: ...

    def see(self, background: Picture, image: Picture) -> dict[str, Map]: ...


@dataclass
class Visit:
    """What is known of one page. The session itself is a value."""

    session: Session | None = None
    captured: list[Picture] = field(default_factory=list)
    choice: Choice = field(default_factory=Choice)
    last: tuple[Picture, Sight] | None = None
    recording: Recording | None = None
    used: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        if self.recording is not None:
            self.recording.close()
            self.recording = None


class Refusal(ValueError):
    """A message that cannot be answered; this one sentence is the answer."""


class LiveDesk:
    """Answers the messages of any number of pages, each with its own background.

    Args:
        ready: Waits for the predictor.
        debug: Answers tell how long each stage took.
    """

    def __init__(self, ready: Callable[[], SeesPairs], *, debug: bool = False) -> None:
        self._ready, self._debug = ready, debug
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()
        self._watch = Watch(self.sweep, lambda: KEEP_S + 1 if self._visits else None)
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
            message: {"do": what, "token": 32 hexadecimal digits of the page's own, ...}.

        Returns:
            What the page is to show; "failed" is a sentence for the user.
        """
        try:
            if not isinstance(message, dict) or not TOKEN.fullmatch(str(message.get("token"))):
                raise Refusal(BAD_MESSAGE)
            if message.get("do") == "leave":
                self._forget(message["token"])
                return {}
            action = self._do.get(str(message.get("do")))
            if action is None:
                raise Refusal(BAD_MESSAGE)
            # a frame on its way while its page is left must not bring the visitor back
            visit = self._visit(message["token"], new=message["do"] in ("capture", "backdrop"))
            if not visit.lock.acquire(blocking=False):
                return {"dropped": True}
            try:
                return action(visit, message)
            finally:
                visit.lock.release()
        except (Refusal, CaptureError, RecordingError, RuntimeError) as error:
            return {"failed": str(error)}

    def sweep(self) -> None:
        """Forgets who has left without a word."""
        oldest = time.monotonic() - KEEP_S
        with self._lock:
            gone = [token for token, visit in self._visits.items() if visit.used < oldest]
        for token in gone:
            self._forget(token)

    def _visit(self, token: str, *, new: bool) -> Visit:
        self.sweep()
        with self._lock:
            if token not in self._visits and not new:
                raise Refusal(NOTHING_YET)
            if token not in self._visits and len(self._visits) >= MOST:
                raise Refusal(FULL)
            visit = self._visits.setdefault(token, Visit())
        visit.used = time.monotonic()
        self._watch.set()
        return visit

    def _forget(self, token: str) -> None:
        with self._lock:
            visit = self._visits.pop(token, None)
        if visit is not None:
            with visit.lock:  # its last frame may be on its way
                visit.close()

    def _capture(self, visit: Visit, message: Answer) -> Answer:
        """Takes one frame of the empty scene; the last of them makes the background."""
        if message.get("first"):
            visit.captured = []
        visit.captured.append(decode(message.get("frame")))
        if len(visit.captured) < FRAMES:
            return {"missing": FRAMES - len(visit.captured)}
        frames, visit.captured = visit.captured, []
        looks = self._ready()
        plate = learn(frames, looks.see, size=_size(looks, frames[0]))
        visit.session, visit.last = Session(plate), None
        return {"captured": True, "selfCheck": plate.self_check}

    def _frame(self, visit: Visit, message: Answer) -> Answer:
        """Sees one frame and draws what the visitor wants to see."""
        if visit.session is None:
            raise Refusal(NOTHING_YET)
        clock = Stopwatch()
        frame = decode(message.get("frame"))
        clock.lap("decode")
        looks = self._ready()
        visit.session, sight = step(visit.session, frame, looks.see, size=_size(looks, frame))
        visit.last = frame, sight
        clock.lap("step")
        full = self._tape(visit, message, sight)
        shown = draw(_choose(visit, message), frame, sight)
        clock.lap("draw")
        answer = {
            "picture": data_url(to_jpeg(shown)),
            "at": message.get("at"),
            "sentence": full or sight.sentence or ("" if _shows(sight) else STEP_IN),
            "health": sight.health,
            "selfCheck": visit.session.plate.self_check,
            "recorded": visit.recording.seconds if visit.recording else None,
        }
        clock.lap("encode")
        if self._debug:
            answer["stages"] = _stages(clock.milliseconds, sight.milliseconds)
        return answer

    def _look(self, visit: Visit, message: Answer) -> Answer:
        """Draws the last frame once more, in another view."""
        if visit.last is None:
            raise Refusal(NOTHING_YET)
        return {"picture": data_url(to_jpeg(draw(_choose(visit, message), *visit.last)))}

    def _tape(self, visit: Visit, message: Answer, sight: Sight) -> str:
        """Adds the frame to the recording, if there is one; says so when it is full."""
        if visit.recording is None:
            return ""
        seconds = _number(message.get("at")) / 1000
        jpeg = base64.b64decode(str(message["frame"]).partition(",")[2])
        return "" if visit.recording.add(seconds, jpeg, sight.mask) else FULL_TAPE

    def _backdrop(self, visit: Visit, message: Answer) -> Answer:
        picture = message.get("frame")
        visit.choice = replace(visit.choice, backdrop=decode(picture) if picture else None)
        return {}

    def _record(self, visit: Visit, message: Answer) -> Answer:
        visit.close()
        visit.recording = Recording()
        return {}

    def _stop(self, visit: Visit, message: Answer) -> Answer:
        """Ends the recording: {"path": of the WebM in Gradio's cache}."""
        recording, visit.recording = visit.recording, None
        if recording is None:
            raise Refusal("Nothing was recorded: press Record first.")
        try:
            path = new_file("depthmask.webm")
            write_webm(path, recording)
        finally:
            recording.close()
        return {"path": str(path)}

    def _snapshot(self, visit: Visit, message: Answer) -> Answer:
        """The last frame's foreground as a PNG with alpha."""
        if visit.last is None:
            raise Refusal(NOTHING_YET)
        frame, sight = visit.last
        mask = full_mask(frame, sight)
        pixels = cutout(foreground_colours(frame, sight.background, mask), mask)
        done, data = cv2.imencode(".png", np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA)))
        assert done
        return {"picture": data_url(data.tobytes(), "png")}


def _choose(visit: Visit, message: Answer) -> Choice:
    """Takes over what the visitor wants to see."""
    wanted = str(message.get("view"))
    visit.choice = replace(
        visit.choice,
        view=wanted if wanted in VIEWS else visit.choice.view,
        colour=str(message.get("colour", visit.choice.colour)),
    )
    return visit.choice


def decode(url: object) -> Picture:
    """Reads a picture out of a data URL: (H, W, 3), uint8, RGB.

    Raises:
        Refusal: It is none, or it is too large.
    """
    text = str(url)
    if len(text) > LARGEST or not text.startswith("data:image/"):
        raise Refusal(BAD_FRAME)
    try:
        data = base64.b64decode(text.partition(",")[2], validate=True)
    except ValueError as error:  # binascii.Error, and what is not ASCII
        raise Refusal(BAD_FRAME) from error
    if not _is_frame(data):
        raise Refusal(BAD_FRAME)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise Refusal(BAD_FRAME)
    return np.asarray(picture, dtype=np.uint8)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise Refusal(BAD_MESSAGE) from error
    if not math.isfinite(number):
        raise Refusal(BAD_MESSAGE)
    return number


def _is_frame(data: bytes) -> bool:
    """Whether the header tells of a frame's size: a few bytes can decode to gigabytes."""
    try:
        with Image.open(BytesIO(data)) as picture:
            sides = picture.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return False
    return min(sides) >= SMALLEST_SIDE and max(sides) <= LARGEST_SIDE


def data_url(data: bytes, kind: str = "jpeg") -> str:
    """What an <img> can show without asking the server again: nothing is left on its disk."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _shows(sight: Sight) -> bool:
    """Whether anything is to be seen in the scene."""
    return bool((sight.mask > 0.5).mean() > LEAST_SEEN)


def _size(looks: SeesPairs, frame: Picture) -> tuple[int, int]:
    from depthmask.inference.predictor import network_size  # loads what the page need not wait for

    height, width = frame.shape[:2]
    return network_size(height, width, looks.resolution)


def _stages(outer: dict[str, float], inner: dict[str, float]) -> dict[str, float]:
    """Milliseconds of each stage of a frame, in their order."""
    whole = {
        "decode": outer["decode"],
        **inner,
        "draw": outer["draw"],
        "encode": outer["encode"],
    }
    return {stage: round(time, 1) for stage, time in whole.items()}
