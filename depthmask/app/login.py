"""Lets only those in who have logged in: Gradio itself asks at most of its routes, not at all."""

from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from depthmask.app.asgi import App, Receive, Scope, Send, path_below
from depthmask.app.guard import is_plain_api

# What the page of the login is made of, or asks for; none of it tells of visitors.
_OPEN = frozenset(
    (
        *("/", "/config", "/login", "/logout", "/theme.css", "/favicon.ico"),
        *("/manifest.json", "/robots.txt"),
        *(f"/gradio_api/{name}" for name in ("app_id", "login_check", "startup-events")),
        *(f"/gradio_api/{name}" for name in ("theme.css", "token", "user")),
    )
)
_OPEN_FOLDERS = ("/assets/", "/static/", "/svelte/", "/pwa_icon/")


class Login:
    """An ASGI application around the page; `/api/predict`, which asks by itself, is let through.

    Args:
        app: The page.
        root_path: Where a proxy serves the page: a path, or an address.
    """

    def __init__(self, app: App, *, root_path: str | None = None) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_open(scope) or _is_known(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await JSONResponse({"error": "Log in first."}, 401)(scope, receive, send)

    def _is_open(self, scope: Scope) -> bool:
        path = path_below(scope, self._root_path)
        if is_plain_api(path) or path.startswith(_OPEN_FOLDERS):
            return True
        return (path.rstrip("/") or "/") in _OPEN


def _is_known(scope: Scope) -> bool:
    """Whether a request has a cookie that Gradio gave to somebody who knew the password."""
    page: Any = scope["app"]
    cookies = HTTPConnection(scope).cookies
    names = (f"access-token-{kind}{page.cookie_id}" for kind in ("", "unsecure-"))
    return any(page.tokens.get(cookies.get(name)) is not None for name in names)
