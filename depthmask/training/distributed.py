"""Several processes that train one network together, as `torchrun` starts them."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from depthmask.errors import OptionError


@dataclass(frozen=True)
class ProcessGroup:
    """This process and those that train with it. A group of one changes nothing."""

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls, device: torch.device) -> "ProcessGroup":
        """Joins the processes that `torchrun` started, or works alone where it did not."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(dist.get_rank(), size)

    def leave(self) -> None:
        """Ends the group, so that no process waits for this one."""
        if self.size > 1:
            dist.destroy_process_group()

    @property
    def is_leader(self) -> bool:
        """Whether this is the one process that validates, writes and reports."""
        return self.rank == 0

    def check_batch(self, batch: int) -> None:
        """Raises OptionError for a global batch that cannot be shared equally."""
        if batch % self.size:
            raise OptionError(
                f"A batch of {batch} cannot be shared by {self.size} processes; "
                "choose batches in --phases that the number of processes divides."
            )

    def own_part(self, numbers: Tensor) -> Tensor:
        """This process's part of the sample numbers of a global batch."""
        return numbers.chunk(self.size)[self.rank]

    def leaders_choice(self, choice: bool) -> bool:
        """What the leading process chose: a step that only some take waits for the others."""
        box = [choice]
        if self.size > 1:
            dist.broadcast_object_list(box)
        return box[0]

    def wrap(self, model: nn.Module) -> nn.Module:
        """Makes backward() average gradients over the group."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model)
