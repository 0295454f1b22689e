"""Where else the page can be opened: what it tells its visitors, and the static page beside it."""

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segno
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from depthmask.app.asgi import App, Message, Receive, Scope, Send, path_below

SITE_PATH = "/site"
# without these, browsers give the network one thread, unless a service worker adds them
ISOLATION = (
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass
class Addresses:
    """Addresses of the page for others; those that are None do not exist."""

    network: str | None = None  # for other devices of the network
    public: str | None = None  # Gradio's link
    hosted: str | None = None  # of a static page that the user hosts
    site: Path | None = None  # folder of the built static page, which is served beside this one

    def describe(self, page: str, host: str) -> dict[str, Any]:
        """Returns what share_panel.js shows, ready for JSON.

        Args:
            page: The address of the page as its visitor sees it, without a slash at the end.
            host: Its host, as the visitor named it. Whoever comes from elsewhere is not told
                the address in this network, nor how to start the page otherwise.
        """
        near = is_near(host)
        beside = f"{page}{SITE_PATH}/" if self.site else None
        return {
            "near": near,
            "network": _way(self.network if near else None),
            "public": _way(self.public),
            "static": self.hosted or beside,
            "hosted": self.hosted,
        }

    def script(self, page: str, host: str) -> str:
        """The same as an element of the page's head, with the id "addresses"."""
        content = json.dumps(self.describe(page, host)).replace("<", "\\u003c")
        return f'<script type="application/json" id="addresses">{content}</script>'


def is_near(host: str) -> bool:
    """Tells whether a host names this computer, or one of its network."""
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return "." not in host or host.endswith(".local")


def _way(address: str | None) -> dict[str, str] | None:
    if address is None:
        return None
    drawn = segno.make(address, micro=False).svg_data_uri(scale=4, border=3, light="white")
    return {"address": address, "code": drawn}


class StaticSite:
    """Serves the static page below the page.

    Args:
        app: The page.
        folder: Where the static page was built.
        root_path: Where a proxy serves the page: a path, or an address.
    """

    def __init__(self, app: App, *, folder: Path, root_path: str | None = None) -> None:
        self._app = app
        self._files = ExceptionMiddleware(StaticFiles(directory=folder, html=True))
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_below(scope, self._root_path)
        if scope["type"] != "http" or not (path == SITE_PATH or path.startswith(f"{SITE_PATH}/")):
            await self._app(scope, receive, send)
            return
        if path == SITE_PATH:
            await RedirectResponse("site/")(scope, receive, send)
            return

        async def send_isolated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *ISOLATION]}
            await send(message)

        below = {**scope, "path": path.removeprefix(SITE_PATH), "root_path": ""}
        await self._files(below, receive, send_isolated)
