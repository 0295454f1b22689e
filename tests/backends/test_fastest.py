"""The fastest backend is measured once on a machine; what was remembered may be damaged."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from depthmask.backends import Backend, fastest, user_cache
from depthmask.backends.fastest import make_fastest, measure
from depthmask.backends.user_cache import MAX_FILES, cache_folder, recall, remember
from depthmask.pictures import Map, Picture
from tests.conftest import FakeBackend


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(user_cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Times that are always the same; gives the names of what was measured, run by run."""
    runs: list[list[str]] = []

    def fake(backends: Mapping[str, Backend]) -> dict[str, float]:
        runs.append(list(backends))
        return {name: float(len(name)) for name in backends}

    monkeypatch.setattr(fastest, "measure", fake)
    return runs


class Makers(dict[str, Callable[[], Backend]]):
    """Makes fake backends, and lists the names of those that were made."""

    def __init__(self, *names: str) -> None:
        super().__init__({name: partial(self.make, name) for name in names})
        self.made: list[str] = []

    def make(self, name: str) -> Backend:
        self.made.append(name)
        backend = FakeBackend()
        backend.name = name
        return backend


def test_the_fastest_is_measured_once_and_then_made_alone(measured: list[list[str]]) -> None:
    makers = Makers("slow", "int")
    assert make_fastest("key", makers).name == "int"
    assert make_fastest("key", makers).name == "int"
    assert makers.made == ["slow", "int", "int"] and len(measured) == 1


@pytest.mark.parametrize("key", [("other CPU",), ("key", "other graph")])
def test_another_machine_or_graph_is_measured_anew(
    measured: list[list[str]], key: tuple[str, ...]
) -> None:
    make_fastest(("key",), Makers("slow", "int"))
    make_fastest(key, Makers("slow", "int"))
    make_fastest(key, Makers("slow", "other"))
    assert measured == [["slow", "int"], ["slow", "int"], ["slow", "other"]]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"seconds": {"int": "x"}}', '{"seconds": {"int": NaN}}', "\0" * 99]
)
def test_a_damaged_file_is_measured_anew(
    folder: Path, measured: list[list[str]], content: str
) -> None:
    make_fastest("key", Makers("slow", "int"))
    (file,) = folder.iterdir()
    good = file.read_text()
    file.write_text(content)
    assert make_fastest("key", Makers("slow", "int")).name == "int"
    assert len(measured) == 2 and file.read_text() == good
    assert json.loads(good) == {"seconds": {"slow": 4.0, "int": 3.0}}


def test_one_backend_is_not_measured(folder: Path, measured: list[list[str]]) -> None:
    assert make_fastest("key", Makers("only")).name == "only"
    assert measured == [] and not folder.exists()


def test_a_folder_that_cannot_be_written_does_not_matter(
    folder: Path, measured: list[list[str]]
) -> None:
    folder.write_text("a file in its place")
    for _ in range(2):
        assert make_fastest("key", Makers("slow", "int")).name == "int"
    assert len(measured) == 2


def test_times_are_the_shortest_of_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    now = 0.0

    class Timed(FakeBackend):
        def __init__(self, name: str, *takes: float) -> None:
            self.name, self.takes = name, iter(takes)

        def run(self, background: Picture, image: Picture) -> dict[str, Map]:
            nonlocal now
            order.append(self.name)
            now += next(self.takes)
            return {}

    monkeypatch.setattr("time.perf_counter", lambda: now)
    monkeypatch.setattr(fastest, "TIME_LIMIT_S", 20.0)
    # the first run of each is not timed, and after the third round the time is over
    found = measure({"a": Timed("a", 1, 5, 3, 8), "b": Timed("b", 1, 4, 6, 5)})
    assert found == {"a": 3, "b": 4} and order == ["a", "b"] * 4


def test_the_oldest_files_make_room(folder: Path) -> None:
    remember("other-0.json", b"")
    (folder / "notes.blob").write_text("not of this program")
    for number in range(MAX_FILES + 2):
        remember(f"openvino-{number}.blob", bytes([number]))
        (folder / f"openvino-{number}.blob").touch()
    assert recall("openvino-0.blob") is None and recall(f"openvino-{MAX_FILES}.blob") is not None
    assert len(list(folder.glob("openvino-*"))) == MAX_FILES
    assert (folder / "notes.blob").exists() and recall("other-0.json") == b""


def test_a_new_file_stays_even_if_the_clock_was_set_back(folder: Path) -> None:
    for number in range(MAX_FILES):
        remember(f"openvino-{number}.blob", b"")
        tomorrow = time.time() + 86400 + number
        os.utime(folder / f"openvino-{number}.blob", (tomorrow, tomorrow))
    remember("openvino-new.blob", b"new")
    assert recall("openvino-new.blob") == b"new" and recall("openvino-0.blob") is None
    assert len(list(folder.glob("openvino-*"))) == MAX_FILES


def test_many_may_write_at_once() -> None:
    contents = [np.random.default_rng(seed).bytes(200_000) for seed in range(4)]

    def write(content: bytes) -> None:
        for _ in range(10):
            remember("fastest-a.json", content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert recall("fastest-a.json") in (None, *contents)
    assert recall("fastest-a.json") in contents
    assert len(list(cache_folder().iterdir())) == 1


@pytest.mark.parametrize(
    ("system", "place"),
    [
        ("linux", "cache-home/depthmask"),
        ("win32", "local/depthmask"),
        ("darwin", "Library/Caches/depthmask"),
    ],
)
def test_the_folder_is_where_the_system_has_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, place: str
) -> None:
    monkeypatch.delenv(user_cache.VARIABLE)
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / place
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert system != "linux" or cache_folder() == tmp_path / ".cache/depthmask"


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv(user_cache.VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    remember("fastest-a.json", b"")
    assert recall("fastest-a.json") is None
