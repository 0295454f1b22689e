"""The benchmark of training rates runs without any data, and compares like with like."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.original_loop import StoredComposites, original_step, write_files
from benchmarks.training_rate import draw_pictures
from depthmask.data.packfile import write_pack
from depthmask.network.u2net import U2Net
from depthmask.training.losses import task_losses
from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[2]


def test_the_original_way_reads_what_it_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.training_rate.SIDE", 64)
    monkeypatch.setattr("benchmarks.original_loop.FILE_SIDE", 64)
    write_pack(tmp_path / "pack.safetensors", draw_pictures(), step=8)
    write_files(tmp_path, 4)
    samples = StoredComposites(tmp_path, 32)
    assert len(samples) == 4
    background, image, mask, depth = samples[3]
    assert background.shape == image.shape == (3, 32, 32)
    assert mask.shape == depth.shape == (1, 32, 32)
    assert mask.min() < 0.1 and mask.max() > 0.9
    assert (background - image).abs()[:, mask[0] > 0.9].mean() > 0.1, "something stands there"


def test_its_loss_is_the_sum_over_all_maps() -> None:
    torch.manual_seed(0)
    model = U2Net(stages=TINY)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    background, image = torch.rand(2, 2, 3, 32, 32)
    true = {task: torch.rand(2, 1, 32, 32) for task in ("mask", "depth")}
    samples = (background, image, true["mask"], true["depth"])
    loss = original_step(model, optimizer, *samples)
    ours = task_losses(model(background, image), true)
    assert loss == pytest.approx(sum(value.item() for value in ours.values()), rel=1e-3)


@pytest.mark.slow
def test_it_runs() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "benchmarks.training_rate", "--quick", "--device", "cpu"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=600,
    ).stdout
    assert float(printed.split()[-1]) > 0
