"""The state of a training run on disk: what `--resume` goes on from.

It is a folder with a file for each part, so that no file of the default network passes 16 MB:
some ways to fetch a state from the machine that trains refuse larger ones.
"""

import shutil
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from depthmask.errors import CheckpointError
from depthmask.files import flush, remove_all, write_whole
from depthmask.network.checkpoint import load_pickled

Parts = Mapping[str, Mapping[str, Any]]  # content by file name: tensors, numbers, texts, lists


def save_state(out: Path, parts: Parts) -> None:
    """Writes the state beside the old one, then swaps them: at any moment one of them is whole.

    Args:
        out: The run's folder; the state is `out/state`.
        parts: What the files hold, by their names without ".pt".

    Raises:
        OSError: It cannot be written; the old one is as it was.
    """
    folder, draft, old = (out / name for name in ("state", "state.new", "state.old"))
    remove_all(draft)
    draft.mkdir(parents=True)
    try:
        for name, content in parts.items():
            packed = BytesIO()  # torch tells no reason where it cannot write to a disk
            torch.save(content, packed)
            write_whole(draft / f"{name}.pt", packed.getbuffer(), durable=True)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    if folder.exists():
        remove_all(old)
        folder.rename(old)
    # From here to the next line only state.old is whole: so it goes last, and never before.
    draft.rename(folder)
    flush(out)
    remove_all(old)


def load_state(out: Path, names: tuple[str, ...]) -> dict[str, dict[str, Any]] | None:
    """Reads the named parts of what `save_state` wrote, on the CPU; None if there is no state.

    Raises:
        CheckpointError: The state is damaged, or of an earlier version.
    """
    folder = out / "state"
    if not folder.exists():
        folder = out / "state.old"  # killed between the two renames
    if not folder.exists():
        return None
    if (folder / "progress.json").exists():
        raise unusable_state(out, "an earlier version of depthmask wrote it")
    try:
        parts = {name: load_pickled(folder / f"{name}.pt") for name in names}
    except Exception as error:  # torch raises half a dozen types for damaged files
        raise unusable_state(out, error) from error
    if not all(isinstance(part, dict) for part in parts.values()):
        raise unusable_state(out, "its parts are no groups of fields")
    return parts


def holds_run(out: Path) -> bool:
    """Whether a folder has a state to go on from."""
    return any((out / name).exists() for name in ("state", "state.old"))


def unusable_state(out: Path, reason: object) -> CheckpointError:
    """What to say of a state that cannot be used; of a long reason, the first line."""
    first, *_ = str(reason).splitlines() or [type(reason).__name__]
    return CheckpointError(
        f"The state in {out} cannot be resumed ({first}): give another --out, and begin from the "
        "last checkpoint with --start."
    )
