"""The architecture tables of the networks; `depthmask.network.u2net` builds what they say."""

from typing import Annotated, NamedTuple

from depthmask.schema import Within


class Stage(NamedTuple):
    """One row of the architecture table: the size of an RSU block."""

    height: Annotated[int, Within(2, 10)]  # levels of the block's inner U
    mid_ch: Annotated[int, Within(1, 1024)]  # channels inside that U
    out_ch: Annotated[int, Within(1, 1024)]  # channels the block yields
    dilated: bool = False  # dilate instead of pooling: these maps are too small to halve


# U²-Net-P, from full resolution (first) down to 1/32 (last). A decoder mirrors all but the last.
LITE = (
    Stage(7, 16, 64),
    Stage(6, 16, 64),
    Stage(5, 16, 64),
    Stage(4, 16, 64),
    Stage(4, 16, 64, dilated=True),
    Stage(4, 16, 64, dilated=True),
)

# A faster network: it works at half the size and half the width. Each row is the next one of the
# table above, since the first halving is taken beforehand.
FAST = (
    Stage(6, 16, 32),
    Stage(5, 16, 32),
    Stage(4, 16, 32),
    Stage(4, 16, 32, dilated=True),
    Stage(4, 16, 32, dilated=True),
)

# What the user calls a network -> its table, and its stride: pixels for one of the finest stage.
MODELS = {"main": (LITE, 1), "fast": (FAST, 2)}

TASKS = ("depth", "mask")
