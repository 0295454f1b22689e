"""The state of a training run on disk: what `--resume` goes on from.

A folder of safetensors files and the progress as JSON. It is split over files because some
transports refuse large ones.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from depthmask.errors import CheckpointError
from depthmask.files import flush, share
from depthmask.training.journal import RunPosition

_OPTIONS = "options.json"

Tensors = dict[str, dict[str, Tensor]]  # tensors by name, of each file by its stem


def save_state(
    out: Path,
    tensors: Mapping[str, Mapping[str, Tensor]],
    progress: RunPosition,
    options: Mapping[str, object],
) -> None:
    """Writes the state beside the old one, then swaps them: at any moment one of them is whole.

    Args:
        out: The run's folder; the state is `out/state`.
        tensors: The content of each file, by its stem.
        progress: Where the run stands.
        options: What the run was started with, ready for JSON.
    """
    folder, draft, old = (out / name for name in ("state", "state.new", "state.old"))
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, content in tensors.items():
        plain = {key: value.detach().cpu().contiguous() for key, value in content.items()}
        save_file(plain, draft / f"{name}.safetensors")
    (draft / "progress.json").write_text(json.dumps(asdict(progress)))
    (draft / _OPTIONS).write_text(json.dumps(options))
    for path in draft.iterdir():
        share(path)
        flush(path)
    flush(draft)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    # From here to the next line only state.old is whole: so it goes last, and never before.
    draft.rename(folder)
    flush(out)
    shutil.rmtree(old, ignore_errors=True)


def load_state(out: Path, options: Mapping[str, object]) -> tuple[Tensors, RunPosition] | None:
    """Reads what `save_state` wrote; None if there is nothing.

    Raises:
        CheckpointError: The state is damaged, or of a run with other options.
    """
    folder = out / "state"
    if not folder.exists():
        folder = out / "state.old"  # killed between the two renames
    if not folder.exists():
        return None
    try:
        before = json.loads((folder / _OPTIONS).read_text()) if (folder / _OPTIONS).exists() else {}
        changed = [name for name in before if before[name] != options.get(name)]
        stored = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
        progress = RunPosition(**json.loads((folder / "progress.json").read_text()))
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise damaged(out, error) from error
    if changed:
        raise CheckpointError(
            f"The run in {out} had other options ({', '.join(changed)}): give another --out, begin "
            "from its checkpoint with --start, or leave --resume out."
        )
    return stored, progress


def holds_run(out: Path) -> bool:
    """Whether a folder has a state to go on from."""
    return any((out / name).exists() for name in ("state", "state.old"))


def damaged(out: Path, error: Exception) -> CheckpointError:
    """What to say of a state that cannot be used."""
    return CheckpointError(
        f"The state in {out} cannot be resumed ({error}); start without --resume."
    )
