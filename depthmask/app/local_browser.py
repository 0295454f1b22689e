"""Spares work for a browser on the computer that serves the page, which shares its processor.

What it gets is not packed, for nothing is sent over a network. And scripts and styles, the page's
own and Gradio's, are answered here: Gradio's routes take many times as long for each of them.
"""

from pathlib import Path
from urllib.parse import urlsplit

import gradio
from gradio.route_utils import API_PREFIX
from starlette.responses import Response

from depthmask.app.asgi import LOOPBACK, App, Receive, Scope, Send, path_below

FOLDER = Path(__file__).parent
BUILT = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
TYPES = {".js": "text/javascript", ".css": "text/css"}
ASSETS = "/assets/"  # the path of Gradio's own
LASTING = "public, max-age=31536000, immutable"
FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"via")


class LocalBrowser:
    """Changes how requests from this computer are answered, and no others.

    Args:
        app: The page.
        root_path: Where a proxy serves the page: a path, or an address.
    """

    def __init__(self, app: App, *, root_path: str | None = None) -> None:
        self._app = app
        self._root_path = root_path
        own = (each for each in FOLDER.resolve().rglob("*") if each.suffix in TYPES)
        built = (each for each in BUILT.glob("*") if each.suffix in TYPES)
        self._files = {f"{API_PREFIX}/file={each.as_posix()}": each for each in own}
        self._files |= {f"{ASSETS}{each.name}": each for each in built}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_local(scope):
            await self._app(scope, receive, send)
            return
        kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        scope = {**scope, "headers": kept}
        path = path_below(scope, self._root_path)
        file = self._files.get(path) if scope["method"] == "GET" else None
        if file is None:
            await self._app(scope, receive, send)
            return
        # the names of Gradio's files change with their content
        headers = {"Cache-Control": LASTING if path.startswith(ASSETS) else "no-cache"}
        answer = Response(file.read_bytes(), 200, headers, TYPES[file.suffix])
        await answer(scope, receive, send)


def is_local(scope: Scope) -> bool:
    """Whether a request is from a browser on this computer, without a proxy or a tunnel between."""
    headers = dict(scope["headers"])
    host = urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}").hostname
    client = (scope.get("client") or ("",))[0]
    is_direct = not any(name in headers for name in FORWARDED)
    return is_direct and client in LOOPBACK and host in LOOPBACK
