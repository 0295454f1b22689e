"""The clip of a batch: `depthmask video` makes it, in a process of its own.

So what a visitor sends is not decoded in the server. The process has a low priority: Photos and
Live of other visitors go first.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from depthmask.app.batch.request import Start, Upload
from depthmask.app.cache_files import new_file, storing
from depthmask.errors import HINT, ClipError
from depthmask.files import file_name

MAX_CLIP_BYTES = 500_000_000
MAX_CLIP_S = 300  # of playing time
MAX_WORK_S = 3600.0  # for a clip; then it ends as if it was stopped
PATIENCE_S = 60.0  # for a process that was asked to stop
NICENESS = 10
MAX_MEMORY_BYTES = 8 * 2**30  # of the process, on Linux; full HD takes a fifth of it
ROOT = str(Path(__file__).resolve().parents[3])
PYTHONPATH = os.environ.get("PYTHONPATH")
STOPPED = 130  # exit code of a command that was stopped
PROGRESS = re.compile(r"([\d,]+)(?: of ([\d,]+))? frames, .*")
NOT_TAKEN = "{name} is not taken as a clip: use MP4, MOV, WebM, MKV or AVI."
TOO_LARGE = f"{{name}} has more than {MAX_CLIP_BYTES // 10**6} MB, the most of a clip."
TOO_MUCH = "The clip takes too much memory; make its frames smaller."
NOTHING = "Stopped before the first frame."
UNEXPECTED = "The clip could not be made; try again, or look at what the server printed."
Tell = Callable[[str, float | None], None]


class ClipWork:
    """Makes a clip of a clip.

    Args:
        command: Begins the command line: `depthmask video` with the options of the network.
        asked: By the page.
        clip: Of that.
    """

    def __init__(self, command: Sequence[str], asked: Start, clip: Upload) -> None:
        self._command, self._asked, self._clip = command, asked, clip
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._asked_to_stop = False  # the process was
        self.notes: list[str] = []  # what the command said beside its progress

    def run(self, tell: Tell) -> tuple[Path, bool]:
        """Makes the clip; returns where it is, and whether it is whole.

        Args:
            tell: Gets a sentence and the share that is done, or None where that is not known.

        Raises:
            ClipError: The clip cannot be used, or nothing was made before it was stopped.
            StorageError: There is no room.
        """
        check_clip(self._clip)
        out = self._out()
        with tempfile.TemporaryDirectory(prefix="depthmask-") as folder:
            code = self._execute([*self._command, *self._arguments(out, Path(folder))], tell)
        if code not in (0, STOPPED) and not self._stopping.is_set():
            raise ClipError(TOO_MUCH if code < 0 else self._complaint())
        if not out.is_file():
            raise ClipError(NOTHING)
        return out, code == 0

    def stop(self) -> None:
        """Ends the process, which leaves the frames that are done as a clip."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None and not self._asked_to_stop:
            self._asked_to_stop = True
            process.send_signal(signal.SIGINT)
            _after(PATIENCE_S, process.kill)

    def _out(self) -> Path:
        stem = file_name(Path(self._clip.name).stem)
        ending = "webm" if self._asked.look == "alpha" else "mp4"
        return new_file(f"{stem}-{'cutout' if ending == 'webm' else 'composite'}.{ending}")

    def _arguments(self, out: Path, folder: Path) -> list[str]:
        given = self._asked.background
        arguments = [self._clip.path, "-o", str(out), "--max-seconds", str(MAX_CLIP_S)]
        if self._asked.look != "alpha":
            arguments += ["--backdrop", self._asked.look]
        if len(given) == 1:
            arguments += ["--background", given[0]]
        elif given:  # the command takes several as a folder
            with storing():
                for number, path in enumerate(given):
                    (folder / f"{number:02d}{Path(path).suffix}").symlink_to(path)
            arguments += ["--background", str(folder)]
        return arguments

    def _execute(self, command: Sequence[str], tell: Tell) -> int:
        with subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (ROOT, PYTHONPATH)))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            self._process = process
            _restrain(process.pid)
            timer = _after(MAX_WORK_S, self.stop)
            if self._stopping.is_set():
                self.stop()
            assert process.stderr is not None
            for line in process.stderr:
                self._hear(line.strip(), tell)
            timer.cancel()
            return process.wait()

    def _hear(self, line: str, tell: Tell) -> None:
        found = PROGRESS.fullmatch(line)
        if found is None:
            if not line or line.startswith(HINT):  # the page has no options
                return
            told = self._for_page(line)
            tell(told, None)
            if not told.endswith("…") and not told.startswith("Stopped: "):
                self.notes.append(told)
            return
        done, total = (int((text or "0").replace(",", "")) for text in found.groups())
        tell(f"{line}.", done / total if total else None)

    def _for_page(self, text: str) -> str:
        """A sentence of the command with the names that the files had."""
        text = text.replace(self._clip.path, self._clip.name)
        for path in self._asked.background:
            text = text.replace(path, Path(path).name)
        return text

    def _complaint(self) -> str:
        """The last line, which is the command's error."""
        said = self.notes[-1] if self.notes else ""
        _, mark, reason = said.partition("depthmask: ")
        return reason if mark else UNEXPECTED


def check_clip(clip: Upload) -> None:
    """Raises ClipError unless a file is a container of pictures and sound, and not too large.

    Playlists and lists of files, which FFmpeg reads too, would make it open other files.
    """
    path = Path(clip.path)
    if not path.is_file() or path.stat().st_size > MAX_CLIP_BYTES:
        raise ClipError(TOO_LARGE.format(name=clip.name))
    with path.open("rb") as file:
        head = file.read(12)
    is_mp4 = head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
    is_avi = head[:4] == b"RIFF" and head[8:] == b"AVI "
    if not (is_mp4 or is_avi or head[:4] == b"\x1aE\xdf\xa3"):
        raise ClipError(NOT_TAKEN.format(name=clip.name))


def _restrain(process: int) -> None:
    """Lowers the priority of a process, and bounds its memory, where the system can do that."""
    with suppress(OSError):
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, process, NICENESS)
        if sys.platform == "linux":
            import resource

            resource.prlimit(process, resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def _after(seconds: float, do: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, do)
    timer.daemon = True
    timer.start()
    return timer
