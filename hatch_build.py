"""Puts the static page into the wheel, if `make site` has built it."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SiteHook(BuildHookInterface):  # type: ignore[type-arg]
    """`depthmask site` finds the page in the installed package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        site = Path(self.root, "web", "dist")
        if version == "standard" and (site / "index.html").is_file():
            build_data["force_include"][str(site)] = "depthmask/site"
