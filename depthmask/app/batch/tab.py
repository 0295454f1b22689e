"""The batch tab: many images before one background, or a clip.

It is one `gr.HTML` whose script sends the files one by one, and asks the server how far it is.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from depthmask.app.batch.clip import MAX_CLIP_BYTES, MAX_CLIP_S
from depthmask.app.batch.request import MAX_IMAGES, OUTPUTS
from depthmask.app.batch.server import BatchServer
from depthmask.app.cache_files import SWEEP_INTERVAL_S
from depthmask.app.fair_queue import FairQueue
from depthmask.app.loading import Predicts
from depthmask.app.modules import import_module
from depthmask.app.photos.dropped import MAX_BACKGROUNDS, MAX_FILE_BYTES
from depthmask.app.photos.markup import drop_zone

FOLDER = Path(__file__).parent
STYLES = (FOLDER.with_name("photos") / "photos.css", FOLDER / "batch.css")  # zones look as there
LABELS = dict(zip(OUTPUTS, ("Cut-outs", "Masks", "Depth"), strict=True))
LOOKS = {  # {a value of `request.LOOKS`: label}
    "alpha": "Transparent (WebM)",
    "blur": "Blurred (MP4)",
    "white": "White (MP4)",
    "black": "Black (MP4)",
    "#00b140": "Green (MP4)",
}
WHAT = "A batch finds what is new in many photos of one scene, and packs the results into one file."
CLIP = "It also cuts the foreground out of a clip."
CLIP_TYPES = ("video/*", ".mkv", ".avi", ".mov")


def build_batch_tab(
    predictor: Predicts,
    queue: FairQueue,
    *,
    model: str,
    knows: Callable[[Iterable[object]], bool],
    video: Sequence[str] | None = None,
) -> BatchServer:
    """Builds the tab, and returns the server that answers its messages; see `BatchServer`."""
    server = BatchServer(predictor, queue, model=model, knows=knows, video=video)

    async def batch(message: Any) -> dict[str, Any]:
        return await server.answer(message)

    gr.HTML(
        html_template=markup(clips=video is not None),
        css_template="\n".join(style.read_text("utf-8") for style in STYLES),
        js_on_load=import_module(FOLDER / "batch.js"),
        server_functions=[batch],
        elem_id="batch",
        apply_default_css=False,
        keep_s=SWEEP_INTERVAL_S,
    )
    return server


def markup(*, clips: bool) -> str:
    """Returns the tab's elements; batch.js finds them by `data-batch`.

    Args:
        clips: Whether clips are taken.
    """
    drop = "Drop images or a clip, or choose them" if clips else "Drop images, or choose them"
    more = f"; or one clip of {MAX_CLIP_BYTES // 10**6} MB and {MAX_CLIP_S // 60} minutes"
    limits = f"Up to {MAX_IMAGES} images of {MAX_FILE_BYTES // 10**6} MB each{more * clips}."
    return f"""
<div class="photos batch" data-batch="root" data-max-images="{MAX_IMAGES}"
  data-max-backgrounds="{MAX_BACKGROUNDS}" data-max-bytes="{MAX_FILE_BYTES}"
  data-max-clip-bytes="{MAX_CLIP_BYTES if clips else 0}" data-max-clip-s="{MAX_CLIP_S}">
  <section class="input" aria-label="Files">
    <div class="pair">
      {
        drop_zone(
            "batch-background",
            "Background",
            "Drop photos of the empty scene, or choose them",
            several=True,
        )
    }
      {drop_zone("batch-images", "Images", drop, several=True, more=CLIP_TYPES if clips else ())}
    </div>
    <p class="message calm" data-batch="message" role="status"></p>
    <div class="running" data-batch="running" hidden>
      <progress data-batch="bar" max="1" aria-label="Progress"></progress>
      <p data-batch="far"></p>
    </div>
    <fieldset data-batch="outputs"><legend>Save</legend>{_outputs()}</fieldset>
    <label class="look" data-batch="looks" hidden>Behind the foreground
      <select data-batch="look">{_looks()}</select></label>
    <div class="row">
      <button type="button" class="suggested" data-batch="start" disabled>Start</button>
      <button type="button" data-batch="stop" hidden>Cancel</button>
    </div>
    <p class="limits">{escape(limits)}</p>
  </section>
  <section class="result" data-batch="result" aria-label="Results">
    <p class="what" data-batch="what">{escape(f"{WHAT} {CLIP}" if clips else WHAT)}<br>
      The results appear here while it runs.</p>
    <div class="row" data-batch="file" hidden></div>
    <ul class="notes" data-batch="notes" hidden></ul>
    <ul class="gallery" data-batch="gallery"></ul>
  </section>
</div>
"""


def _outputs() -> str:
    return "".join(
        f'<label><input type="checkbox" value="{output}" checked> {escape(label)}</label>'
        for output, label in LABELS.items()
    )


def _looks() -> str:
    return "".join(
        f'<option value="{escape(look)}">{escape(label)}</option>' for look, label in LOOKS.items()
    )
