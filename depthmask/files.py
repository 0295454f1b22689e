"""Files: written whole or not at all, checked before the work, told apart by content."""

import errno
import glob
import os
import re
import secrets
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO

from depthmask.errors import CheckpointError, OptionError

SUMS = "SHA256SUMS"  # as `sha256sum` writes it; beside the shipped weights

_NAME_BYTES = 200  # at most; a file's name may have 255, with a number and an ending
# Characters that some disk or program takes for more than a part of a name, and the names of
# Windows' devices.
_NOT_IN_NAMES = re.compile(r'^\.+|[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]|[. ]+$')
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def shipped(name: str) -> Path:
    """A folder that comes with the package: "weights" or "examples".

    An installed package holds it; in a checkout it lies beside the package.
    """
    package = Path(__file__).resolve().parent
    return package / name if (package / name).is_dir() else package.parent / name


EXAMPLES = shipped("examples")


def is_file_name(name: str) -> bool:
    """Whether a text can be a file's or a folder's name on every disk, and leads nowhere else."""
    return bool(name) and not (_NOT_IN_NAMES.search(name) or _DEVICE.fullmatch(name))


def file_name(text: str) -> str:
    """Makes a name of a text by `is_file_name`; those that are names already stay as they are."""
    name = _NOT_IN_NAMES.sub(lambda found: "_" * len(found[0]), text)
    if len(name.encode("utf-8")) > _NAME_BYTES:
        name = name.encode("utf-8")[:_NAME_BYTES].decode("utf-8", "ignore").rstrip(". ")
    return f"{name}_" if not name or _DEVICE.fullmatch(name) else name


def refuse_links(folder: Path, name: str = "") -> None:
    """Sees that no part of a path below a folder is a link, which would lead elsewhere.

    Args:
        folder: It may be a link itself.
        name: Of a file or folder in it, parts separated by slashes.

    Raises:
        OptionError: A part is a link.
    """
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        if os.path.islink(path):
            raise OptionError(
                f"{path} is a link, and links are not followed here; put what it leads to in its "
                "place, or choose another folder."
            )


