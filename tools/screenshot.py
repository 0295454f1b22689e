"""Takes the screenshots of the README.

python -m tools.screenshot URL FOLDER
"""

import argparse
import sys
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

from benchmarks.command import check_folders, run
from depthmask.errors import OptionError
from tools.browser import FLAGS, MISSING, WEBGL, find_browser

LIMIT_MS = 180_000
FADE_MS = 1500  # pictures fade in
TURN_MS = 2000  # the 3D view is drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", metavar="URL", help="address of a running demo")
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="an existing folder for the pictures"
    )
    options = parser.parse_args()
    check_folders(options.folder)
    executable = find_browser()
    if executable is None:
        raise OptionError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *WEBGL])
        try:
            take_desktop(browser, options.url, options.folder)
            take_phone(browser, options.url, options.folder)
        except Error as error:
            reason = error.message.splitlines()[0]
            raise OptionError(f"{options.url} shows no demo ({reason}); start one.") from error
        finally:
            browser.close()


def take_desktop(browser: Browser, url: str, folder: Path) -> None:
    """Takes demo.png, with mask and depth, and views.png, with a backdrop and the 3D view."""
    page = visit(browser, f"{url}?example=teddy", width=1280, height=800, dark=False)
    page.screenshot(path=folder / "demo.png")
    look(page, "mask", "Backdrop")
    look(page, "depth", "3D")
    page.wait_for_timeout(TURN_MS)
    page.locator("#stage").screenshot(path=folder / "views.png")
    page.close()


def take_phone(browser: Browser, url: str, folder: Path) -> None:
    """Takes phone.png: the results on a phone, in dark colours."""
    page = visit(browser, f"{url}?example=astronaut", width=390, height=844, dark=True)
    look(page, "mask", "Cut-out")
    page.wait_for_timeout(FADE_MS)
    page.locator("#stage").scroll_into_view_if_needed()
    page.screenshot(path=folder / "phone.png")
    page.close()


def visit(browser: Browser, url: str, *, width: int, height: int, dark: bool) -> Page:
    """Opens the page and waits for the results of the example in its address."""
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    page.set_default_timeout(LIMIT_MS)
    page.goto(url)
    for tile in ("mask", "depth"):
        page.wait_for_selector(f"[data-picture={tile}][data-drawn]")
    page.wait_for_timeout(FADE_MS)
    return page


def look(page: Page, tile: str, label: str) -> None:
    page.locator(f"[data-tile={tile}] label", has_text=label).click()


if __name__ == "__main__":
    sys.exit(run(main))
