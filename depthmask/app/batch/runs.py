"""A batch while it runs, and after: what became of each image, and one file with all results."""

import asyncio
import csv
import io
import shutil
import time
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from depthmask.app.batch.request import Start, Upload
from depthmask.app.cache_files import SWEEP_INTERVAL_S, keep, new_file, save_preview, storing
from depthmask.app.loading import Predicts
from depthmask.app.photos.analysis import Analysis, analyse
from depthmask.app.photos.downloads import DOWNLOADS, prepare
from depthmask.app.photos.dropped import DroppedFiles
from depthmask.app.prediction_cache import PredictedPair, PredictionCache
from depthmask.errors import PictureError, StorageError, counted
from depthmask.files import file_name
from depthmask.render.views import at_most, checkerboard, cutout, lay_over

TILE_SIDE = 480  # pixels, longest side of the pictures in the gallery
LOOK_S = 10.0  # a look ends after this long, whether there is news or not
GONE_S = 60.0  # a page that has not looked for this long was closed
SCENE_S = 300.0  # a learned background is kept between two images for this long
MAX_RESULT_BYTES = 10**9  # of the results of a batch
FULL = "The results have reached 1 GB, the most of a batch; start another with the images left."
ARCHIVE, TABLE = "depthmask.zip", "report.csv"
State = Literal["running", "done", "stopped", "failed"]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """What became of an image."""

    name: str  # as its owner knows it
    picture: str | None = None  # path of the tile; None: it failed
    sentence: str = ""  # what went wrong, or what is doubtful

    @property
    def failed(self) -> bool:
        return self.picture is None


