"""Training: it learns what it shall, and leaves what it promises."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import train
from depthmask.errors import CheckpointError, TrainingError
from depthmask.files import fingerprint
from depthmask.network.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from depthmask.network.u2net import U2Net
from depthmask.training.config import PROTOCOLS, Phase, TrainConfig
from depthmask.training.distributed import ProcessGroup
from depthmask.training.sample_sheet import draw_sample_sheet
from depthmask.training.trainer import Trainer, one_cycle
from depthmask.training.validation import COMPOSITES_SEED, batch_metrics, validation_metrics
from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[2]


def test_it_leaves_checkpoints_that_load_and_a_log(finished: TrainConfig) -> None:
    for name in ("last", "phase-32", "phase-48"):
        load_checkpoint(finished.out / f"{name}.safetensors")
    _, info = load_checkpoint(finished.out / "last.safetensors")
    assert (info.samples, info.resolution, info.stages) == (12, 48, TINY)
    assert info.training["depth_loss"] == "bce"
    assert set(info.metrics) == {
        *("iou", "batch_iou", "boundary_iou", "rmse", "batch_rmse", "rmse_over_deviation")
    }
    rows = (finished.out / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == [
        *("kind", "training", "validation", "training", "validation")
    ]
    assert len(list(finished.out.glob("predictions-*.png"))) == 2


def test_a_run_is_not_written_over(finished: TrainConfig) -> None:
    before = fingerprint(finished.out / "last.safetensors")
    with pytest.raises(TrainingError, match="holds a run: go on with --resume"):
        Trainer(replace(finished, seed=5)).fit()
    assert fingerprint(finished.out / "last.safetensors") == before


def test_a_run_follows_the_clock_where_minutes_are_given(config: TrainConfig) -> None:
    phase = Phase(32, 4000, 4, 1e-3)
    config = replace(config, phases=(phase,), minutes=2.0)
    trainer = Trainer(config)
    trainer.position.seconds = 30.0
    assert trainer.share_done(phase) == 0.25
    trainer.position.step = 500  # further than the clock
    assert trainer.share_done(phase) == 0.5
    trainer.position.seconds, trainer.position.step = 119.9999, 3
    trainer.fit()
    assert (trainer.position.phase, trainer.position.samples) == (1, 4)
    assert (config.out / "phase-32.safetensors").is_file()


@pytest.mark.skipif(os.name == "nt", reason="permissions are another thing there")
def test_what_is_written_has_the_permissions_of_any_file(finished: TrainConfig) -> None:
    (finished.out / "new").touch()
    written = [path for path in finished.out.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in written} == {
        (finished.out / "new").stat().st_mode & 0o777
    }


@pytest.mark.usefixtures("tiny_train")
def test_a_folder_that_is_a_file_is_said(
    config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config.out.write_text("mine")
    arguments = ["--data", str(config.data), "--out", str(config.out), "--validation", "4"]
    assert train.main([*arguments, "--phases", "32:4:4:1e-3", "--device", "cpu"]) == 2
    assert str(config.out) in capsys.readouterr().err
    assert config.out.read_text() == "mine"


def test_missing_data_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "depthmask pack" in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("rate", "fields", "samples"),
    [
        pytest.param(1e30, {"epoch": 4}, 8, id="validation"),
        pytest.param(3e38, {"save_minutes": 0}, 8, id="weights"),
        pytest.param(1e30, {}, 16, id="loss", marks=pytest.mark.slow),
    ],
)
def test_a_loss_that_is_not_finite_stops_the_run(
    config: TrainConfig, rate: float, fields: dict[str, Any], samples: int
) -> None:
    """And nothing is written over what was good before the second phase."""
    phases = (Phase(32, 4, 4, 1e-3), Phase(32, 12, 4, rate))
    config = replace(config, phases=phases, warm_up=0.0, **fields)
    with pytest.raises(TrainingError, match=f"not finite at sample {samples}: lower the rate"):
        Trainer(config).fit()
    good, info = load_checkpoint(config.out / "last.safetensors")
    assert info.samples == 4
    resumed = Trainer(config, resume=True)
    assert resumed.position.samples == 4
    for state in (good.state_dict(), resumed.model.state_dict()):
        assert all(value.isfinite().all() for value in state.values())


def test_outputs_that_are_not_finite_stop_the_run_before_anything_is_saved(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(*_: object) -> None:
        raise FloatingPointError("more composites than validation had")

    trainer = Trainer(config)
    trainer.validate(32)
    good = (config.out / "last.safetensors").read_bytes()
    trainer.position.samples = 12
    monkeypatch.setattr("depthmask.training.trainer.draw_sample_sheet", draw)
    with pytest.raises(TrainingError, match="not finite at sample 12: lower the rate"):
        trainer.validate(32)
    assert (config.out / "last.safetensors").read_bytes() == good


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 MiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 5 GB, max allowed: 9 GB)."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
]


@pytest.fixture(params=NO_MEMORY, ids=["CUDA", "MPS", "CPU"])
def no_memory(request: pytest.FixtureRequest) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise request.param

    return fail


def test_memory_that_does_not_suffice_is_said(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, no_memory: Callable[..., None]
) -> None:
    """And --resume is advised only if there is something to resume."""
    config = replace(config, phases=(Phase(32, 8, 4, 1e-3), Phase(48, 4, 2, 1e-3)))
    step = Trainer._step
    monkeypatch.setattr(Trainer, "_step", no_memory)
    with pytest.raises(TrainingError, match=r"4 samples of 32 px do not fit .* sample 0\.") as said:
        Trainer(config).fit()
    assert "Nothing was saved yet: close other programs, or choose" in str(said.value)
    assert "--resume" not in str(said.value)
    monkeypatch.setattr(Trainer, "_step", step)
    monkeypatch.setattr(
        "depthmask.training.trainer.validation_metrics",
        lambda model, pools, size, *rest: (no_memory if size == 48 else validation_metrics)(
            model, pools, size, *rest
        ),
    )
    with pytest.raises(TrainingError, match=r"2 samples of 48 px .* sample 12\. Close .*--resume"):
        Trainer(config).fit()
    monkeypatch.undo()
    resumed = Trainer(config, resume=True)
    assert resumed.position.samples == 8
    resumed.fit()


def test_pictures_for_which_there_is_no_memory_are_said(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch, no_memory: Callable[..., None]
) -> None:
    monkeypatch.setattr("depthmask.training.trainer.load_pools", no_memory)
    with pytest.raises(TrainingError, match=r"The pictures of .* do not fit into the memory"):
        Trainer(config)


def test_another_error_is_not_taken_for_a_lack_of_memory(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(Trainer, "_step", step)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        Trainer(config).fit()


def test_validation_keeps_nothing_for_gradients(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def draw(*given: Any) -> Any:
        seen.append(torch.is_grad_enabled())
        return draw_sample_sheet(*given)

    monkeypatch.setattr("depthmask.training.trainer.draw_sample_sheet", draw)
    Trainer(config).fit()
    assert seen and not any(seen)


@pytest.mark.usefixtures("tiny_train")
def test_a_loss_that_is_not_finite_is_a_sentence(
    config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(config.data), "--out", str(config.out), "--validation", "2"]
    arguments += ["--phases", "32:16:4:1e38", "--epoch", "4", "--device", "cpu"]
    assert train.main(arguments) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("train.py: The loss is not finite at sample")


@pytest.mark.slow
def test_it_learns_one_batch_by_heart(config: TrainConfig) -> None:
    phase = Phase(32, 4 * 60, 4, 3e-2)
    # of this seed's four samples, three have an object that can be seen at 32 px
    trainer = Trainer(replace(config, limit=4, phases=(phase,), seed=2))
    model = trainer.ready()
    scores = []
    while trainer.position.step < phase.steps:
        _, logits, batch = trainer.advance(model, phase)
        metrics = batch_metrics(logits, batch)
        scores.append({name: value.mean().item() for name, value in metrics.items()})
    assert scores[-1]["iou"] > 0.9
    assert scores[-1]["rmse"] < 0.6 * scores[0]["rmse"]


@pytest.mark.slow
def test_it_learns(config: TrainConfig) -> None:
    stages = (TINY[0], TINY[0], TINY[-1])  # the tiny network is too shallow to learn in a minute
    phases = (Phase(16, 8 * 60, 8, 2e-2),)
    trainer = Trainer(replace(config, phases=phases, stages=stages, validation=16))
    before = trainer.validate(16).metrics
    after = trainer.fit().metrics
    assert after["iou"] > before["iou"] + 0.1
    assert after["rmse"] < before["rmse"]


def test_batch_norms_keep_their_statistics_when_frozen(config: TrainConfig) -> None:
    trainer = Trainer(replace(config, freeze_norm=True))
    before = {name: value.clone() for name, value in trainer.model.named_buffers()}
    weight = trainer.model.get_parameter("encoder.stages.0.stem.1.weight")
    first = weight.clone()
    trainer.advance(trainer.ready(), config.phases[0])
    assert all(torch.equal(before[name], value) for name, value in trainer.model.named_buffers())
    assert not torch.equal(weight, first), "their scales and shifts are trained"


def test_a_decoder_alone_is_trained(config: TrainConfig, start: Path) -> None:
    """Statistics of batch norms included: the other task's maps stay as they were, to the bit."""
    trainer = Trainer(replace(config, only="depth", start=start))
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    _, logits, _ = trainer.advance(trainer.ready(), config.phases[0])
    assert set(logits) == {"depth"}, "no work is done for the rest"
    changed = {
        name for name, value in trainer.model.state_dict().items() if not value.equal(before[name])
    }
    assert changed and all(name.startswith("decoders.depth.") for name in changed)


