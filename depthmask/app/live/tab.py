"""The live tab: the camera in, mask and depth out, as fast as the network is.

It is one `gr.HTML` whose script opens the camera and calls the server, frame by frame. Not
`gr.Image(streaming=True)`: its `.stream` event holds a place in the queue for as long as it lives,
answers through a queue that is looked at every 50 ms, and tells the page nothing when the camera is
refused. A call of the script is one request and one answer, which has the picture in it.
"""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from depthmask.app.html import NEEDS_TRUTH
from depthmask.app.live.server import LiveDesk, SeesPairs
from depthmask.app.live.views import VIEWS, Choice

HERE = Path(__file__).parent
START = "Start the camera, step out of the picture, capture the empty scene, and step in."


def build_live_tab(ready: Callable[[], SeesPairs], *, debug: bool = False) -> LiveDesk:
    """Builds the tab, and returns what answers its messages.

    Args:
        ready: Waits for the predictor.
        debug: The page shows how long each stage took.
    """
    desk = LiveDesk(ready, debug=debug)

    def live(message: Any) -> dict[str, Any]:
        answer = desk.answer(message)
        if "path" in answer:  # Gradio sweeps what it knows of
            html.temp_files.add(answer["path"])
        return answer

    html = gr.HTML(
        html_template=markup(),
        css_template=(HERE / "live.css").read_text("utf-8"),
        js_on_load=(HERE / "live.js").read_text("utf-8"),
        server_functions=[live],
        elem_id="live",
    )
    return desk


def markup() -> str:
    """The tab's elements; live.js finds them by `data-live`."""
    views = "".join(
        f'<button type="button" data-view="{name}" '
        f'aria-pressed="{str(name == Choice().view).lower()}">{escape(label)}</button>'
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
    aria-label="What is seen of the foreground"></canvas>
    <figcaption data-live="waits">What is found appears here</figcaption></figure>
</div>
<p data-live="sentence" role="status">{escape(START)}</p>
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
    <input type="color" data-live="colour" value="{Choice().colour}" aria-label="Colour">
    <label>Choose a picture<input type="file" accept="image/*" data-live="file"></label>
  </span>
</div>
<div class="live-figures">
  {_figure("fps", "Frames a second", "–")}
  {_figure("latency", "Camera to screen", "–", "From the camera's picture to its mask on screen")}
  {_figure("check", "Self-check", "–", "Share of the empty scene that is taken for foreground")}
  <dl><dt>IoU</dt><dd class="none">{NEEDS_TRUTH}</dd></dl>
  <dl><dt>RMSE</dt><dd class="none">{NEEDS_TRUTH}</dd></dl>
</div>
<p data-live="locked"></p>
<p data-live="stages"></p>
"""


def _figure(name: str, label: str, value: str, hint: str = "") -> str:
    return (
        f'<dl title="{escape(hint)}"><dt>{escape(label)}</dt>'
        f'<dd data-live="{name}">{escape(value)}</dd></dl>'
    )
