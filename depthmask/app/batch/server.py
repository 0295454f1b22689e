"""The server of the batch tab: it answers the messages of pages. No Gradio here.

A page begins a batch, then looks at it again and again: each look waits for news. A batch whose
page looks no more, or says that it is closed, ends. Its images wait in the queue of all visitors,
one at a time, so that a long batch holds nobody up for longer than an image.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TypeVar

from anyio.to_thread import run_sync

from depthmask.app.batch.clip import ClipWork
from depthmask.app.batch.request import About, Start
from depthmask.app.batch.runs import Answer, Images, Run, progress, summary
from depthmask.app.cache_files import FILE_LIFETIME_S
from depthmask.app.fair_queue import FairQueue
from depthmask.app.loading import Predicts
from depthmask.app.photos.tab import waiting
from depthmask.errors import DepthmaskError
from depthmask.schema import SchemaError, from_plain

T = TypeVar("T")

MAX_RUNS = 12  # that are under way
CHECK_S = 1.0  # between two looks whether a clip is to be stopped
BUSY = f"{MAX_RUNS} batches are under way, which is the most; try again in a few minutes."
BAD_MESSAGE = "The page is of another version than the server; reload the page."
FORGOTTEN = "The server has forgotten this batch; start it again."
NOT_UPLOADED = "A file was not uploaded here: choose it again."
INCOMPLETE = "A batch needs a background and images, or a clip."
NO_CLIPS = "Clips are not made here; drop images."
STARTING = "Starting…"
NOT_BEGUN = "Stopped before it began."
CLIP_DONE = "The clip is done."
CLIP_STOPPED = "Stopped: the clip ends with the last frame that was done."
UNEXPECTED = "Something failed on the server; try again, or look at what it printed."


class BatchServer:
    """Answers the messages of any number of pages.

    Args:
        predictor: Makes the predictions.
        queue: In which visitors wait for their turn.
        model: The name of the model in use.
        knows: Whether all paths lead to uploads.
        video: Begins the command line that makes a clip; None: clips are not made.
    """

    def __init__(
        self,
        predictor: Predicts,
        queue: FairQueue,
        *,
        model: str,
        knows: Callable[[Iterable[object]], bool],
        video: Sequence[str] | None = None,
    ) -> None:
        self._predictor, self._queue, self._model = predictor, queue, model
        self._knows, self._video = knows, video
        self._clips = FairQueue(at_once=1)
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, message: object) -> Answer:
        """Answers one message; never raises for what a page sends.

        Args:
            message: {"do": "start", "look", "stop" or "leave", and the fields of `Start` or
                `About`}.

        Returns:
            What `Run.describe` says, or a sentence as "refused".
        """
        fields = dict(message) if isinstance(message, dict) else {}
        do = fields.pop("do", None)
        try:
            if do == "start":
                return self._start(from_plain(fields, Start))
            about = from_plain(fields, About)
        except SchemaError:
            return {"refused": BAD_MESSAGE}
        run = self._runs.get(about.token)
        if run is None:
            return {"refused": FORGOTTEN}
        if do == "look":
            return await run.look(about.since, about.version)
        run.stopping = True
        return run.describe(about.since)

    def _start(self, asked: Start) -> Answer:
        self._forget()
        under_way = sum(run.state == "running" for run in self._runs.values())
        complaint = ""
        if not self._knows(asked.paths):
            complaint = NOT_UPLOADED
        elif asked.clip is not None and self._video is None:
            complaint = NO_CLIPS
        elif asked.clip is None and not (asked.background and asked.images and asked.outputs):
            complaint = INCOMPLETE
        elif under_way >= MAX_RUNS:
            complaint = BUSY
        if complaint:
            return {"refused": complaint}
        run = self._runs[asked.token] = Run(asked)
        task = asyncio.create_task(self._work(run))
        self._tasks.add(task)  # the loop alone would let it go
        task.add_done_callback(self._tasks.discard)
        return run.describe(0)

    def _forget(self) -> None:
        """Forgets what nobody looks at any more; its files go by themselves."""
        oldest = time.monotonic() - FILE_LIFETIME_S
        self._runs = {
            token: run
            for token, run in self._runs.items()
            if run.state == "running" or run.looked > oldest
        }

    async def _work(self, run: Run) -> None:
        try:
            await (self._predict(run) if run.asked.clip is None else self._convert(run))
        except DepthmaskError as error:
            run.end("failed", str(error))
        except Exception:  # the page must not wait for ever
            logging.getLogger(__name__).exception("a batch failed")
            run.end("failed", UNEXPECTED)

    async def _predict(self, run: Run) -> None:
        """Predicts the images, each when it is its turn."""
        total = len(run.asked.images)
        images = Images(self._predictor, run.asked, model=self._model)
        began = time.monotonic()
        try:
            for number in range(total):
                run.tell(progress(number, total, time.monotonic() - began), number / total)
                item = await self._turn(run, self._queue, partial(images.make, number))
                if item is None:
                    break
                run.items.append(item)
        finally:
            run.result = await run_sync(images.close)
        run.end("done" if len(run.items) == total else "stopped", summary(run, total))

    async def _convert(self, run: Run) -> None:
        """Lets the clip be made; other clips go first, if they came first."""
        assert run.asked.clip is not None and self._video is not None
        loop = asyncio.get_running_loop()
        work = ClipWork(self._video, run.asked, run.asked.clip)

        def tell(sentence: str, share: float | None) -> None:
            loop.call_soon_threadsafe(run.tell, sentence, share)

        run.tell(STARTING)
        try:
            made = await self._turn(run, self._clips, partial(work.run, tell), stop=work.stop)
        finally:
            run.notes = work.notes
        if made is None:
            run.end("stopped", NOT_BEGUN)
            return
        run.result, whole = made
        run.end(*(("done", CLIP_DONE) if whole else ("stopped", CLIP_STOPPED)))

    async def _turn(
        self,
        run: Run,
        queue: FairQueue,
        work: Callable[[], T],
        *,
        stop: Callable[[], None] = lambda: None,
    ) -> T | None:
        """Waits for a turn, and works in a thread; None if the batch is to end before it."""
        place = queue.join(f"batch {run.asked.token}", replace=False)
        try:
            async with aclosing(queue.wait(place)) as waits:
                async for wait in waits:
                    if run.over:
                        return None
                    run.tell(waiting(wait), run.share)
            if run.over:
                return None
            working = asyncio.ensure_future(run_sync(work))
            while not working.done():
                await asyncio.wait((working,), timeout=CHECK_S)
                if run.over:
                    stop()
            return working.result()
        finally:
            queue.leave(place)