def test_the_original_protocol_validates_on_the_pictures_it_trains_on(config: TrainConfig) -> None:
    fields: dict[str, Any] = PROTOCOLS["original"] | {"shared_pictures": 3}
    trainer = Trainer(replace(config, **fields))
    assert trainer.train_pools is trainer.validation_pools
    pools = trainer.train_pools
    assert pools.foregrounds.members.tolist() == [0, 2, 4]
    assert pools.backgrounds.pick(torch.tensor([0.0, 0.4, 0.99])).tolist() == [0, 5, 10]
    batch = trainer.batches.make(Phase(32, 8, 8, 1e-3), 0, trainer.model)
    assert batch.image.shape == (8, 3, 32, 32)
    assert batch.true_mask.amax(dim=(1, 2, 3)).min() > 0.5, "every composite has its cut-out"


def test_one_task_alone(config: TrainConfig) -> None:
    info = Trainer(replace(config, tasks=("mask",), phases=(Phase(32, 4, 4, 1e-3),))).fit()
    assert info.tasks == ("mask",) and "rmse" not in info.metrics


def test_training_starts_from_a_checkpoint(config: TrainConfig, start: Path) -> None:
    begun = Trainer(replace(config, start=start))
    stored = load_file(start)
    assert all(torch.equal(value, stored[name]) for name, value in begun.average.items())
    assert all(torch.equal(v, stored[name]) for name, v in begun.model.state_dict().items())


