"""A running demo and a headless browser. Every wait is bounded."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tools.browser import FLAGS, MISSING, find_browser

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 180
WAIT_LIMIT_MS = 60_000
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = find_browser()
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """Address of a demo with the shipped weights, as a user starts it."""
    process = subprocess.Popen(
        [sys.executable, "-u", "demo.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    # a demo that hangs is stopped, which ends the reading below
    watchdog = threading.Timer(START_LIMIT_S, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        addresses = (re.search(r"http://127\.0\.0\.1:\d+/", line) for line in process.stdout)
        found = next((match for match in addresses if match), None)
        watchdog.cancel()
        if found is None:
            pytest.fail("demo.py did not come up, see its message above")
        yield found[0]
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


@pytest.fixture
def open_page(browser: Browser, demo_url: str) -> Iterator[OpenPage]:
    """Opens the demo; afterwards, no request may have left this computer, and no script failed."""
    asked: list[str] = []
    failures: list[str] = []

    def open_page(*, width: int = 1280, height: int = 800, dark: bool = False) -> Page:
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        page.set_default_timeout(WAIT_LIMIT_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(demo_url)
        page.wait_for_selector("#background input[type=file]", state="attached")
        return page

    yield open_page
    for context in browser.contexts:
        context.close()
    elsewhere = [url for url in asked if not url.startswith((demo_url, "data:", "blob:"))]
    assert elsewhere == []
    assert failures == []
