"""A folder that fills: a picture is taken when it has stopped growing, once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from depthmask.batch.jobs import Job, Scene
from depthmask.batch.watch import watch


def test_files_are_taken_when_they_have_stopped_growing(tmp_path: Path) -> None:
    background = tmp_path / "empty.jpg"
    scene = Scene("empty.jpg", (background,))
    a, b = (Job(name, tmp_path / f"{name}.jpg", scene) for name in ("a", "b"))
    steps: Iterator[Callable[[], object]] = iter(
        [
            lambda: [path.write_bytes(b"1"[:size]) for size, path in ((1, a.image), (0, b.image))],
            lambda: a.image.write_bytes(b"12"),
            lambda: background.write_bytes(b"1"),  # the background comes late
            lambda: None,
            lambda: None,
            lambda: b.image.write_bytes(b"1"),
            lambda: a.image.write_bytes(b"123"),  # changes after it was taken
            lambda: None,
        ]
    )
    taken: list[tuple[int, list[str]]] = []
    count = 0

    def rest(_: float) -> None:
        nonlocal count
        count += 1
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    try:
        for jobs in watch(lambda: [a, b], rest=rest):
            taken.append((count, [job.name for job in jobs]))
    except KeyboardInterrupt:
        pass
    assert taken == [(4, ["a"]), (7, ["b"]), (8, ["a"])]


def test_what_an_image_waits_for_is_told_once(tmp_path: Path) -> None:
    early = Job("early", tmp_path / "early.jpg", Scene("", ()), "there is no such background.")
    listed = Job("listed", tmp_path / "listed.jpg", Scene("b", (tmp_path / "b.jpg",)))
    for job in (early, listed):
        job.image.write_bytes(b"1")
    told: list[str] = []

    def rest(_: float, looks: list[int] = []) -> None:  # noqa: B006
        looks.append(1)
        assert len(told) == (0 if len(looks) == 1 else 2)
        if len(looks) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(watch(lambda: [early, listed], rest=rest, tell=told.append))
    assert sorted(told) == [
        f"{early.image} waits: there is no such background.",
        f"{listed.image} waits: there is no {tmp_path / 'b.jpg'}.",
    ]
