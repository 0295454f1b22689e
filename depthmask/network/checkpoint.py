"""Checkpoints: weights that say what network they belong to and how well it did.

A file is safetensors: tensors and a text header, nothing that could run. Pickled files, as the
original project and most trainers write them, are read with `weights_only=True`, which executes
nothing either. Which of the two a file is, its content tells, not its ending.

torch is imported by what handles weights; `read_info` does without.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from safetensors import SafetensorError, safe_open

from depthmask.errors import CheckpointError
from depthmask.files import checked_fingerprint, shipped, write_whole
from depthmask.network.architecture import LITE, TASKS, Stage
from depthmask.schema import Among, Count, SchemaError, Within, from_json

if TYPE_CHECKING:
    from torch import Tensor

    from depthmask.network.u2net import U2Net

CHECKPOINT_FORMAT = 1
# By the names of `depthmask.network.architecture.MODELS`.
SHIPPED = {
    "main": shipped("weights") / "depthmask.safetensors",
    "fast": shipped("weights") / "depthmask-fast.safetensors",
}
WEIGHTS = SHIPPED["main"]

# What DataParallel, torch.compile, FSDP and its checkpointing put into the keys of a network's
# weights.
_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# Where trainers put the network that they train, rather than an average or a teacher.
_USUAL_PLACES = {"state_dict", "model_state_dict", "model", "net", "network"}
_MAX_NESTING = 4  # of groups in a pickled file that are searched for weights
# A key that each network has: of this project, and of the original one.
_SURE_KEYS = ("encoder.stages.0.stem.0.weight", "stage1.rebnconvin.conv_s1.weight")


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself."""

    tasks: Annotated[tuple[Annotated[str, Among(*TASKS)], ...], Within(1, len(TASKS))] = TASKS
    in_ch: Annotated[int, Within(1, 64)] = 6
    stages: Annotated[tuple[Stage, ...], Within(2, 10)] = LITE
    stride: Annotated[int, Within(1, 32)] = 1  # pixels, along a side, for one of the finest stage
    # square root of the pixels of a picture it is meant to see
    resolution: Annotated[int, Within(1, 4096)] = 224
    samples: Count = 0  # composites it has seen
    metrics: dict[str, float] = field(default_factory=dict)  # on validation composites
    training: dict[str, object] = field(default_factory=dict)  # the configuration, as it was


def save_checkpoint(path: Path, state: Mapping[str, "Tensor"], info: CheckpointInfo) -> None:
    """Writes weights and their description, atomically: a killed run leaves the old file whole."""
    from safetensors.torch import save

    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    header = {"format_version": str(CHECKPOINT_FORMAT), "depthmask": json.dumps(asdict(info))}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(tensors, metadata=header), durable=True)


def load_checkpoint(path: Path) -> tuple["U2Net", CheckpointInfo]:
    """Reads a network, in evaluation mode, and what its file says about it.

    Args:
        path: A safetensors file of this project, or a pickled file that holds the weights of this
            network or of the original project's, with whatever prefix and beside whatever else.

    Raises:
        CheckpointError: The file is missing, damaged, of another network, or holds weights that
            are no numbers.
    """
    import torch

    from depthmask.network.u2net import U2Net

    state, info = read_checkpoint(path)
    with torch.device("meta"):  # allocates nothing: the description may claim anything
        model = U2Net(info.tasks, info.in_ch, info.stages, info.stride)
    try:
        fitted = _fitted(state, model.state_dict())
        model.load_state_dict(fitted, assign=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} holds the weights of another network; use a checkpoint written by train.py."
        ) from error
    for key, value in fitted.items():
        if not value.isfinite().all():
            raise CheckpointError(
                f"{path} holds weights that are no numbers (NaN or infinite, the first in {key}): "
                "its training went wrong; use an earlier checkpoint."
            )
    return model.eval(), info


def read_checkpoint(path: Path) -> tuple[dict[str, "Tensor"], CheckpointInfo]:
    """Reads tensors and description without building a network; errors as `load_checkpoint`."""
    _check_file(path)
    checked_fingerprint(path)
    if _is_pickled(path):
        return from_original(_read_pickled(path)), CheckpointInfo()
    with _damage_explained(path), safe_open(path, framework="pt") as file:
        info = _parse_header(path, file.metadata() or {})
        return {key: file.get_tensor(key) for key in file.keys()}, info  # noqa: SIM118


def read_info(path: Path) -> CheckpointInfo:
    """Reads the description alone; errors as `load_checkpoint`, as far as the description shows."""
    _check_file(path)
    if _is_pickled(path):
        return CheckpointInfo()
    with _damage_explained(path), safe_open(path, framework="numpy") as file:
        return _parse_header(path, file.metadata() or {})


def check_tasks(path: Path, info: CheckpointInfo) -> None:
    """Raises CheckpointError unless a checkpoint predicts mask and depth from two pictures."""
    if set(info.tasks) != set(TASKS) or info.in_ch != 6:
        raise CheckpointError(
            f"{path} predicts {' and '.join(info.tasks)} from {info.in_ch // 3} picture(s); mask "
            "and depth from two are needed."
        )


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}; check the path.")


def _is_pickled(path: Path) -> bool:
    """Whether a file begins as torch.save does; safetensors has a brace behind eight bytes."""
    with _damage_explained(path), path.open("rb") as file:
        head = file.read(9)
    return head[8:] != b"{" and head.startswith((b"PK", b"\x80"))


@contextmanager
def _damage_explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a checkpoint; download it again or train a new one."
        ) from error


