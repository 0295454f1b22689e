"""Makes guessing passwords slow."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from depthmask.app.asgi import App, Message, Receive, Refused, Scope, Send

FREE_GUESSES = 5  # wrong passwords that cost no time
FORGET_GUESSES_S = 600.0  # after the last of them
MAX_GUESSERS = 10_000  # addresses that are remembered


class Guesses:
    """Slows wrong passwords down: the sixth from an address waits a second.

    Each next one waits twice as long, up to half a minute.
    """

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._wrong: dict[str, tuple[int, float]] = {}  # address -> how many, when the last came
        self._busy: set[str] = set()

    async def take(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a login on, after the wait that its address has earned."""
        address = (scope.get("client") or ("", 0))[0]
        self._forget()
        wrong = self._wrong.get(address, (0, 0.0))[0]
        if wrong < FREE_GUESSES:
            await self._try(app, scope, receive, send, address)
        elif address in self._busy:
            raise Refused(429, "Too many wrong passwords; wait a minute, and try again.")
        else:
            self._busy.add(address)
            try:
                await self._sleep(min(2.0 ** (wrong - FREE_GUESSES), 30.0))
                await self._try(app, scope, receive, send, address)
            finally:
                self._busy.discard(address)

    async def _try(
        self, app: App, scope: Scope, receive: Receive, send: Send, address: str
    ) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] in (400, 401, 403):
                    count = self._wrong.get(address, (0, 0.0))[0] + 1
                    self._wrong[address] = count, time.monotonic()
                else:
                    self._wrong.pop(address, None)
            await send(message)

        await app(scope, receive, watch)

    def _forget(self) -> None:
        oldest = time.monotonic() - FORGET_GUESSES_S
        self._wrong = {a: w for a, w in self._wrong.items() if w[1] > oldest}
        while len(self._wrong) > MAX_GUESSERS:
            self._wrong.pop(next(iter(self._wrong)))
