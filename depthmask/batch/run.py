"""Predicts many pictures: each on its own, in threads, and only what is not done already.

The results of a picture lie in a folder for each kind: `mask/NAME.png`, `depth/NAME.png` and so on.
`json/NAME.json` says what they were made of, and is written last. So whatever stops the command,
the next one can tell what is done. A thread takes a picture from file to files: while the network
has one, the others are decoded, registered and encoded.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from depthmask.batch.jobs import Job, Scene
from depthmask.batch.previews import draw_preview
from depthmask.errors import DepthmaskError, OptionError, PictureError, error_sentence, is_disk_full
from depthmask.files import fingerprint, refuse_links, write_together
from depthmask.inference.background import Background
from depthmask.inference.outputs import Wanted, crop_box, encode, file_names
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture, read_metadata, read_photo
from depthmask.pictures.decode import open_header

RECORDS, PREVIEWS = "json", "preview"  # folders beside those of the results
MAX_PIXELS = 100_000_000  # of all pictures that are worked on; one alone may have more
_MAX_SCENES = 2  # in memory
STATUSES = _NEW, _KEPT, _FAILED = "made", "kept", "failed"
_MAIN = ("cutout", "composite", "mask")  # the first of these that there is, is the one to look at

T = TypeVar("T")
R = TypeVar("R")
Facts = Mapping[str, object]


@dataclass(frozen=True)
class Row:
    """What became of a picture."""

    name: str
    image: str
    background: str
    status: str  # made; kept, because it was made before; or failed
    reason: str = ""  # why it failed
    score: float | None = None  # of the pair, in [0, 1]
    verdict: str = ""
    sentence: str = ""  # on the pair
    notes: str = ""  # on how the image was read
    seconds: float | None = None
    result: str = ""  # the file to look at, below the folder of the results

    @property
    def failed(self) -> bool:
        return self.status == _FAILED


class Backgrounds:
    """The backgrounds of scenes; the last few are kept.

    Args:
        make: Makes one of the photos of a scene, and of whether something may stand in each.
        tell: Gets a line where a photo was read in a way that its owner may not expect.
        names: What copies are called in lines and errors.
        known: Those that are made already.
    """

    def __init__(
        self,
        make: Callable[[Sequence[Picture], bool], Background],
        *,
        tell: Callable[[str], None] = lambda line: None,
        names: Mapping[Path, str] | None = None,
        known: Mapping[Scene, Background] | None = None,
    ) -> None:
        self._make, self._tell, self._names = make, tell, names or {}
        self._known = known or {}
        self._lock = threading.Lock()
        self._read = lru_cache(maxsize=_MAX_SCENES)(self._read_scene)
        self.fingerprints = lru_cache(maxsize=10_000)(self._fingerprints)

    def of(self, scene: Scene) -> Background:
        """Reads the photos of a scene, and learns from them where there are several."""
        with self._lock:  # else two threads would do the same
            return self._read(scene)

    def _read_scene(self, scene: Scene) -> Background:
        if scene in self._known:
            return self._known[scene]
        return self._make([self._read_photo(path) for path in scene.photos], scene.occupied)

    def _read_photo(self, path: Path) -> Picture:
        name = self._names.get(path, str(path))
        try:
            photo = read_photo(path)
        except PictureError as error:
            raise PictureError(str(error).replace(str(path), name)) from error
        for note in photo.notes:
            self._tell(f"{name}: {note}")
        return photo.picture

    @staticmethod
    def _fingerprints(scene: Scene) -> tuple[str, ...]:
        return tuple(map(fingerprint, scene.photos))


class Batch:
    """Makes the results of pictures; threads may share it.

    Args:
        out: The folder of the results.
        wanted: Which results.
        options: All else that the results depend on, ready for JSON.
        backgrounds: Reads the scenes.
        predict: Makes a prediction of a background and an image.
        describe: What a record says of a prediction, ready for JSON.
    """

    def __init__(
        self,
        out: Path,
        wanted: Wanted,
        options: Facts,
        backgrounds: Backgrounds,
        *,
        predict: Callable[[Background, Picture], Prediction],
        describe: Callable[[Prediction], Facts],
    ) -> None:
        self.out = out
        self._wanted, self._options, self._backgrounds = wanted, options, backgrounds
        self._predict, self._describe = predict, describe
        self._endings = {kind: Path(file).suffix for kind, file in file_names(wanted).items()}
        self._room = Room(MAX_PIXELS)

    def begin(self) -> None:
        """Makes the folder.

        Raises:
            OptionError: It cannot be made, or holds folders of results that are not this command's.
        """
        ours = (self.out / RECORDS).is_dir()
        others = [kind for kind in self._kinds if (self.out / kind).exists()]
        if others and not ours:
            raise OptionError(
                f"{self.out / others[0]} is there already and was not made by this command; choose "
                "another -o."
            )
        try:
            (self.out / RECORDS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(
                f"The folder {self.out} cannot be made ({error.strerror}); choose another."
            ) from error

    @property
    def _kinds(self) -> tuple[str, ...]:
        return (*self._endings, PREVIEWS)

    def outputs(self, job: Job) -> dict[str, str]:
        """The files of a job's results by their kinds, below the folder of the results."""
        made = {kind: f"{kind}/{job.name}{ending}" for kind, ending in self._endings.items()}
        return {**made, PREVIEWS: f"{PREVIEWS}/{job.name}.jpg"}

    def kept(self, job: Job) -> Row | None:
        """Looks whether a job is done: of the same pictures and with the same options."""
        try:
            record = json.loads(self._record(job).read_bytes())
            if job.trouble or record["made_of"] != self._made_of(job):
                return None
            if not all((self.out / file).is_file() for file in self.outputs(job).values()):
                return None
            return _row(job, _KEPT, record)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None  # no record, or one that something else wrote

    def make_missing(self, job: Job) -> Row:
        """As `make`, but keeps what a worker that was lost has made."""
        kept = self.kept(job)
        return self.make(job) if kept is None else replace(kept, status=_NEW)

    def make(self, job: Job) -> Row:
        """Makes the results of a job; what is wrong with its pictures goes into the row.

        Raises:
            OSError: The disk is full.
        """
        try:
            return self._make(job)
        except OSError as error:
            if is_disk_full(error):
                raise
            reason = error_sentence(error)
        except DepthmaskError as error:
            reason = str(error)
        except MemoryError:
            reason = "There is not enough memory; make the picture smaller, or use --jobs 1."
        except Exception as error:  # a fault that one picture meets must not stop the others
            reason = f"This is a fault of depthmask: {type(error).__name__}: {error}"
        return replace(_row(job, _FAILED, {}), reason=reason)

    def _make(self, job: Job) -> Row:
        if job.trouble:
            raise PictureError(job.trouble)
        start = time.perf_counter()
        made_of = self._made_of(job)  # first: a file that changes from now on is made again
        with open_header(job.image) as header:
            pixels = header.width * header.height
        with self._room.taken(pixels):
            photo = read_photo(job.image)
            prediction = self._predict(self._backgrounds.of(job.scene), photo.picture)
            contents = encode(photo.picture, prediction, self._wanted, read_metadata(job.image))
            contents[PREVIEWS] = draw_preview(photo.picture, prediction, self._wanted.backdrop)
            files = self.outputs(job)
            record = {
                "image": str(job.image),
                "background": job.scene.name,
                **files,
                **({"crop": crop_box(prediction.mask)} if self._wanted.crop else {}),
                **self._describe(prediction),
                "seconds": round(time.perf_counter() - start, 3),
                "notes": photo.notes,
                "made_of": made_of,
            }
            self._write(job, {self.out / files[kind]: contents[kind] for kind in files}, record)
        return _row(job, _NEW, record)

    def _made_of(self, job: Job) -> dict[str, Any]:
        """All that the results depend on, as JSON has it."""
        facts = {
            "image": fingerprint(job.image),
            "background": self._backgrounds.fingerprints(job.scene),
            "never_empty": job.scene.occupied,
            **self._options,
        }
        made_of: dict[str, Any] = json.loads(json.dumps(facts))
        return made_of

    def _record(self, job: Job) -> Path:
        return self.out / RECORDS / f"{job.name}.json"

    def _write(self, job: Job, files: dict[Path, bytes], record: Facts) -> None:
        """Writes the results, and after them the record."""
        last = self._record(job)
        for path in (*files, last):
            refuse_links(self.out, path.relative_to(self.out).as_posix())
            path.parent.mkdir(parents=True, exist_ok=True)
        last.unlink(missing_ok=True)  # it is of other results than those that now come
        write_together({**files, last: f"{json.dumps(record, indent=1)}\n".encode()})


