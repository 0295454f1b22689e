"""What stands before the page: who may ask, how much, and for how long."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from depthmask.app.asgi import Message, Receive, Scope, Send
from depthmask.app.guard import (
    MAX_BODY_BYTES,
    MAX_CALL_BYTES,
    MAX_INLINE_BYTES,
    MAX_INLINE_REQUESTS,
    MAX_UPLOAD_BYTES,
    MAX_VALUES,
    Guard,
    Hosts,
)
from depthmask.app.guesses import Guesses
from depthmask.app.temporary import UploadQuota
from tests.app.pages import in_own_loop

HOST = "127.0.0.1:7860"


class Page:
    """Stands in for Gradio: reads the whole body, and answers how long it was."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.asked = status, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        length, more = 0, True
        while more:
            message = await receive()
            length += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": str(length).encode()})


def ask(
    guard: Guard,
    *,
    method: str = "POST",
    path: str = "/gradio_api/component_server/",
    body: Iterable[bytes] = (b"",),
    pause: float = 0.0,
    **headers: str,
) -> tuple[int, dict[str, str], str]:
    """Sends a request; returns status, headers and text of the answer."""
    sent: list[Message] = []
    named = {"host": HOST} | {name.replace("_", "-"): text for name, text in headers.items()}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "client": ("10.0.0.9", 1),
        "headers": [(name.encode(), text.encode()) for name, text in named.items()],
    }

    async def pieces() -> AsyncIterator[Message]:
        parts = list(body)
        for place, part in enumerate(parts, 1):
            await asyncio.sleep(pause)
            yield {"type": "http.request", "body": part, "more_body": place < len(parts)}

    async def run() -> None:
        stream = pieces()

        async def send(message: Message) -> None:
            sent.append(message)

        await guard(scope, lambda: anext(stream), send)

    in_own_loop(run)
    start, end = sent
    shown = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], shown, end["body"].decode()


def guarded(page: Page | None = None, **options: Any) -> Guard:
    return Guard(page or Page(), hosts=options.pop("hosts", Hosts()), **options)


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a program
        {"origin": f"http://{HOST}"},
        {"origin": "http://localhost:7860"},  # another name of this computer
        {"sec_fetch_site": "same-origin"},
    ],
)
def test_the_page_and_programs_may_ask(headers: dict[str, Any]) -> None:
    assert ask(guarded(), **headers)[0] == 200


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://evil.example", "content_type": "text/plain"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:8000"},  # another program of this computer
        {"origin": "https://127.0.0.1.evil.example:7860"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_other_websites_may_not(headers: dict[str, Any], method: str) -> None:
    page = Page()
    status, _, sentence = ask(guarded(page), method=method, **headers)
    assert status == 403 and "Another website" in sentence
    assert page.asked == 0


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://elsewhere.example/a.png",
        "/app/gradio_api/file=HTTPS://elsewhere.example/a.png",
        "/gradio_api/file/http://elsewhere.example/a.png",
        "/gradio_api/proxy=https://a.hf.space/a.png",
    ],
)
def test_files_of_others_are_not_passed_on(path: str) -> None:
    page = Page()
    assert ask(guarded(page), method="GET", path=path)[0] == 403
    assert page.asked == 0
    assert ask(guarded(page), method="GET", path="/gradio_api/file=/tmp/http/a.png")[0] == 200


def test_a_proxy_may_ask_under_the_name_of_this_server() -> None:
    hosts = Hosts()
    hosts.add("https://scenes.example/app")
    page: dict[str, Any] = {"origin": "https://scenes.example"}
    assert ask(guarded(hosts=hosts), **page)[0] == 200
    assert ask(guarded(hosts=hosts), origin="https://scenes.example:8443")[0] == 403
    assert ask(guarded(), **page)[0] == 403


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/app/gradio_api/call/other"])
def test_a_request_to_predict_is_small(path: str) -> None:
    page = Page()
    assert ask(guarded(page), path=path, content_length=str(MAX_CALL_BYTES + 1))[0] == 413
    assert ask(guarded(page), path=path, body=[b"x" * MAX_CALL_BYTES, b"x"])[0] == 413
    assert page.asked == 0
    assert ask(guarded(page), path=path, body=[b"x" * MAX_CALL_BYTES])[0] == 200


