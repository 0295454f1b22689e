"""Pictures from the web: one address in, the content of one file out, within bounds.

An address comes from a stranger, and the server that asks for it may reach machines that the
stranger cannot. So each connection, also of a redirection, goes to the public internet: the name is
resolved once, its addresses are checked, and one of these very addresses is connected to.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from depthmask.errors import PictureError, PrivateAddressError

TIME_LIMIT_S = 15.0  # for the whole transfer
STEP_LIMIT_S = 5.0  # for a connection, and between two parts of the answer
CHUNK_BYTES = 2**16
MAX_URL_CHARS = 2000
MAX_NAME_CHARS = 80
# Addresses that lead to IPv4 addresses which `ipaddress` does not look at (RFC 6052)
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
Socket = TypeVar("Socket", bound=socket.socket)
AGENT = "depthmask"
TOO_LONG = "took too long; try again, or save the picture as a file."


class WebFile(NamedTuple):
    """A file from the web."""

    name: str  # the last part of its address, without characters that file systems refuse
    content: bytes


def fetch(
    url: str,
    *,
    max_bytes: int,
    limit_s: float = TIME_LIMIT_S,
    allow_private: bool = False,
) -> WebFile:
    """Fetches a file from an http or https address; its content is not looked at.

    Args:
        url: The address.
        max_bytes: Limit of its size.
        limit_s: Seconds that the whole transfer may take.
        allow_private: Whether addresses of this computer and its own network are asked, too.

    Raises:
        PictureError: It is no such address, cannot be had, is too large, or takes too long.
    """
    parts = _parts(url)
    line = _Line(limit_s, allow_private)
    try:
        with line, _opener(line).open(_request(url.strip()), timeout=STEP_LIMIT_S) as answer:
            _check_answer(answer, parts.hostname, max_bytes)
            content = _read(answer, max_bytes)
    except PictureError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        is_private = isinstance(getattr(error, "reason", error), _NotPublicError)
        kind = PrivateAddressError if is_private else PictureError
        raise kind(f"{parts.hostname} {_what_failed(error, line)}") from error
    if line.timed_out:  # the answer ended because its connection was cut
        raise PictureError(f"{parts.hostname} {TOO_LONG}")
    return WebFile(_name(parts.path), content)


class _NotPublicError(OSError):
    """A name leads to a private address."""


class _Line:
    """Connects, and cuts all its connections when the time is up."""

    def __init__(self, limit_s: float, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(limit_s, self._cut)
        self._timer.daemon = True
        self.timed_out = False

    def __enter__(self) -> "_Line":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connects to the first of a name's addresses that answers; all must be public."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not self._allow_private and not all(_is_public(str(entry[4][0])) for entry in found):
            raise _NotPublicError(host)
        failure: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in found:
            line = socket.socket(family, kind, protocol)
            line.settimeout(timeout)
            try:
                line.connect(address)
            except OSError as error:
                line.close()
                failure = error
                continue
            return self.watch(line)
        raise failure

    def watch(self, line: Socket) -> Socket:
        """Adds a connection to those that are cut when the time is up."""
        self._sockets.append(line)
        if self.timed_out:
            self._cut()
        return line

    def _cut(self) -> None:
        self.timed_out = True
        for line in self._sockets:
            try:
                socket.socket.shutdown(line, socket.SHUT_RDWR)  # not TLS's, which is polite
            except OSError:
                continue  # it is closed already


def _opener(line: _Line) -> urllib.request.OpenerDirector:
    """Makes what follows http and https, redirections too, and nothing else: no proxy, no files."""

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = line.connect(self.host, self.port, STEP_LIMIT_S)

    class SecureConnection(http.client.HTTPSConnection):
        def connect(self) -> None:
            bare = line.connect(self.host, self.port, STEP_LIMIT_S)
            context = ssl.create_default_context()
            self.sock = line.watch(
                context.wrap_socket(bare, server_hostname=self.host, do_handshake_on_connect=False)
            )
            self.sock.do_handshake()

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(Connection, request)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(SecureConnection, request)

    opener = urllib.request.OpenerDirector()
    kinds: tuple[Callable[[], urllib.request.BaseHandler], ...] = (
        Handler,
        SecureHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
    )
    for make in kinds:
        opener.add_handler(make())
    return opener


def _parts(url: str) -> Any:
    """Splits an address.

    Raises:
        PictureError: It is none that can be fetched.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:  # of the port, or of brackets
        usable = False
    printable = text.isascii() and text.isprintable() and " " not in text
    if not usable or not printable or len(text) > MAX_URL_CHARS:
        raise PictureError(
            "This is no address of a picture; give one that begins with https:// or http://."
        )
    return parts


def _request(url: str) -> urllib.request.Request:
    # the picture as it is: no kind is preferred, and nothing is packed
    headers = {"User-Agent": AGENT, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
    return urllib.request.Request(url, headers=headers)


def _check_answer(answer: Any, host: str, max_bytes: int) -> None:
    """Refuses pages and what is announced as too large."""
    if answer.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise PictureError(
            f"{host} answers with a page, not with a picture; open the picture itself, and copy "
            "its address."
        )
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)


def _read(answer: Any, max_bytes: int) -> bytes:
    content = bytearray()
    while part := answer.read(CHUNK_BYTES):
        content += part
        if len(content) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(content)


def _too_large(max_bytes: int) -> PictureError:
    return PictureError(f"The file is larger than {max_bytes / 1e6:.0f} MB; use a smaller one.")


def _is_public(address: str) -> bool:
    """Tells whether an IP address is of the public internet, also one that wraps another."""
    ip: Any = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6:
        if ip in TRANSLATED or ip.sixtofour or ip.teredo:
            return False
        ip = ip.ipv4_mapped or ip
    return bool(ip.is_global and not ip.is_multicast)


def _what_failed(error: Exception, line: _Line) -> str:
    """Returns the end of a sentence that begins with the name of the host."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        if error.code < 400:  # a circle, or what is not http
            return "sends on to no picture; open the address in a browser, and copy the picture's."
        return f"answers {error.code} ({error.reason}); check the address in a browser."
    cause = getattr(error, "reason", error)
    if isinstance(cause, _NotPublicError):
        return "is not on the public internet; save the picture as a file, and use that."
    if line.timed_out or isinstance(cause, TimeoutError):
        return TOO_LONG
    reason = getattr(cause, "strerror", None) or cause or type(cause).__name__
    return f"cannot be reached ({reason}); check the address."


def _name(path: str) -> str:
    """Makes a file's name of the last part of an address."""
    last = unquote(path).rstrip("/").rpartition("/")[2]
    kept = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in last)
    return kept.strip(". ")[-MAX_NAME_CHARS:] or "picture"
