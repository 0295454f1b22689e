"""One of the two panels of results: a row of views, a frame of fixed shape, a legend, a figure."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import gradio as gr

from depthmask.app import html
from depthmask.app.cache_files import new_file, save_preview, storing
from depthmask.app.photos.analysis import Analysis, DroppedFiles
from depthmask.app.photos.downloads import DOWNLOADS, build_model
from depthmask.app.photos.views import CHOOSING, MODEL, SLIDER, Choices, ScreenPair, View
from depthmask.app.prediction_cache import PredictedPair

CAMERA_ANGLES = (90, 90)  # degrees around and from above: along the photo's line of sight
FIELD_OF_VIEW = 45.0  # degrees from bottom to top; the viewer's is a little larger
ASPECT = 4 / 3  # of the viewer's frame

# On the page but not visible: a viewer that appears together with its model stays empty.
HIDDEN: Literal["hidden"] = "hidden"


class DrawRequest(NamedTuple):
    """What a panel has to show."""

    view: str
    files: DroppedFiles
    options: tuple[Hashable, ...]  # everything else that the picture depends on


@dataclass(frozen=True)
class Panel:
    """The components of a panel.

    `special` shows the slider or the 3D view. `drawn` keeps the last request, so that a change
    of the request meanwhile is noticed.
    """

    views: Mapping[str, View]
    choice: gr.Radio
    frame: gr.Image
    special: gr.ImageSlider | gr.Model3D
    legend: gr.HTML
    drawn: gr.State

    @property
    def outputs(self) -> list[gr.components.Component]:
        """The components that `show` fills, in its order."""
        return [self.frame, self.special, self.legend, self.drawn]

    def show(
        self, request: DrawRequest, analysis: Analysis, scene: ScreenPair | None, choices: Choices
    ) -> list[Any]:
        """Draws the requested view; without a scene, an empty frame."""
        frame, special, legend = self._show(request.view, analysis, scene, choices)
        return [frame, {"value": None} | special, legend, request]

    def switch(
        self, request: DrawRequest, analysis: Analysis, scene: ScreenPair | None, choices: Choices
    ) -> list[Any]:
        """Draws another view of the same pair.

        The special component keeps its content, but is hidden: a 3D viewer that is removed while it
        still loads leaves an error in the browser's console.
        """
        return [*self._show(request.view, analysis, scene, choices), request]

    def _show(
        self, name: str, analysis: Analysis, scene: ScreenPair | None, choices: Choices
    ) -> list[Any]:
        view = self.views[name]
        if name in (SLIDER, MODEL):
            shown = self._special(name, analysis.predicted, scene, choices)
            legend = gr.update(value=html.legend(view), visible=True)
            return [gr.update(visible=False, value=None), gr.update(visible=True, **shown), legend]
        drawn = view.draw(scene, choices) if scene else None
        value = None if drawn is None else save_preview(drawn, name)  # type: ignore[arg-type]
        text = html.legend(view) if drawn is not None or not scene else html.note(view.needs)
        # views with something to choose show the choice in the place of the legend
        legend = gr.update(value=text, visible=name not in CHOOSING)
        frame = gr.update(visible=True, value=value, alt_text=view.alt)
        hidden: Any = HIDDEN if MODEL in self.views else False
        return [frame, gr.update(visible=hidden), legend]

    def _special(
        self, name: str, predicted: PredictedPair | None, scene: ScreenPair | None, choices: Choices
    ) -> dict[str, Any]:
        """Returns the changes of the special component."""
        if scene is None or predicted is None:
            return {"value": None}
        if name == SLIDER:
            pair = self.views[name].draw(scene, choices)
            assert isinstance(pair, tuple)
            return {"value": tuple(save_preview(picture, name) for picture in pair)}
        from depthmask.render.mesh import to_glb, viewing_distance

        path, model = new_file(DOWNLOADS["model"].file), build_model(predicted)
        with storing():
            path.write_bytes(to_glb(model))
        distance = viewing_distance(model, angle=FIELD_OF_VIEW, aspect=ASPECT)
        return {"value": str(path), "camera_position": (*CAMERA_ANGLES, distance)}


def build_choice(views: Mapping[str, View], label: str, elem_id: str) -> gr.Radio:
    """Builds a row of buttons, one of which is pressed."""
    return gr.Radio(
        [(view.label, name) for name, view in views.items()],
        value=next(iter(views)),
        label=label,
        show_label=False,
        container=False,
        elem_id=elem_id,
        elem_classes="views",
    )


def build_panel(views: Mapping[str, View], label: str, elem_id: str) -> Panel:
    """Builds a panel without its figure; nothing on the page moves when its picture arrives."""
    choice = build_choice(views, label, f"{elem_id}-views")
    first = next(iter(views.values()))
    frame = gr.Image(
        label=label,
        show_label=False,
        alt_text=first.alt,
        elem_id=elem_id,
        elem_classes="frame result",
        interactive=False,
        buttons=["fullscreen"],
        min_width=120,
    )
    special: gr.ImageSlider | gr.Model3D
    if SLIDER in views:
        special = gr.ImageSlider(
            label=views[SLIDER].alt,
            show_label=False,
            elem_id=f"{elem_id}-slider",
            elem_classes="frame result",
            type="filepath",
            interactive=False,
            buttons=["fullscreen"],
            visible=False,
            max_height=2000,  # style.css sets the shape of the frame
        )
    else:
        special = gr.Model3D(
            label=views[MODEL].alt,
            show_label=False,
            elem_id=f"{elem_id}-model",
            elem_classes="frame result",
            interactive=False,
            camera_position=(*CAMERA_ANGLES, None),
            visible=HIDDEN,
        )
    legend = gr.HTML(html.legend(first), elem_id=f"{elem_id}-legend")
    return Panel(views, choice, frame, special, legend, gr.State(None))
