"""The live tab: mask and depth of the camera's frames, as fast as the network runs.

It is one `gr.HTML` whose script opens the camera and calls the server frame by frame. A call is one
request and one answer, which contains the picture. `gr.Image(streaming=True)` does not do: its
`.stream` event holds a place in the queue as long as it lives, answers through a queue that is
polled every 50 ms, and does not tell the page that the camera was refused.
"""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from depthmask.app.html import NEEDS_TRUTH
from depthmask.app.live.server import HasNetwork, LiveServer
from depthmask.app.live.views import VIEWS, LiveChoice

FOLDER = Path(__file__).parent
FIRST_STEPS = "Start the camera, step out of the picture, capture the empty scene, and step in."


def build_live_tab(ready: Callable[[], HasNetwork], *, debug: bool = False) -> LiveServer:
    """Builds the tab, and returns the server that answers its messages.

    Args:
        ready: Returns the predictor once it is loaded.
        debug: The page shows how long each stage of a frame takes.
    """
    server = LiveServer(ready, debug=debug)

    def live(message: Any) -> dict[str, Any]:
        answer = server.answer(message)
        if "path" in answer:  # Gradio deletes the files it knows about
            html.temp_files.add(answer["path"])
        return answer

    html = gr.HTML(
        html_template=markup(),
        css_template=(FOLDER / "live.css").read_text("utf-8"),
        js_on_load=(FOLDER / "live.js").read_text("utf-8"),
        server_functions=[live],
        elem_id="live",
    )
    return server


def markup() -> str:
    """Returns the tab's elements; live.js finds them by `data-live`."""
    views = "".join(
        f'<button type="button" data-view="{name}" '
        f'aria-pressed="{str(name == LiveChoice().view).lower()}">{escape(label)}</button>'
        for name, (label, _) in VIEWS.items()
    )
    return f"""
<div class="live-frames">
  <figure>
    <video data-live="video" playsinline muted aria-label="The camera"></video>
    <span data-live="count" aria-live="assertive"></span>
    <button type="button" class="main" data-live="start">Start camera</button>
  </figure>
  <figure><canvas data-live="shown" data-frames="0" width="640" height="480" role="img"
    aria-label="The chosen view of the foreground"></canvas>
    <figcaption data-live="waits">The result appears here</figcaption></figure>
</div>
<p data-live="sentence" role="status">{escape(FIRST_STEPS)}</p>
<div class="live-row">
  <button type="button" class="main" data-live="capture" disabled>Capture background</button>
  <button type="button" data-live="pause" disabled>Pause</button>
  <button type="button" data-live="snapshot" disabled>Snapshot</button>
  <button type="button" data-live="record" disabled>Record</button>
  <select data-live="camera" aria-label="Camera">
    <option value="user">Front camera</option>
    <option value="environment">Rear camera</option>
  </select>
  <button type="button" data-live="off" hidden>Stop camera</button>
</div>
<div class="live-row">
  <span class="live-row" style="margin: 0" data-live="views" role="group"
    aria-label="Views">{views}</span>
  <span data-live="choose" hidden>
    <input type="color" data-live="colour" value="{LiveChoice().colour}" aria-label="Colour">
    <label>Choose a picture<input type="file" accept="image/*" data-live="file"></label>
  </span>
</div>
<div class="live-figures">
  {_figure("fps", "Frames a second", "–")}
  {_figure("latency", "Camera to screen", "–", "From the camera's picture to its mask")}
  {_figure("check", "Self-check", "–", "Share of the empty scene taken for foreground")}
  <dl><dt>IoU</dt><dd class="none">{NEEDS_TRUTH}</dd></dl>
  <dl><dt>RMSE</dt><dd class="none">{NEEDS_TRUTH}</dd></dl>
</div>
<p data-live="quality" role="status"></p>
<p data-live="locked"></p>
<p data-live="stages"></p>
"""


def _figure(name: str, label: str, value: str, hint: str = "") -> str:
    return (
        f'<dl title="{escape(hint)}"><dt>{escape(label)}</dt>'
        f'<dd data-live="{name}">{escape(value)}</dd></dl>'
    )
