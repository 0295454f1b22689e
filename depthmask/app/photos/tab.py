"""The photos tab: a `gr.HTML` whose scripts hold its state, and the answers to their requests.

A request names the files of the page; its answer has a sentence, and a scene for the stage to draw.
Both are JSON. Answers bear the number of their request, so that the page leaves out what is stale.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from anyio.to_thread import run_sync

from depthmask.app.cache_files import (
    SWEEP_INTERVAL_S,
    browser_copy,
    depth_copy,
    fetch_file,
    is_cached,
    keep,
    mask_copy,
    save_preview,
)
from depthmask.app.examples import Example
from depthmask.app.fair_queue import FairQueue, Place, Wait
from depthmask.app.loading import Predicts
from depthmask.app.modules import import_module
from depthmask.app.photos.analysis import (
    FIRST_SIDE,
    Analysis,
    Convention,
    analyse,
    found,
    with_earlier_image,
)
from depthmask.app.photos.downloads import DOWNLOADS, prepare, read_edits
from depthmask.app.photos.dropped import MAX_FILE_BYTES, DroppedFiles
from depthmask.app.photos.markup import markup
from depthmask.app.photos.request import Request, Shown, read_request
from depthmask.app.photos.scene import PREVIEW_SIDE, first_scene, write_rest
from depthmask.app.photos.verdicts import words
from depthmask.app.prediction_cache import PredictionCache
from depthmask.app.reading import photo_reader
from depthmask.errors import PictureError, StorageError
from depthmask.schema import SchemaError, from_json
from depthmask.texts import TEXTS

FOLDER = Path(__file__).parent
_COPY = {"true_mask": mask_copy, "true_depth": depth_copy}
_TEXT = TEXTS["photos"]
WORKING = _TEXT["working"]
PUT_IN_ORDER = _TEXT["put_in_order"]
NOT_UPLOADED = "This file was not uploaded here: drop it again."
UNEXPECTED = "Something failed on the server; try again, or look at what it printed."
TELL_S = 5.0  # between two signs of life while a pair is predicted
Answer = dict[str, Any]


class PhotosTab:
    """Answers the requests of the tab's script.

    Args:
        predictor: Makes the predictions.
        examples: Shown in this order.
        model: The name of the model in use.
        cache: Of predictions.
        queue: In which visitors wait for their turn.
        solved: Answers that are known before, by the name of the example. The page has them from
            the start. If the first example is among them, the page opens with it.
    """

    def __init__(
        self,
        predictor: Predicts,
        examples: Sequence[Example],
        *,
        model: str,
        cache: PredictionCache,
        queue: FairQueue,
        solved: Mapping[str, Answer] | None = None,
    ) -> None:
        self._predictor, self._examples = predictor, {e.name: e for e in examples}
        self._known = {path for example in examples for path in example.files if path}
        self._model, self._cache, self._queue = model, cache, queue
        self._solved = solved or {}
        self._build()

    async def on_request(self, text: str, visitor: str) -> AsyncGenerator[Answer]:
        """Answers a request: while it waits or runs, with a sentence on that."""
        try:
            request = read_request(text)
        except SchemaError as error:
            raise gr.Error(f"The page sent what is no request: {error}.") from error
        place = self._queue.join(visitor, number=request.serial)
        try:
            async for wait in self._queue.wait(place):
                yield {"serial": request.serial, "waiting": waiting(wait)}
            async with aclosing(self._serve(request, place)) as answers:
                async for answer in answers:
                    yield {"serial": request.serial, **answer}
        finally:
            self._queue.leave(place)

    async def _serve(self, request: Request, place: Place) -> AsyncGenerator[Answer]:
        """Answers a request whose turn it is; a newer one of the page may have replaced it."""
        if place.replaced:
            return
        work = asyncio.ensure_future(run_sync(self.answer, request))
        try:
            while not work.done():
                yield {"waiting": WORKING}
                await asyncio.wait((work,), timeout=TELL_S)
        finally:  # the place is taken as long as it runs, also if the page has gone
            await asyncio.wait((work,))
        try:
            yield work.result()
        except StorageError as error:
            yield failure(str(error))
        except Exception:  # the page must not wait for ever
            logging.getLogger(__name__).exception("a request failed")
            yield failure(UNEXPECTED)

    def answer(self, request: Request) -> Answer:
        """Predicts what a request names, and describes the result."""
        if request.example:
            return self._answer_example(request.example)
        files = request.files
        if not self.knows(files.paths):
            return failure(NOT_UPLOADED)
        known = self._cache.get(files.pair) is not None
        analysis = self._analyse(request, first=True)
        exchanged = request.unordered and analysis.verdict == "swapped"
        if exchanged:
            files = replace(files, background=files.image, image=files.background)
            analysis = analyse(self._predictor, self._cache, files, request.convention, first=True)
            analysis = replace(analysis, message=f"{PUT_IN_ORDER} {analysis.message}")
        if request.replaces:
            analysis = with_earlier_image(analysis)
        return {
            **self._describe(analysis, files, request.convention),
            "took": "" if known or exchanged else took(analysis),
            "exchanged": exchanged,
            "mirrored": analysis.verdict == "mirrored" and not files.more_backgrounds,
            "zones": {
                **dict.fromkeys(analysis.unreadable),
                **self._stand_ins(files, analysis.unreadable),
            },
        }

    def knows(self, paths: Iterable[object]) -> bool:
        """Tells whether all paths are uploads or files of the examples; None is no path.

        Gradio checks only those paths of a request that are marked as files.
        """
        return all(p is None or p in self._known or is_cached(str(p)) for p in paths)

    def fetch(self, address: str) -> Answer:
        """Fetches a picture from the web; returns its path and name, or what failed."""
        try:
            path = fetch_file(address, max_bytes=MAX_FILE_BYTES)
        except (PictureError, StorageError) as error:
            return {"failed": str(error)}
        return {"path": str(path), "name": path.name}

    def mirror(self, path: str) -> Answer:
        """Writes the mirror image of an upload; returns its path and name, or what failed."""
        if not self.knows([path]):
            return {"failed": NOT_UPLOADED}
        try:
            picture = photo_reader().picture(Path(path), max_bytes=MAX_FILE_BYTES)
            mirrored = save_preview(picture[:, ::-1], "mirrored")
        except (PictureError, StorageError) as error:
            return {"failed": str(error)}
        return {"path": mirrored, "name": f"{Path(path).stem}, mirrored"}

    def save(self, request: Request, name: str, mask: str | None, shadow: str) -> Answer:
        """Writes one of `DOWNLOADS`; returns its path and name, or what failed.

        Args:
            request: What the page shows.
            name: A key of `DOWNLOADS`.
            mask: Path of the mask as it was repaired; None if it was not.
            shadow: What becomes of the cast shadow, see `read_edits`.
        """
        files = request.files
        if not self.knows((*files.paths, mask)) or name not in DOWNLOADS:
            return {"failed": NOT_UPLOADED}
        try:
            edits = read_edits(mask, shadow)
        except PictureError as error:
            return {"failed": str(error)}
        path, complaint = prepare(
            DOWNLOADS[name],
            self._analyse(request),
            self._model,
            edits,
            photo=self._name(files),
        )
        return {"failed": complaint} if path is None else {"path": str(path), "name": path.name}

    def rest(self, text: str) -> Answer:
        """Writes what the first picture of a scene lacks; returns its "rest", or what failed.

        The prediction is finished for that. "found" is the sentence on what was found.

        Args:
            text: The scene's "pair", as JSON.
        """
        try:
            shown = from_json(text, Shown)
        except SchemaError:
            return {"failed": NOT_UPLOADED}
        if not self.knows(shown.files.paths):
            return {"failed": NOT_UPLOADED}
        analysis = self._analyse(shown)
        if analysis.predicted is None:
            return {"failed": analysis.message}
        try:
            return {**write_rest(analysis), "found": found(analysis.predicted)}
        except StorageError as error:
            return {"failed": str(error)}

    def _answer_example(self, name: str) -> Answer:
        example = self._examples.get(name)
        if example is None:
            known = ", ".join(self._examples)
            return failure(f"There is no example called {name}; there are {known}.")
        files = DroppedFiles(*example.files)
        described = self._solved.get(name)
        if described is None:
            analysis = analyse(self._predictor, self._cache, files)
            described = self._describe(analysis, files, Convention(), name=name)
        zones = {
            zone: {"path": path, "name": f"{name}-{Path(path).name}", "shown": path}
            for zone, path in files.zones.items()
            if path
        }
        return {**described, "example": name, "title": example.title, "zones": zones}

    def _analyse(self, shown: Shown, *, first: bool = False) -> Analysis:
        return analyse(self._predictor, self._cache, shown.files, shown.convention, first=first)

    def _describe(
        self, analysis: Analysis, files: DroppedFiles, convention: Convention, *, name: str = ""
    ) -> Answer:
        scene = None
        if analysis.predicted is not None:
            scene = first_scene(
                analysis,
                name=name or self._name(files),
                words=words(analysis),
                with_image=not _is_plain_jpeg(files.image),
            )
            scene["pair"] = {**vars(files), **vars(convention)}
        return describe(analysis, scene)

    def _name(self, files: DroppedFiles) -> str:
        """What the names of saved files begin with: that of the example, or of the photo."""
        examples = (e.name for e in self._examples.values() if str(e.image) == files.image)
        return next(examples, Path(str(files.image)).stem)

    def _stand_ins(self, files: DroppedFiles, unreadable: frozenset[str]) -> Answer:
        """Copies for browsers of those pictures that they cannot show."""
        found = {}
        for zone, path in files.zones.items():
            if not path or zone in unreadable or _is_plain_jpeg(path):
                continue
            if copy := _COPY.get(zone, browser_copy)(path, PREVIEW_SIDE):
                found[zone] = {"shown": copy}
        return found

    def _build(self) -> None:
        async def answer(event: gr.EventData, request: gr.Request) -> AsyncIterator[str]:
            answers = self.on_request(str(event.request), str(request.session_hash))
            async with aclosing(answers):  # a page may leave meanwhile, and its place with it
                beat = 0
                async for each in answers:
                    beat += 1  # Gradio passes on only what differs from the last
                    yield json.dumps({**each, "beat": beat})

        def keep_files(paths: Any) -> None:
            if isinstance(paths, list):
                keep(path for path in paths if isinstance(path, str))

        def save(message: Any) -> Answer:
            try:
                name, mask, shadow = (message[key] for key in ("name", "mask", "shadow"))
                request = read_request(json.dumps(message["request"]))
            except (LookupError, TypeError, SchemaError):
                return {"failed": NOT_UPLOADED}
            return self.save(request, str(name), mask and str(mask), str(shadow))

        def fetch_address(address: Any) -> Answer:
            return self.fetch(str(address))

        def mirror(path: Any) -> Answer:
            return self.mirror(str(path))

        def rest(pair: Any) -> Answer:
            return self.rest(json.dumps(pair))

        solved = {n: self._answer_example(n) for n in self._examples if n in self._solved}
        page = gr.HTML(
            html_template="${markup}",
            markup=markup(list(self._examples.values())),
            downloads={name: each.label for name, each in DOWNLOADS.items()},
            css_template=(FOLDER / "photos.css").read_text("utf-8"),
            js_on_load=import_module(FOLDER / "photos.js", events=("submit",)),
            sides=[FIRST_SIDE, PREVIEW_SIDE],
            server_functions=[keep_files, fetch_address, mirror, rest, save],
            solved=json.dumps(solved),  # Gradio clones each value of a structure at each change
            elem_id="photos",
            apply_default_css=False,
            keep_s=SWEEP_INTERVAL_S,
        )
        page.submit(
            answer,
            None,
            page,
            trigger_mode="multiple",  # the newest request replaces one that waits
            show_progress="hidden",
            show_progress_on=[],  # Gradio would count its seconds in each frame, hidden or not
            concurrency_limit=None,  # `FairQueue` lets visitors in one by one
            api_visibility="private",
        )


def describe(analysis: Analysis, scene: Answer | None) -> Answer:
    """Returns the answer that tells of an analysis and shows a scene."""
    tone = "failed" if analysis.failed else "doubtful" if analysis.doubtful else "calm"
    return {
        "message": {
            "text": analysis.message,
            "tone": tone,
            "found": found(analysis.predicted) if analysis.predicted else "",
        },
        "scene": scene,
        "swapped": analysis.verdict == "swapped",
    }


def _is_plain_jpeg(path: str | None) -> bool:
    """Whether every browser reads a file as we do: a JPEG that is not turned by its XMP alone."""
    if path is None or not Path(path).is_file():
        return False
    with Path(path).open("rb") as file:
        head = file.read(2**16)
    return head.startswith(b"\xff\xd8\xff") and b"tiff:Orientation" not in head


def took(analysis: Analysis) -> str:
    """Says how long a prediction took; "" if there is none."""
    if analysis.predicted is None:
        return ""
    height, width = analysis.predicted.image.shape[:2]
    seconds = analysis.predicted.prediction.seconds
    return _TEXT["took"].format(seconds=seconds, width=width, height=height)


def failure(text: str) -> Answer:
    """Returns the answer to a request that cannot be served; what is shown stays."""
    return {"message": {"text": text, "tone": "failed"}}


def waiting(wait: Wait) -> str:
    """Says in a sentence how long a visitor waits."""
    about = "" if wait.seconds is None else f", about {max(1, round(wait.seconds))} s"
    return f"Waiting: place {wait.place} of {wait.places}{about}."
