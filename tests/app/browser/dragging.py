"""Drags as a mouse makes them."""

from pathlib import Path

from playwright.sync_api import Page

BESIDE = "#footer"  # an element far from all zones


def drag(page: Page, *paths: Path, onto: str = BESIDE, drop: bool = True) -> None:
    """Drags files over an element, and drops them. Events that a script makes would not do."""
    target = page.locator(onto)
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box is not None
    tools = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", *(("drop",) if drop else ())):
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        tools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    tools.detach()
