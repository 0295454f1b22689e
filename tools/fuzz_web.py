"""Targets of `tools.fuzz`: requests to the server around the page, and addresses."""

import asyncio
import base64
import contextlib
import os
import random
import socket
import threading
from pathlib import Path
from typing import Any

from depthmask.errors import DepthmaskError
from tools.fuzz_cases import NAMES, Case, FakePredictor, as_json, changed, mutated, sound_pictures

_PATHS = (
    *("/api/predict", "/api/predict/", "//api/predict", "/x/api/predict", "/queue/join", "/"),
    *("/gradio_api/call/predict", "/gradio_api/call/v2/predict", "/upload", "/login", "/site"),
    *("/site/", "/site/index.html", "/site/../secret.txt", "/site//etc/passwd", "/site/link"),
    *("/site/\0", "/site/" + "a" * 300, "/site/%2e%2e/secret.txt", "/site/..\\secret.txt"),
    *("/site/\udcff", "/gradio_api/file=http://127.0.0.1/", "/gradio_api/proxy=\0"),
)
_HOSTS = (
    *(b"localhost", b"127.0.0.1", b"[::1]:1", b"evil.example", b"", b"\xff", b":", b"["),
    *(b"localhost:7860:1", b"localhost:7860@evil.example"),
)
_HEADERS = (
    *((b"origin", host) for host in (b"null", b"", b"http://[", b"\xff", b"http://evil.example")),
    *((b"x-forwarded-host", host) for host in (b'"><i>', b"[", b"a]b", b"\xff")),
    *((b"sec-fetch-site", b"cross-site"), (b"authorization", b"Basic \xff"), (b"cookie", b"\xff=")),
    *((b"range", b"bytes=0-"), (b"origin", b"http://localhost:7860")),
)
_LENGTHS = (b"-1", b"", b"9" * 30, b"1e5", b"\xb2", b"0", b"5", b"99999999")
_BODY = b"\xff\xd8\xff" + b"0" * 500
_ANSWERS = (  # of a web server, before the body
    *(b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 999 \xff\r\n\r\n"),
    *(
        b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n"
        for header in (
            *(b"Content-Length: 503", b"Content-Length: 999999999999", b"Content-Length: -5"),
            *(b"Content-Type: text/html", b"Content-Encoding: gzip", b"X: " + b"y" * 100_000),
            *(b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF", b"X: y\r\n" * 300),
        )
    ),
    *(
        b"HTTP/1.1 302 Found\r\nLocation: " + place + b"\r\n\r\n"
        for place in (b"file:///etc/passwd", b"/again", b"http://[", b"\xff\xfe", b"")
    ),
    *(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\n\r\n", b"HTTP/1.1 304 N\r\n\r\n"),
    *(b"HTTP/1.1 204 N\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
)
_PRIVATE = (
    *("127.0.0.1", "localhost", "0.0.0.0", "0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1]"),
    *("[fc00::1]", "[::1%25lo]", "169.254.169.254", "10.0.0.1", "192.168.0.1", "100.64.0.1"),
    *("user@127.0.0.1", "127.0.0.1#@example.com", "127.0.0.1%2f", "224.0.0.1", "255.255.255.255"),
)
_SCHEMES = ("http", "https", "HTTP", " http", "file", "ftp", "gopher", "data", "http:http")
_FILES = ("a.png", "", "../..", "%2e%2e%2f", "%00", "a" * 1990, "é", "a b", "x\r\nHost: y")


def requests(folder: Path) -> Case:
    """Requests: hosts, lengths, bodies, paths, and files in JSON and in forms."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    app, found = _server(folder), sound_pictures()

    def run(rng: random.Random) -> None:
        kind, body = _body(rng, found)
        length = str(len(body)).encode() if rng.random() < 0.8 else rng.choice(_LENGTHS)
        host = b"localhost:7860" if rng.random() < 0.8 else rng.choice(_HOSTS)
        headers = [(b"host", host), (b"content-type", kind), (b"content-length", length)]
        headers += rng.sample(_HEADERS, rng.choice((0, 0, 0, 1, 2)))
        path = rng.choice(_PATHS)
        cut = rng.randrange(len(body) + 1)
        scope = {
            "method": rng.choice(("POST", "POST", "POST", "GET", "HEAD", "PUT", "OPTIONS")),
            **{"type": "http", "path": path, "query_string": b"", "headers": headers},
            **{"raw_path": os.fsencode(path), "client": ("127.0.0.1", 5), "root_path": ""},
            **{"server": ("localhost", 7860), "scheme": "http", "http_version": "1.1"},
        }
        pieces = rng.choice(([body], [body[:cut], body[cut:]], [body[:cut]]))
        status, answer = asyncio.run(_ask(app, scope, pieces, leaves=rng.random() < 0.1))
        told = any(word in answer for word in (b"SECRET", b"root:", b"Traceback", b'"><i>'))
        if told or status >= 500:
            raise AssertionError(f"{status} {path}: {answer[:200]!r}")

    return run


def _server(folder: Path) -> Any:
    """All that stands around the page, and a page that reads requests."""
    from depthmask.app.data_urls import DataUrls
    from depthmask.app.fair_queue import FairQueue
    from depthmask.app.guard import Guard, Hosts
    from depthmask.app.page_head import PageHead
    from depthmask.app.plain_api import PlainApi, PlainApiRoute
    from depthmask.app.share import Addresses, StaticSite

    site = folder / "site"
    site.mkdir()
    (site / "index.html").write_text("site")
    (folder / "secret.txt").write_text("SECRET")
    (site / "link").symlink_to(folder / "secret.txt")

    async def page(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            more = message["type"] == "http.request" and message.get("more_body")
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"<head></head>page"})

    api = PlainApi(FakePredictor(), FairQueue(), model="m")
    inner = PageHead(DataUrls(PlainApiRoute(page, api=api)), addresses=Addresses(site=site))
    return Guard(StaticSite(inner, folder=site), hosts=Hosts())


async def _ask(
    app: Any, scope: dict[str, Any], pieces: list[bytes], *, leaves: bool
) -> tuple[int, bytes]:
    """Status and body of the answer; 0 where there is none, since the sender has left."""
    from starlette.requests import ClientDisconnect

    waiting, sent = list(pieces), []

    async def receive() -> Any:
        if not waiting:
            return {"type": "http.disconnect"}
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting) or leaves}

    async def send(message: Any) -> None:
        sent.append(message)

    with contextlib.suppress(ClientDisconnect):
        await asyncio.wait_for(app(scope, receive, send), 40)
    status = next((message["status"] for message in sent if "status" in message), 0)
    return status, b"".join(message.get("body", b"") for message in sent)


def _body(rng: random.Random, found: dict[str, bytes]) -> tuple[bytes, bytes]:
    """A content type and a body."""
    kind = rng.random()
    if kind < 0.4:
        outputs = rng.choice(("mask", "mask,depth", ["cutout"], "x" * 99))
        pair = {name: _coded(rng, found) for name in ("background", "image")}
        value: dict[str, Any] = {**pair, "outputs": outputs}
        if rng.random() < 0.2:
            value["background"] = [_coded(rng, found) for _ in range(rng.choice((0, 1, 30)))]
        return b"application/json", as_json(changed(rng, value))
    if kind < 0.7:
        return _form(rng, found)
    if kind < 0.9:
        files = [{"path": _coded(rng, found)}, {"url": _coded(rng, found)}]
        return b"application/json", as_json(changed(rng, {"data": files}))
    return rng.choice((b"", b"text/plain", b"\xff")), mutated(rng, b'{"a": [1, 2, 3]}')


def _form(rng: random.Random, found: dict[str, bytes]) -> tuple[bytes, bytes]:
    mark, parts = rng.choice((b"x", b"x" * 70, b"x\r\n", b"")), b""
    fields = (b"background", b"image", b"outputs", b"\xff", b'a"b')
    for name in rng.choices(fields, k=rng.choice((0, 1, 2, 2, 2, 3, 30))):
        file = b'; filename="' + os.fsencode(rng.choice(NAMES)) + b'"' * (rng.random() < 0.8)
        head = b'\r\nContent-Disposition: form-data; name="' + name + b'"' + file
        parts += b"--" + mark + head + b"\r\n\r\n" + rng.choice([*found.values()]) + b"\r\n"
    parts += b"--" + mark + b"--\r\n"
    kind = b"multipart/form-data; boundary=" + mark
    return kind, mutated(rng, parts) if rng.random() < 0.5 else parts


def _coded(rng: random.Random, found: dict[str, bytes]) -> str:
    content = rng.choice([*found.values()])
    head = rng.choice(("", "data:image/png;base64,", "data:;base64,", "data:a/b;c=d;base64,"))
    changed_content = mutated(rng, content) if rng.random() < 0.5 else content
    return head + base64.b64encode(changed_content).decode()


def addresses(folder: Path) -> Case:
    """Addresses, and what servers answer: one in this process answers as it likes."""
    from depthmask.pictures.web import fetch

    answer = [b""]
    port = _listen(answer)

    def run(rng: random.Random) -> None:
        if rng.random() < 0.4:
            place = rng.choice(("", f":{port}", ":0", ":99999", ":x", ":22"))
            answer[0] = _ANSWERS[4] + _BODY
            url = f"{rng.choice(_SCHEMES)}://{rng.choice(_PRIVATE)}{place}/{rng.choice(_FILES)}"
            with contextlib.suppress(DepthmaskError):
                fetch(url, max_bytes=2000, limit_s=3)
                raise AssertionError(f"{url} was fetched")
            return
        content = rng.choice(_ANSWERS) + _BODY
        answer[0] = mutated(rng, content, *_ANSWERS) if rng.random() < 0.7 else content
        url = f"http://127.0.0.1:{port}/{rng.choice(('a.png', '..%2f..%2fx', '%00', 'a%ff', '.'))}"
        with contextlib.suppress(DepthmaskError):
            got = fetch(url, max_bytes=2000, limit_s=3, allow_private=True)
            if {*got.name} & {"/", "\0"} or got.name in (".", "..") or len(got.content) > 2000:
                raise AssertionError(got.name)

    return run


def _listen(answer: list[bytes]) -> int:
    """Starts a server that answers everything with `answer[0]`; returns its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def tell(line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            line.settimeout(3)
            line.recv(65536)
            line.sendall(answer[0])

    def serve() -> None:
        while True:
            threading.Thread(target=tell, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])
