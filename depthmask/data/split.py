"""The split between training and test: by cut-out and by background, groups kept together."""

import zlib
from collections.abc import Sequence

TRAIN, TEST = "train", "test"
MIXED = "mixed"  # one of a composite's two pictures is for training, the other for the test


def divide(names: Sequence[str], groups: Sequence[int], held_out: float) -> list[str]:
    """Gives each picture its side.

    Whole groups go to the test, in an order that depends on names alone, until it has its share.

    Args:
        names: Of the pictures, each once.
        groups: For each picture the number of its group.
        held_out: Share of the pictures for the test. Above 0 the test has a group, if two exist.

    Returns:
        "train" or "test" for each.
    """
    members: dict[int, list[int]] = {}
    for number, chosen in enumerate(groups):
        members.setdefault(chosen, []).append(number)
    ordered = sorted(
        members.values(), key=lambda group: zlib.crc32(min(names[n] for n in group).encode())
    )
    sides = [TRAIN] * len(names)
    taken = 0
    for group in ordered[:-1]:  # one at least stays for training
        # the first group whatever its size; others only where they fit
        if held_out and (not taken or taken + len(group) <= held_out * len(names)):
            taken += len(group)
            for number in group:
                sides[number] = TEST
    return sides


def side_of(cutout: str, background: str) -> str:
    """The side of a composite, from those of its pictures: "train", "test" or "mixed"."""
    return cutout if cutout == background else MIXED


def is_held_out(name: str, share: float) -> bool:
    """Whether a picture belongs to validation; the same for all frames of one shot."""
    return zlib.crc32(shot_of(name).encode()) % 1000 < share * 1000


def shot_of(name: str) -> str:
    """The part of a file's stem that frames of one shot share: two words of three or more."""
    words = name.split("_")
    return "_".join(words[:2]) if len(words) > 2 else name