def test_files_inside_of_json_have_a_bound_of_their_own() -> None:
    call, plain = "/app/gradio_api/call/predict", "/app/api/predict/"
    for path in (call, plain):
        page = Page()
        assert ask(guarded(page), path=path, content_length=str(MAX_INLINE_BYTES + 1))[0] == 413
        assert page.asked == 0
        values = [b"[", b"1," * MAX_VALUES, b"1]"]  # what is stored first is counted later
        length = str(sum(map(len, values)) + 100_000)
        assert ask(guarded(page), path=path, content_length=length, body=values)[0] == 200
    assert ask(guarded(), path=call, body=[b"x" * (MAX_CALL_BYTES + 1)])[0] == 413
    gradios = "/gradio_api/api/predict"
    assert ask(guarded(), path=gradios, content_length=str(MAX_BODY_BYTES + 1))[0] == 413
    quota = UploadQuota(lambda: False)
    assert ask(guarded(quota=quota), path=plain)[0] == 429


def test_few_requests_with_files_inside_are_served_at_a_time() -> None:
    statuses: list[int] = []

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        statuses.append(ask(guard, path="/api/predict")[0])  # while this one is served
        await Page()(scope, receive, send)

    guard = Guard(page, hosts=Hosts())
    for _ in range(2):  # what is served gives its place back
        statuses.clear()
        assert ask(guard, path="/api/predict")[0] == 200
        assert statuses == [429] + [200] * (MAX_INLINE_REQUESTS - 1)


def test_json_of_many_values_is_refused_before_it_is_parsed() -> None:
    for piece in (b"[],", b'{"a":{}},', b"1,"):
        page = Page()
        status, _, sentence = ask(guarded(page), body=[b"[", piece * MAX_VALUES, b"0]"])
        assert (status, page.asked) == (413, 0) and "values" in sentence
    picture = b'{"data":["data:image/png;base64,' + b"A" * 3_000_000 + b'"]}'
    status, _, length = ask(guarded(), body=[picture[:1000], picture[1000:]])
    assert (status, length) == (200, str(len(picture)))


def test_a_link_on_another_website_may_be_followed() -> None:
    link: dict[str, Any] = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    assert ask(guarded(), method="GET", path="/", sec_fetch_dest="document", **link)[0] == 200
    # a form of another website that is sent here is no link
    assert ask(guarded(), method="POST", path="/", sec_fetch_dest="document", **link)[0] == 403


@pytest.mark.parametrize(
    "host", ["evil.example:7860", "192.168.0.7:7860", "", "localhost.evil.example"]
)
def test_only_own_names_are_answered(host: str) -> None:
    status, _, sentence = ask(guarded(), host=host)
    assert status == 403 and "name" in sentence


def test_names_can_be_added() -> None:
    hosts = Hosts()
    hosts.add("https://abc.gradio.live", "box.local")
    guard = guarded(hosts=hosts)
    for host in ("abc.gradio.live", "ABC.gradio.live:443", "box.local:7860"):
        assert ask(guard, host=host)[0] == 200
    assert ask(guard, host="abc.gradio.live", origin="https://abc.gradio.live")[0] == 200
    assert ask(guard, host="abc.gradio.live", origin="https://box.local:7860")[0] == 403


def test_every_address_in_numbers_where_others_are_let_in() -> None:
    guard = guarded(hosts=Hosts(any_address=True))
    assert ask(guard, host="192.168.0.7:7860")[0] == 200
    assert ask(guard, host="[fe80::1]:7860")[0] == 200
    assert ask(guard, host="evil.example:7860")[0] == 403


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    page = Page()
    status, headers, _ = ask(guarded(page), content_length=str(MAX_BODY_BYTES + 1))
    assert status == 413 and headers["connection"] == "close"
    assert page.asked == 0
    assert ask(guarded(), content_length=str(MAX_BODY_BYTES))[0] == 200
    assert ask(guarded(), content_length="9" * 30)[0] == 400
    assert ask(guarded(), content_length="-1")[0] == 400


