"""DatasetFiles of a data set, wherever they lie: in folders, in one zip, or in several."""

import threading
import zipfile
from collections.abc import Collection
from pathlib import Path

from depthmask.errors import DatasetError


class DatasetFiles:
    """Reads files by their path in the data set, such as `fg_bg/hall/7.jpg`; threads may share it.

    Args:
        root: A folder, which may hold zips, or a zip. Folders above the kinds', and a zip named
            after the kind that it holds, are seen through.
        kinds: First parts of the paths, such as `fg_bg`.

    Raises:
        DatasetError: There is no such folder or zip, or a zip is damaged.
    """

    def __init__(self, root: Path, kinds: Collection[str]) -> None:
        self.root = root
        self._kinds = frozenset(kinds)
        self._lock = threading.Lock()
        self._zipped: dict[str, tuple[zipfile.ZipFile, str]] = {}
        if not root.exists():
            raise DatasetError(f"There is no data set at {root}; check the path.")
        archives = sorted(root.rglob("*.zip")) if root.is_dir() else [root]
        for archive in archives:
            self._add(archive)

    def names(self) -> list[str]:
        """All paths of the data set's kinds, sorted."""
        found = set(self._zipped)
        for kind in self._kinds if self.root.is_dir() else ():
            folder = self.root / kind
            found.update(
                path.relative_to(self.root).as_posix()
                for path in folder.rglob("*")
                if path.is_file() and not path.name.startswith(".")
            )
        return sorted(found)

    def read(self, name: str) -> bytes:
        """The content of a file; errors: DatasetError."""
        if name in self._zipped:
            archive, member = self._zipped[name]
            try:
                with self._lock:
                    return archive.read(member)
            except (zipfile.BadZipFile, OSError, RuntimeError) as error:
                raise DatasetError(f"{name} in {archive.filename} is damaged.") from error
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise DatasetError(f"{self.root / name} cannot be read ({error.strerror}).") from error

    def _add(self, path: Path) -> None:
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise DatasetError(f"{path} is not a zip, or damaged; download it again.") from error
        for member in archive.namelist():
            parts = [part for part in member.split("/") if part]
            if member.endswith("/") or "__MACOSX" in parts:
                continue
            start = next((i for i, part in enumerate(parts) if part in self._kinds), None)
            if start is not None:
                self._zipped["/".join(parts[start:])] = (archive, member)
            elif path.stem in self._kinds:
                self._zipped["/".join((path.stem, *parts))] = (archive, member)
