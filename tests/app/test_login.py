"""With a password, every route is closed but those of the login itself."""

import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from depthmask.app.login import Login
from tests.app.pages import in_own_loop

# What a stranger may see: the login page, and what it is made of. None of it tells of visitors.
OPEN = {
    *("/", "/login", "/login/", "/logout", "/manifest.json", "/robots.txt", "/favicon.ico"),
    *("/theme.css", "/gradio_api/theme.css", "/gradio_api/app_id", "/gradio_api/app_id/"),
    *("/gradio_api/startup-events", "/gradio_api/token", "/gradio_api/token/"),
    *("/gradio_api/user", "/gradio_api/user/", "/assets/x", "/static/x", "/svelte/x"),
    *("/pwa_icon/x",),
}


@pytest.fixture(scope="module")
def page() -> Any:
    async def make() -> Any:
        with gr.Blocks() as blocks:
            gr.Markdown("a secret")
        blocks.auth, blocks.auth_message = [("ann", "x")], None
        return gr.routes.App.create_app(blocks, app_kwargs={"middleware": [Middleware(Login)]})

    return in_own_loop(make)  # without a loop, Gradio makes some that it does not close


def routes(found: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Methods and paths of all routes, with "x" for what is variable."""
    for route in found:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner.routes, prefix)
            continue
        path = re.sub(r"\{[^}]*\}", "x", f"{prefix}{route.path}")
        for method in getattr(route, "methods", None) or ("GET",):
            yield method, path


def test_each_route_asks_for_the_password(page: Any) -> None:
    stranger = TestClient(page, follow_redirects=False, raise_server_exceptions=False)
    found = {*routes(page.routes)}
    assert ("POST", "/gradio_api/cancel") in found and len(found) > 50
    answered = {path for method, path in found if stranger.request(method, path).status_code != 401}
    assert answered <= OPEN
    assert "a secret" not in stranger.get("/").text
    assert stranger.get("/openapi.json", headers={"cookie": "access-token-x=y"}).status_code == 401


def test_who_has_logged_in_is_served(page: Any) -> None:
    visitor = TestClient(page)
    assert visitor.post("/login", data={"username": "ann", "password": "y"}).status_code == 400
    assert visitor.get("/openapi.json").status_code == 401
    assert visitor.post("/login", data={"username": "ann", "password": "x"}).status_code == 200
    assert visitor.get("/openapi.json").status_code == 200
    assert "a secret" in visitor.get("/config").text