@dataclass(eq=False)
class Run:
    """A batch. All of it is used on the event loop, but for the archive."""

    asked: Start
    state: State = "running"
    sentence: str = ""  # how far it is, or how it ended
    share: float | None = 0.0  # of the work that is done; None: not known
    items: list[Item] = field(default_factory=list)
    result: Path | None = None  # what can be downloaded
    notes: list[str] = field(default_factory=list)  # sentences for the end
    stopping: bool = False
    looked: float = field(default_factory=time.monotonic)
    kept: float = field(default_factory=time.monotonic)
    version: int = 0  # grows with each change
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Whether it was stopped, or its page was closed."""
        return self.stopping or time.monotonic() - self.looked > GONE_S

    def tell(self, sentence: str, share: float | None = None) -> None:
        self.sentence, self.share = sentence, share
        self.wake()

    def end(self, state: State, sentence: str) -> None:
        self.state, self.sentence, self.share = state, sentence, None
        self.wake()

    def wake(self) -> None:
        self.version += 1
        self.news.set()
        self.news = asyncio.Event()

    async def look(self, since: int, version: int) -> Answer:
        """Waits for another version than this, and describes it without the items known before."""
        try:
            if self.state == "running" and self.version == version:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.news.wait(), LOOK_S)
        finally:
            self.looked = time.monotonic()
        self._keep_files()
        return self.describe(since)

    def describe(self, since: int) -> Answer:
        file = None
        if self.state != "running" and self.result is not None and self.result.exists():
            size = self.result.stat().st_size
            file = {"path": str(self.result), "name": self.result.name, "bytes": size}
        return {
            "version": self.version,
            "state": self.state,
            "sentence": self.sentence,
            "share": self.share,
            "items": [{**vars(item), "failed": item.failed} for item in self.items[since:]],
            "count": len(self.items),
            "notes": self.notes,
            "file": file,
        }

    def _keep_files(self) -> None:
        """A page that looks keeps its files from being deleted."""
        if time.monotonic() - self.kept > SWEEP_INTERVAL_S:
            self.kept = time.monotonic()
            result = str(self.result) if self.result else None
            keep([*self.asked.paths, *(item.picture for item in self.items), result])


class Images:
    """Predicts the images of a batch, one by one, and collects the results in an archive.

    Args:
        predictor: Makes the predictions.
        asked: By the page.
        model: The name of the model in use.
    """

    def __init__(self, predictor: Predicts, asked: Start, *, model: str) -> None:
        self._predictor, self._asked, self._model = predictor, asked, model
        # it keeps the last pair, and so what was learned of the background
        self._cache = PredictionCache(max_bytes=0, lifetime_s=SCENE_S)
        self._names = unique_names(image.name for image in asked.images)
        self._rows: list[tuple[str, str, str]] = []
        self.path: Path | None = None  # of the archive
        self._archive: zipfile.ZipFile | None = None

    def make(self, number: int) -> Item:
        """Makes the results of an image; what is wrong with it is told in the item.

        Raises:
            PictureError: The background cannot be read, so that no other image can be predicted.
            StorageError: There is no room.
        """
        image = self._asked.images[number]
        background, *more = self._asked.background
        files = DroppedFiles(background, image.path, more_backgrounds=tuple(more))
        analysis = analyse(self._predictor, self._cache, files)
        message = analysis.message.replace(Path(image.path).name, image.name)
        if "background" in analysis.unreadable:
            raise PictureError(analysis.message)
        try:
            item = self._store(number, image, analysis, message)
        except PictureError as error:
            item = Item(image.name, sentence=str(error))
        result = "failed" if item.failed else "made"
        self._rows.append((image.name, result, message))
        return item

    def close(self) -> Path | None:
        """Ends the archive, and returns where it is; None if there is nothing in it."""
        if self._archive is None:
            return None
        table = io.StringIO(newline="")
        csv.writer(table).writerows([("image", "status", "message"), *self._rows])
        with storing(), self._archive:
            self._archive.writestr(TABLE, table.getvalue())
        self._archive = None
        return self.path

    def _store(self, number: int, image: Upload, analysis: Analysis, message: str) -> Item:
        if analysis.predicted is None:
            return Item(image.name, sentence=message)
        if self._archive is None:
            self.path = new_file(ARCHIVE)
            with storing():  # what comes in is compressed already
                self._archive = zipfile.ZipFile(self.path, "w", zipfile.ZIP_STORED)
        for output in self._asked.outputs:
            made, complaint = prepare(DOWNLOADS[output], analysis, self._model)
            if made is None:
                raise PictureError(complaint)
            with storing():
                self._archive.write(made, f"{output}/{self._names[number]}{made.suffix}")
            shutil.rmtree(made.parent, ignore_errors=True)
        if self._archive.fp and self._archive.fp.tell() > MAX_RESULT_BYTES:
            raise StorageError(FULL)
        tile = save_preview(draw_tile(analysis.predicted), "tile")
        return Item(image.name, tile, message if analysis.doubtful else "")


def draw_tile(pair: PredictedPair) -> Any:
    """Draws the foreground on a checkerboard, small: (h, w, 3), uint8, RGB."""
    image = at_most(pair.image, TILE_SIDE)
    mask = at_most(pair.prediction.mask, TILE_SIDE)
    return lay_over(cutout(image, mask), checkerboard(*mask.shape))


def unique_names(files: Iterable[str]) -> list[str]:
    """Names without endings, each once: where two are equal, a number follows."""
    used: set[str] = set()
    names = []
    for file in files:
        stem = file_name(Path(file).stem)
        tries = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
        name = next(name for name in tries if name.casefold() not in used)
        used.add(name.casefold())
        names.append(name)
    return names


def progress(done: int, total: int, seconds: float) -> str:
    """Says how far a batch is: how many of how many, seconds for each, and the time left."""
    told = f"{done} of {counted(total, 'image')}"
    if not done:
        return f"{told}."
    each = seconds / done
    return f"{told}, {each:.1f} s each, about {duration(each * (total - done))} left."


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary(run: Run, total: int) -> str:
    """Says how a batch of images ended."""
    failed = sum(item.failed for item in run.items)
    made = len(run.items) - failed
    trouble = (
        f" {failed} failed: {'its tile says' if failed == 1 else 'their tiles say'} why."
        if failed
        else ""
    )
    if len(run.items) < total:
        return f"Stopped after {len(run.items)} of {counted(total, 'image')}.{trouble}"
    return f"{counted(made, 'image')} done.{trouble}"
