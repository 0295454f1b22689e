"""A small data set, and the configuration of a run on it that takes under a second."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from depthmask.network.architecture import MODELS
from depthmask.network.checkpoint import CheckpointInfo, save_checkpoint
from depthmask.network.u2net import U2Net
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.trainer import Trainer
from tests.conftest import TINY
from tests.data import packs


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packs.write(tmp_path_factory.mktemp("pack") / "pack.safetensors")


@pytest.fixture
def config(data: Path, tmp_path: Path) -> TrainConfig:
    """Two steps of four samples at 32 px."""
    return TrainConfig(
        data=data,
        out=tmp_path / "run",
        phases=(Phase(32, 8, 4, 1e-3),),
        stages=TINY,
        validation=2,
        plate_share=0.0,
        report_seconds=3600,  # however slow the machine: a row a phase
        device="cpu",
    )


@pytest.fixture(scope="package")
def _one_finished_run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    phases = (Phase(32, 8, 4, 1e-3), Phase(48, 4, 2, 1e-3))
    out = tmp_path_factory.mktemp("finished") / "run"
    config = TrainConfig(data=data, out=out, phases=phases, stages=TINY, validation=2, device="cpu")
    Trainer(replace(config, report_seconds=3600)).fit()
    return config


@pytest.fixture
def finished(_one_finished_run: TrainConfig, tmp_path: Path) -> TrainConfig:
    """A run that is at its end, after 12 samples in two phases; a copy, to do anything with."""
    out = tmp_path / "finished"
    shutil.copytree(_one_finished_run.out, out)
    return replace(_one_finished_run, out=out)


@pytest.fixture
def tiny_train(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets train.py train the tiny network."""
    monkeypatch.setitem(MODELS, "main", (TINY, 1))


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A checkpoint of both tasks to begin from."""
    file = tmp_path / "start.safetensors"
    torch.manual_seed(5)
    save_checkpoint(file, U2Net(stages=TINY).state_dict(), CheckpointInfo(stages=TINY))
    return file