def check_file(path: Path) -> None:
    """Makes the folder of a file where it is missing, and sees that the file can be written.

    What is there stays as it is.

    Raises:
        OptionError: It cannot be written, or is a link.
    """
    if _is_stream(path):
        return  # whoever reads a pipe would take a look for its end
    refuse_links(path.parent, path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not os.path.exists(path)
        path.open("ab").close()
        if new:
            path.unlink()
    except OSError as error:
        raise OptionError(
            f"{path} cannot be written ({error.strerror}); choose another."
        ) from error


def check_files(*paths: Path | None) -> None:
    """Checks those of the files that are given, as `check_file` does, and that no two are one.

    Raises:
        OptionError: One cannot be written, is a link, or is given twice.
    """
    given = [path for path in paths if path]
    for number, path in enumerate(given):
        check_file(path)
        same = os.path.realpath(path) in map(os.path.realpath, given[:number])
        if same and not _is_stream(path):
            raise OptionError(f"{path} is given for two files; choose another for one of them.")


def write_whole(
    path: Path, content: bytes | memoryview, *, durable: bool = False, shared: bool = False
) -> None:
    """Writes a file in one step, as `replacing` does; into a pipe or a terminal directly."""
    if _is_stream(path):
        path.write_bytes(content)
        return
    with replacing(path, durable=durable, shared=shared) as file:
        file.write(content)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Writes files, all or none, as `move_together` does; pipes and terminals directly.

    Raises:
        OSError: One cannot be written; `filename` is that one's.
    """
    files = [path for path in contents if not _is_stream(path)]
    with ExitStack() as drafts:
        moves = {drafts.enter_context(_draft(path)): path for path in files}
        for draft, path in moves.items():
            with _named(draft, path), draft.open("xb") as file:
                file.write(contents[path])
        for path in contents.keys() - files:
            path.write_bytes(contents[path])
        move_together(moves)


def move_together(moves: Mapping[Path, Path]) -> None:
    """Puts written files in their places, all or none: after a failure, all is as it was.

    Signals that end a process wait until it is done. SIGKILL does not, and can leave some of the
    files: no file system moves several in one step.

    Args:
        moves: Where each file goes, on the same disk.

    Raises:
        OSError: One cannot take its place; `filename` is that place.
    """
    kept = {path: _draft_of(path, ".old") for path in moves.values()}
    begun: list[Path] = []
    with _signals_wait():
        try:
            for draft, path in moves.items():
                with _named(draft, path):
                    _keep(path, kept[path])
                    begun.append(path)
                    os.replace(draft, path)
        except BaseException:
            for path in begun:
                if os.path.lexists(kept[path]):
                    os.replace(kept[path], path)
                    kept[path].unlink(missing_ok=True)  # stays where both are names of one file
                else:
                    path.unlink(missing_ok=True)
            raise
        for old in kept.values():
            old.unlink(missing_ok=True)


def _keep(path: Path, old: Path) -> None:
    """Gives a file, which may be missing, a second name, or that name alone on disks without."""
    old.unlink(missing_ok=True)
    if not os.path.lexists(path):
        return
    if os.path.isdir(path) and not os.path.islink(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        os.link(path, old, follow_symlinks=False)
    except (OSError, NotImplementedError):
        os.replace(path, old)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Lets signals that end the process wait; only the main thread can, others change nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handlers = {signal.Signals[name]: signal.getsignal(signal.Signals[name]) for name in names}
    known = {which: handler for which, handler in handlers.items() if handler is not None}
    for which in known:
        signal.signal(which, lambda number, _: waiting.append(number))
    try:
        yield
    finally:
        for which, handler in known.items():
            signal.signal(which, handler)
        for number in waiting:
            signal.raise_signal(number)


@contextmanager
def replacing(path: Path, *, durable: bool = False, shared: bool = False) -> Iterator[IO[bytes]]:
    """Opens a draft beside a file; it takes the file's place in one step when all is written.

    If writing fails, the draft is removed and the file stays as it was. The draft of a process
    that was killed is overwritten. A link in the place of either is replaced, not followed.

    Args:
        path: Of the file.
        durable: Wait until the disk holds the file, so that it survives a power cut.
        shared: Several processes may write it at once. Each has a draft of its own; those of
            killed ones stay until `remove_drafts`.

    Raises:
        OSError: It cannot be written; `filename` is the file's.
    """
    mark = f".{secrets.token_hex(4)}" if shared else ""
    with _draft(path, mark) as draft, _named(draft, path):
        with draft.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(draft, path)
        if durable:
            flush(path.parent)


@contextmanager
def _draft(path: Path, mark: str = "") -> Iterator[Path]:
    """Names a file to write beside another; it is removed unless it was moved before the end."""
    draft = _draft_of(path, mark)
    with _named(draft, path):
        draft.unlink(missing_ok=True)
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _named(draft: Path, path: Path) -> Iterator[None]:
    """Lets an OSError name the file instead of its draft."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, str(draft)):
            error.filename = str(path)
        raise


def remove_drafts(path: Path) -> None:
    """Removes the drafts of a shared file that killed processes have left."""
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*tmp"):
        draft.unlink(missing_ok=True)


@contextmanager
def workplace(path: Path) -> Iterator[Path]:
    """Makes a folder beside a file, for what is written on the way to it, and removes it again.

    Its name follows from the file's: what a killed process has left is removed by the next.
    """
    folder = _draft_of(path)
    remove_all(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        remove_all(folder)


def clear_workplace(path: Path) -> None:
    """Removes the folder beside a file that a process has left which was killed in `workplace`."""
    remove_all(_draft_of(path))


@contextmanager
def reserved(path: Path, part: str = "") -> Iterator[str]:
    """Keeps other runs from writing the same output, until the end of this one, however it comes.

    A file beside the output is locked, where the system and the disk can do that.

    Args:
        path: Of the output, a file or a folder.
        part: Of the output, if runs share it: those of other parts may write as well.

    Yields:
        What the locked file holds. A machine that finds it there sees the same disk.

    Raises:
        OptionError: Another run has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = reservation(path, part)
    sign = secrets.token_hex(8)
    with ExitStack() as held:
        if part:
            held.enter_context(_locked(reservation(path), path, shared=True))
        file = held.enter_context(_locked(own, path))
        os.ftruncate(file, 0)
        os.write(file, sign.encode())
        yield sign


def reservation(path: Path, part: str = "") -> Path:
    """The file that `reserved` locks."""
    return _draft_of(path, f"{part and '.'}{part}", "lock")


@contextmanager
def _locked(path: Path, output: Path, *, shared: bool = False) -> Iterator[int]:
    """Locks a file, which is made and removed again, and yields its descriptor."""
    file = _open_and_lock(path, output, shared=shared)
    try:
        yield file
    finally:
        try:
            if not shared or lock(file) is not False:  # else others hold it, too
                path.unlink(missing_ok=True)
        finally:
            os.close(file)


def _open_and_lock(path: Path, output: Path, *, shared: bool) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            if lock(file, shared=shared) is False:
                raise OptionError(
                    f"Another run writes {output} at this moment; wait until it has ended, or "
                    "choose another -o."
                )
            if os.path.exists(path) and os.path.samestat(os.fstat(file), os.stat(path)):
                return file  # else a run that ended has removed it meanwhile
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def lock(file: int, *, shared: bool = False) -> bool | None:
    """Locks a file that is open for writing, until it is closed or this process has ended.

    Returns:
        Whether it is locked now: False where another process has it locked, None where nobody can
        tell, because the system or the disk has no locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the disk has none
        return None
    return True


def flush(path: Path) -> None:
    """Waits until the disk holds what was written to a file, or which files a folder has."""
    if os.name == "nt":
        return  # it flushes neither folders nor files that were opened for reading
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_all(path: Path) -> None:
    """Removes a file, a link or a folder with all that is in it; it may be missing."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def walk(folder: Path) -> Iterator[Path]:
    """All files of a folder and of the subfolders that may be read.

    Links to files count, links to subfolders do not: they may lead round in a circle.
    """
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                entries = list(found)
        except PermissionError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path):
                yield Path(entry.path)


def fingerprint(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal; OSError where it cannot be read."""
    return sha256(path.read_bytes()).hexdigest()


def checked_fingerprint(path: Path) -> str:
    """SHA-256 of a file's content, compared with `SHA256SUMS` beside it if that names the file.

    Raises:
        CheckpointError: The file is another than the named one.
    """
    found = fingerprint(path)
    if _read_sums(path.parent).get(path.name, found) != found:
        raise CheckpointError(
            f"{path} is damaged or was changed: it is not the file that {SUMS} beside it "
            "names. Install depthmask again, or run `git checkout weights` in a checkout; after a "
            "change of your own, renew the sums with `make weights` or `sha256sum`."
        )
    return found


def renewed_sums(folder: Path, files: Iterable[Path]) -> bytes | None:
    """A folder's `SHA256SUMS` for when files of the same names are moved into it.

    Returns:
        Its content; None where it names none of them.
    """
    sums = _read_sums(folder)
    new = {path.name: fingerprint(path) for path in files if path.name in sums}
    lines = (f"{digest}  {name}\n" for name, digest in (sums | new).items())
    return "".join(lines).encode("utf-8") if new else None


def _read_sums(folder: Path) -> dict[str, str]:
    """SHA-256 by the file's name; empty where a folder has no sums."""
    path = folder / SUMS
    if not path.is_file():
        return {}
    lines = path.read_text("utf-8", errors="replace").splitlines()
    rows = (line.partition(" ") for line in lines)
    # a star is for binary mode; some tools write capitals
    return {name.lstrip(" *"): digest.lower() for digest, _, name in rows}


def _is_stream(path: Path) -> bool:
    """Whether a path is a pipe, a terminal or the like, which is written to and never replaced."""
    return os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))


def _draft_of(path: Path, mark: str = "", ending: str = "tmp") -> Path:
    """A name beside a file that follows from the file's, and is short enough for any disk."""
    name = path.name
    if len(os.fsencode(name)) > _NAME_BYTES:
        name = sha256(os.fsencode(name)).hexdigest()
    return path.with_name(f".{name}{mark}.{ending}")