def _parse_header(path: Path, header: Mapping[str, str]) -> CheckpointInfo:
    if "depthmask" not in header:
        raise CheckpointError(f"{path} is a safetensors file, but not of depthmask.")
    if header.get("format_version") != str(CHECKPOINT_FORMAT):
        raise CheckpointError(
            f"{path} has format {header.get('format_version')}, this version of depthmask reads "
            f"format {CHECKPOINT_FORMAT}; update depthmask."
        )
    try:
        return from_json(header["depthmask"], CheckpointInfo)
    except SchemaError as error:
        raise CheckpointError(
            f"The description inside {path} is damaged ({error}); download it again or train a "
            "new one."
        ) from error


def _fitted(state: Mapping[str, "Tensor"], expected: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Copies tensors, in a network's precision; RuntimeError where one is not like its own."""
    fitted = {}
    for key, value in state.items():
        like = expected.get(key, value)
        is_plain = not (value.is_sparse or value.is_meta or value.is_quantized)
        is_like = (value.shape, value.is_floating_point()) == (like.shape, like.is_floating_point())
        if not (is_plain and is_like):
            raise RuntimeError(f"{key} has another shape or type")
        fitted[key] = value.to(like.dtype, copy=True)
    return fitted


def load_pickled(path: Path) -> Any:
    """Reads a `.pt` without running what is pickled in it: tensors and plain containers only.

    Raises:
        Exception: The file is damaged or holds more; torch raises half a dozen types.
    """
    import torch

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > path.stat().st_size:  # torch packs nothing
            raise zipfile.BadZipFile("compressed")
    with path.open("rb") as file:  # of a path, torch would look at the ending
        return torch.load(file, map_location="cpu", weights_only=True)


def _read_pickled(path: Path) -> dict[str, "Tensor"]:
    import torch

    try:
        content = load_pickled(path)
    except Exception as error:
        raise CheckpointError(
            f"{path} is damaged, or holds more than weights; only plain state dicts are read: save "
            "the network's state_dict() alone."
        ) from error
    found = _find_networks(content)
    if len(found) > 1:
        usual = {place: s for place, s in found.items() if _USUAL_PLACES.issuperset(place)}
        if len(usual) != 1:
            shown = ", ".join(repr(".".join(place)) for place in list(found)[:4])
            raise CheckpointError(
                f"{path} holds the weights of {len(found)} networks ({shown}); save the "
                "state_dict() of one alone."
            )
        found = usual
    for state in found.values():
        if all(isinstance(value, torch.Tensor) for value in state.values()):
            return state
    raise CheckpointError(
        f"{path} holds no state dict of this network; save the network's state_dict() instead."
    )


def _find_networks(content: object) -> dict[tuple[str, ...], dict[str, Any]]:
    """State dicts of this network anywhere in a file's content, without the prefixes of their keys.

    Returns:
        They, by the names of the groups that they are in and the parts of their prefix.
    """
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    seen: set[int] = set()  # a file may claim that a group is within itself
    waiting: list[tuple[tuple[str, ...], object]] = [((), content)]
    for place, group in waiting:  # which grows meanwhile
        if not isinstance(group, dict) or id(group) in seen:
            continue
        seen.add(id(group))
        named = {key: value for key, value in group.items() if isinstance(key, str)}
        if len(place) < _MAX_NESTING:
            waiting += [((*place, key), value) for key, value in named.items()]
        plain = {_without_wrappers(key): value for key, value in named.items()}
        state = plain if len(plain) == len(named) else named
        prefixes = [
            key.removesuffix(sure)
            for key in state
            for sure in _SURE_KEYS
            if f".{key}".endswith(f".{sure}")
        ]
        for prefix in prefixes[: len(_USUAL_PLACES)]:  # more are refused anyway
            found[*place, *prefix.split(".")[:-1]] = {
                key.removeprefix(prefix): value
                for key, value in state.items()
                if key.startswith(prefix)
            }
    return found


def _without_wrappers(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in _WRAPPERS)


# The original project (santhiya-v/eva-end-game) numbers its levels from one.
_ORIGINAL_TASKS = {"depth": "depth", "seg": "mask"}
_RENAMES = (
    (r"^stage(\d)\.", lambda m: f"encoder.stages.{int(m[1]) - 1}."),
    (
        r"^(depth|seg)_stage(\d)d\.",
        lambda m: f"decoders.{_ORIGINAL_TASKS[m[1]]}.stages.{int(m[2]) - 1}.",
    ),
    (
        r"^(depth|seg)_side(\d)\.",
        lambda m: f"decoders.{_ORIGINAL_TASKS[m[1]]}.votes.{int(m[2]) - 1}.",
    ),
    (r"^(depth|seg)_out\.", lambda m: f"decoders.{_ORIGINAL_TASKS[m[1]]}.fuse."),
    (r"\brebnconvin\.", lambda m: "stem."),
    (r"\brebnconv(\d)d\.", lambda m: f"up.{int(m[1]) - 1}."),
    (r"\brebnconv(\d)\.", lambda m: f"down.{int(m[1]) - 1}."),
    (r"\bconv_s1\.", lambda m: "0."),
    (r"\bbn_s1\.", lambda m: "1."),
)


def from_original(state: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Renames the keys of an original `U2NETP` checkpoint to those of `U2Net()`."""

    def rename(key: str) -> str:
        for pattern, new in _RENAMES:
            key = re.sub(pattern, new, key)
        return key

    return {rename(key): value for key, value in state.items()}
