"""A batch keeps what is done, survives what fails, and leaves nothing half-written."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.batch.jobs import Job, Scene, jobs_of_scene
from depthmask.batch.run import Backgrounds, Batch, Room, in_threads, refuse_inputs
from depthmask.errors import OptionError
from depthmask.inference.background import Background
from depthmask.inference.outputs import Wanted
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture
from tests.conftest import FakePredictor

PLAIN = Wanted()
MakeBatch = Callable[..., tuple[Batch, list[Job]]]


@pytest.fixture
def make_batch(tmp_path: Path, fake_predictor: FakePredictor) -> MakeBatch:
    """Makes a batch of a background and two images, a.png and sub/b.png."""
    images = [tmp_path / "in" / "a.png", tmp_path / "in" / "sub" / "b.png"]
    for number, path in enumerate(images):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (90 + number, 0, 0)).save(path)
    Image.new("RGB", (20, 16)).save(tmp_path / "b.png")

    def make(wanted: Wanted = PLAIN, **options: object) -> tuple[Batch, list[Job]]:
        def predict(background: Background, image: Picture) -> Prediction:
            found = fake_predictor.predict(background, image)
            assert isinstance(background, np.ndarray)
            return Prediction(found.mask, found.depth, 0, background=background)

        batch = Batch(
            tmp_path / "out",
            wanted,
            options,
            Backgrounds(lambda pictures, occupied: pictures[0]),
            predict=predict,
            describe=lambda prediction: {"pair": {"score": 0.5, "verdict": "moved"}},
        )
        batch.begin()
        scene = Scene("b.png", (tmp_path / "b.png",))
        return batch, jobs_of_scene(scene, tmp_path / "in", images)

    return make


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_each_kind_has_a_folder(make_batch: MakeBatch, tmp_path: Path) -> None:
    batch, jobs = make_batch(Wanted(depth="npy", format="webp", crop=True))
    row, other = map(batch.make, jobs)
    assert files(tmp_path / "out") == {
        *("mask/a.png", "depth/a.npy", "cutout/a.webp", "preview/a.jpg", "json/a.json"),
        *("mask/sub/b.png", "depth/sub/b.npy", "cutout/sub/b.webp"),
        *("preview/sub/b.jpg", "json/sub/b.json"),
    }
    assert (row.status, row.score, row.result) == ("made", 0.5, "cutout/a.webp")
    assert other.image.endswith("sub/b.png") and other.seconds
    record = json.loads((tmp_path / "out" / "json" / "a.json").read_text())
    assert record["mask"] == "mask/a.png" and record["crop"] == [0, 0, 20, 16]
    with Image.open(tmp_path / "out" / "preview" / "a.jpg") as preview:
        assert preview.size == (40, 16)


def test_what_a_lost_worker_has_made_is_not_made_again(
    make_batch: MakeBatch, tmp_path: Path
) -> None:
    batch, (job, other) = make_batch()
    batch.make(job)
    before = (tmp_path / "out" / "mask" / "a.png").stat().st_ino
    assert [batch.make_missing(each).status for each in (job, other)] == ["made", "made"]
    assert (tmp_path / "out" / "mask" / "a.png").stat().st_ino == before


def test_what_is_done_is_kept_until_something_changes(
    make_batch: MakeBatch, tmp_path: Path
) -> None:
    batch, (job, other) = make_batch(quality="fast")
    assert batch.kept(job) is None
    made = batch.make(job)
    kept = batch.kept(job)
    assert kept and kept.status == "kept" and kept.score == made.score
    os.utime(job.image)
    assert batch.kept(job), "the content counts, not the time"
    assert batch.kept(other) is None
    assert make_batch(quality="best")[0].kept(job) is None
    assert make_batch(Wanted(mask_only=True), quality="fast")[0].kept(job)
    assert make_batch(Wanted(unknown=True), quality="fast")[0].kept(job) is None
    (tmp_path / "out" / "depth" / "a.png").unlink()
    assert batch.kept(job) is None
    batch.make(job)
    Image.new("RGB", (20, 16), "white").save(tmp_path / "b.png")
    assert make_batch(quality="fast")[0].kept(job) is None, "another background"
    for text in ("", "[]", "{}", '{"made_of": 1}', "[" * 100_000):
        (tmp_path / "out" / "json" / "a.json").write_text(text)
        assert batch.kept(job) is None


def test_one_that_fails_is_told_and_leaves_nothing(
    make_batch: MakeBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, (job, other) = make_batch()
    job.image.write_text("no picture")
    row = batch.make(job)
    assert row.failed and "a.png is not a picture" in row.reason
    assert files(tmp_path / "out") == set()
    monkeypatch.setattr(batch, "_predict", lambda *_: 1 / 0)
    assert "a fault of depthmask: ZeroDivisionError" in batch.make(other).reason
    assert files(tmp_path / "out") == set()
    missing = Job("c", tmp_path / "c.png", other.scene)
    assert "c.png" in batch.make(missing).reason
    assert batch.make(Job("d", other.image, other.scene, "It has none.")).reason == "It has none."


def test_links_among_the_results_are_not_followed(make_batch: MakeBatch, tmp_path: Path) -> None:
    batch, (job, _) = make_batch()
    (tmp_path / "else").mkdir()
    (tmp_path / "out" / "depth").symlink_to(tmp_path / "else")
    assert "is a link" in batch.make(job).reason and files(tmp_path / "else") == set()


@pytest.mark.parametrize("call", [1, 3, 5])
def test_a_kill_is_made_good_by_the_next_run(
    make_batch: MakeBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    old, (job, _) = make_batch(quality="fast")
    old.make(job)
    new, _ = make_batch(quality="best")

    replace, calls = os.replace, iter(range(1, 100))

    def die(source: Path, target: Path) -> None:
        if next(calls) >= call:
            raise SystemExit
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", die)
        with pytest.raises(SystemExit):
            new.make(job)
    assert old.kept(job) is None and new.kept(job) is None
    new.make(job)
    assert new.kept(job) and not [name for name in files(tmp_path / "out") if ".tmp" in name]


def test_results_of_others_are_left_alone(make_batch: MakeBatch, tmp_path: Path) -> None:
    (tmp_path / "out" / "mask").mkdir(parents=True)
    with pytest.raises(OptionError, match="mask is there already and was not made by this command"):
        make_batch()


def test_no_input_is_written_over(make_batch: MakeBatch, tmp_path: Path) -> None:
    batch, (job, _) = make_batch()
    inside = Job("a", job.image, Scene("b", (tmp_path / "out" / "mask" / "a.png",)))
    refuse_inputs(batch, [job], [])
    with pytest.raises(OptionError, match="is an input and would be overwritten"):
        refuse_inputs(batch, [inside], [])
    with pytest.raises(OptionError, match="is an input and would be overwritten"):
        refuse_inputs(batch, [job], [tmp_path / "out" / "cutout" / "a.png"])


def test_room_bounds_what_is_worked_on() -> None:
    room, most, now = Room(10), 0, 0
    lock = threading.Lock()

    def work(amount: int) -> None:
        nonlocal most, now
        with room.taken(amount):
            with lock:
                now += min(amount, 10)
                most = max(most, now)
            time.sleep(0.001)
            with lock:
                now -= min(amount, 10)

    list(in_threads(work, [4, 4, 4, 25, 4, 4, 4], 4))
    assert 0 < most <= 10 and now == 0


def test_what_was_begun_before_an_interrupt_is_told() -> None:
    release = threading.Event()

    def items() -> Iterator[int]:
        yield from (1, 2)
        release.set()
        raise KeyboardInterrupt

    def work(item: int) -> int:
        release.wait(10)
        return item

    found: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(in_threads(work, items(), 3))
    assert sorted(found) == [1, 2]
