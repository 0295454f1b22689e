"""The queue of visitors: order, replacement, and what those who wait are told."""

import asyncio
from collections.abc import Coroutine

import pytest

from depthmask.app import fair_queue
from depthmask.app.fair_queue import FairQueue, Place, Wait
from tests.app.pages import in_own_loop


async def turn(queue: FairQueue, place: Place) -> list[Wait]:
    """Waits for a turn; returns what was told meanwhile."""
    return [told async for told in queue.wait(place)]


def serve_all(queue: FairQueue, places: list[Place]) -> list[int]:
    """Serves places one after another; returns their numbers in the order of being served."""
    order: list[int] = []
    while True:
        started = [n for n, place in enumerate(places) if place.started and n not in order]
        if not started:
            return order
        order += started
        for number in started:
            queue.leave(places[number])


def test_visitors_are_served_in_the_order_of_their_arrival() -> None:
    async def check() -> None:
        queue = FairQueue(at_once=1)
        assert serve_all(queue, [queue.join(name) for name in "cab"]) == [0, 1, 2]
        assert len(queue) == 0

    in_own_loop(check)


def test_as_many_are_served_at_once_as_allowed_and_nobody_twice() -> None:
    async def check() -> None:
        queue = FairQueue(at_once=2)
        first, second, other, last = (
            queue.join("a"),
            queue.join("a", replace=False),
            queue.join("b"),
            queue.join("c"),
        )
        assert first.started and other.started
        assert not second.started and not last.started
        queue.leave(other)
        assert last.started and not second.started, "its visitor is still being served"
        queue.leave(first)
        assert second.started

    in_own_loop(check)


def test_a_newer_request_takes_the_place_of_the_older() -> None:
    async def check() -> None:
        queue = FairQueue(at_once=1)
        busy, older, other = queue.join("x"), queue.join("a"), queue.join("b")
        newer = queue.join("a")
        assert len(queue) == 3
        assert older.replaced and not newer.replaced
        assert await turn(queue, older) == [] and not older.started
        queue.leave(older)
        queue.leave(busy)
        assert newer.started and not other.started, "it stands where the older stood"

    in_own_loop(check)


def test_many_requests_of_one_visitor_do_not_hold_up_another() -> None:
    async def check() -> None:
        queue = FairQueue(at_once=1)
        places = [queue.join("many", replace=False) for _ in range(4)]
        places.append(queue.join("one"))
        assert serve_all(queue, places) == [0, 4, 1, 2, 3]

    in_own_loop(check)


def test_who_waits_is_told_place_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "TELL_S", 0.02)

    async def check() -> None:
        queue = FairQueue(at_once=1)
        done = queue.join("x")
        await asyncio.sleep(0.05)
        queue.leave(done)
        busy, _, last = queue.join("a"), queue.join("b"), queue.join("c")
        waiting = asyncio.create_task(turn(queue, last))
        await asyncio.sleep(0.1)
        queue.leave(busy)
        await asyncio.sleep(0.1)
        waiting.cancel()
        reports = queue.wait(last)
        told = await anext(reports)
        assert (told.place, told.places) == (1, 1)
        assert told.seconds is not None and 0.03 < told.seconds < 1

    in_own_loop(check)


def test_a_turn_may_come_at_the_moment_of_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        queue = FairQueue(at_once=1)
        busy, last = queue.join("a"), queue.join("b")

        async def late(waiting: Coroutine[object, object, bool], seconds: float) -> bool:
            waiting.close()
            queue.leave(busy)
            raise TimeoutError

        monkeypatch.setattr(asyncio, "wait_for", late)
        assert await turn(queue, last) == [] and last.started

    in_own_loop(check)


def test_who_leaves_while_waiting_is_not_served() -> None:
    async def check() -> None:
        queue = FairQueue(at_once=1)
        busy, gone, last = (queue.join(name) for name in "abc")
        queue.leave(gone)
        queue.leave(busy)
        assert last.started and not gone.started
        queue.leave(last)
        queue.leave(last)
        assert len(queue) == 0

    in_own_loop(check)


def test_a_request_that_arrives_after_a_newer_one_is_replaced() -> None:
    async def check() -> None:
        queue = FairQueue(at_once=1)
        served, newest = queue.join("a", number=1), queue.join("a", number=3)
        late = queue.join("a", number=2)
        assert late.replaced and not newest.replaced
        assert await turn(queue, late) == []
        assert serve_all(queue, [served, newest, late]) == [0, 1]
        queue.leave(late)
        assert len(queue) == 0

    in_own_loop(check)
