"""Connections are bounded in number and in the time they may keep silent."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import uvicorn

from depthmask.app.asgi import Receive, Scope, Send
from depthmask.app.connections import BoundedProtocol, bound

Connect = Callable[[], socket.socket]


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    await asyncio.sleep(1.5 if scope["path"] == "/slow" else 0)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port() -> Iterator[int]:
    """A server with room for four connections, whose headers must come within 0.3 s."""
    config = uvicorn.Config(page, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    bound(server)
    protocol = config.http_protocol_class
    assert isinstance(protocol, type) and issubclass(protocol, BoundedProtocol)
    protocol.max_connections, protocol.max_header_s = 4, 0.3
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def connect(port: int) -> Iterator[Callable[[], socket.socket]]:
    """Opens connections to the server, and closes them after the test."""
    opened: list[socket.socket] = []

    def one() -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        return opened[-1]

    yield one
    for connection in opened:
        connection.close()


def get(connection: socket.socket, path: str = "/") -> bytes:
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    answer = connection.recv(4096)
    while answer and not answer.endswith(b"ok"):  # the body may come by itself
        answer += connection.recv(4096)
    return answer


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_more_connections_than_there_is_room_for_are_refused(connect: Connect) -> None:
    held = [connect() for _ in range(4)]
    for connection in held:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n")
    time.sleep(0.1)
    refused = connect()
    with suppress(OSError):
        refused.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert is_closed(refused), "although it asks for something"
    assert all(b"200 OK" in connection.recv(4096) for connection in held)


def test_who_asks_for_nothing_gives_way(connect: Connect) -> None:
    silent, *answered = [connect() for _ in range(4)]
    assert all(b"200 OK" in get(connection) for connection in answered)
    for _ in range(6):
        assert b"200 OK" in get(connect())
    assert is_closed(silent)


def test_who_says_nothing_is_disconnected(connect: Connect) -> None:
    start = time.monotonic()
    assert is_closed(connect())
    assert 0.2 < time.monotonic() - start < 3


def test_a_header_that_comes_byte_by_byte_is_not_waited_for(connect: Connect) -> None:
    connection = connect()
    assert b"200 OK" in get(connection)
    for byte in b"GET / HTTP/1.1\r\nx: " + b"x" * 20:
        with suppress(OSError):  # once it is disconnected
            connection.sendall(bytes([byte]))
        time.sleep(0.05)
    assert is_closed(connection)


def test_an_answer_that_takes_long_is_waited_for(connect: Connect) -> None:
    assert b"200 OK" in get(connect(), "/slow")
