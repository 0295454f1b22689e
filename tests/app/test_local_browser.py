"""A browser on the server's own computer gets what is not packed, and scripts without detours."""

from pathlib import Path

import gradio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from depthmask.app.local_browser import FOLDER, LocalBrowser
from depthmask.app.modules import file_address
from tests.app.pages import in_own_loop

SCRIPT = FOLDER / "photos" / "photos.js"
ASSETS = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
HOST = "localhost:7860"


def ask(
    path: str, *, client: str = "127.0.0.1", root_path: str | None = None, **headers: str
) -> httpx.Response:
    async def page(scope: object, receive: object, send: object) -> None:
        request = Request(scope)  # type: ignore[arg-type]
        text = request.headers.get("accept-encoding", "nothing")
        await PlainTextResponse(text)(scope, receive, send)  # type: ignore[arg-type]

    async def get() -> httpx.Response:
        app = LocalBrowser(page, root_path=root_path)
        transport = httpx.ASGITransport(app, client=(client, 1))
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.get(path, headers={"host": HOST, "accept-encoding": "br"} | names)

    return in_own_loop(get)


def test_a_script_is_answered_as_it_is_now() -> None:
    answer = ask(f"/gradio_api/{file_address(SCRIPT)}")
    assert answer.content == SCRIPT.read_bytes()
    assert answer.headers["content-type"].startswith("text/javascript")
    style = ask(f"/gradio_api/{file_address(SCRIPT.with_suffix('.css'))}")
    assert style.headers["content-type"].startswith("text/css")


def test_gradios_scripts_are_answered_too() -> None:
    script = next(ASSETS.glob("*.js"))
    for root, path in ((None, "/assets/"), ("/app", "/app/assets/"), ("/app/", "/assets/")):
        answer = ask(f"{path}{script.name}", root_path=root)
        assert answer.content == script.read_bytes()
        assert "immutable" in answer.headers["cache-control"]
    assert ask("/assets/missing.js").text == ask(f"/app/assets/{script.name}").text == "nothing"
    assert ask(f"/assets/{script.name}", client="192.0.2.7").text == "br"


def test_all_else_is_the_pages_and_not_packed() -> None:
    assert ask("/").text == "nothing"
    for other in (SCRIPT.with_name("tab.py"), SCRIPT.with_name("missing.js")):
        assert ask(f"/gradio_api/{file_address(other)}").text == "nothing"
    assert ask(f"/assets/{file_address(SCRIPT)}").text == "nothing"


@pytest.mark.parametrize(
    "where",
    [
        {"client": "192.0.2.7"},
        {"host": "here.example"},
        {"x_forwarded_for": "192.0.2.7"},
        {"x_forwarded_host": "here.example"},
    ],
)
def test_who_may_be_elsewhere_is_served_by_the_page(where: dict[str, str]) -> None:
    assert ask("/", **where).text == "br"
    assert ask(f"/gradio_api/{file_address(SCRIPT)}", **where).text == "br"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:7860"])
def test_names_of_this_computer(host: str) -> None:
    assert ask("/", host=host).text == "nothing"
