"""The web page: `build_demo` makes it, `launch` serves it. Only this package imports Gradio."""

from depthmask.app import quick_import as quick_import  # before what imports Gradio
from depthmask.app.examples import find_examples
from depthmask.app.fair_queue import FairQueue
from depthmask.app.loading import LoadingPredictor
from depthmask.app.model_card import find_card
from depthmask.app.page import build_demo
from depthmask.app.photos.solved import find_solved
from depthmask.app.plain_api import PlainApi
from depthmask.app.serve import Serving, launch

__all__ = [
    "FairQueue",
    "LoadingPredictor",
    "PlainApi",
    "Serving",
    "build_demo",
    "find_card",
    "find_examples",
    "find_solved",
    "launch",
]
