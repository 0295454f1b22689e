"""A folder that fills: a picture is taken when it has stopped growing, once."""

from collections.abc import Callable, Iterator
from pathlib import Path

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
