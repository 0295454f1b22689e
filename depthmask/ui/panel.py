"""One of the two panels of results: a row of views, a frame of fixed shape, a legend, a figure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from depthmask.ui import words
from depthmask.ui.analysis import Analysis
from depthmask.ui.cache import new_file, save_preview
from depthmask.ui.downloads import DOWNLOADS, write_model
from depthmask.ui.views import CHOOSING, MODEL, SLIDER, Choices, Scene, View

# degrees around and above, and distance: where the camera stood, a little nearer
CAMERA = (90, 90, 0.85)

# On the page, though out of sight: a viewer that appears together with its model stays empty.
HIDDEN: Literal["hidden"] = "hidden"


@dataclass(frozen=True)
class Panel:
    """The components of a panel. `special` shows what is not one picture."""

    views: Mapping[str, View]
    choice: gr.Radio
    frame: gr.Image
    special: gr.ImageSlider | gr.Model3D
    legend: gr.HTML

    @property
    def outputs(self) -> list[gr.components.Component]:
        """What `show` fills, in its order."""
        return [self.frame, self.special, self.legend]

    def show(
        self, name: str, analysis: Analysis, scene: Scene | None, choices: Choices
    ) -> list[Any]:
        """Draws a view; without a scene, an empty frame."""
        view = self.views[name]
        if name in (SLIDER, MODEL):
            value = self._special(name, analysis, scene, choices)
            legend = gr.update(value=words.legend(view), visible=True)
            return [gr.update(visible=False, value=None), _shown(value), legend]
        drawn = view.draw(scene, choices) if scene else None
        value = None if drawn is None else save_preview(drawn, name)  # type: ignore[arg-type]
        text = words.legend(view) if drawn is not None or not scene else words.note(view.needs)
        # where there is something to choose, the choice stands in the legend's place
        legend = gr.update(value=text, visible=name not in CHOOSING)
        frame = gr.update(visible=True, value=value, alt_text=view.alt)
        hidden: Any = HIDDEN if MODEL in self.views else False
        return [frame, gr.update(visible=hidden, value=None), legend]

    def _special(
        self, name: str, analysis: Analysis, scene: Scene | None, choices: Choices
    ) -> tuple[str, ...] | str | None:
        if scene is None or analysis.seen is None:
            return None
        if name == SLIDER:
            pair = self.views[name].draw(scene, choices)
            assert isinstance(pair, tuple)
            return tuple(save_preview(picture, name) for picture in pair)
        path = new_file(DOWNLOADS["model"].file)
        write_model(path, analysis, analysis.seen, "")
        return str(path)


def _shown(value: tuple[str, ...] | str | None) -> Any:
    return gr.update(visible=True, value=value)


def build_choice(views: Mapping[str, View], label: str, elem_id: str) -> gr.Radio:
    """A row of buttons, one of which is down."""
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
    """Lays a panel out, but for its figure; nothing on the page moves when its picture comes."""
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
            max_height=2000,  # the frame's shape decides, see style.css
        )
    else:
        special = gr.Model3D(
            label=views[MODEL].alt,
            show_label=False,
            elem_id=f"{elem_id}-model",
            elem_classes="frame result",
            interactive=False,
            camera_position=CAMERA,
            visible=HIDDEN,
        )
    legend = gr.HTML(words.legend(first), elem_id=f"{elem_id}-legend")
    return Panel(views, choice, frame, special, legend)
