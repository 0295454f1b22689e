"""The photos tab: two photos in, mask, depth and downloads out."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from anyio.to_thread import run_sync

from depthmask.app import html
from depthmask.app.cache_files import SWEEP_INTERVAL_S, browser_copy, is_cached, keep
from depthmask.app.examples import Example
from depthmask.app.fair_queue import FairQueue
from depthmask.app.loading import Predicts
from depthmask.app.photos.analysis import (
    MAX_FILE_BYTES,
    ZONES,
    Analysis,
    Convention,
    DroppedFiles,
    analyse,
)
from depthmask.app.photos.downloads import DOWNLOADS, prepare
from depthmask.app.photos.layout import lay_out
from depthmask.app.photos.panel import DrawRequest, Panel
from depthmask.app.photos.views import BACKDROP, BLUR, COLOUR, PREVIEW_SIDE, Choices, ScreenPair
from depthmask.app.prediction_cache import PredictionCache
from depthmask.app.reading import photo_reader
from depthmask.errors import PictureError

PREPARING, WORKING = "Preparing…", "Working…"
NOT_UPLOADED = "This file was not uploaded here: drop it again."
Updates = list[Any]

# Saves the file that the carrier holds, under its own name.
SAVE_FILE = """
(file) => {
    if (!file) return;
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name;
    document.body.append(link);
    link.click();
    link.remove();
}
"""


class Inputs(NamedTuple):
    """The values that every event receives, in this order. Files are as Gradio describes them."""

    background: dict[str, Any] | None
    image: dict[str, Any] | None
    true_mask: dict[str, Any] | None
    true_depth: dict[str, Any] | None
    near_is_bright: bool
    align: bool
    originals: dict[str, str]  # {path of a copy for browsers: path of the dropped file}
    mask_view: str
    depth_view: str
    colour: str
    backdrop: str | None  # path
    blur: float

    @property
    def shown(self) -> DroppedFiles:
        """The files that the drop zones show."""
        zones = (self.background, self.image, self.true_mask, self.true_depth)
        return DroppedFiles(*(zone["path"] if zone else None for zone in zones))

    @property
    def files(self) -> DroppedFiles:
        """The files that were dropped."""
        return DroppedFiles(
            *(self.originals.get(p, p) if p else None for p in vars(self.shown).values())
        )

    @property
    def convention(self) -> Convention:
        return Convention(near_is_bright=bool(self.near_is_bright), align=bool(self.align))

    def requests(self, files: DroppedFiles) -> tuple[DrawRequest, DrawRequest]:
        """The requests for the panels of mask and depth, for these files."""
        return (
            DrawRequest(self.mask_view, files, (self.colour, self.backdrop)),
            DrawRequest(self.depth_view, files, (self.convention, self.blur)),
        )


class PhotosTab:
    """The tab's events: each takes the values of the page and returns updates of it."""

    def __init__(
        self,
        predictor: Predicts,
        examples: Sequence[Example],
        *,
        model: str,
        cache: PredictionCache,
        queue: FairQueue,
    ) -> None:
        self._predictor, self._examples = predictor, {e.name: e for e in examples}
        self._known = {path for example in examples for path in example.files if path}
        self._model, self._cache, self._queue = model, cache, queue
        self._parts = lay_out(examples)
        self._connect()

    def on_drop(self, *values: Any) -> Updates:
        inputs = self._read(values)
        stale = stale_truth(inputs.files, list(self._examples.values()))
        files = replace(inputs.files, **dict.fromkeys(stale))
        analysis = self._analyse(files, inputs.convention)
        zones: Updates = empty(analysis.unreadable | stale)
        originals = dict(inputs.originals)
        for place, (name, path) in enumerate(vars(files).items()):
            fresh = path is not None and path == vars(inputs.shown)[name]
            shown = browser_copy(path, PREVIEW_SIDE) if fresh and zones[place] is not None else None
            if path and shown:
                zones[place], originals[shown] = shown, path
        return [*zones, originals, *self._show(analysis, inputs, files)]

    def on_clear(self, zone: str, *values: Any) -> Updates:
        """Predicts without a picture. Gradio may still send the one that was removed."""
        gone: dict[str, Any] = {zone: None}
        return self.on_drop(*Inputs(*values)._replace(**gone))

    def on_swap(self, *values: Any) -> Updates:
        inputs = self._read(values)
        shown, files = inputs.shown, inputs.files
        swapped = replace(files, background=files.image, image=files.background)
        stale = stale_truth(swapped, list(self._examples.values()))
        swapped = replace(swapped, **dict.fromkeys(stale))
        analysis = self._analyse(swapped, inputs.convention)
        truth = empty(analysis.unreadable | stale)[2:]
        results = self._show(analysis, inputs, swapped)
        return [shown.image, shown.background, *truth, gr.skip(), *results]

    def on_example(self, name: str, *values: Any) -> Updates:
        inputs = self._read(values)
        example = self._examples.get(str(name))
        if example is None:
            known = ", ".join(self._examples)
            analysis = Analysis(
                message=f"There is no example called {name}; there are {known}.", failed=True
            )
            untouched = [gr.skip() for _ in ZONES]
            results = self._show(analysis, inputs, inputs.files)
            return [*untouched, gr.skip(), *results, gr.skip(), gr.skip()]
        # the truth of the examples is in the project's own convention
        inputs = inputs._replace(near_is_bright=False, align=False)
        files = DroppedFiles(*example.files)
        analysis = self._analyse(files, Convention())
        return [*example.files, {}, *self._show(analysis, inputs, files), False, False]

    def on_mask_view(self, *values: Any) -> Updates:
        inputs = self._read(values)
        chosen = gr.update(visible=inputs.mask_view == BACKDROP)
        mask, _ = inputs.requests(inputs.files)
        return [chosen, *self._show_panel(self._parts.mask, mask, inputs)]

    def on_depth_view(self, *values: Any) -> Updates:
        inputs = self._read(values)
        chosen = gr.update(visible=inputs.depth_view == BLUR)
        _, depth = inputs.requests(inputs.files)
        return [chosen, *self._show_panel(self._parts.depth, depth, inputs)]

    def on_settled(
        self, mask: DrawRequest | None, depth: DrawRequest | None, *values: Any
    ) -> Updates:
        """Draws the panels again whose request changed while they were drawn.

        Pairs that are not predicted yet are left alone, because their prediction draws them too.
        """
        inputs, parts = self._read(values), self._parts
        files = inputs.files
        known = self._cache.get((files.background, files.image)) is not None
        drawn = zip((parts.mask, parts.depth), (mask, depth), inputs.requests(files), strict=True)
        updates: Updates = []
        for panel, had, request in drawn:
            if known and had != request:
                updates += self._show_panel(panel, request, inputs)
            else:
                updates += [gr.skip()] * len(panel.outputs)
        return updates

    def on_backdrop(self, picture: dict[str, Any] | None, *values: Any) -> Updates:
        path = picture["path"] if picture else None
        self._check([path])
        inputs = self._read(values)
        requested = inputs._replace(backdrop=path)
        choices, complaint = choose(requested)
        if complaint:
            gr.Warning(complaint)
            requested = inputs
            choices, _ = choose(inputs)
        mask, _ = requested.requests(requested.files)
        return [requested.backdrop, *self._draw(self._parts.mask, mask, requested, choices)]

    def on_colour(self, *values: Any) -> Updates:
        return self.on_backdrop(None, *values)

    def on_download(self, name: str, *values: Any) -> Iterator[Updates]:
        """Writes one of `DOWNLOADS`; meanwhile, the button says so."""
        inputs, download = self._read(values), DOWNLOADS[name]
        yield [gr.update(value=PREPARING), None]
        analysis = self._analyse(inputs.files, inputs.convention)
        path, complaint = prepare(download, analysis, self._model)
        if complaint:
            gr.Warning(complaint)
        yield [gr.update(value=download.label), path and str(path)]

    def on_tick(self, *values: Any) -> None:
        """Keeps the files of the page from being deleted."""
        inputs = self._read(values)
        files = inputs.files
        keep([*vars(files).values(), *vars(inputs.shown).values(), inputs.backdrop])
        self._cache.get((files.background, files.image))

    def _read(self, values: tuple[Any, ...]) -> Inputs:
        inputs = Inputs(*values)
        self._check(vars(inputs.shown).values())
        return inputs

    def _check(self, paths: Iterable[str | None]) -> None:
        """Raises an error for paths that are neither uploads, files of the server, nor examples.

        Gradio checks only those paths of a request that are marked as files.
        """
        if not all(path is None or path in self._known or is_cached(path) for path in paths):
            raise gr.Error(NOT_UPLOADED, print_exception=False)

    def _analyse(self, files: DroppedFiles, convention: Convention) -> Analysis:
        return analyse(self._predictor, self._cache, files, convention)

    def _show(self, analysis: Analysis, inputs: Inputs, files: DroppedFiles) -> Updates:
        choices, _ = choose(inputs)
        # a file that cannot be read is removed from its zone
        mask, depth = inputs.requests(replace(files, **dict.fromkeys(analysis.unreadable)))
        scene = ScreenPair(analysis, analysis.predicted) if analysis.predicted else None
        parts = self._parts
        swapped = analysis.verdict == "swapped"
        there = gr.update(interactive=scene is not None)
        return [
            *parts.mask.show(mask, analysis, scene, choices),
            *parts.depth.show(depth, analysis, scene, choices),
            html.mask_figures(analysis),
            html.depth_figures(analysis),
            html.about_run(analysis),
            html.message(analysis),
            gr.update(variant="primary" if swapped else "secondary", interactive=scene is not None),
            *(there for _ in parts.downloads),
        ]

    def _show_panel(self, panel: Panel, request: DrawRequest, inputs: Inputs) -> Updates:
        choices, complaint = choose(inputs)
        if complaint:
            gr.Warning(complaint)
        return self._draw(panel, request, inputs, choices)

    def _draw(
        self, panel: Panel, request: DrawRequest, inputs: Inputs, choices: Choices
    ) -> Updates:
        analysis = self._analyse(request.files, inputs.convention)
        scene = ScreenPair(analysis, analysis.predicted) if analysis.predicted else None
        return panel.switch(request, analysis, scene, choices)

    def _connect(self) -> None:
        parts, inputs = self._parts, self._parts.inputs
        filled = [*parts.zones, parts.originals, *parts.results]
        predicts: dict[str, Any] = {
            # Gradio would open the files, and answer a bad one with a bare "Error". The project's
            # own reader handles orientation and 16 bits, and tells what is wrong.
            "preprocess": False,
            "trigger_mode": "always_last",  # the second of two quick drops must not get lost
            "show_progress": "minimal",
            "show_progress_on": [parts.mask.frame, parts.depth.frame, parts.message],
            "concurrency_limit": None,  # `_in_turn` lets visitors in one by one
            "api_visibility": "private",
        }
        draws = predicts | {"concurrency_id": "draw", "concurrency_limit": 4}
        settles = draws | {"show_progress": "hidden"}
        mask_draws = draws | {"show_progress_on": [parts.mask.frame]}
        depth_draws = draws | {"show_progress_on": [parts.depth.frame]}
        left, right = parts.mask.outputs, parts.depth.outputs
        drops = [zone.upload for zone in parts.zones]
        drops += [box.input for box in parts.convention]
        zones = zip(ZONES, parts.zones, strict=True)
        chooser = [parts.chooser, *inputs]
        example = [*filled, *parts.convention]
        drop, swap, choose_example = (
            self._in_turn(event, outputs)
            for event, outputs in (
                (self.on_drop, filled),
                (self.on_swap, filled),
                (self.on_example, example),
            )
        )
        clears = {zone: self._in_turn(partial(self.on_clear, zone), filled) for zone in ZONES}
        drawing = [
            gr.on(drops, drop, inputs, filled, **predicts),
            *(zone.clear(clears[name], inputs, filled, **predicts) for name, zone in zones),
            parts.swap.click(swap, inputs, filled, **predicts),
            parts.chooser.click(choose_example, chooser, example, **predicts),
            parts.mask.choice.input(
                self.on_mask_view, inputs, [parts.backdrop_row, *left], **mask_draws
            ),
            parts.depth.choice.input(
                self.on_depth_view, inputs, [parts.blur_row, *right], **depth_draws
            ),
            # not .input alone, which a typed colour does not cause
            parts.colour.change(self.on_colour, inputs, [parts.backdrop, *left], **mask_draws),
            parts.picture.upload(
                self.on_backdrop, [parts.picture, *inputs], [parts.backdrop, *left], **mask_draws
            ),
            parts.blur.release(self.on_depth_view, inputs, [parts.blur_row, *right], **depth_draws),
        ]
        drawn = [parts.mask.drawn, parts.depth.drawn, *inputs]
        for event in drawing:
            event.then(self.on_settled, drawn, [*left, *right], **settles)
        for name, button in parts.downloads.items():
            self._connect_download(name, button)
        gr.Timer(SWEEP_INTERVAL_S).tick(
            self.on_tick, inputs, None, preprocess=False, queue=False, api_visibility="private"
        )

    def _in_turn(
        self, event: Callable[..., Updates], outputs: Sequence[Any]
    ) -> Callable[..., AsyncIterator[Updates]]:
        """Makes an event wait until it is its visitor's turn; the message says how long."""
        unchanged: Updates = [gr.skip() for _ in outputs]
        message = list(outputs).index(self._parts.message)

        def say(text: str) -> Updates:
            return [*unchanged[:message], html.calm(text), *unchanged[message + 1 :]]

        async def wait_and_run(request: gr.Request, *values: Any) -> AsyncIterator[Updates]:
            place = self._queue.join(str(request.session_hash))
            try:
                told = False
                async for wait in self._queue.wait(place):
                    told = True
                    yield say(html.waiting(wait))
                if told:
                    yield say(WORKING)
                # a newer request of the page knows everything that this one would have changed
                yield unchanged if place.replaced else await run_sync(event, *values)
            finally:
                self._queue.leave(place)

        return wait_and_run

    def _connect_download(self, name: str, button: gr.Button) -> None:
        parts = self._parts

        def write(*values: Any) -> Iterator[Updates]:
            yield from self.on_download(name, *values)

        button.click(
            write,
            parts.inputs,
            [button, parts.carrier],
            preprocess=False,
            show_progress="hidden",
            concurrency_id="download",
            concurrency_limit=2,
            api_visibility="private",
        ).success(None, parts.carrier, None, js=SAVE_FILE, api_visibility="private")


