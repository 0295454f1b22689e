"""The live tab: mask and depth of the camera's frames, as fast as the network runs.

It is one `gr.HTML` whose script opens the camera and calls the server frame by frame. A call is one
request and one answer, which contains the maps. `gr.Image(streaming=True)` does not do: its
`.stream` event holds a place in the queue as long as it lives, answers through a queue that is
polled every 50 ms, and does not tell the page that the camera was refused.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from depthmask.app.live.markup import markup
from depthmask.app.live.server import HasNetwork, LiveServer
from depthmask.app.modules import import_module

FOLDER = Path(__file__).parent


def build_live_tab(
    ready: Callable[[], HasNetwork],
    *,
    fast: Callable[[], HasNetwork] | None = None,
    debug: bool = False,
) -> LiveServer:
    """Builds the tab, and returns the server that answers its messages.

    Args:
        ready: Returns the predictor once it is loaded.
        fast: Returns one of the fast network, for machines on which the other is too slow.
        debug: The page shows how long each stage of a frame takes.
    """
    server = LiveServer(ready, fast=fast, debug=debug)

    def live(message: Any) -> dict[str, Any]:
        return server.answer(message)

    gr.HTML(
        html_template=markup(),
        css_template=(FOLDER / "live.css").read_text("utf-8"),
        js_on_load=import_module(FOLDER / "live.js"),
        server_functions=[live],
        elem_id="live",
    )
    return server
