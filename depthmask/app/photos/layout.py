"""The layout of the photos tab; tab.py has its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from depthmask.app import html
from depthmask.app.examples import Example
from depthmask.app.photos.analysis import DROP_BOTH, ZONES, Analysis
from depthmask.app.photos.downloads import DOWNLOADS
from depthmask.app.photos.panel import Panel, build_panel
from depthmask.app.photos.views import COLOUR, DEPTH_VIEWS, MASK_VIEWS

EMPTY_ANALYSIS = Analysis(message=DROP_BOTH)
# Labels of the drop zones, by element id
LABELS = {zone.replace("_", "-"): name.capitalize() for zone, name in ZONES.items()}

SCRIPT = Path(__file__).with_name("photos.js").read_text("utf-8")


@dataclass(frozen=True)
class Parts:
    """The components that events read and fill."""

    zones: list[gr.Image]
    convention: list[gr.Checkbox]
    originals: gr.State
    message: gr.HTML
    swap: gr.Button
    chooser: gr.HTML
    mask: Panel
    depth: Panel
    mask_figures: gr.HTML
    depth_figures: gr.HTML
    about_run: gr.HTML
    colour: gr.ColorPicker
    picture: gr.UploadButton
    backdrop: gr.State
    backdrop_row: gr.Row
    blur: gr.Slider
    blur_row: gr.Row
    downloads: dict[str, gr.Button]
    carrier: gr.DownloadButton

    @property
    def inputs(self) -> list[Any]:
        return [
            *self.zones,
            *self.convention,
            self.originals,
            self.mask.choice,
            self.depth.choice,
            self.colour,
            self.backdrop,
            self.blur,
        ]

    @property
    def results(self) -> list[Any]:
        return [
            *self.mask.outputs,
            *self.depth.outputs,
            self.mask_figures,
            self.depth_figures,
            self.about_run,
            self.message,
            self.swap,
            *self.downloads.values(),
        ]


def lay_out(examples: Sequence[Example]) -> Parts:
    """Adds the tab's components to the surrounding `gr.Blocks`."""
    parts: dict[str, Any] = {"originals": gr.State({}), "backdrop": gr.State(None)}
    with gr.Row(elem_id="workbench"):
        with gr.Column(scale=4, min_width=300):
            pair = _pair(parts)
            parts["chooser"] = gr.HTML(
                html_template="${pictures}",
                pictures=html.example_buttons(examples),
                elem_id="examples",
                js_on_load=SCRIPT,
                visible=bool(examples),
            )
            parts["zones"] = [*pair, *_truth(parts)]
        with gr.Column(scale=7, min_width=300):
            _results(parts)
    return Parts(**parts)


def drop_zone(elem_id: str, placeholder: str) -> gr.Image:
    label = LABELS[elem_id]
    return gr.Image(
        label=label,
        placeholder=placeholder,
        alt_text=f"The {label.lower()} you dropped",
        elem_id=elem_id,
        elem_classes="frame",
        type="filepath",
        image_mode=None,
        format="png",
        sources=["upload"],
        buttons=[],
        interactive=True,
        min_width=120,
    )


def _pair(parts: dict[str, Any]) -> list[gr.Image]:
    with gr.Row(elem_id="pair"):
        background = drop_zone("background", "Drop the empty scene\nor choose a file")
        image = drop_zone("image", "Drop it with something in it\nor choose a file")
    with gr.Row(elem_id="verdict"):
        parts["message"] = gr.HTML(
            html.message(EMPTY_ANALYSIS), elem_id="message", js_on_load=SCRIPT
        )
        parts["swap"] = gr.Button(
            "⇄ Swap", size="sm", min_width=80, scale=0, interactive=False, elem_id="swap"
        )
    return [background, image]


def _truth(parts: dict[str, Any]) -> list[gr.Image]:
    with gr.Accordion("Add ground truth to measure against", open=False, elem_id="truth"):
        with gr.Row():
            true_mask = drop_zone("true-mask", "White: foreground")
            true_depth = drop_zone("true-depth", "White: far")
        with gr.Row(elem_id="convention-switches"):
            near_is_bright = gr.Checkbox(
                label="Near is bright", container=False, min_width=120, elem_id="near-is-bright"
            )
            align = gr.Checkbox(
                label="Align scale and shift", container=False, min_width=160, elem_id="align"
            )
    parts["convention"] = [near_is_bright, align]
    return [true_mask, true_depth]


def _results(parts: dict[str, Any]) -> None:
    with gr.Row(elem_id="results"):
        with gr.Column(min_width=240):
            parts["mask"] = build_panel(MASK_VIEWS, "Views of the foreground", "mask")
            with gr.Row(visible=False, elem_id="backdrop") as parts["backdrop_row"]:
                parts["colour"] = gr.ColorPicker(
                    COLOUR, label="Colour", container=False, min_width=60, elem_id="colour"
                )
                parts["picture"] = gr.UploadButton(
                    "Choose a picture", size="sm", min_width=120, elem_id="picture"
                )
            parts["mask_figures"] = gr.HTML(
                html.mask_figures(EMPTY_ANALYSIS), elem_id="mask-figures"
            )
        with gr.Column(min_width=240):
            parts["depth"] = build_panel(DEPTH_VIEWS, "Views of the depth", "depth")
            with gr.Row(visible=False, elem_id="blur") as parts["blur_row"]:
                parts["blur"] = gr.Slider(
                    0,
                    1,
                    0.5,
                    step=0.05,
                    label="Strength of the blur",
                    show_label=False,
                    container=False,
                    buttons=[],
                    min_width=120,
                )
            parts["depth_figures"] = gr.HTML(
                html.depth_figures(EMPTY_ANALYSIS), elem_id="depth-figures"
            )
    gr.HTML("<h2>Download at full size</h2>", elem_classes="heading")
    with gr.Row(elem_id="downloads"):
        parts["downloads"] = {
            name: gr.Button(
                download.label, size="sm", min_width=90, interactive=False, elem_id=f"get-{name}"
            )
            for name, download in DOWNLOADS.items()
        }
    parts["carrier"] = gr.DownloadButton(visible="hidden", elem_id="carrier")
    parts["about_run"] = gr.HTML(html.about_run(EMPTY_ANALYSIS), elem_id="about-run")
    gr.HTML(html.convention(), elem_id="convention", js_on_load=SCRIPT, zones=LABELS)
