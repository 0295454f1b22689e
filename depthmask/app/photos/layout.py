"""Where things are on the image tab; `image_tab.py` has what they do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from depthmask.app import html as words
from depthmask.app.examples import Example
from depthmask.app.photos.analysis import START, ZONES, Analysis
from depthmask.app.photos.downloads import DOWNLOADS
from depthmask.app.photos.panel import Panel, build_panel
from depthmask.app.photos.views import COLOUR, DEPTH_VIEWS, MASK_VIEWS

NOTHING_YET = Analysis(message=START)
# Labels of the drop zones, by their ids.
LABELS = {zone.replace("_", "-"): name.capitalize() for zone, name in ZONES.items()}

# A click makes the example's name the chooser's value and puts it into the address, so that the
# address can be passed on; an address with a name in it is as good as a click. A value, not the
# event's data: a click that has to wait sends the value of then, so the last one counts.
SEND_EXAMPLE = """
const choose = (name) => {
    props.value = name;
    trigger("click");
};
element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const address = new URL(window.location);
    address.searchParams.set("example", button.dataset.name);
    window.history.replaceState(null, "", address);
    choose(button.dataset.name);
});
const wanted = new URLSearchParams(window.location.search).get("example");
if (wanted) setTimeout(() => choose(wanted), 0);
"""
# The buttons of all drop zones have the same name, to which that of the zone is added here.
NAME_ZONES = f"""
const zones = {json.dumps(LABELS)};
const nameAll = () => {{
    for (const [id, zone] of Object.entries(zones)) {{
        for (const button of document.querySelectorAll(`#${{id}} button[aria-label]`)) {{
            const said = button.getAttribute("aria-label");
            if (!said.startsWith(zone)) button.setAttribute("aria-label", `${{zone}}: ${{said}}`);
        }}
    }}
}};
nameAll();
new MutationObserver(nameAll).observe(document.body, {{ childList: true, subtree: true }});
"""
# The 3D viewer's canvas claims the first place of the page in the keyboard's order; here it gets
# the place where it stands.
IN_ORDER = """
new MutationObserver(() => {
    const canvas = document.querySelector("#depth-model canvas[tabindex='1']");
    if (canvas) canvas.tabIndex = 0;
}).observe(document.body, { childList: true, subtree: true });
"""
# Screen readers read out what changes inside an element of the role "status". While one waits,
# Gradio writes "queue: 2/3 | 1.2s" or "processing | 1.2s"; the line says the same in words.
SAY_WAITING = """
const block = document.getElementById("message");
const waiting = document.createElement("p");
waiting.className = "waiting";
block.append(waiting);
block.setAttribute("role", "status");
new MutationObserver(() => {
    const progress = block.querySelector(".progress-text")?.textContent;
    const place = progress?.match(/queue: (\\d+)\\/(\\d+)/);
    const words = place ? `Waiting: place ${place[1]} of ${place[2]} in the queue.` : "Working…";
    const text = progress ? words : "";
    if (waiting.textContent !== text) waiting.textContent = text;
}).observe(block, { childList: true, characterData: true, subtree: true });
"""


@dataclass(frozen=True)
class Parts:
    """The components that events fill."""

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
    """Lays the tab out in the surrounding `gr.Blocks`."""
    parts: dict[str, Any] = {"originals": gr.State({}), "backdrop": gr.State(None)}
    with gr.Row(elem_id="workbench"):
        with gr.Column(scale=4, min_width=300):
            pair = _pair(parts)
            parts["chooser"] = gr.HTML(
                html_template="${pictures}",
                pictures=words.example_buttons(examples),
                elem_id="examples",
                js_on_load=SEND_EXAMPLE,
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
            words.message(NOTHING_YET), elem_id="message", js_on_load=SAY_WAITING
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
            parts["mask_figures"] = gr.HTML(words.mask_figures(NOTHING_YET), elem_id="mask-figures")
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
                words.depth_figures(NOTHING_YET), elem_id="depth-figures"
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
    parts["about_run"] = gr.HTML(words.about_run(NOTHING_YET), elem_id="about-run")
    gr.HTML(words.convention(), elem_id="convention", js_on_load=IN_ORDER + NAME_ZONES)
