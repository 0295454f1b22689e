"""The web page: `build_demo` makes it, `launch` serves it. Only here is Gradio imported."""

from depthmask.ui.app import build_demo
from depthmask.ui.examples import find_examples
from depthmask.ui.launch import LaunchError, launch

__all__ = ["LaunchError", "build_demo", "find_examples", "launch"]
