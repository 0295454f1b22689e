"""A running demo and a headless browser. Every wait is bounded."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from depthmask.app.theme import STYLE, theme
from tools.browser import FLAGS, MISSING, WEBGL, find_browser

ROOT = Path(__file__).resolve().parents[3]
START_LIMIT_S = 180
WAIT_LIMIT_MS = 120_000
READY = ".photos[data-ready]"  # from then on, photos can be dropped
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = find_browser(shell=True)
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    expect.set_options(timeout=WAIT_LIMIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *WEBGL])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """Address of a demo with the shipped weights, as a user starts it."""
    with running_demo() as url:
        yield url


@contextmanager
def running_demo(*options: str) -> Iterator[str]:
    """Starts demo.py with options; yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-u", "demo.py", *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
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


def serve(demo: gr.Blocks) -> str:
    """Starts a page beside the test, which closes it; returns its address."""
    _, url, _ = demo.launch(
        server_name="127.0.0.1",
        server_port=free_port(),  # Gradio's own search leaves sockets open
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        theme=theme(),
        css_paths=STYLE,
        footer_links=[],
        _frontend=False,  # see serve.py
    )
    return str(url)


@contextmanager
def serving(cache: Path, make: Callable[[], gr.Blocks]) -> Iterator[str]:
    """Serves a page whose files lie in a folder, and closes it; yields its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(cache))
        demo = make()
        yield serve(demo)
        demo.close(verbose=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Visit:
    """Pages that are watched: no request may leave this computer, and no script may fail."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._pages: list[Page] = []
        self._asked: list[str] = []
        self._failures: list[str] = []

    def open(
        self, *, width: int = 1280, height: int = 800, dark: bool = False, query: str = ""
    ) -> Page:
        page = self._browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        self._pages.append(page)
        page.set_default_timeout(WAIT_LIMIT_MS)
        page.on("request", lambda request: self._asked.append(request.url))
        page.on("pageerror", lambda error: self._failures.append(str(error)))
        page.goto(self._url + query)
        page.wait_for_selector(READY, state="attached")
        return page

    def check(self) -> None:
        """Fails on what happened since the last check."""
        elsewhere = [u for u in self._asked if not u.startswith((self._url, "data:", "blob:"))]
        failures = list(self._failures)
        self._asked.clear()
        self._failures.clear()
        assert elsewhere == []
        assert failures == []

    def close(self) -> None:
        for page in self._pages:
            page.context.close()


@pytest.fixture
def open_page(browser: Browser, demo_url: str) -> Iterator[OpenPage]:
    """Opens the demo in pages of the test's own."""
    visit = Visit(browser, demo_url)
    yield visit.open
    visit.close()
    visit.check()


@pytest.fixture(scope="module")
def long_visit(browser: Browser, demo_url: str) -> Iterator[tuple[Visit, Page]]:
    visit = Visit(browser, demo_url)
    page = visit.open(query="?example=teddy")
    page.wait_for_selector("[data-picture=depth][data-drawn]")
    yield visit, page
    visit.close()


@pytest.fixture
def example_page(long_visit: tuple[Visit, Page]) -> Iterator[Page]:
    """One page with the first example for all tests of a module, which only look at it."""
    visit, page = long_visit
    yield page
    visit.check()
