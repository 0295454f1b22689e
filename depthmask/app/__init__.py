"""The web page: `build_demo` makes it, `launch` serves it. Only here is Gradio imported."""

import os

# Read by Gradio as it is imported, and by the client of Hugging Face that it brings along.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from depthmask.app.quick_import import without_stubs

with without_stubs():
    import gradio  # noqa: F401

from depthmask.app.examples import find_examples
from depthmask.app.loading import Standby
from depthmask.app.model_card import find_card
from depthmask.app.page import build_demo
from depthmask.app.serve import Serving, launch

__all__ = [
    "Serving",
    "Standby",
    "build_demo",
    "find_card",
    "find_examples",
    "launch",
]
