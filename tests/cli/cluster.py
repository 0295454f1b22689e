"""A cluster that is this process."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Here:
    """Stands in for a cluster: makes all in this process, until it is stopped."""

    retries = 0
    machines = ({"CPU": 2.0},)
    made: list[Any] = []  # noqa: RUF012
    last: int | None = None  # so many items are made

    def __init__(self, address: str, **_: object) -> None: ...
    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None: ...
    def workers(self, needs: object) -> int:
        return 1

    def run(
        self,
        work: Any,
        items: Iterable[Any],
        needs: object,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[Any, Any]]:
        make = work.open()
        for count, item in enumerate(items):
            if stop() or count == self.last:
                return
            self.made.append(item)
            yield item, make(item)