def test_a_checkpoint_of_other_tasks_is_refused(config: TrainConfig, tmp_path: Path) -> None:
    start = tmp_path / "mask.safetensors"
    masks_only = U2Net(("mask",), stages=TINY)
    save_checkpoint(start, masks_only.state_dict(), CheckpointInfo(tasks=("mask",), stages=TINY))
    with pytest.raises(CheckpointError, match="same --tasks"):
        Trainer(replace(config, start=start))


def test_it_learns_from_another_network(config: TrainConfig, start: Path) -> None:
    plain, distilled = (
        Trainer(replace(config, distill=file, distill_share=1.0)) for file in (None, start)
    )
    phase = config.phases[0]
    before, after = (t.batches.make(phase, 0, t.model) for t in (plain, distilled))
    assert torch.equal(before.image, after.image)
    assert not torch.equal(before.true_depth, after.true_depth)


def test_it_learns_from_networks_of_both_tasks_only(config: TrainConfig, tmp_path: Path) -> None:
    file = tmp_path / "masks.safetensors"
    masks_only = U2Net(("mask",), stages=TINY)
    save_checkpoint(file, masks_only.state_dict(), CheckpointInfo(("mask",), stages=TINY))
    with pytest.raises(CheckpointError, match="does not predict depth and mask"):
        Trainer(replace(config, distill=file))


