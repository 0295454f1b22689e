"""The image tab: two photos in, mask and depth out."""

from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import numpy.typing as npt

from depthmask.inference import resize
from depthmask.render import colour_depth
from depthmask.ui import words
from depthmask.ui.analysis import START, ZONES, Analysis, Files, Predicts, analyse
from depthmask.ui.examples import Example

Map = npt.NDArray[np.float32]

NOTHING_YET = Analysis(message=START)
PREVIEW = 1600  # longest side of what is sent to the browser, in pixels

# What leaves an example's button is its place in the list.
SEND_EXAMPLE = """
element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) trigger("click", { number: Number(button.dataset.number) });
});
"""
# Screen readers read out what changes inside an element of this role.
ANNOUNCE = 'element.setAttribute("role", "status");'


def drop_zone(label: str, placeholder: str, *, elem_id: str) -> gr.Image:
    return gr.Image(
        label=label,
        placeholder=placeholder,
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


def build_image_tab(predictor: Predicts, examples: Sequence[Example]) -> None:
    """Lays the tab out in the surrounding `gr.Blocks` and connects it."""
    with gr.Row(elem_id="workbench"):
        with gr.Column(scale=4, min_width=300):
            with gr.Row(elem_id="pair"):
                background = drop_zone(
                    "Background", "Drop the empty scene\nor choose a file", elem_id="background"
                )
                image = drop_zone(
                    "Image", "Drop it with something in it\nor choose a file", elem_id="image"
                )
            message = gr.HTML(words.message(NOTHING_YET), elem_id="message", js_on_load=ANNOUNCE)
            chooser = gr.HTML(
                words.example_buttons(examples),
                elem_id="examples",
                js_on_load=SEND_EXAMPLE,
                visible=bool(examples),
            )
            with (
                gr.Accordion("Add ground truth to measure against", open=False, elem_id="truth"),
                gr.Row(),
            ):
                true_mask = drop_zone("True mask", "White: foreground", elem_id="true-mask")
                true_depth = drop_zone("True depth", "White: far", elem_id="true-depth")
        with gr.Column(scale=7, min_width=300):
            results = [*build_results(), message]

    zones = [background, image, true_mask, true_depth]

    def on_drop(*dropped: dict[str, Any] | None) -> list[Any]:
        files = Files(*(file["path"] if file else None for file in dropped))
        stale = stale_truth(files, examples)
        analysis = analyse(predictor, replace(files, **dict.fromkeys(stale)))
        return [*empty(analysis.unreadable | stale), *show(analysis)]

    def on_example(event: gr.EventData) -> list[Any]:
        files = examples[event.number].files
        return [*files, *show(analyse(predictor, Files(*files)))]

    gr.on(
        [event for zone in zones for event in (zone.upload, zone.clear)],
        on_drop,
        zones,
        [*zones, *results],
        # Gradio would open the files, and answer a bad one with a bare "Error". The project's own
        # reader is to see them first: orientation, 16 bits, and words for what is wrong.
        preprocess=False,
        trigger_mode="always_last",  # the second drop must not get lost behind the first
        show_progress="minimal",
        show_progress_on=results[:1] + results[2:3],
        api_visibility="private",
    )
    chooser.click(
        on_example,
        None,
        [*zones, *results],
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=results[:1] + results[2:3],
        api_visibility="private",
    )


def build_results() -> list[gr.components.Component]:
    """Lays out what `show` fills, in its order but for the message."""
    with gr.Row(elem_id="results"):
        with gr.Column(min_width=240):
            mask = result_frame("Mask", "Predicted foreground mask")
            mask_figures = gr.HTML(words.mask_figures(NOTHING_YET), elem_id="mask-figures")
        with gr.Column(min_width=240):
            depth = result_frame("Depth", "Predicted depth")
            depth_figures = gr.HTML(words.depth_figures(NOTHING_YET), elem_id="depth-figures")
    about_run = gr.HTML(words.about_run(NOTHING_YET), elem_id="about-run")
    gr.HTML(words.convention(), elem_id="convention")
    return [mask, mask_figures, depth, depth_figures, about_run]


def result_frame(label: str, alt_text: str) -> gr.Image:
    """A frame of fixed shape: nothing on the page moves when its picture comes or goes."""
    return gr.Image(
        label=label,
        alt_text=alt_text,
        elem_id=label.lower(),
        elem_classes="frame",
        format="png",
        interactive=False,
        buttons=["download", "fullscreen"],
        min_width=120,
    )


def empty(names: Set[str]) -> list[Any]:
    """Empties the drop zones of these names, and leaves the others alone."""
    return [None if zone in names else gr.skip() for zone in ZONES]


def stale_truth(files: Files, examples: Sequence[Example]) -> frozenset[str]:
    """Names the drop zones that hold the truth of an example whose pictures are no longer there."""
    stale = set()
    for example in examples:
        background, image, true_mask, true_depth = example.files
        if (files.background, files.image) != (background, image):
            stale |= {"true_mask"} if true_mask and files.true_mask == true_mask else set()
            stale |= {"true_depth"} if true_depth and files.true_depth == true_depth else set()
    return frozenset(stale)


def show(analysis: Analysis) -> list[Any]:
    """What `build_results` laid out gets to show, and the message."""
    mask = depth = None
    if analysis.prediction:
        mask = np.rint(preview(analysis.prediction.mask) * 255).astype(np.uint8)
        depth = colour_depth(preview(analysis.prediction.depth))
    return [
        mask,
        words.mask_figures(analysis),
        depth,
        words.depth_figures(analysis),
        words.about_run(analysis),
        words.message(analysis),
    ]


def preview(values: Map) -> Map:
    """Shrinks a map, (H, W), to what a screen shows; sending it all would take seconds."""
    height, width = values.shape
    scale = min(1.0, PREVIEW / max(height, width))
    return resize(values, max(1, round(height * scale)), max(1, round(width * scale)))
