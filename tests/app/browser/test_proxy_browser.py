"""The page behind a proxy that serves it below a path, as `--root-path` promises."""

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.app.browser.conftest import WAIT_LIMIT_MS, running_demo

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PREFIX = "/app"
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}  # headers of one connection


@contextmanager
def proxy(upstream: str) -> Iterator[str]:
    """Serves another server below `PREFIX`, and nothing else; yields the address."""
    target = urlsplit(upstream)

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # the end of an answer is the end of the connection

        def do_GET(self) -> None:
            if not self.path.startswith(f"{PREFIX}/"):
                self.send_error(404)
                return
            length = int(self.headers.get("content-length", 0))
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
            body = self.rfile.read(length)
            with closing(HTTPConnection(target.hostname or "", target.port)) as connection:
                connection.request(self.command, self.path[len(PREFIX) :], body, headers)
                with connection.getresponse() as answer:
                    self._pass_on(answer)

        def _pass_on(self, answer: HTTPResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.end_headers()
            while piece := answer.read1():  # as it comes: events are told one by one
                self.wfile.write(piece)
                self.wfile.flush()

        do_POST = do_HEAD = do_GET

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Says nothing."""

        def handle(self) -> None:
            with suppress(OSError):  # the browser has gone
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}{PREFIX}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_scripts_of_the_page_are_found_below_a_path(browser: Browser) -> None:
    with running_demo("--root-path", PREFIX) as upstream, proxy(upstream) as url:
        page = browser.new_page()
        page.set_default_timeout(WAIT_LIMIT_MS)
        missing: list[str] = []
        page.on("response", lambda it: missing.append(it.url) if it.status >= 400 else None)
        page.goto(f"{url}?example=desk")
        expect(page.locator("[data-picture=mask]")).to_have_attribute(
            "data-drawn", re.compile(".+"), timeout=WAIT_LIMIT_MS
        )
        page.get_by_role("tab", name="Live").click()
        expect(page.locator("#live [data-live=root]")).not_to_have_attribute(
            "inert", "", timeout=WAIT_LIMIT_MS
        )
        assert missing == []
        page.close()
