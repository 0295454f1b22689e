"""The elements of the photos tab; photos.js finds them by `data-photos`."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from depthmask.app.examples import Example, thumbnail_url
from depthmask.app.photos.analysis import DROP_BOTH
from depthmask.app.photos.dropped import MAX_BACKGROUNDS, MAX_FILE_BYTES, ZONES
from depthmask.depth import CONVENTION
from depthmask.pictures import SUFFIXES

HINTS = {
    "background": "Drop the empty scene, or choose a file",
    "image": "Drop it with something in it, or choose a file",
    "true_mask": "White: foreground",
    "true_depth": "White: far",
}
TRUTHS = ("true_mask", "true_depth")
_ADDRESS = """<form class="address" data-photos="address">
        <input type="url" name="url" aria-label="Address of a picture" autocomplete="off"
          placeholder="Paste a photo or link">
        <button type="submit">Add</button>
      </form>"""
_PASTE = '<span class="address">or paste pictures</span>'


def markup(
    examples: Sequence[Example],
    *,
    served: bool = True,
    thumbnail: Callable[[Path], str] = thumbnail_url,
) -> str:
    """Returns the tab's HTML.

    Args:
        examples: Shown in this order.
        served: Whether there is a server, which fetches pictures from the web.
        thumbnail: The address of a small copy of a picture.
    """
    return f"""
<div class="photos" data-max-bytes="{MAX_FILE_BYTES}"
  data-max-backgrounds="{MAX_BACKGROUNDS}" data-empty="{escape(DROP_BOTH)}">
  <section class="input" aria-label="Photos">
    <div class="pair">{_zone("background", several=True)}{_zone("image")}</div>
    <p class="message calm" id="message" data-photos="message" role="status">{escape(DROP_BOTH)}</p>
    <div class="row" data-photos="mirror" hidden>
      <button type="button" id="mirror" class="suggested">Mirror the background</button>
    </div>
    <div class="row">
      {_ADDRESS if served else _PASTE}
      <button type="button" id="swap" data-photos="swap" disabled>⇄ Swap</button>
    </div>
  </section>
  <section class="result" data-photos="result" aria-label="Result">
    <div id="stage" data-photos="stage"></div>
    <div class="share" data-photos="share" hidden></div>
    <p class="took" data-photos="took"></p>
    <details class="convention" id="convention"><summary>Depth is relative: 1 is the farthest of
      the empty scene, 0 infinitely near</summary><p>{escape(CONVENTION)}.</p></details>
  </section>
  <section class="more" aria-label="Examples and ground truth">
    {_examples(examples, thumbnail) if examples else ""}
    {_truth()}
  </section>
  <div class="dragged" data-photos="dragged" hidden><p>Drop a photo anywhere</p></div>
</div>
"""


def _zone(zone: str, *, several: bool = False) -> str:
    more = (".npy",) if zone in TRUTHS else ()
    name = ZONES[zone].capitalize()
    return drop_zone(zone, name, HINTS[zone], several=several, more=more)


def drop_zone(
    zone: str, name: str, hint: str, *, several: bool = False, more: Iterable[str] = ()
) -> str:
    """A drop zone: a button that chooses a file, and two more once there is one.

    Args:
        zone: By which scripts find it.
        name: Shown above it.
        hint: Shown in it while it is empty.
        several: It takes more than one file.
        more: Endings or kinds of files that it takes beside pictures.
    """
    name, hint = escape(name), escape(hint)
    return f"""
<div class="zone" id="{zone.replace("_", "-")}" data-zone="{zone}" data-name="{name}">
  <div class="strip"><span class="name">{name}</span>
    <button type="button" data-do="choose" aria-label="Replace the {name.lower()}" title="Replace"
      hidden>↻</button>
    <button type="button" data-do="remove" aria-label="Remove the {name.lower()}" title="Remove"
      hidden>✕</button></div>
  <button type="button" class="field" data-do="choose" aria-label="{name}: {hint}">
    <span class="hint">{hint}</span></button>
  <input type="file" accept="image/*,{",".join(sorted({*SUFFIXES, *more}))}" tabindex="-1"
    hidden{" multiple" if several else ""} aria-label="{name}">
</div>"""


def _examples(examples: Sequence[Example], thumbnail: Callable[[Path], str]) -> str:
    buttons = "".join(
        f'<button type="button" data-name="{escape(each.name)}" title="{escape(each.note)}"'
        f' aria-pressed="false"><img src="{escape(thumbnail(each.image))}" alt=""'
        f' draggable="false"><span>{escape(each.title)}</span></button>'
        for each in examples
    )
    return f"""
<div id="examples" class="examples">
  <h2>Examples</h2>
  <div class="strip">{buttons}</div>
</div>"""


def _truth() -> str:
    return f"""
<details id="truth" class="truth"><summary>Add ground truth to measure against</summary>
  <div class="pair">{"".join(map(_zone, TRUTHS))}</div>
  <div class="row" id="convention-switches">
    <label><input type="checkbox" id="near-is-bright"> Near is bright</label>
    <label><input type="checkbox" id="align"> Align scale and shift</label>
  </div>
</details>"""
