"""What the head of the page's HTML says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route, Router

from depthmask.app.page_head import PICTURE, PICTURE_PATH, SIZE, PageHead
from tests.app.pages import in_own_loop

# As Gradio writes it
PAGE = """<!doctype html><html><head>
<meta property="og:title" content="Gradio" />
<meta name="twitter:creator" content="@Gradio" />
<meta
    name="twitter:title"
    content="Gradio" />
<meta name="viewport" content="width=device-width" />
</head><body>ä</body></html>"""


async def page(_: object) -> HTMLResponse:
    return HTMLResponse(PAGE)


async def login(_: object) -> HTMLResponse:
    return HTMLResponse(PAGE.replace("ä", '<script>x = {"auth_required":true}</script>'))


async def config(_: object) -> JSONResponse:
    return JSONResponse({"title": '<meta property="og:title" content="Gradio" />'})


def ask(
    path: str, *, root_path: str | None = None, shown: Callable[..., Any] = page, **headers: str
) -> httpx.Response:
    routes = [Route("/", shown), Route("/config", config), Route("/app/", page)]
    app = PageHead(Router(routes), root_path=root_path)

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here:7860") as client:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.get(path, headers=names)

    return in_own_loop(get)


def said(answer: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:property|name)="([^"]*)" content="([^"]*)"', answer.text))


def test_the_page_names_itself_and_its_picture() -> None:
    answer = ask("/")
    assert "Gradio" not in answer.text
    assert said(answer)["og:title"] == "depthmask"
    assert said(answer)["og:image"] == f"http://here:7860{PICTURE_PATH}"
    assert said(answer)["viewport"] == "width=device-width", "all else stays"
    assert answer.text.endswith("<body>ä</body></html>")


def test_the_scripts_of_the_first_tab_are_fetched_early() -> None:
    scripts = re.findall(
        r'<link rel="modulepreload" fetchpriority="low" href="([^"]*)"', ask("/").text
    )
    assert len(scripts) > 10
    for script in scripts:
        path = script.removeprefix("http://here:7860/gradio_api/file=")
        assert Path(path).is_file()
    assert any(script.endswith("/photos/photos.js") for script in scripts)
    assert "modulepreload" not in ask("/", shown=login).text, (
        "who is not logged in may not have them"
    )


@pytest.mark.parametrize(
    ("root_path", "path", "headers", "address"),
    [
        ("https://all.example/app/", "/", {}, "https://all.example/app"),
        ("/app", "/", {"x_forwarded_proto": "https"}, "https://here:7860/app"),
        ("/app", "/app/", {}, "http://here:7860/app"),
        (
            None,
            "/",
            {"x_forwarded_proto": "https,http", "x_forwarded_host": "abc.example, here"},
            "https://abc.example",
        ),
    ],
)
def test_the_address_is_the_one_that_visitors_see(
    root_path: str | None, path: str, headers: dict[str, Any], address: str
) -> None:
    answer = ask(path, root_path=root_path, **headers)
    assert said(answer)["og:url"] == f"{address}/"
    assert said(answer)["og:image"] == f"{address}{PICTURE_PATH}"


def test_an_address_is_escaped() -> None:
    answer = ask("/", x_forwarded_host='"><script>')
    assert '"><script>' not in answer.text


def test_other_answers_stay_as_they_are() -> None:
    assert "Gradio" in ask("/config").json()["title"]
    assert ask("/nothing").status_code == 404


def test_the_picture_is_served_and_fits_its_description() -> None:
    answer = ask(PICTURE_PATH)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == PICTURE.read_bytes()
    assert len(answer.content) < 150_000
    with Image.open(PICTURE) as picture:
        assert picture.size == SIZE
