"""The page as a whole: a header, the tabs, a footer."""

from collections.abc import Sequence

import gradio as gr

from depthmask.ui import words
from depthmask.ui.analysis import Predicts
from depthmask.ui.examples import Example
from depthmask.ui.image_tab import build_image_tab

KEEP_FILES_S = 3600  # what was uploaded or predicted is deleted after an hour


def build_demo(predictor: Predicts, examples: Sequence[Example], *, model: str) -> gr.Blocks:
    """Builds the page.

    Args:
        predictor: Makes the predictions, a `depthmask.inference.Predictor`.
        examples: Offered for a click, in this order.
        model: A few words on the model in use, for the footer.
    """
    gr.set_static_paths([path for e in examples for path in e.files if path])
    with gr.Blocks(
        title="depthmask",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(KEEP_FILES_S, KEEP_FILES_S),
    ) as demo:
        gr.HTML(words.HEADER, elem_id="header")
        build_image_tab(predictor, examples)
        gr.HTML(words.footer(model), elem_id="footer")
    return demo
