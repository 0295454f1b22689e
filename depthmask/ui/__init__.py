"""The web page: `build_demo` makes it, `launch` serves it. Only here is Gradio imported."""

import os

# Read by Gradio as it is imported, and by the client of Hugging Face that it brings along.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from depthmask.ui.quick_import import without_stubs

with without_stubs():
    import gradio  # noqa: F401

from depthmask.ui.app import build_demo
from depthmask.ui.examples import find_examples
from depthmask.ui.launch import LaunchError, Serving, launch
from depthmask.ui.model_tab import find_card
from depthmask.ui.standby import Standby

__all__ = [
    "LaunchError",
    "Serving",
    "Standby",
    "build_demo",
    "find_card",
    "find_examples",
    "launch",
]
