"""The network as CUDA graphs: recorded once for each shape, then replayed by one launch.

Without them a GPU waits for Python to launch hundreds of small kernels a pair. With them a pair of
224 px takes 4.0 ms on an H100. Where recording fails, the network runs launch by launch.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from depthmask.network.device import is_out_of_memory

Call = Callable[[Tensor, Tensor], tuple[Tensor, ...]]

_LOG = logging.getLogger(__name__)
MAX_SHAPES = 8  # recorded at a time: each holds its own intermediate maps on the GPU
_WARM_UP_CALLS = 3  # before the recording: libraries choose algorithms and allocate in them


class GraphCache:
    """Calls what it is given, or replays the recording of a call with the same shapes.

    Args:
        call: Takes backgrounds and images, (B, h, w, 3) each, and gives maps. It must do the same
            for all values of one shape.
        record: Runs a call and gives what replays it; tests pass another.

    What a replay gives is overwritten by the next one of that shape: copy it first.
    """

    def __init__(self, call: Call, record: Callable[[Call, Tensor, Tensor], Call]) -> None:
        self._call = call
        self._record = record
        self._usable = True
        self._replays: OrderedDict[torch.Size, Call] = OrderedDict()

    def __call__(self, backgrounds: Tensor, images: Tensor) -> tuple[Tensor, ...]:
        if images.shape in self._replays:
            self._replays.move_to_end(images.shape)
        elif self._usable:
            self._try_to_record(backgrounds, images)
        return self._replays.get(images.shape, self._call)(backgrounds, images)

    def _try_to_record(self, backgrounds: Tensor, images: Tensor) -> None:
        while len(self._replays) >= MAX_SHAPES:  # first, so that its memory is free for the new one
            self._replays.popitem(last=False)
        try:
            self._replays[images.shape] = self._record(self._call, backgrounds, images)
            return
        except RuntimeError as error:  # torch's for memory, too, is one
            reason = str(error).partition("\n")[0]
            is_full = is_out_of_memory(error)
        if is_full and self._replays:  # here, and not above, where the error keeps memory
            self._replays.clear()
            self._try_to_record(backgrounds, images)
            return
        self._usable = False
        _LOG.warning("CUDA graphs cannot be used, the network is run without them: %s", reason)


def record(call: Call, backgrounds: Tensor, images: Tensor) -> Call:
    """Runs a call into a CUDA graph and gives what replays it.

    Raises:
        RuntimeError: The call does what cannot be recorded, or memory is short.
    """
    device = backgrounds.device
    kept = backgrounds.clone(), images.clone()  # a graph reads and writes fixed places
    aside, graph = torch.cuda.Stream(device), torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP_CALLS):
                call(*kept)
        torch.cuda.current_stream().wait_stream(aside)
        # other threads may use the GPU meanwhile
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            maps = call(*kept)

    def replay(backgrounds: Tensor, images: Tensor) -> tuple[Tensor, ...]:
        with torch.cuda.device(device):
            for place, pictures in zip(kept, (backgrounds, images), strict=True):
                place.copy_(pictures)
            graph.replay()
        return maps

    return replay
