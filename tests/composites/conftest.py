"""Pools of a small pack, drawn rather than photographed."""

import pytest
import torch

from depthmask.composites.pools import Pools, load_pools
from tests.data import packs


@pytest.fixture(scope="session")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Pools:
    path = packs.write(tmp_path_factory.mktemp("pack") / "pack.safetensors")
    return load_pools(path, torch.device("cpu"), held_out=0.0)[0]
