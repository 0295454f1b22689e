"""Serves the page: Gradio's options in one place, and sentences for what keeps it from starting."""

import errno
import os
import re
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
import httpx
from gradio.http_server import INITIAL_PORT_VALUE
from starlette.middleware import Middleware

from depthmask.app.asgi import LOOPBACK
from depthmask.app.connections import bound
from depthmask.app.data_urls import DataUrls
from depthmask.app.fair_queue import MAX_REQUESTS
from depthmask.app.guard import Guard, Hosts
from depthmask.app.local_browser import LocalBrowser
from depthmask.app.login import Login
from depthmask.app.page_head import DESCRIPTION, NAME, PageHead
from depthmask.app.plain_api import PlainApi, PlainApiRoute
from depthmask.app.share import Addresses, StaticSite
from depthmask.app.temporary import UploadQuota
from depthmask.app.theme import STYLE, theme
from depthmask.errors import LaunchError

MAX_UPLOAD_SIZE = "500mb"  # of a clip; pictures are held to less when they are read
MAX_SESSIONS = 500  # pages whose state is kept
FRAMED_BY = ("https://huggingface.co",) if "SPACE_ID" in os.environ else ()
MCP_PATH = "gradio_api/mcp/"
LOGIN_MESSAGE = f"<strong>{NAME}</strong><br>{DESCRIPTION}<br>Log in to use it."
SOMEWHERE_ELSE = ("192.0.2.1", 9)  # an address of nobody (RFC 5737): nothing is sent to it


@dataclass(frozen=True)
class Serving:
    """Where and for whom the page is served.

    Raises:
        LaunchError: A setting is out of range, two exclude each other, or a file cannot be used.
    """

    host: str = "127.0.0.1"  # to listen on; "0.0.0.0" lets other computers in
    root_path: str | None = None  # where a proxy serves the page: a path, or an address
    port: int | None = None  # without it, the first free one from 7860 on
    share: bool = False  # ask Gradio's service for a public link, too
    auth: tuple[str, str] | None = None  # user name and password that visitors have to give
    certificate: Path | None = None  # PEM files: the page is served by https
    key: Path | None = None
    mcp: bool = False  # offer /predict to language models as a tool
    site: str | None = None  # address of a static page that the user hosts, for the page to name

    def __post_init__(self) -> None:
        if self.port is not None and not 0 < self.port < 65536:
            raise LaunchError(f"Ports are numbers from 1 to 65535, not {self.port}.")
        if self.mcp and self.auth:
            raise LaunchError(
                "--mcp and --auth cannot be combined, because the list of tools would be open to "
                "everybody; leave one of them out."
            )
        if self.mcp and find_spec("mcp") is None:
            raise LaunchError("--mcp needs the MCP package; run `pip install 'depthmask[mcp]'`.")
        if self.site and not re.match(r"https?://[^/]", self.site):
            raise LaunchError(f"--site names the address of a page, https://..., not {self.site}.")
        if bool(self.certificate) != bool(self.key):
            raise LaunchError("https needs both --ssl-certfile and --ssl-keyfile.")
        for file in (self.certificate, self.key):
            if file and not file.is_file():
                raise LaunchError(
                    f"There is no file {file}; check --ssl-certfile and --ssl-keyfile."
                )
        if self.certificate and self.key:
            check_certificate(self.certificate, self.key)

    def hosts(self) -> Hosts:
        """Returns the names that requests may use for this server."""
        anywhere = self.host in ("0.0.0.0", "::")
        hosts = Hosts(any_address=anywhere)
        hosts.add(*filter(None, (self._proxy(), os.environ.get("SPACE_HOST"))))
        if anywhere:
            name = socket.gethostname().lower()
            hosts.add(name, f"{name}.local")
        else:
            hosts.add(self.host)
        return hosts

    def _proxy(self) -> str | None:
        """The address of a proxy, if `root_path` names one."""
        return self.root_path if self.root_path and "//" in self.root_path else None