class Room:
    """Room for so much at once, which threads take and give back; more than all takes all."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Waits until there is room."""
        amount = min(amount, self._size)
        with self._changed:
            self._changed.wait_for(lambda: amount <= self._free)
            self._free -= amount
        try:
            yield
        finally:
            with self._changed:
                self._free += amount
                self._changed.notify_all()


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Calls a function with each item, and yields what it returns in the order in which it is done.

    After Ctrl-C, what was begun is still yielded.
    """
    running: set[Future[R]] = set()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                if len(running) == threads:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
                running.add(pool.submit(function, item))
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except KeyboardInterrupt:
            for future in running:
                yield future.result()
            raise


def refuse_inputs(batch: Batch, jobs: Sequence[Job], others: Iterable[Path]) -> None:
    """Sees that no result is written over what is read.

    Args:
        batch: Writes the results.
        jobs: Their images and backgrounds are read.
        others: Further files that are read.

    Raises:
        OptionError: One would be.
    """
    out = os.path.realpath(batch.out)
    read = {*(job.image for job in jobs), *others}
    read.update(photo for scene in {job.scene for job in jobs} for photo in scene.photos)
    real = {os.path.realpath(path) for path in read}
    inside = {path for path in real if path.startswith(os.path.join(out, ""))}
    for job in jobs if inside else ():
        for file in batch.outputs(job).values():
            if os.path.join(out, *PurePosixPath(file).parts) in inside:
                raise OptionError(
                    f"{batch.out / file} is an input and would be overwritten; choose another -o."
                )


def _row(job: Job, status: str, record: Mapping[str, Any]) -> Row:
    pair = record.get("pair", {})
    return Row(
        name=job.name,
        image=str(job.image),
        background=job.scene.name,
        status=status,
        score=pair.get("score"),
        verdict=pair.get("verdict", ""),
        sentence=pair.get("sentence", ""),
        notes=" ".join(record.get("notes", ())),
        seconds=record.get("seconds"),
        result=next((record[kind] for kind in _MAIN if kind in record), ""),
    )
