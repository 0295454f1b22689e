"""What stands between the network and the page: who may ask, how much, and for how long.

`Guard` is an ASGI application around another. It looks at each request before anything parses it,
and answers by itself what must not reach the page:

403  the request comes from another website, names a host that this server does not have, or wants
     a file of another server
408  the body does not arrive in time
413  the body is too large, or has too many values
429  too many uploads or wrong passwords came from this address

It adds headers to every answer that tell browsers what the page may load and who may frame it, and
that its scripts are to be asked for again.
"""

import asyncio
import ipaddress
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from depthmask.app.asgi import LOOPBACK, App, Message, Receive, Refused, Scope, Send
from depthmask.app.guesses import Guesses
from depthmask.app.temporary import UploadQuota

MAX_BODY_BYTES = 4_000_000  # of a request, unless it is an upload
MAX_CALL_BYTES = 64_000  # of a request to the queue, which names files; Gradio may keep it for long
MAX_UPLOAD_BYTES = 505_000_000  # of a request that uploads files: a clip has 500 MB
MAX_INLINE_BYTES = 70_000_000  # of one that holds two files as base64
MAX_INLINE_REQUESTS = 20  # of these at a time: each lies on the disk until it is served
MAX_VALUES = 20_000  # of JSON, each of which takes about a hundred bytes of memory
MAX_PAUSE_S = 15.0  # between two pieces of a body
MAX_BODY_S, MAX_INLINE_S, MAX_UPLOAD_S = 60.0, 600.0, 1800.0  # for a whole body
UNKNOWN_NAME = (
    "This server does not know that name; start it with --root-path and the address of its page."
)
TOO_MANY_VALUES = f"A request may have {MAX_VALUES:,} values."
UPLOAD_PATH, LOGIN_PATH, FILE_PATH = "/upload", "/login", "/file="
PLAIN_API_PATH, GRADIO_PATH = "/api/predict", "/gradio_api/"
CALL_PATHS = ("/queue/join", "/call/")
# Gradio would fetch what follows for anybody, without an end
_ELSEWHERE = re.compile(r"/proxy=|/file[=/]https?:/", re.IGNORECASE)

# Gradio's page has inline scripts and styles, and compiles the scripts of its HTML components.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)


@dataclass
class Hosts:
    """The names under which this server may be asked.

    Args:
        names: Host names or addresses, without ports; loopback is always among them.
        any_address: Accept every address in numbers. A foreign website cannot make a browser send
            one of these for a name of its own.
    """

    names: set[str] = field(default_factory=set)
    any_address: bool = False
    _pages: set[tuple[str, str]] = field(default_factory=set)

    def add(self, *names_or_urls: str) -> None:
        """Adds hosts, by name or by the address of a page.

        A proxy may serve the page at that address and yet ask for it under the name of this server.
        """
        for text in names_or_urls:
            parts = urlsplit(text if "//" in text else f"//{text}")
            if parts.hostname:
                self.names.add(parts.hostname)
            if parts.scheme:
                self._pages.add(_split(parts.netloc))

    def know(self, netloc: str) -> bool:
        """Whether `netloc`, such as "localhost:7860", is a host of this server."""
        host = _split(netloc)[0]
        if host in LOOPBACK or host in self.names:
            return True
        return self.any_address and _is_address(host)

    def is_page(self, netloc: str) -> bool:
        """Whether a page of this server was added by an address with this host and port."""
        return _split(netloc) in self._pages


