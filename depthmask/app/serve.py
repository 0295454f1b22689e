"""Serving the page: Gradio's options, set once, and plain words where it cannot be served."""

import os
import socket
import ssl
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import gradio as gr
import httpx

from depthmask.app.theme import STYLE, theme
from depthmask.errors import LaunchError

FIRST_PORT = 7860
PORTS_TRIED = 100
PORTS = range(1, 65536)
# This only guards the disk: what is larger than analysis.MAX_BYTES is refused in words.
MAX_UPLOAD = "64mb"
LOCAL = ("127.0.0.1", "localhost", "::1")
MCP_PATH = "gradio_api/mcp/"


@dataclass(frozen=True)
class Serving:
    """Where and for whom the page is served.

    Raises:
        LaunchError: Two settings do not go together, or a file is missing or of no use.
    """

    host: str = "127.0.0.1"  # to listen on; "0.0.0.0" lets other computers in
    port: int | None = None  # without it, the first free one from 7860 on
    share: bool = False  # ask Gradio's service for a public link, too
    auth: tuple[str, str] | None = None  # user name and password that visitors have to give
    certificate: Path | None = None  # PEM files: the page is served by https
    key: Path | None = None
    mcp: bool = False  # offer /predict to language models as a tool

    def __post_init__(self) -> None:
        if self.mcp and self.auth:
            raise LaunchError(
                "--mcp and --auth do not go together: the list of tools would be open to all; "
                "leave one of them out."
            )
        if self.mcp and find_spec("mcp") is None:
            raise LaunchError("--mcp needs the MCP package; run `pip install 'depthmask[mcp]'`.")
        if bool(self.certificate) != bool(self.key):
            raise LaunchError("https needs both, --ssl-certfile and --ssl-keyfile.")
        for file in (self.certificate, self.key):
            if file and not file.is_file():
                raise LaunchError(f"There is no file {file}; check --ssl-certfile, --ssl-keyfile.")
        if self.certificate and self.key:
            check_certificate(self.certificate, self.key)


def check_certificate(certificate: Path, key: Path) -> None:
    """Raises LaunchError unless https can be served with these files."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except OSError as error:  # SSLError is one
        raise LaunchError(
            f"{certificate} and {key} cannot be used for https ({error.strerror or error}); give "
            "a certificate and its key, both as PEM."
        ) from error


def launch(demo: gr.Blocks, serving: Serving, *, load: Callable[[], None]) -> None:
    """Serves the page until interrupted, and prints where it is.

    Args:
        demo: What `build_demo` made.
        serving: Where and for whom.
        load: Called once the page is up: loads what predictions need. What it raises ends
            the serving, and is raised again.

    Raises:
        LaunchError: The port is taken, the host is not this computer's, or the page that is served
            there does not answer.
    """
    port = (
        free_port(serving.host) if serving.port is None else check_port(serving.host, serving.port)
    )
    spare_from_proxy(serving.host, *LOCAL)
    try:
        url, share_url = _serve(demo, serving, port)
    except httpx.HTTPError as error:
        raise LaunchError(
            f"The page is served on {serving.host}:{port}, but this computer cannot reach it "
            f"({error}); look for a firewall, or choose another with --host or --port."
        ) from error
    print(f"depthmask is at {url} (stop it with Ctrl+C)", flush=True)
    for line in remarks(serving, url, share_url):
        print(line, flush=True)
    try:
        load()
    except BaseException:
        demo.close(verbose=False)
        raise
    demo.block_thread()


def spare_from_proxy(*hosts: str) -> None:
    """Adds hosts to NO_PROXY: Gradio asks its own page whether it is up, and no proxy can tell."""
    for name in ("NO_PROXY", "no_proxy"):
        known = [entry for entry in os.environ.get(name, "").split(",") if entry]
        os.environ[name] = ",".join([*known, *(host for host in hosts if host not in known)])


def remarks(serving: Serving, url: str, share_url: str | None) -> list[str]:
    """What else there is to say about where the page is, a line each."""
    lines = []
    if serving.share:
        lines.append(share_line(share_url))
    if serving.mcp:
        lines.append(f"Its tool for language models (MCP) is at {url}{MCP_PATH}")
    if (serving.host not in LOCAL or share_url) and not serving.auth:
        lines.append(
            "Everybody who can reach this address can use it; --auth USER:PASSWORD asks for a "
            "password."
        )
    return lines


def share_line(share_url: str | None) -> str:
    if share_url:
        return f"Anyone with this link can use it for a week: {share_url}"
    return "No public link could be made (is there a network?); the address above works."


def _serve(demo: gr.Blocks, serving: Serving, port: int) -> tuple[str, str | None]:
    """Returns the local address and, where one was asked for and made, the public link."""
    https = serving.certificate is not None
    # Gradio's own lines, "quiet" or not, are many; those printed instead say as much.
    with redirect_stdout(StringIO()):
        _, url, share_url = demo.launch(
            server_name=serving.host,
            server_port=port,
            share=serving.share,
            auth=serving.auth,
            ssl_certfile=str(serving.certificate) if https else None,
            ssl_keyfile=str(serving.key) if https else None,
            ssl_verify=not https,  # Gradio asks itself whether it is up: one's own is enough
            theme=theme(),
            css_paths=STYLE,
            quiet=True,
            prevent_thread_lock=True,
            show_error=True,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            max_file_size=MAX_UPLOAD,
            ssr_mode=False,
            pwa=False,
            mcp_server=serving.mcp,
        )
    return url, share_url


def free_port(host: str) -> int:
    """Finds the first port from 7860 on that nobody listens on."""
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if not port_error(host, port):
            return port
    return check_port(host, FIRST_PORT)


def check_port(host: str, port: int) -> int:
    """Returns the port if it can be listened on."""
    error = port_error(host, port)
    if error:
        raise LaunchError(
            f"Cannot listen on {host}:{port} ({error}); choose another with --port or --host."
        )
    return port


def port_error(host: str, port: int) -> str:
    """Why one cannot listen there, in the system's words; empty when one can."""
    if port not in PORTS:
        return f"ports are numbers from {PORTS[0]} to {PORTS[-1]}"
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # as the server itself does; without it, a port just left would look taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return ""
