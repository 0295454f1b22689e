"""The plain address for programs, and data: addresses in Gradio's own, on a server that runs."""

import base64
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.middleware import Middleware

from depthmask.app import plain_api
from depthmask.app.data_urls import DataUrls, store_data
from depthmask.app.fair_queue import FairQueue
from depthmask.app.guard import MAX_VALUES, Guard, Hosts
from depthmask.app.page import build_demo
from depthmask.app.photos.downloads import prepare
from depthmask.app.photos.dropped import MAX_FILE_BYTES, DroppedFiles
from depthmask.app.plain_api import HOW, PlainApi, PlainApiRoute
from depthmask.errors import PictureError
from depthmask.pictures import read_grey
from depthmask.pictures.web import WebFile
from tests.app.pages import HEIGHT, WIDTH, Fake, in_own_loop
from tests.app.pages import files as files

USER = ("ann", "secret")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A server with `Fake`; its first requests come through the guard."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GRADIO_TEMP_DIR", str(folder))
    with socket.socket() as probe:  # Gradio's own search leaves sockets open
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])

    async def start() -> gr.Blocks:
        queue = FairQueue()
        api = PlainApi(Fake(), queue, model="fake")
        around = [
            Middleware(Guard, hosts=Hosts()),
            Middleware(DataUrls),
            Middleware(PlainApiRoute, api=api),
        ]
        page = build_demo(Fake(), [], model="fake", queue=queue)
        page.launch(
            server_name="127.0.0.1",
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            _frontend=False,
            app_kwargs={"middleware": around},
        )
        return page

    page = in_own_loop(start)  # without a loop, Gradio makes some that it does not close
    yield f"http://127.0.0.1:{port}"
    page.close(verbose=False)
    patch.undo()


def coded(path: str | None, head: str = "") -> str:
    return head + base64.b64encode(Path(str(path)).read_bytes()).decode()


def stored(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", ["form", "base64", "data:"])
def test_a_pair_is_predicted(address: str, files: DroppedFiles, folder: Path, kind: str) -> None:
    before = stored(folder)
    names = ("background", "image")
    if kind == "form":
        parts = {name: Path(str(getattr(files, name))).read_bytes() for name in names}
        answer = httpx.post(f"{address}/api/predict", files=parts, timeout=60)
    else:
        head = "data:image/png;base64," if kind == "data:" else ""
        body = {name: coded(getattr(files, name), head) for name in names}
        answer = httpx.post(f"{address}/api/predict", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found["files"]) == {"mask", "depth"}
    mask = Image.open(io.BytesIO(base64.b64decode(found["files"]["mask"])))
    assert mask.size == (WIDTH, HEIGHT) and mask.mode == "L"
    assert np.asarray(mask)[:, : WIDTH // 2].min() == 255
    assert found["image"] == {"width": WIDTH, "height": HEIGHT} and found["model"] == "fake"
    assert {"pair", "convention", "notes", "seconds"} <= set(found)
    assert stored(folder) == before, "nothing stays"


@pytest.mark.parametrize("kind", ["form", "json"])
def test_several_backgrounds_are_one(
    address: str, files: DroppedFiles, folder: Path, kind: str
) -> None:
    before, url = stored(folder), f"{address}/api/predict"
    empty, image = (Path(str(path)).read_bytes() for path in files.pair[::-1])
    if kind == "form":
        parts = [("background", empty), ("background", empty), ("image", image)]
        answer = httpx.post(url, files=parts, timeout=60)
    else:
        body = {"background": [coded(files.background)] * 2, "image": coded(files.image)}
        answer = httpx.post(url, json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    assert stored(folder) == before, "nothing stays"
    many = {"background": [coded(files.background)] * 25, "image": coded(files.image)}
    assert "send fewer" in httpx.post(url, json=many, timeout=60).json()["error"]


def test_other_outputs_are_made_where_asked(
    address: str, files: DroppedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"background": coded(files.background), "image": coded(files.image)}
    made: list[object] = []

    def counted(*arguments: Any) -> Any:
        made.append(arguments)
        return prepare(*arguments)

    monkeypatch.setattr(plain_api, "prepare", counted)
    for outputs in ("cutout", ["cutout"], 9 * ["cutout"]):
        answer = httpx.post(f"{address}/api/predict", json={**body, "outputs": outputs})
        assert list(answer.json()["files"]) == ["cutout"]
    assert len(made) == 3, "each is made once, however often it is named"


def test_base64_may_have_lines(address: str, files: DroppedFiles) -> None:
    body = {
        name: base64.encodebytes(Path(str(path)).read_bytes()).decode()
        for name, path in (("background", files.background), ("image", files.image))
    }
    assert httpx.post(f"{address}/api/predict", json=body).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "The background is missing. POST two photos"),
        ([1], "POST two photos"),
        ({"background": "é", "image": "a"}, "The background is no base64"),
        ({"background": "data:image/png;base64,", "image": "a"}, "The background is empty"),
        ({"background": "IMAGE"}, "The image is missing"),
        ({"background": "IMAGE", "image": "***"}, "The image is no base64"),
        ({"background": "IMAGE", "image": "aGVsbG8="}, "image is not a picture"),
        ({"background": "IMAGE", "image": "IMAGE", "outputs": "smell"}, "no output called 'smell'"),
        ({"background": 3, "image": {"a": 1}}, "The background is missing"),
    ],
)
def test_what_is_wrong_is_said(
    address: str, files: DroppedFiles, body: Any, words: str, folder: Path
) -> None:
    before = stored(folder)
    text = json.dumps(body).replace("IMAGE", coded(files.image))
    answer = httpx.post(f"{address}/api/predict", content=text)
    assert answer.status_code == 422
    assert words in answer.json()["error"] and str(folder) not in answer.text
    assert stored(folder) == before


