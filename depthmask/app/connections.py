"""Bounds on connections: how many at a time, and how long one may keep silent.

uvicorn closes a connection that is idle after an answer, but waits for ever for the first request
of a new one, and for the rest of a header that comes byte by byte. Where the system gives no more
files, it writes an error to the log for each attempt. `bound` puts limits in front of both. When
all connections are taken, one that has asked for nothing gives way to a new one.
"""

import asyncio

from h11 import Request
from uvicorn import Server
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 512
SPARE_FILES = 128  # of those a process may have open, for all but connections
MAX_HEADER_S = 10.0  # from the start of a connection, or of a request, to the end of its header


class BoundedProtocol(H11Protocol):
    """HTTP/1.1, with limits on connections and on the time for a header."""

    max_connections = MAX_CONNECTIONS
    max_header_s = MAX_HEADER_S
    _late: asyncio.TimerHandle | None = None
    _refused = False
    _upgraded = False
    _began = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.max_connections and not self._make_room():
            self._refused = True
            transport.abort()
            return
        self._began = self.loop.time()
        super().connection_made(transport)
        self._expect_header()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        super().data_received(data)
        if self._has_request() or self._upgraded:
            self._stop_waiting()
        elif self._late is None:  # a header has begun
            self._expect_header()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._refused:
            return
        self._stop_waiting()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Request) -> None:
        self._stop_waiting()
        super().handle_websocket_upgrade(event)
        self._upgraded = True

    def _make_room(self) -> bool:
        """Closes the oldest connection without a request; returns whether there was one."""
        idle = [
            other
            for other in self.connections
            if isinstance(other, BoundedProtocol) and not (other._has_request() or other._upgraded)
        ]
        if not idle:
            return False
        oldest = min(idle, key=lambda other: other._began)
        oldest.transport.abort()
        self.connections.discard(oldest)
        return True

    def _has_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_header(self) -> None:
        self._late = self.loop.call_later(self.max_header_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if not self._has_request():
            self.transport.abort()


def bound(server: Server) -> None:
    """Gives a server that runs the limits of this module; they hold for new connections."""
    limits = {"max_connections": max(16, min(MAX_CONNECTIONS, _files() - SPARE_FILES))}
    server.config.http_protocol_class = type("Protocol", (BoundedProtocol,), limits)


def _files() -> int:
    """How many files this process may have open; raised as far as the system lets it."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return MAX_CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
        soft = max(soft, most)
    return wanted if soft == resource.RLIM_INFINITY else soft
