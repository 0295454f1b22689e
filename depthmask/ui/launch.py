"""Serving the page: Gradio's options, set once, and plain words where it cannot be served."""

import socket
from contextlib import redirect_stdout
from io import StringIO

import gradio as gr

from depthmask.ui.theme import STYLE, theme

FIRST_PORT = 7860
PORTS_TRIED = 100
PORTS = range(1, 65536)
MAX_UPLOAD = "25mb"


class LaunchError(RuntimeError):
    """The page cannot be served; the message is one sentence for the user."""


def launch(
    demo: gr.Blocks,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    share: bool = False,
    auth: tuple[str, str] | None = None,
) -> None:
    """Serves the page until interrupted, and prints where it is.

    Args:
        demo: What `build_demo` made.
        host: Address to listen on; "0.0.0.0" lets other computers in.
        port: To listen on; without it, the first free one from 7860 on.
        share: Whether to ask Gradio's service for a public link, too.
        auth: User name and password that visitors have to give.

    Raises:
        LaunchError: The port is taken, or the host is not this computer's.
    """
    port = free_port(host) if port is None else check_port(host, port)
    # Gradio's own lines, "quiet" or not, are many; those printed below say as much.
    with redirect_stdout(StringIO()):
        _, url, share_url = demo.launch(
            server_name=host,
            server_port=port,
            share=share,
            auth=auth,
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
            mcp_server=False,
        )
    print(f"depthmask is at {url} (stop it with Ctrl+C)", flush=True)
    if share:
        print(share_line(share_url), flush=True)
    demo.block_thread()


def share_line(share_url: str | None) -> str:
    if share_url:
        return f"Anyone with this link can use it for a week: {share_url}"
    return "No public link could be made (is there a network?); the address above works."


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