def empty(names: Set[str]) -> Updates:
    """Empties the drop zones of these names, and skips the others."""
    return [None if zone in names else gr.skip() for zone in ZONES]


def stale_truth(files: DroppedFiles, examples: Sequence[Example]) -> frozenset[str]:
    """Names the drop zones with the truth of an example whose pictures were replaced."""
    stale = set()
    for example in examples:
        background, image, true_mask, true_depth = example.files
        if (files.background, files.image) != (background, image):
            stale |= {"true_mask"} if true_mask and files.true_mask == true_mask else set()
            stale |= {"true_depth"} if true_depth and files.true_depth == true_depth else set()
    return frozenset(stale)


def choose(inputs: Inputs) -> tuple[Choices, str]:
    """Reads the choices for the views; also returns what is wrong with the backdrop, or ""."""
    choices = Choices(colour=inputs.colour or COLOUR, blur=float(inputs.blur))
    if not inputs.backdrop or inputs.mask_view != BACKDROP:
        return choices, ""
    try:
        path = Path(inputs.backdrop)
        picture = photo_reader().picture(path, max_bytes=MAX_FILE_BYTES)
        return replace(choices, backdrop=picture), ""
    except PictureError as error:
        return choices, str(error).replace(inputs.backdrop, inputs.backdrop.rsplit("/", 1)[-1])
