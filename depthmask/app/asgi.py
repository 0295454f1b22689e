"""What the layers before the page share: the types of ASGI, a refusal, names and paths."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # names of this computer


class Refused(Exception):
    """A body is too large or too slow; the guard answers with the status and the sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def path_below(scope: Scope, root_path: str | None) -> str:
    """The path of a request below that of the page.

    Args:
        scope: Of the request.
        root_path: Where a proxy serves the page: a path; an address takes nothing away.
    """
    above = "" if not root_path or "//" in root_path else root_path.rstrip("/")
    return str(scope.get("path", "")).removeprefix(above)
