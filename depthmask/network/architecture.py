"""The architecture table of the network; `depthmask.network.u2net` builds what it says."""

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

TASKS = ("depth", "mask")