class Guard:
    """Refuses what must not reach the page.

    Args:
        app: The page.
        hosts: Who may be asked; more can be added while it runs.
        framed_by: Origins that may show the page in a frame, beside its own.
        quota: Decides whether an address may upload so many bytes.
        guesses: Slows wrong passwords down.
        max_pause_s: Longest wait for a piece of a body, in seconds.
    """

    def __init__(
        self,
        app: App,
        *,
        hosts: Hosts,
        framed_by: Iterable[str] = (),
        quota: UploadQuota | None = None,
        guesses: Guesses | None = None,
        max_pause_s: float = MAX_PAUSE_S,
    ) -> None:
        self._app, self._hosts, self._max_pause_s = app, hosts, max_pause_s
        self._quota, self._guesses = quota, guesses or Guesses()
        self._inline = 0  # requests with files inside that are served or arrive
        frames = " ".join(("'self'", *framed_by))
        self._headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),
            (b"content-security-policy", f"{CONTENT_POLICY}; frame-ancestors {frames}".encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refuse(scope, headers)
        if refusal and scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif refusal:
            await _answer(scope, send, *refusal)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    def _refuse(self, scope: Scope, headers: dict[bytes, str]) -> tuple[int, str] | None:
        """The status and the sentence with which to refuse a request at once."""
        host = headers.get(b"host", "")
        if not self._hosts.know(host):
            return 403, UNKNOWN_NAME
        if not self._is_own(headers, host, scope):
            return 403, "Another website sent this request; open the page itself."
        if _ELSEWHERE.search(scope["path"]):
            return 403, "This server passes no files of others on."
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or len(length) > 18:
            return 400, "The length of the request is no number."
        if int(length) > _limit(scope):
            return 413, f"A request may have {_limit(scope):,} bytes; upload files instead."
        if _is_upload(scope) and self._quota is not None:
            address = (scope.get("client") or ("", 0))[0]
            size = int(length) or MAX_UPLOAD_BYTES  # one that comes in pieces says no length
            complaint = self._quota.refuse(address, size)
            return (429, complaint) if complaint else None
        return None

    def _is_own(self, headers: dict[bytes, str], host: str, scope: Scope) -> bool:
        """Whether a request comes from the page, from a program, or from an address bar."""
        origin = headers.get(b"origin")
        if origin is not None:
            page = _host_of(origin)
            return _same_server(page, host) or self._hosts.is_page(page)
        site = headers.get(b"sec-fetch-site", "none")
        if site in ("none", "same-origin"):
            return True
        # a link on another website may be followed, and a page may name the picture of its preview
        return (
            scope.get("method") in ("GET", "HEAD")
            and headers.get(b"sec-fetch-mode") == "navigate"
            and headers.get(b"sec-fetch-dest") in ("document", "iframe")
        )

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                more = [*self._headers, *_freshness(scope)]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        body = _Body(receive, scope, self._max_pause_s)
        inline = _is_upload(scope) and not _is_plain_upload(scope)
        self._inline += inline
        try:
            if self._inline > MAX_INLINE_REQUESTS and inline:
                raise Refused(429, "Too many requests with files at a time; try again soon.")
            if scope["method"] == "POST" and not _is_upload(scope):
                await body.read()
            if _asks_for_password(scope):
                await self._guesses.take(self._app, scope, body.receive, send_with_headers)
            else:
                await self._app(scope, body.receive, send_with_headers)
        except Refused as refused:
            if not started:
                await _answer(scope, send_with_headers, refused.status, str(refused))
        finally:
            self._inline -= inline


class _Body:
    """Passes a body on, as long as it is neither too large nor too slow."""

    def __init__(self, receive: Receive, scope: Scope, max_pause_s: float) -> None:
        self._receive, self._limit, self._max_pause_s = receive, _limit(scope), max_pause_s
        self._bytes, self._whole = 0, False
        self._end = time.monotonic() + _max_seconds(scope)
        self._read: list[Message] = []

    async def read(self) -> None:
        """Reads all of it before it is parsed, and counts its values."""
        pieces: list[bytes] = []
        while not self._whole:
            message = await self.receive()
            if message["type"] != "http.request":  # the sender has gone
                self._read.append(message)
                return
            pieces.append(message.get("body", b""))
        body = b"".join(pieces)
        if has_too_many_values(body):
            raise Refused(413, TOO_MANY_VALUES)
        self._read.append({"type": "http.request", "body": body, "more_body": False})

    async def receive(self) -> Message:
        if self._read:
            return self._read.pop()
        if self._whole:  # what comes next is the end of the connection, whenever that is
            return await self._receive()
        wait = min(self._max_pause_s, self._end - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(wait, 0))
        except TimeoutError:
            raise Refused(408, "The request did not arrive in time; send it again.") from None
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._bytes > self._limit:
                raise Refused(413, f"A request may have {self._limit:,} bytes; upload files.")
        return message


def has_too_many_values(body: bytes) -> bool:
    """Whether JSON has more than `MAX_VALUES`, told before it is parsed."""
    return sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES


def is_call(path: str) -> bool:
    """Whether a path is that by which programs call Gradio's endpoint /predict."""
    return "/call/" in path and path.rstrip("/").endswith("/predict")


def is_plain_api(path: str) -> bool:
    """Whether a path is that of `depthmask.app.plain_api`; Gradio has one that ends alike."""
    return path.rstrip("/").endswith(PLAIN_API_PATH) and GRADIO_PATH not in path


def _limit(scope: Scope) -> int:
    if _is_upload(scope):
        return MAX_UPLOAD_BYTES if _is_plain_upload(scope) else MAX_INLINE_BYTES
    called = any(path in scope["path"] for path in CALL_PATHS)
    return MAX_CALL_BYTES if called else MAX_BODY_BYTES


def _max_seconds(scope: Scope) -> float:
    if _is_plain_upload(scope):
        return MAX_UPLOAD_S
    return MAX_INLINE_S if _is_upload(scope) else MAX_BODY_S


def _is_upload(scope: Scope) -> bool:
    """Whether a request holds files: what comes next stores them, and does not keep its body."""
    path: str = scope["path"].rstrip("/")
    if scope.get("method") != "POST":
        return False
    if _is_plain_upload(scope) or is_plain_api(path):
        return True
    return is_call(path) and _length(scope) > MAX_CALL_BYTES


def _is_plain_upload(scope: Scope) -> bool:
    path: str = scope["path"]
    return path.rstrip("/").endswith(UPLOAD_PATH)


def _length(scope: Scope) -> int:
    """How long a request says that its body is; 0 if it does not."""
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() and len(text) <= 18 else 0


def _asks_for_password(scope: Scope) -> bool:
    path: str = scope["path"]
    logs_in = scope["method"] == "POST" and path.rstrip("/").endswith(LOGIN_PATH)
    return logs_in or is_plain_api(path)


def _freshness(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Headers by which browsers ask again for the page's modules, which import each other.

    They would keep some of an earlier version beside others of this one.
    """
    path: str = scope["path"]
    is_module = FILE_PATH in path and path.endswith((".js", ".css"))
    return [(b"cache-control", b"no-cache")] if is_module else []


def _host_of(origin: str) -> str:
    """The host and port of an address; "" where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:  # of a bracket
        return ""


def _same_server(first: str, second: str) -> bool:
    """Whether two hosts with ports are one; the names of this computer stand for each other."""
    (host, port), (other, other_port) = _split(first), _split(second)
    if host in LOOPBACK and other in LOOPBACK:
        return port == other_port
    return bool(host) and (host, port) == (other, other_port)


def _split(netloc: str) -> tuple[str, str]:
    """Host, in lower case, and port; ports that stand for a scheme are left out."""
    host, _, port = netloc.lower().rpartition(":")
    if not host or "]" in port:  # no port, or the colon was one of IPv6
        host, port = netloc.lower(), ""
    return host.strip("[]"), "" if port in ("80", "443") else port


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _answer(scope: Scope, send: Send, status: int, sentence: str) -> None:
    body, kind = sentence.encode(), b"text/plain; charset=utf-8"
    if is_plain_api(scope["path"]):  # whose errors are all alike
        body, kind = json.dumps({"error": sentence}).encode(), b"application/json"
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),  # what the sender still has is not read
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