def test_large_files_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthmask.app.data_urls._MOST_CHARS", 7)
    with pytest.raises(PictureError, match="The image has more than 25 MB"):
        store_data("aGVsbG8=", "image")


def test_bodies_of_other_kinds(address: str) -> None:
    url = f"{address}/api/predict"
    assert "is no JSON" in httpx.post(url, content=b"\xff\xd8hello").json()["error"]
    many = httpx.post(url, content=b"[" + b"1," * (MAX_VALUES + 1) + b"1]")
    assert "values" in many.json()["error"]
    form = {"content-type": "multipart/form-data"}
    assert HOW in httpx.post(url, content=b"junk", headers=form).json()["error"]
    photos = [("background", b"x")] * 26
    assert "Too many files" in httpx.post(url, files=photos).json()["error"]
    twice = httpx.post(url, files=[("image", b"x"), ("image", b"y")])
    assert "a field twice" in twice.json()["error"]
    end = b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n\r\n--x--\r\n'
    capitals = {"content-type": "Multipart/Form-Data; boundary=x"}
    assert "is missing" in httpx.post(url, content=end, headers=capitals).json()["error"]
    assert httpx.get(url).status_code == 405
    foreign = {"origin": "http://elsewhere.example"}
    refused = httpx.post(url, headers=foreign, content=b"")
    assert refused.status_code == 403 and "Another website" in refused.json()["error"]


def ask_gradio(address: str, data: list[Any], **more: Any) -> str:
    """Calls Gradio's own endpoint; returns what its stream of events says, or the refusal."""
    url = f"{address}/gradio_api/call/predict"
    begun = httpx.post(url, json={"data": data}, timeout=60, **more)
    if begun.status_code != 200:
        return f"{begun.status_code} {begun.text}"
    return httpx.get(f"{url}/{begun.json()['event_id']}", timeout=60).text


def test_data_addresses_in_gradios_own_endpoint(address: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 100_000, "more than a call may have"
    url = coded(str(tmp_path / "large.png"), "data:image/png;base64,")
    for value in ({"path": None, "url": url}, url, {"path": url}):
        told = ask_gradio(address, [value, value])
        assert "event: complete" in told, told
        mask = json.loads(told[told.index("data: ") + 6 :])[0]["path"]
        assert read_grey(mask).shape == (200, 300)
    assert "422" in ask_gradio(address, ["data:image/png;base64,?", url])
    path = {"path": "/etc/passwd", "url": None, "meta": {"_type": "gradio.FileData"}}
    assert "event: error" in ask_gradio(address, [path, url])


def test_addresses_in_gradios_own_endpoint(
    address: str, files: DroppedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, asked = Path(str(files.image)).read_bytes(), []

    def fetch(url: str, *, max_bytes: int) -> WebFile:
        asked.append((url, max_bytes))
        return WebFile("image.png", content)

    def given(url: str) -> dict[str, Any]:
        return {"path": url, "meta": {"_type": "gradio.FileData"}}

    url = "https://example.org/image.png"
    told = ask_gradio(address, [given("http://127.0.0.1:9/a.png"), given(url)])
    assert "event: error" in told and "public internet" in told
    monkeypatch.setattr("depthmask.app.cache_files.fetch", fetch)
    assert "event: complete" in ask_gradio(address, [given(url), given(url)])
    assert asked == [(url, MAX_FILE_BYTES)] * 2


def test_with_a_password_programs_give_it(files: DroppedFiles) -> None:
    from starlette.testclient import TestClient

    async def page(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nothing gets here")

    api = PlainApi(Fake(), FairQueue(), model="fake", auth=USER)
    client = TestClient(PlainApiRoute(page, api=api))
    body = {"background": coded(files.background), "image": coded(files.image)}
    assert client.post("/api/predict", json=body).status_code == 401
    assert client.post("/api/predict", json=body, auth=("ann", "guess")).status_code == 401
    assert client.post("/api/predict", json=body, auth=USER).status_code == 200
    known = base64.b64encode(":".join(USER).encode()).decode()
    for text, status in (
        *((f"basic {known}", 200), (f"Bearer {known}", 401)),
        *((f"Basic {known[:-4]}", 401), (f"Basic {known}AAAA", 401), ("Basic ", 401)),
    ):
        named = {"authorization": text}
        assert client.post("/api/predict", json=body, headers=named).status_code == status