def check_certificate(certificate: Path, key: Path) -> None:
    """Raises LaunchError unless https can be served with these files."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # SSLError is one
        raise LaunchError(
            f"{certificate} and {key} cannot be used for https ({error.strerror or error}); give "
            "a certificate and its key, both as PEM."
        ) from error


def launch(
    page: gr.Blocks,
    serving: Serving,
    *,
    load: Callable[[], None],
    has_room: Callable[[], bool] = lambda: True,
    api: PlainApi | None = None,
    site: Path | None = None,
) -> None:
    """Serves the page until interrupted, and prints its address.

    Args:
        page: What `build_demo` made.
        serving: Where and for whom.
        load: Called once the page is up: loads what predictions need. What it raises ends
            the serving, and is raised again.
        has_room: Whether the disk has room for more uploads.
        api: What answers /api/predict; without it, nothing does.
        site: The folder of the static page, which is served at /site/, unless visitors log in.

    Raises:
        LaunchError: The port is taken, the host is not this computer's, or this computer cannot
            reach the page it serves.
    """
    check_address(serving.host, serving.port)
    hosts = serving.hosts()
    addresses = Addresses(hosted=serving.site, site=None if serving.auth else site)
    around = [
        Middleware(Guard, hosts=hosts, framed_by=FRAMED_BY, quota=UploadQuota(has_room)),
        Middleware(PageHead, root_path=serving.root_path, addresses=addresses),
        *((Middleware(Login, root_path=serving.root_path),) if serving.auth else ()),
        Middleware(LocalBrowser, root_path=serving.root_path),
        Middleware(DataUrls),
    ]
    if addresses.site:
        below = Middleware(StaticSite, folder=addresses.site, root_path=serving.root_path)
        around.insert(1, below)
    if api is not None:
        around.append(Middleware(PlainApiRoute, api=api))
    spare_from_proxy(serving.host, *LOOPBACK)
    try:
        url, share_url = _serve(page, serving, around)
    except httpx.HTTPError as error:
        raise LaunchError(
            f"The page is served on {serving.host}, but this computer cannot reach it ({error}); "
            "look for a firewall, or choose another --host or --port."
        ) from error
    except OSError as error:  # of all ports that Gradio tried
        raise LaunchError(
            f"No port of {serving.host} could be served; close other servers, or choose a --port."
        ) from error
    if share_url:
        hosts.add(share_url)
    bound(page.server)
    print(f"depthmask is at {url} (stop it with Ctrl+C)", flush=True)
    addresses.network, addresses.public = lan_url(serving, url), share_url
    elsewhere = share_url or addresses.network
    for line in remarks(serving, url, share_url):
        print(line, flush=True)
    if elsewhere and sys.stdout.isatty():
        print(qr_code(elsewhere), flush=True)
    try:
        load()
    except BaseException:
        page.close(verbose=False)
        raise
    page.block_thread()


def check_address(host: str, port: int | None) -> None:
    """Raises LaunchError unless this computer can listen on the host, and on a given port.

    Gradio would try a hundred ports of a host that is not this computer's.
    """
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # as the server does; without it, a port that was just released would look taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if port and error.errno == errno.EADDRINUSE:
            raise LaunchError(
                f"Another program has port {port} of {host}; choose another --port, or leave it "
                "out for the first free one."
            ) from error
        where = f"{host}:{port}" if port else host
        raise LaunchError(
            f"Cannot listen on {where} ({error.strerror or error}); choose another --port "
            "or --host."
        ) from error


def spare_from_proxy(*hosts: str) -> None:
    """Adds hosts to NO_PROXY: Gradio asks its own page whether it is up, and must reach it."""
    for name in ("NO_PROXY", "no_proxy"):
        known = [entry for entry in os.environ.get(name, "").split(",") if entry]
        os.environ[name] = ",".join([*known, *(host for host in hosts if host not in known)])


def lan_url(serving: Serving, url: str) -> str | None:
    """Returns the address for other computers of the network; None if it is not served there.

    Args:
        serving: Where the page is served.
        url: Its address on this computer.
    """
    if serving.host in LOOPBACK:
        return None
    parts = urlsplit(url)
    host = serving.host
    if serving.host in ("0.0.0.0", "::"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(SOMEWHERE_ELSE)
            except OSError:  # there is no network
                return None
            host = probe.getsockname()[0]
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}/"


def qr_code(url: str) -> str:
    """Draws an address as a QR code for a terminal; "" where it cannot show one."""
    import segno

    drawn = StringIO()
    segno.make(url).terminal(drawn, compact=True)
    try:
        drawn.getvalue().encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    return drawn.getvalue()


def remarks(serving: Serving, url: str, share_url: str | None) -> list[str]:
    """Returns further lines about who can reach the page, and how."""
    lines = []
    if serving.port is None and urlsplit(url).port not in (INITIAL_PORT_VALUE, None):
        lines.append(f"Another program has port {INITIAL_PORT_VALUE}, so it is the next free one.")
    lan = lan_url(serving, url)
    if lan:
        lines.append(f"Other computers of your network find it at {lan}")
    if serving.share:
        lines.append(
            f"Anyone with this link can use it for a week: {share_url}"
            if share_url
            else "No public link could be made (is there a network?); the address above works."
        )
    if serving.mcp:
        lines.append(f"Its tool for language models (MCP) is at {url}{MCP_PATH}")
    if (serving.host not in LOOPBACK or share_url) and not serving.auth:
        lines.append(
            "Everybody who can reach this address can use it; --auth USER:PASSWORD asks for a "
            "password."
        )
    return lines


def _serve(page: gr.Blocks, serving: Serving, around: list[Middleware]) -> tuple[str, str | None]:
    """Returns the local address and, where one was asked for and made, the public link."""
    https = serving.certificate is not None
    # Gradio prints many lines, even with quiet=True. `launch` prints what matters.
    with redirect_stdout(StringIO()):
        _, url, share_url = page.launch(
            server_name=serving.host,
            server_port=serving.port,  # without one, Gradio takes the first free one from 7860 on
            share=serving.share,
            auth=serving.auth,
            auth_message=LOGIN_MESSAGE,
            ssl_certfile=str(serving.certificate) if https else None,
            ssl_keyfile=str(serving.key) if https else None,
            ssl_verify=not https,  # of the request by which Gradio checks that the page is up
            theme=theme(),
            css_paths=STYLE,
            quiet=True,
            prevent_thread_lock=True,
            show_error=False,  # but those that are meant for visitors; others may name paths
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            max_file_size=MAX_UPLOAD_SIZE,
            ssr_mode=False,
            # Gradio has asked its page for a start already, and waited. It would ask once more, and
            # give up after three seconds, which a busy computer may need.
            _frontend=False,
            pwa=False,
            mcp_server=serving.mcp,
            state_session_capacity=MAX_SESSIONS,
            max_threads=MAX_REQUESTS,  # those that wait for their turn count
            root_path=serving.root_path,
            app_kwargs={"middleware": around},
        )
    return url, share_url
