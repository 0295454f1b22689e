"""Pictures from the web; the web is a server on this computer."""

import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from depthmask.errors import PictureError
from depthmask.pictures import web
from depthmask.pictures.web import fetch

PICTURE = bytes(range(256)) * 300


class Site(BaseHTTPRequestHandler):
    """A site with a picture, and with what goes wrong on others."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        getattr(self, self.path.strip("/").split("/")[0].split("?")[0].replace("-", "_"))()

    def log_message(self, *_: object) -> None:
        return

    def answer(self, content: bytes, kind: str = "image/png", *, length: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def picture(self) -> None:
        self.answer(PICTURE)

    def without_length(self) -> None:
        self.answer(PICTURE, length=False)

    def page(self) -> None:
        self.answer(b"<html>", "text/html; charset=utf-8")

    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/picture/moved.png")
        self.end_headers()

    def elsewhere(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path.partition("?")[2])
        self.end_headers()

    def circle(self) -> None:
        self.send_response(302)
        self.send_header("Location", "/circle")
        self.end_headers()

    def missing(self) -> None:
        self.send_error(404)

    def slow(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            try:
                self.wfile.write(b"x")
                self.wfile.flush()
            except OSError:
                self.asked.append("cut")
                return
            time.sleep(0.05)


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[str]:
    """Serves the site, by https with a certificate that contains its key."""
    Site.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        scheme = "https" if certificate else "http"
        try:
            yield f"{scheme}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path / "certificate.pem"
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=here -addext"
    command = ["openssl", *options.split(), "subjectAltName=IP:127.0.0.1"]
    written = ["-keyout", str(path), "-out", str(tmp_path / "public.pem")]
    subprocess.run([*command, *written], check=True, capture_output=True, timeout=60)
    path.write_text(path.read_text() + (tmp_path / "public.pem").read_text())
    return path


def fetch_here(url: str, *, max_bytes: int = 10**6, limit_s: float = 20) -> web.WebFile:
    return fetch(url, max_bytes=max_bytes, limit_s=limit_s, allow_private=True)


@pytest.mark.parametrize("path", ["/picture/a%20cat.png?size=3", "/without-length/a cat.png"])
def test_a_picture_is_fetched_under_its_own_name(site: str, path: str) -> None:
    found = fetch_here(site + path.replace("a cat", "a%20cat"))
    assert found == ("a cat.png", PICTURE)


def test_a_redirection_is_followed(site: str) -> None:
    assert fetch_here(f"{site}/moved").content == PICTURE
    assert Site.asked == ["/moved", "/picture/moved.png"]


def test_no_address_of_this_computer_is_asked(site: str) -> None:
    with pytest.raises(PictureError, match="not on the public internet"):
        fetch(f"{site}/picture", max_bytes=10**6)
    with pytest.raises(PictureError, match="not on the public internet"):
        fetch(site.replace("127.0.0.1", "localhost") + "/picture", max_bytes=10**6)
    assert Site.asked == []


def test_a_redirection_does_not_lead_inside(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    port = int(site.rpartition(":")[2])

    def resolve(host: str, *args: object, **options: object) -> object:
        named = {"outside.example": "1", "both.example": "12"}
        hosts = [f"127.0.0.{last}" for last in named.get(host, "")] or [host]
        return [each for one in hosts for each in real(one, *args, **options)]  # type: ignore[arg-type]

    # 127.0.0.1 stands for a public address, 127.0.0.2 for one that is not
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(web, "_is_public", lambda address: address == "127.0.0.1")
    outside = f"http://outside.example:{port}"
    assert fetch(f"{outside}/picture", max_bytes=10**6).content == PICTURE
    with pytest.raises(PictureError, match="not on the public internet"):
        fetch(f"http://both.example:{port}/picture", max_bytes=10**6)
    with pytest.raises(PictureError, match="not on the public internet"):
        fetch(f"{outside}/elsewhere?http://127.0.0.2:{port}/picture", max_bytes=10**6)
    assert Site.asked[-1].startswith("/elsewhere")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.1.2.3", False),
        ("::ffff:224.0.0.1", False),
        ("64:ff9b::a01:203", False),
        ("2002:a01:203::1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert ipaddress.ip_address(address.partition("%")[0])
    assert web._is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "",
        "photo.png",
        "ftp://host/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "http://",
        "http://host:99999/a.png",
        "http://[::1/a.png",
        "http://host/a.png\r\nX: y",
        "http://host/a b.png",
        "http://host/" + "a" * 2000,
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(PictureError, match="no address of a picture"):
        fetch_here(url)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/page", "answers with a page"),
        ("/missing", r"answers 404 \(Not Found\)"),
        ("/circle", "sends on to no picture"),
        ("/elsewhere?file:///etc/passwd", "sends on to no picture"),
        ("/elsewhere?ftp://127.0.0.1/a", "cannot be reached|sends on to no picture"),
    ],
)
def test_what_goes_wrong_is_told(site: str, path: str, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        fetch_here(site + path)


@pytest.mark.parametrize("path", ["/picture", "/without-length"])
def test_large_files_are_refused(site: str, path: str) -> None:
    with pytest.raises(PictureError, match="larger than 0 MB"):
        fetch_here(site + path, max_bytes=len(PICTURE) - 1)
    assert fetch_here(site + path, max_bytes=len(PICTURE)).content == PICTURE


def was_cut() -> bool:
    """Tells whether the site's slow answer was cut while it was sent."""
    for _ in range(100):
        if Site.asked[-1] == "cut":
            return True
        time.sleep(0.02)
    return False


def test_the_whole_transfer_is_bounded(site: str) -> None:
    with pytest.raises(PictureError, match="took too long"):
        fetch_here(f"{site}/slow", limit_s=0.2)
    assert was_cut()


def test_https(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(certificate) as url:
        with pytest.raises(PictureError, match=r"cannot be reached .*certificate"):
            fetch_here(f"{url}/picture")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("public.pem")))
        assert fetch_here(f"{url}/picture").content == PICTURE
        with pytest.raises(PictureError, match="took too long"):
            fetch_here(f"{url}/slow", limit_s=0.3)
        assert was_cut()


def test_nobody_there() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(PictureError, match="cannot be reached"):
            fetch_here(f"http://127.0.0.1:{taken.getsockname()[1]}/a.png")
