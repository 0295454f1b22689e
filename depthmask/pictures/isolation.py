"""Pictures from outside are decoded in processes of their own, with bounds on memory and CPU time.

A picture can be made so that decoding it takes gigabytes or minutes. Here that ends a worker
process, which is started again for the next picture. The server and its other visitors go on.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from depthmask.errors import PictureError
from depthmask.pictures.read import Photo
from depthmask.pictures.truth import TrueDepth, TrueMask
from depthmask.pictures.types import Grey, Picture

MEMORY_BYTES = 2 * 2**30  # address space of a worker; a photo of 50 megapixels takes a third
CPU_SECONDS = 5  # to decode one picture
WALL_SECONDS = 30.0  # the same on a busy machine
WORKERS = 2  # pictures decoded at a time; the two of a pair

TOO_MUCH = "takes too much time or memory to decode; save it anew as JPEG or PNG."
Array = npt.NDArray[Any]
Header = dict[str, Any]  # what the worker tells of an array


class IsolatedReader:
    """Reads pictures as `depthmask.pictures` does, each in a worker process.

    One object serves any number of threads; `workers` pictures are decoded at a time.

    Args:
        workers: Processes; each is started when it is first needed.
        memory_bytes: Address space of each.
        cpu_seconds: CPU time for each picture.
        wall_seconds: Time for each picture.
    """

    def __init__(
        self,
        *,
        workers: int = WORKERS,
        memory_bytes: int = MEMORY_BYTES,
        cpu_seconds: int = CPU_SECONDS,
        wall_seconds: float = WALL_SECONDS,
    ) -> None:
        self._wall_seconds = wall_seconds
        self._idle: LifoQueue[_Worker] = LifoQueue()  # the last one used is the one that is warm
        for _ in range(workers):
            self._idle.put(_Worker(memory_bytes, cpu_seconds))

    def photo(self, path: Path, *, max_bytes: int | None = None) -> Photo:
        """As `read_photo`."""
        array, header = self._read("photo", path, max_bytes)
        return Photo(array, tuple(header["notes"]))

    def picture(self, path: Path, *, max_bytes: int | None = None) -> Picture:
        """As `read_picture`."""
        return self._read("picture", path, max_bytes)[0]

    def grey(self, path: Path, *, max_bytes: int | None = None) -> Grey:
        """As `read_grey`."""
        return self._read("grey", path, max_bytes)[0]

    def true_mask(self, path: Path, *, max_bytes: int | None = None) -> TrueMask:
        """As `read_true_mask`."""
        labels, header = self._read("true_mask", path, max_bytes)
        return TrueMask(labels, tuple(header["notes"]))

    def true_depth(self, path: Path, *, max_bytes: int | None = None) -> TrueDepth:
        """As `read_true_depth`."""
        values, header = self._read("true_depth", path, max_bytes)
        return TrueDepth(values, header["in_metres"], tuple(header["notes"]))

    def shows_in_browsers(self, path: Path) -> bool:
        """As `shows_in_browsers`; False if that takes too long."""
        try:
            return bool(self._read("shows_in_browsers", path, None)[0])
        except PictureError:
            return False

    def frame(self, content: bytes) -> Picture:
        """Decodes a live frame: JPEG, PNG or WebP, 32 to 1280 pixels a side -> (H, W, 3), RGB.

        Raises:
            PictureError: It is none, is damaged, or takes too long.
        """
        request = {"kind": "frame", "bytes": len(content)}
        return self._ask(request, content, "The frame")[0]

    def close(self) -> None:
        """Ends the processes."""
        for _ in range(self._idle.qsize()):
            self._idle.get().stop()

    def _read(self, kind: str, path: Path, max_bytes: int | None) -> tuple[Array, Header]:
        request = {"kind": kind, "path": str(path), "max_bytes": max_bytes}
        return self._ask(request, b"", str(path))

    def _ask(
        self, request: Mapping[str, object], content: bytes, name: str
    ) -> tuple[Array, Header]:
        worker = self._idle.get()
        try:
            header, array = worker.ask(request, content, self._wall_seconds)
        finally:
            self._idle.put(worker)
        if header is None or "memory" in header:
            raise PictureError(f"{name} {TOO_MUCH}")
        if "error" in header:
            raise PictureError(header["error"])
        return array, header


class _Worker:
    """One process, started when it is needed and after each of its deaths."""

    def __init__(self, memory_bytes: int, cpu_seconds: int) -> None:
        self._command = [
            *(sys.executable, "-m", "depthmask.pictures.worker"),
            *(str(memory_bytes), str(cpu_seconds)),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def ask(
        self, request: Mapping[str, object], content: bytes, wall_seconds: float
    ) -> tuple[Header | None, Array]:
        """Sends a request: the answer's header and array; no header if the process has died."""
        nothing = np.zeros(0, np.uint8)
        process = self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            with _killed_after(process, wall_seconds):
                process.stdin.write(json.dumps(request).encode() + b"\n" + content)
                process.stdin.flush()
                header = json.loads(process.stdout.readline())
                if "shape" not in header:
                    return header, nothing
                array = np.empty(header["shape"], np.dtype(header["dtype"]))
                _fill(process.stdout, array)
                return header, array
        except (OSError, ValueError):  # a broken pipe, or half an answer
            self.stop()
            return None, nothing

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            # a thread of OpenBLAS takes address space of its own, and a decoder needs none
            one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            root = str(Path(__file__).resolve().parents[2])
            path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **one_thread, "PYTHONPATH": path},
            )
        return self._process


@contextmanager
def _killed_after(process: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """Kills a process that is still busy after so long, which ends what waits for its answer."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _fill(stream: IO[bytes], array: Array) -> None:
    """Reads an array's bytes. Raises ValueError where the stream ends too early."""
    view = array.data.cast("B")
    at = 0
    while at < len(view):
        count = stream.readinto(view[at:])  # type: ignore[attr-defined]
        if not count:
            raise ValueError("the answer is cut short")
        at += count
