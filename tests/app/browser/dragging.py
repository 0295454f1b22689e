"""Drags as a mouse makes them."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

BESIDE = "#footer"  # an element far from all zones


def drag(page: Page, *paths: Path, onto: str = BESIDE, drop: bool = True) -> None:
    """Drags files over an element, and drops them. Events that a script makes would not do."""
    _drag(page, {"items": [], "files": [str(path) for path in paths]}, onto=onto, drop=drop)


def drag_text(page: Page, text: str, *, kind: str = "text/plain", onto: str = BESIDE) -> None:
    """The same with text, or with an address if its kind is "text/uri-list"."""
    _drag(page, {"items": [{"mimeType": kind, "data": text}]}, onto=onto, drop=True)


def _drag(page: Page, what: dict[str, Any], *, onto: str, drop: bool) -> None:
    target = page.locator(onto)
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box is not None
    tools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", *(("drop",) if drop else ())):
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {**what, "dragOperationsMask": 1}
        tools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    tools.detach()