@pytest.mark.parametrize(("in_ch", "stages"), [(6, TINY[1:]), (3, TINY)])
def test_a_checkpoint_of_another_architecture_is_refused(
    config: TrainConfig, tmp_path: Path, in_ch: int, stages: Any
) -> None:
    start = tmp_path / "other.safetensors"
    info = CheckpointInfo(in_ch=in_ch, stages=stages)
    save_checkpoint(start, U2Net(in_ch=in_ch, stages=stages).state_dict(), info)
    with pytest.raises(CheckpointError, match=r"another architecture; start from .* same stages\."):
        Trainer(replace(config, start=start))


def test_the_rate_rises_and_falls(config: TrainConfig) -> None:
    rates = [one_cycle(step / 100, config) for step in range(100)]
    peak = rates.index(max(rates))
    assert peak == 10 and rates[peak] == 1
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    assert rates[-1] < 0.06


def test_training_needs_torch_numpy_and_safetensors_alone() -> None:
    check = (
        "import sys, json, train\n"
        "found = {n.split('.')[0] for n in sys.modules}\n"
        "print(json.dumps(sorted(found & {'cv2', 'PIL', 'gradio', 'onnxruntime'})))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert json.loads(printed) == []


@pytest.mark.parametrize(("phase", "decay"), [(0, 2 / 11), (1, 0.995)])
def test_the_average_follows_closely_at_first(
    config: TrainConfig, phase: int, decay: float
) -> None:
    """Or it would remember the random start: (1 + n) / (10 + n) at step n of the first phase."""
    trainer = Trainer(config)
    trainer.position.phase = phase
    name = "decoders.mask.fuse.weight"
    first = trainer.average[name].clone()
    trainer.advance(trainer.ready(), Phase(32, 8, 4, 100.0))
    weight = trainer.model.state_dict()[name]
    assert (weight - first).abs().max() > 0.1
    torch.testing.assert_close(trainer.average[name], decay * first + (1 - decay) * weight)


def test_gradients_are_clipped(config: TrainConfig) -> None:
    trainer = Trainer(replace(config, clip=0.01))
    trainer.advance(trainer.ready(), config.phases[0])
    gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(0.01, rel=1e-3)


def test_tasks_count_as_weighted(config: TrainConfig) -> None:
    def loss(mask: float, depth: float) -> float:
        trainer = Trainer(replace(config, mask_weight=mask, depth_weight=depth))
        return trainer.advance(trainer.ready(), config.phases[0])[0].item()

    assert loss(2, 3) == pytest.approx(2 * loss(1, 0) + 3 * loss(0, 1), rel=1e-4)


def test_no_training_can_see_the_composites_of_validation(config: TrainConfig) -> None:
    with pytest.raises(ValueError, match="seed"):
        replace(config, seed=COMPOSITES_SEED)


def test_a_batch_that_processes_cannot_share_is_refused(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcessGroup, "join", lambda _: ProcessGroup(0, 2))
    Trainer(config)
    with pytest.raises(ValueError, match="A batch of 3 cannot be shared by 2 processes"):
        Trainer(replace(config, phases=(Phase(32, 6, 3, 1e-3),)))
