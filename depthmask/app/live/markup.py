"""The elements of the live tab; live.js finds them by `data-live`."""

from html import escape

import numpy as np

from depthmask.inference.capture import CAPTURE_FRAMES
from depthmask.render.views import colour_depth

FIRST_STEPS = "Start the camera, step out of the picture, capture the empty scene, and step in."
COUNTDOWN_S = 3  # before the empty scene is captured
OWN_COLOUR = "#3f7d6e"  # the one that the choice of a colour begins with

# What compose.js draws: {view: label}.
VIEWS = {
    "mask": "Mask",
    "cutout": "Cut-out",
    "composite": "Overlay",
    "depth": "Depth",
    "blur": "Blur",
}
PICTURES = {"hills": "Hills", "sea": "Sea", "night": "Night", "studio": "Studio"}  # backdrops.js
COLOURS = {"#ffffff": "White", "#00b140": "Green", "#1f5fbf": "Blue", "#f2b632": "Yellow"}


def markup() -> str:
    """Returns the tab's HTML; live.js lets it be used."""
    return f"""
<div class="live" data-live="root" inert>
<div class="live-frames" data-live="frames" data-phase="waiting">
  <figure class="camera">
    <video data-live="video" playsinline muted aria-label="The camera"></video>
    <span data-live="count" data-frames="{CAPTURE_FRAMES}"
      data-seconds="{COUNTDOWN_S}" role="status"></span>
    <button type="button" class="main" data-live="start">Start camera</button>
    <figcaption>Camera</figcaption>
  </figure>
  <figure class="result">
    <canvas data-live="shown" data-frames="0" width="640" height="480" role="img"
      aria-label="The chosen view of the scene"></canvas>
    <span data-live="waits">The result appears here</span>
    <figcaption data-live="caption">{VIEWS["mask"]}</figcaption>
  </figure>
  <figure class="depth">
    <canvas data-live="depth" data-colours="{_depth_colours()}" width="640" height="480" role="img"
      aria-label="Depth in colours from yellow, near, to black, far"></canvas>
    <figcaption>Depth</figcaption>
  </figure>
</div>
<div class="live-status">
  <p data-live="sentence" role="status">{escape(FIRST_STEPS)}</p>
  <div class="live-figures">
    {_figure("fps", "Frames a second")}
    {_figure("latency", "Camera to screen", "From the camera's picture to its mask")}
    {_figure("check", "Self-check", "Share of the empty scene taken for foreground")}
    <div data-live="iou-figure" hidden>
      {_figure("iou", "IoU", "Intersection over union of predicted and true mask: 1 is perfect")}
      {_figure("mean", "Mean", "Mean IoU of all frames since the capture")}
    </div>
  </div>
</div>
<div class="live-row">
  <button type="button" class="main" data-live="capture" disabled>Capture background</button>
  <button type="button" data-live="pause" disabled>Pause</button>
  <button type="button" data-live="snapshot" disabled
    title="Saves the view as PNG, not mirrored">Snapshot</button>
  <button type="button" data-live="record" disabled
    title="Saves the view as video, not mirrored">Record</button>
  <button type="button" data-live="use" disabled
    title="Takes the learned background and this frame to the Photos tab">Use as photos</button>
  <button type="button" data-live="off" hidden>Stop camera</button>
  <label class="choice">Camera <select data-live="camera">
    <option value="user">Front</option>
    <option value="environment">Rear</option>
  </select></label>
  <label class="choice">Quality <select data-live="quality-choice">
    <option value="auto">Automatic</option>
  </select></label>
</div>
<div class="swatches" data-live="swatches" role="radiogroup" aria-label="View">
  {_swatches()}
  <label class="swatch tool"><input type="color" data-live="colour" value="{OWN_COLOUR}">
    Colour …</label>
  <label class="swatch tool"><input type="file" accept="image/*" data-live="file">
    <span class="plus" aria-hidden="true">+</span>Picture …</label>
</div>
<p data-live="quality" role="status"></p>
<p data-live="locked"></p>
<p data-live="stages"></p>
<details class="live-clip">
  <summary>Play a clip as camera</summary>
  <p>Its first second must show the empty scene. With a second clip of true masks (foreground white,
    what does not count grey), the IoU of each frame is shown.</p>
  <div class="live-row">
    <label class="choice">Clip <input type="file" accept="video/*" data-live="clip"></label>
    <label class="choice">True masks <input type="file" accept="video/*" data-live="truth"></label>
    <button type="button" data-live="play">Play clip</button>
  </div>
</details>
</div>
"""


def _swatches() -> str:
    rows = [
        *(({"view": view}, label) for view, label in VIEWS.items()),
        *(({"view": "picture", "picture": name}, label) for name, label in PICTURES.items()),
        *(({"view": "colour", "colour": colour}, label) for colour, label in COLOURS.items()),
        ({"view": "colour", "colour": OWN_COLOUR, "offer": "colour"}, "Own colour"),
        ({"view": "own", "offer": "own"}, "Own picture"),
    ]
    return "".join(_swatch(data, label) for data, label in rows)


def _swatch(data: dict[str, str], label: str) -> str:
    """A radio button with a picture; what is only offered later is hidden."""
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    hidden = " hidden" if "offer" in data else ""
    checked = " checked" if data["view"] == "mask" else ""
    return (
        f'<label class="swatch"{attributes}{hidden}><input type="radio" name="live-view"{checked}>'
        f'<canvas aria-hidden="true"></canvas>{escape(label)}</label>'
    )


def _depth_colours() -> str:
    """The colour of each level of depth, as "rrggbb", one after the other."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)[None]
    return colour_depth(levels).tobytes().hex()


def _figure(name: str, label: str, hint: str = "") -> str:
    return f'<dl title="{escape(hint)}"><dt>{escape(label)}</dt><dd data-live="{name}">–</dd></dl>'
