"""The image tab: two photos in, mask and depth out, and what can be made of them."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from depthmask.app import html as words
from depthmask.app.cache_files import SWEEP_S, is_cached, keep, stand_in
from depthmask.app.examples import Example
from depthmask.app.loading import Predicts
from depthmask.app.photos.analysis import ZONES, Analysis, Convention, DroppedFiles, analyse
from depthmask.app.photos.downloads import DOWNLOADS, prepare
from depthmask.app.photos.inputs import Inputs, choose
from depthmask.app.photos.layout import lay_out
from depthmask.app.photos.panel import Panel, Wish
from depthmask.app.photos.views import BACKDROP, BLUR, PREVIEW, Choices, ScreenPair
from depthmask.app.prediction_cache import Shelf

PREPARING = "Preparing…"
NOT_UPLOADED = "This file was not uploaded here: drop it once more."
Updates = list[Any]

# Saves the file that the carrier holds, under its own name.
SAVE = """
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


class ImageTab:
    """The tab's events: from what the page holds to what it is to show."""

    def __init__(
        self, predictor: Predicts, examples: Sequence[Example], *, model: str, shelf: Shelf
    ) -> None:
        self._predictor, self._examples = predictor, {e.name: e for e in examples}
        self._known = {path for example in examples for path in example.files if path}
        self._model, self._shelf = model, shelf
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
            shown = stand_in(path, PREVIEW) if fresh and zones[place] is not None else None
            if path and shown:
                zones[place], originals[shown] = shown, path
        return [*zones, originals, *self._show(analysis, inputs, files)]

    def on_clear(self, zone: str, *values: Any) -> Updates:
        """Predicts without a picture: Gradio may still send that which was taken away."""
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
        mask, _ = inputs.wishes(inputs.files)
        return [chosen, *self._show_panel(self._parts.mask, mask, inputs)]

    def on_depth_view(self, *values: Any) -> Updates:
        inputs = self._read(values)
        chosen = gr.update(visible=inputs.depth_view == BLUR)
        _, depth = inputs.wishes(inputs.files)
        return [chosen, *self._show_panel(self._parts.depth, depth, inputs)]

    def on_settled(self, mask: Wish | None, depth: Wish | None, *values: Any) -> Updates:
        """Draws the panels again whose wish changed while it was fulfilled.

        Pictures that were never seen are left alone: what predicts them draws them too.
        """
        inputs, parts = self._read(values), self._parts
        files = inputs.files
        known = self._shelf.get((files.background, files.image)) is not None
        drawn = zip((parts.mask, parts.depth), (mask, depth), inputs.wishes(files), strict=True)
        updates: Updates = []
        for panel, had, wish in drawn:
            if known and had != wish:
                updates += self._show_panel(panel, wish, inputs)
            else:
                updates += [gr.skip()] * len(panel.outputs)
        return updates

    def on_backdrop(self, picture: dict[str, Any] | None, *values: Any) -> Updates:
        path = picture["path"] if picture else None
        self._check([path])
        inputs = self._read(values)
        wished = inputs._replace(backdrop=path)
        choices, complaint = choose(wished)
        if complaint:
            gr.Warning(complaint)
            wished = inputs
            choices, _ = choose(inputs)
        mask, _ = wished.wishes(wished.files)
        return [wished.backdrop, *self._draw(self._parts.mask, mask, wished, choices)]

    def on_colour(self, *values: Any) -> Updates:
        return self.on_backdrop(None, *values)

    def on_download(self, name: str, *values: Any) -> Iterator[Updates]:
        """Writes one of `DOWNLOADS`; the button says so meanwhile."""
        inputs, download = self._read(values), DOWNLOADS[name]
        yield [gr.update(value=PREPARING), None]
        analysis = self._analyse(inputs.files, inputs.convention)
        path, complaint = prepare(download, analysis, self._model)
        if complaint:
            gr.Warning(complaint)
        yield [gr.update(value=download.label), path and str(path)]

    def on_tick(self, *values: Any) -> None:
        """Keeps what the page holds from being deleted."""
        inputs = self._read(values)
        files = inputs.files
        keep([*vars(files).values(), *vars(inputs.shown).values(), inputs.backdrop])
        self._shelf.get((files.background, files.image))

    def _read(self, values: tuple[Any, ...]) -> Inputs:
        inputs = Inputs(*values)
        self._check(vars(inputs.shown).values())
        return inputs

    def _check(self, paths: Iterable[str | None]) -> None:
        """Lets a page name what it uploaded, what it was given, and the examples: nothing else.

        Gradio looks at the paths in a request only where they say that they are files.
        """
        if not all(path is None or path in self._known or is_cached(path) for path in paths):
            raise gr.Error(NOT_UPLOADED, print_exception=False)

    def _analyse(self, files: DroppedFiles, convention: Convention) -> Analysis:
        return analyse(self._predictor, self._shelf, files, convention)

    def _show(self, analysis: Analysis, inputs: Inputs, files: DroppedFiles) -> Updates:
        choices, _ = choose(inputs)
        # what cannot be read does not stay in its zone
        mask, depth = inputs.wishes(replace(files, **dict.fromkeys(analysis.unreadable)))
        scene = ScreenPair(analysis, analysis.seen) if analysis.seen else None
        parts = self._parts
        swapped = analysis.verdict == "swapped"
        there = gr.update(interactive=scene is not None)
        return [
            *parts.mask.show(mask, analysis, scene, choices),
            *parts.depth.show(depth, analysis, scene, choices),
            words.mask_figures(analysis),
            words.depth_figures(analysis),
            words.about_run(analysis),
            words.message(analysis),
            gr.update(variant="primary" if swapped else "secondary", interactive=scene is not None),
            *(there for _ in parts.downloads),
        ]

    def _show_panel(self, panel: Panel, wish: Wish, inputs: Inputs) -> Updates:
        choices, complaint = choose(inputs)
        if complaint:
            gr.Warning(complaint)
        return self._draw(panel, wish, inputs, choices)

    def _draw(self, panel: Panel, wish: Wish, inputs: Inputs, choices: Choices) -> Updates:
        analysis = self._analyse(wish.files, inputs.convention)
        scene = ScreenPair(analysis, analysis.seen) if analysis.seen else None
        return panel.switch(wish, analysis, scene, choices)

    def _connect(self) -> None:
        parts, inputs = self._parts, self._parts.inputs
        filled = [*parts.zones, parts.originals, *parts.results]
        predicts: dict[str, Any] = {
            # Gradio would open the files, and answer a bad one with a bare "Error". The project's
            # own reader is to see them first: orientation, 16 bits, and words for what is wrong.
            "preprocess": False,
            "trigger_mode": "always_last",  # the second drop must not get lost behind the first
            "show_progress": "minimal",
            "show_progress_on": [parts.mask.frame, parts.depth.frame, parts.message],
            "concurrency_id": "predict",
            "api_visibility": "private",
        }
        looks = predicts | {"concurrency_id": "look", "concurrency_limit": 4}
        settles = looks | {"show_progress": "hidden"}
        mask_looks = looks | {"show_progress_on": [parts.mask.frame]}
        depth_looks = looks | {"show_progress_on": [parts.depth.frame]}
        left, right = parts.mask.outputs, parts.depth.outputs
        drops = [zone.upload for zone in parts.zones]
        drops += [box.input for box in parts.convention]
        zones = zip(ZONES, parts.zones, strict=True)
        chooser = [parts.chooser, *inputs]
        drawing = [
            gr.on(drops, self.on_drop, inputs, filled, **predicts),
            *(z.clear(partial(self.on_clear, n), inputs, filled, **predicts) for n, z in zones),
            parts.swap.click(self.on_swap, inputs, filled, **predicts),
            parts.chooser.click(self.on_example, chooser, [*filled, *parts.convention], **predicts),
            parts.mask.choice.input(
                self.on_mask_view, inputs, [parts.backdrop_row, *left], **mask_looks
            ),
            parts.depth.choice.input(
                self.on_depth_view, inputs, [parts.blur_row, *right], **depth_looks
            ),
            # not only .input, which a typed colour does not cause
            parts.colour.change(self.on_colour, inputs, [parts.backdrop, *left], **mask_looks),
            parts.picture.upload(
                self.on_backdrop, [parts.picture, *inputs], [parts.backdrop, *left], **mask_looks
            ),
            parts.blur.release(self.on_depth_view, inputs, [parts.blur_row, *right], **depth_looks),
        ]
        drawn = [parts.mask.drawn, parts.depth.drawn, *inputs]
        for event in drawing:
            event.then(self.on_settled, drawn, [*left, *right], **settles)
        for name, button in parts.downloads.items():
            self._connect_download(name, button)
        gr.Timer(SWEEP_S).tick(
            self.on_tick, inputs, None, preprocess=False, queue=False, api_visibility="private"
        )

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
        ).success(None, parts.carrier, None, js=SAVE, api_visibility="private")


def empty(names: Set[str]) -> Updates:
    """Empties the drop zones of these names, and leaves the others alone."""
    return [None if zone in names else gr.skip() for zone in ZONES]


def stale_truth(files: DroppedFiles, examples: Sequence[Example]) -> frozenset[str]:
    """Names the drop zones that hold the truth of an example whose pictures are no longer there."""
    stale = set()
    for example in examples:
        background, image, true_mask, true_depth = example.files
        if (files.background, files.image) != (background, image):
            stale |= {"true_mask"} if true_mask and files.true_mask == true_mask else set()
            stale |= {"true_depth"} if true_depth and files.true_depth == true_depth else set()
    return frozenset(stale)