def test_a_body_that_does_not_say_so_is_cut_off() -> None:
    piece = b"x" * 1_000_000
    assert ask(guarded(), body=[piece] * 4)[0] == 200
    assert ask(guarded(), body=[piece] * 4 + [b"x"])[0] == 413


def test_uploads_may_be_larger() -> None:
    upload = "/gradio_api/upload"
    assert ask(guarded(), path=upload, content_length=str(MAX_UPLOAD_BYTES))[0] == 200
    assert ask(guarded(), path=upload, content_length=str(MAX_UPLOAD_BYTES + 1))[0] == 413


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    status, _, sentence = ask(guarded(max_pause_s=0.05), body=[b"x", b"y"], pause=0.5)
    assert status == 408 and "in time" in sentence
    assert ask(guarded(max_pause_s=0.5), body=[b"x", b"y"], pause=0.01)[0] == 200


def test_answers_tell_the_browser_what_it_may_do() -> None:
    _, headers, _ = ask(guarded(framed_by=["https://huggingface.co"]))
    assert headers["x-content-type-options"] == "nosniff"
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "object-src 'none'" in policy
    assert policy.endswith("frame-ancestors 'self' https://huggingface.co")


def test_wrong_passwords_wait_longer_and_longer() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    guard = guarded(Page(status=400), guesses=Guesses(sleep=sleep))
    for _ in range(9):
        assert ask(guard, path="/login")[0] == 400
    assert waits == [1, 2, 4, 8]


def test_guesses_at_once_are_refused() -> None:
    async def attempt() -> list[int]:
        statuses: list[int] = []
        guesses = Guesses(sleep=lambda seconds: asyncio.sleep(0.05))
        scope: Scope = {"client": ("10.0.0.9", 1)}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def receive() -> Message:
            return {"type": "http.request", "body": b""}

        for _ in range(5):
            await guesses.take(Page(status=400), scope, receive, send)
        tries = [guesses.take(Page(status=400), scope, receive, send) for _ in range(4)]
        ends = await asyncio.gather(*tries, return_exceptions=True)
        statuses += [getattr(end, "status", 0) for end in ends if end is not None]
        return statuses[5:]

    assert sorted(in_own_loop(attempt)) == [400, 429, 429, 429]


def test_a_right_password_is_not_held_against_anybody() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    page = Page(status=400)
    guard = guarded(page, guesses=Guesses(sleep=sleep))
    for _ in range(4):
        ask(guard, path="/login")
    page.status = 200
    assert ask(guard, path="/login")[0] == 200
    page.status = 400
    for _ in range(5):
        assert ask(guard, path="/login")[0] == 400
    assert waits == []


def test_uploads_are_counted() -> None:
    asked: list[tuple[str, int]] = []

    class Quota(UploadQuota):
        def refuse(self, address: str, size: int) -> str:
            asked.append((address, size))
            return "Enough." if size > 100 else ""

    guard = guarded(quota=Quota(lambda: True))
    upload = "/gradio_api/upload"
    assert ask(guard, path=upload, content_length="100")[0] == 200
    assert ask(guard, path=upload, content_length="101")[::2] == (429, "Enough.")
    assert ask(guard, path=upload)[0] == 429  # it may be as long as it likes
    ask(guard, content_length="500")
    assert asked == [("10.0.0.9", 100), ("10.0.0.9", 101), ("10.0.0.9", MAX_UPLOAD_BYTES)]


def test_scripts_are_asked_for_again_after_an_update() -> None:
    for path, fresh in (("live.js", True), ("stage.css", True), ("photo.jpg", False)):
        _, headers, _ = ask(guarded(), method="GET", path=f"/gradio_api/file=/x/{path}")
        assert ("cache-control" in headers) == fresh
