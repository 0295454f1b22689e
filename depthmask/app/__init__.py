"""The web page: `build_demo` makes it, `launch` serves it. Only this package imports Gradio."""

import os

# Gradio, and the client of Hugging Face that it imports, read these when they are imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# Gradio's queue would import pandas and summarise the last 10,000 requests after each one.
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"

from depthmask.app.examples import find_examples
from depthmask.app.loading import LoadingPredictor
from depthmask.app.model_card import find_card
from depthmask.app.page import build_demo
from depthmask.app.serve import Serving, launch

__all__ = [
    "LoadingPredictor",
    "Serving",
    "build_demo",
    "find_card",
    "find_examples",
    "launch",
]
