"""The page's scripts: ES modules in files, which `gr.HTML` elements import."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import gradio as gr

FOLDER = Path(__file__).parent


def file_address(path: Path) -> str:
    """The address of a file of the server, from that of Gradio's API on."""
    return f"file={quote(path.resolve().as_posix(), safe='/:')}"


def import_module(script: Path, *, events: Sequence[str] = ()) -> str:
    """Makes the `js_on_load` of a `gr.HTML` that imports a module and calls its default export.

    The function receives one object with what Gradio gives: `element`, `props`, `trigger`, `watch`,
    `server` and `upload`. The module may import those of other tabs. The server then serves the
    scripts and styles of this package, and no other file in it.

    Args:
        script: The module's file.
        events: Names of the events that it triggers; Gradio looks for them in the text.
    """
    gr.set_static_paths([path for end in ("js", "css") for path in FOLDER.rglob(f"*.{end}")])
    named = ", ".join(f'"{event}"' for event in events)
    return f"""// events: {named}
const {{ root = "", api_prefix: prefix = "/gradio_api" }} = window.gradio_config || {{}};
import(`${{root}}${{prefix}}/{file_address(script)}`).then(
    (module) => module.default({{ element, props, trigger, watch, server, upload }}),
).catch((error) => {{
    element.prepend("The scripts of this page could not be loaded: reload it.");
    console.error(error);
}});"""
