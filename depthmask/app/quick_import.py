"""Imports Gradio in two thirds of the time.

Gradio parses its own sources whenever it is imported, to keep type stubs beside them up to date.
It leaves alone the classes that have no file, and here none has one.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_stubs() -> Iterator[None]:
    """Gradio's classes have no file as long as this lasts; for the first import of Gradio."""
    real = inspect.getfile

    def getfile(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("Its stub is not needed.")
        return real(thing)

    inspect.getfile = getfile  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = real
