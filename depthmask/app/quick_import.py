"""Imports Gradio in half the time, and without its writing into the folder that it is installed in.

Each import of Gradio parses the source of all its components, to write files that editors complete
code by (`.pyi`) beside them. It also imports what the page never uses: pandas, for caches of
tables, and what the command line of httpx colours its output with.
"""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

# Gradio, and the client of Hugging Face that it imports, read these when they are imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# Gradio's queue would import pandas and summarise the last 10,000 requests after each one.
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(10**9)
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"

_WRITER = "gradio.component_meta"
_UNUSED = ("httpx._main", "httpx2._main")  # httpx does without


class _WithoutFiles(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        module.create_or_modify_pyi = lambda *arguments: None  # type: ignore[attr-defined]


class _Later(ModuleType):
    """Stands for a module that is imported when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        name_of_module = self.__name__
        if sys.modules.get(name_of_module) is self:
            del sys.modules[name_of_module]
        return getattr(import_module(name_of_module), name)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in _UNUSED:
            raise ModuleNotFoundError(f"{fullname} is left out", name=fullname)
        if fullname != _WRITER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _WithoutFiles(spec.loader.name, spec.loader.path)
        return spec


def import_gradio() -> None:
    """Imports Gradio. What it has made until then lives on, and is not looked at for garbage."""
    finder, collects = _Finder(), gc.isenabled()
    sys.meta_path.insert(0, finder)
    pandas = sys.modules.setdefault("pandas", _Later("pandas"))
    gc.disable()
    try:
        import gradio  # noqa: F401
    finally:
        sys.meta_path.remove(finder)
        if isinstance(pandas, _Later) and sys.modules.get("pandas") is pandas:
            del sys.modules["pandas"]
        gc.freeze()
        if collects:
            gc.enable()


import_gradio()
