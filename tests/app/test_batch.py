"""The batch tab without a browser: what its messages are answered, and what a batch leaves."""

import asyncio
import csv
import io
import sys
import time
import zipfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from depthmask.app.batch import clip as clips
from depthmask.app.batch import runs, server
from depthmask.app.batch.request import MAX_IMAGES
from depthmask.app.batch.runs import ARCHIVE, TABLE, duration, progress, unique_names
from depthmask.app.batch.server import BatchServer
from depthmask.app.batch.tab import LOOKS, markup
from depthmask.app.cache_files import is_cached
from depthmask.app.fair_queue import FairQueue
from depthmask.cli import demo
from depthmask.cli.main import COMMANDS, _make_parser
from depthmask.errors import StorageError
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture
from tests.app.pages import Fake, in_own_loop

TOKEN = "0" * 32
MP4 = b"\0\0\0\x18ftypmp42"

# Stands in for `depthmask video`: tells its progress, and writes what it was called with.
COMMAND = """
import signal, sys, time
out = sys.argv[sys.argv.index("-o") + 1]
def end(*_):
    open(out, "w").write("the first frames")
    print("Stopped: " + out + " holds the first 5 frames.", file=sys.stderr)
    sys.exit(130)
signal.signal(signal.SIGINT, end)
say = lambda line: print(line, file=sys.stderr, flush=True)
say("Learning the background from 24 frames of the clip…")
say("5.0% of it is never free.")
say("Hint: --background names a photo of the empty scene.")
say("5 of 20 frames, 2.5/s, 0 min 6 s left")
{middle}
open(out, "w").write("\\n".join(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, str]:
    """Paths of uploads: a background, three images, and a file that is none."""
    found = {}
    for place, name in enumerate(("background", "a", "b", "c")):
        path = tmp_path / "cache" / f"{name}.png"
        Image.fromarray(np.full((24, 32, 3), 60 + 30 * place, np.uint8)).save(path)
        found[name] = str(path)
    broken = tmp_path / "cache" / "broken.png"
    broken.write_text("no picture")
    return {**found, "broken": str(broken)}


def start(photos: dict[str, str], *images: str, **changes: Any) -> dict[str, Any]:
    listed = [{"path": photos[each], "name": f"{each}.png"} for each in images]
    asked = {"token": TOKEN, "background": [photos["background"]], "images": listed}
    return {"do": "start", **asked, **changes}


def make(predictor: Any = None, **options: Any) -> BatchServer:
    def knows(paths: Any) -> bool:
        return all(is_cached(path) for path in paths)

    options = {"queue": FairQueue(), **options}
    return BatchServer(predictor or Fake(), model="weights", knows=knows, **options)


async def until_end(batch: BatchServer) -> dict[str, Any]:
    """Looks as the page does; the answer has all items."""
    items: list[Any] = []
    version = 0
    while True:
        about = {"token": TOKEN, "since": len(items), "version": version}
        answer = await batch.answer({"do": "look", **about})
        items, version = items + answer["items"], answer["version"]
        if answer["state"] != "running":
            return {**answer, "items": items}


def run(message: dict[str, Any], predictor: Any = None, **options: Any) -> dict[str, Any]:
    async def whole() -> dict[str, Any]:
        batch = make(predictor, **options)
        begun = await batch.answer(message)
        return begun if "refused" in begun else await until_end(batch)

    return in_own_loop(whole)


def archive(answer: dict[str, Any]) -> zipfile.ZipFile:
    return zipfile.ZipFile(answer["file"]["path"])


def test_all_results_are_in_one_file(photos: dict[str, str]) -> None:
    answer = run(start(photos, "a", "b"))
    assert (answer["state"], answer["sentence"]) == ("done", "2 images done.")
    assert [item["name"] for item in answer["items"]] == ["a.png", "b.png"]
    assert answer["file"]["name"] == ARCHIVE
    with archive(answer) as file:
        kinds = ("cutout", "mask", "depth")
        expected = {f"{kind}/{name}.png" for kind in kinds for name in "ab"} | {TABLE}
        assert set(file.namelist()) == expected
        cut = Image.open(io.BytesIO(file.read("cutout/a.png")))
    alpha = np.asarray(cut)[..., 3]
    assert (alpha[2, 2], alpha[2, 30]) == (255, 0)
    with Image.open(answer["items"][0]["picture"]) as tile:
        assert tile.size == (32, 24)


def test_one_that_fails_does_not_stop_the_rest(photos: dict[str, str]) -> None:
    answer = run(start(photos, "a", "broken", "b", outputs=["mask"]))
    assert answer["sentence"] == "2 images done. 1 failed: its tile says why."
    (failed,) = (item for item in answer["items"] if item["failed"])
    assert failed["name"] == "broken.png" and "broken.png" in failed["sentence"]
    assert photos["broken"] not in failed["sentence"]
    with archive(answer) as file:
        assert set(file.namelist()) == {"mask/a.png", "mask/b.png", TABLE}
        rows = list(csv.DictReader(io.StringIO(file.read(TABLE).decode())))
    assert [(row["image"], row["status"]) for row in rows] == [
        ("a.png", "made"),
        ("broken.png", "failed"),
        ("b.png", "made"),
    ]


def test_a_background_that_cannot_be_read_ends_the_batch(photos: dict[str, str]) -> None:
    answer = run(start(photos, "a", "b", background=[photos["broken"]]))
    assert answer["state"] == "failed" and answer["file"] is None
    assert "background cannot be used" in answer["sentence"]


def test_several_photos_of_the_scene_are_learned_once(photos: dict[str, str]) -> None:
    predictor = Fake()
    run(start(photos, "b", "c", background=[photos["background"], photos["a"]]), predictor)
    (first, _), (second, _) = predictor.pairs
    assert first is second


class Watched(Fake):
    """Does something before each prediction."""

    def __init__(self, before: Callable[[int], None]) -> None:
        super().__init__()
        self._before = before

    def predict(self, background: Picture, image: Picture) -> Prediction:
        self._before(len(self.pairs))
        return super().predict(background, image)


def during(
    photos: dict[str, str], act: Callable[[BatchServer], Coroutine[Any, Any, Any]]
) -> dict[str, Any]:
    """A batch of three, in whose first image something is done."""

    async def whole() -> dict[str, Any]:
        loop = asyncio.get_running_loop()

        def before(number: int) -> None:
            if number == 0:
                asyncio.run_coroutine_threadsafe(act(batch), loop).result(30)

        batch = make(Watched(before))
        await batch.answer(start(photos, "a", "b", "c"))
        return await until_end(batch)

    return in_own_loop(whole)


@pytest.mark.parametrize("do", ["stop", "leave"])
def test_a_cancelled_batch_leaves_what_is_done(photos: dict[str, str], do: str) -> None:
    answer = during(photos, lambda batch: batch.answer({"do": do, "token": TOKEN}))
    assert (answer["state"], len(answer["items"])) == ("stopped", 1)
    assert answer["sentence"] == "Stopped after 1 of 3 images."
    with archive(answer) as file:
        assert "cutout/a.png" in file.namelist() and "cutout/b.png" not in file.namelist()


def test_a_page_that_looks_no_more_stops_its_work(
    photos: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "GONE_S", -1.0)

    async def whole() -> dict[str, Any]:
        batch = make()
        await batch.answer(start(photos, "a"))
        await asyncio.sleep(0)
        await asyncio.gather(*batch._tasks)
        return await batch.answer({"do": "look", "token": TOKEN})

    assert in_own_loop(whole)["state"] == "stopped"


def test_others_are_served_between_two_images(photos: dict[str, str]) -> None:
    order: list[str] = []

    async def whole() -> None:
        queue = FairQueue(at_once=1)
        loop = asyncio.get_running_loop()
        others: list[Any] = []

        def before(number: int) -> None:
            order.append(f"image {number}")
            if number == 0:  # somebody comes while the first image is predicted
                visit = queue.run("somebody", order.append, "somebody")
                others.append(asyncio.run_coroutine_threadsafe(visit, loop))
                end = time.monotonic() + 30
                while len(queue) < 2 and time.monotonic() < end:
                    time.sleep(0.01)

        batch = make(Watched(before), queue=queue)
        await batch.answer(start(photos, "a", "b"))
        await until_end(batch)

    in_own_loop(whole)
    assert order == ["image 0", "somebody", "image 1"]


def test_results_have_a_limit(photos: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_RESULT_BYTES", 1)
    answer = run(start(photos, "a", "b"))
    assert (answer["state"], answer["sentence"]) == ("failed", runs.FULL)
    assert answer["file"] is not None


def test_a_full_disk_is_told(photos: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: str) -> Path:
        raise StorageError("The server cannot write its files.")

    monkeypatch.setattr(runs, "new_file", full)
    answer = run(start(photos, "a"))
    assert (answer["state"], answer["sentence"]) == ("failed", "The server cannot write its files.")


def test_what_is_no_batch_is_refused(photos: dict[str, str], tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "private.png")
    others = {**photos, "background": str(tmp_path / "private.png")}
    assert run(start(others, "a")) == {"refused": server.NOT_UPLOADED}
    assert run(start(photos)) == {"refused": server.INCOMPLETE}
    assert run(start(photos, "a", background=[])) == {"refused": server.INCOMPLETE}
    assert run(start(photos, "a", outputs=["model"])) == {"refused": server.BAD_MESSAGE}
    assert run(start(photos, *["a"] * (MAX_IMAGES + 1))) == {"refused": server.BAD_MESSAGE}
    assert run({"do": "look", "token": "1" * 32}) == {"refused": server.FORGOTTEN}
    upload = {"path": photos["a"], "name": "a.mp4"}
    assert run(start(photos, clip=upload)) == {"refused": server.NO_CLIPS}


def test_the_server_has_so_many_batches_at_most(
    photos: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_RUNS", 0)
    assert run(start(photos, "a")) == {"refused": server.BUSY}


@pytest.fixture
def clip(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "cache" / "abc.mp4"
    path.write_bytes(MP4)
    return {"path": str(path), "name": "Walk in.mp4"}


def command(middle: str = "") -> list[str]:
    return [sys.executable, "-c", COMMAND.format(middle=middle)]


def test_a_clip_becomes_a_clip(photos: dict[str, str], clip: dict[str, str]) -> None:
    answer = run(start(photos, clip=clip, look="blur"), video=command())
    assert (answer["state"], answer["sentence"]) == ("done", server.CLIP_DONE)
    assert answer["file"]["name"] == "Walk in-composite.mp4"
    assert answer["notes"] == ["5.0% of it is never free."]
    given = Path(answer["file"]["path"]).read_text().splitlines()
    parser = _make_parser(["video", *given])
    options = parser.parse_args(["video", *given])
    assert (options.clip, options.backdrop) == (Path(clip["path"]), "blur")
    assert (options.background, options.max_seconds) == (photos["background"], clips.MAX_CLIP_S)


def test_a_clip_with_alpha_needs_no_background(
    photos: dict[str, str], clip: dict[str, str]
) -> None:
    answer = run(start(photos, clip=clip, background=[]), video=command())
    assert answer["file"]["name"] == "Walk in-cutout.webm"
    given = Path(answer["file"]["path"]).read_text()
    assert "--background" not in given and "--backdrop" not in given


def test_a_stopped_clip_has_its_first_frames(photos: dict[str, str], clip: dict[str, str]) -> None:
    async def whole() -> tuple[Any, Any]:
        batch = make(video=command("time.sleep(50)"))
        await batch.answer(start(photos, clip=clip))
        answer: dict[str, Any] = {"share": None, "version": 0}
        while not answer["share"]:
            about = {"token": TOKEN, "version": answer["version"]}
            answer = await batch.answer({"do": "look", **about})
        await batch.answer({"do": "stop", "token": TOKEN})
        return answer, await until_end(batch)

    running, ended = in_own_loop(whole)
    assert running["sentence"] == "5 of 20 frames, 2.5/s, 0 min 6 s left."
    assert running["share"] == 0.25
    assert (ended["state"], ended["sentence"]) == ("stopped", server.CLIP_STOPPED)
    assert Path(ended["file"]["path"]).read_text() == "the first frames"


def test_a_clip_that_fails_is_a_sentence(photos: dict[str, str], clip: dict[str, str]) -> None:
    middle = "say('depthmask: ' + sys.argv[1] + ' holds no pictures.'); sys.exit(2)"
    answer = run(start(photos, clip=clip), video=command(middle))
    assert (answer["state"], answer["sentence"]) == ("failed", "Walk in.mp4 holds no pictures.")
    assert answer["file"] is None
    crash = run(start(photos, clip=clip), video=command("raise OSError"))
    assert (crash["state"], crash["sentence"]) == ("failed", clips.UNEXPECTED)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of others")
def test_the_memory_of_a_clip_is_bounded(
    photos: dict[str, str], clip: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "MAX_MEMORY_BYTES", 2**29)
    answer = run(start(photos, clip=clip), video=command("time.sleep(0.5); bytearray(2**29)"))
    assert (answer["state"], answer["sentence"]) == ("failed", clips.UNEXPECTED)
    answer = run(start(photos, clip=clip), video=command("time.sleep(0.5); bytearray(2**27)"))
    assert answer["state"] == "done"


@pytest.mark.parametrize("content", [b"#EXTM3U\nfile:///etc/passwd", b"ffconcat version 1.0", b""])
def test_lists_of_other_files_are_no_clips(
    photos: dict[str, str], clip: dict[str, str], content: bytes
) -> None:
    Path(clip["path"]).write_bytes(content)
    answer = run(start(photos, clip=clip), video=command())
    assert answer["state"] == "failed"
    assert answer["sentence"] == clips.NOT_TAKEN.format(name=clip["name"])


def test_the_clip_is_made_by_the_network_of_the_page() -> None:
    options = _make_parser(["demo"]).parse_args(["demo", "--quality", "fast", "--device", "cpu"])
    *python, name = demo.video_command(options)[:4]
    assert python == [sys.executable, "-m", "depthmask"] and name in COMMANDS
    words = [*demo.video_command(options)[3:], "clip.mp4", "-o", "out.webm"]
    parsed = _make_parser(words).parse_args(words)
    assert (parsed.quality, parsed.device, parsed.model) == ("fast", "cpu", None)


def test_names_and_progress_in_words() -> None:
    assert unique_names(["a.png", "A.jpg", "a-2.png", "con"]) == ["a", "A-2", "a-2-2", "con_"]
    assert progress(3, 12, 6) == "3 of 12 images, 2.0 s each, about 18 s left."
    assert duration(75) == "1 min 15 s"


def test_the_page_says_its_limits() -> None:
    with_clips, without = markup(clips=True), markup(clips=False)
    assert "Up to 200 images of 25 MB each; or one clip of 500 MB and 5 minutes." in with_clips
    assert "clip" not in without.replace("data-max-clip", "")
    assert all(f'value="{look}"' in with_clips for look in LOOKS)
