"""The split between training and test: by cut-out and by background, never by composite."""

import zlib
from collections.abc import Sequence

TRAIN, TEST = "train", "test"
MIXED = "mixed"  # a composite of one picture for training and one for the test


def split_by_group(names: Sequence[str], groups: Sequence[int], held_out: float) -> list[str]:
    """Assigns pictures to training or test. A group is never split.

    Groups go to the test in an order that depends on the names alone, as long as they fit.

    Args:
        names: One for each picture, all different.
        groups: For each picture the number of its group.
        held_out: Share of the pictures for the test. If it is above 0 and there are two groups,
            the test gets one at least.

    Returns:
        "train" or "test" for each picture.
    """
    members: dict[int, list[int]] = {}
    for number, key in enumerate(groups):
        members.setdefault(key, []).append(number)
    ordered = sorted(
        members.values(), key=lambda group: zlib.crc32(_as_bytes(min(names[n] for n in group)))
    )
    split = [TRAIN] * len(names)
    taken = 0
    for group in ordered[:-1]:  # the last one is always for training
        # The first group goes to the test whatever its size.
        if held_out and (not taken or taken + len(group) <= held_out * len(names)):
            taken += len(group)
            for number in group:
                split[number] = TEST
    return split


def combined_split(cutout: str, background: str) -> str:
    """Tells the split of a composite, "train", "test" or "mixed", from those of its pictures."""
    return cutout if cutout == background else MIXED


def is_held_out(name: str, share: float) -> bool:
    """Tells whether a packed picture is for validation: the same for all frames of a shot.

    Args:
        name: Stem of the picture's file.
        share: Share of the shots for validation, 0 to 1.
    """
    return zlib.crc32(_as_bytes(shot_name(name))) % 1000 < share * 1000


def shot_name(name: str) -> str:
    """Returns the part of a file's stem that all frames of one shot share.

    These are the first two words of SOURCE_SHOT_FRAME. Other stems are shots of one frame.
    """
    words = name.split("_")
    return "_".join(words[:2]) if len(words) > 2 else name


def _as_bytes(name: str) -> bytes:
    """A name as UTF-8, or something like it where the name of the file was none."""
    return name.encode("utf-8", "surrogatepass")
