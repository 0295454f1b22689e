"""Training: it learns, survives, and goes on exactly where it stopped."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import train
from depthmask.composites.compose import Batch
from depthmask.errors import CheckpointError, TrainingError
from depthmask.files import fingerprint
from depthmask.network.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from depthmask.network.u2net import U2Net
from depthmask.training import config as config_module
from depthmask.training import journal
from depthmask.training.batches import frame_size
from depthmask.training.config import Phase, TrainConfig
from depthmask.training.run_log import read_log
from depthmask.training.trainer import Trainer, one_cycle
from depthmask.training.validation import score
from tests.data import packs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packs.write(tmp_path_factory.mktemp("pack") / "pack.safetensors")


@pytest.fixture
def config(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainConfig:
    monkeypatch.setattr(journal, "_REPORT_SECONDS", math.inf)  # however slow: a report a phase
    return TrainConfig(
        data=data,
        out=tmp_path / "run",
        phases=(Phase(32, 8, 4, 1e-3), Phase(48, 4, 2, 1e-3)),
        validation=4,
        device="cpu",
    )


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.average.items()}


class Killed(Exception):
    pass


def die(*_: object) -> None:
    raise Killed


def stop_after(trainer: Trainer, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a trainer save, then die, before its step number `steps` + 1."""
    real: Callable[..., object] = trainer._step

    def dying(model: nn.Module, batch: Batch) -> object:
        shorter = trainer.progress.phase > 0
        done = 2 + trainer.progress.step if shorter else trainer.progress.samples // 4
        if done == steps:
            trainer._save_state()
            raise Killed
        return real(model, batch)

    monkeypatch.setattr(trainer, "_step", dying)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A checkpoint of both tasks to begin from."""
    file = tmp_path / "start.safetensors"
    save_checkpoint(file, U2Net().state_dict(), CheckpointInfo())
    return file


@pytest.mark.parametrize(
    ("steps", "fields"),
    [(1, {}), (3, {}), (1, {"candidates": 2}), (1, {"only": "mask", "candidates": 2})],
)
def test_a_resumed_run_ends_as_an_uninterrupted_one(
    config: TrainConfig,
    start: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    fields: dict[str, Any],
) -> None:
    config = replace(config, start=start if "only" in fields else None, **fields)
    whole = Trainer(replace(config, out=config.out.with_name("whole")))
    whole.fit()
    killed = Trainer(config)
    stop_after(killed, steps, monkeypatch)
    with pytest.raises(Killed):
        killed.fit()
    resumed = Trainer(config, resume=True)
    assert resumed.progress == killed.progress
    resumed.fit()
    expected, found = weights(whole), weights(resumed)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_kill_while_a_phase_ends_leaves_no_row_twice(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, save_minutes=0)
    killed = Trainer(config)

    monkeypatch.setattr(killed.records, "show", die)
    with pytest.raises(Killed):
        killed.fit()
    Trainer(config, resume=True).fit()
    rows = [(point.kind, point.samples) for point in read_log(config.out / "log.csv")]
    assert rows == [(kind, samples) for samples in (8, 12) for kind in ("training", "validation")]


def test_a_run_is_not_written_over(config: TrainConfig) -> None:
    Trainer(config).fit()
    before = fingerprint(config.out / "last.safetensors")
    with pytest.raises(TrainingError, match="holds a run: go on with --resume"):
        Trainer(replace(config, seed=5)).fit()
    assert fingerprint(config.out / "last.safetensors") == before


@pytest.mark.skipif(os.name == "nt", reason="permissions are another thing there")
def test_what_is_written_can_be_read_by_others(config: TrainConfig) -> None:
    mask = os.umask(0o022)
    try:
        Trainer(config).fit()
    finally:
        os.umask(mask)
    written = [path for path in config.out.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o644}


@pytest.mark.parametrize(
    "fields",
    [
        {"epoch": 0},
        {"validation": 0},
        {"border": math.nan},
        {"depth_weight": -1.0},
        {"save_minutes": math.nan},
    ],
)
def test_options_that_cannot_be_are_refused(config: TrainConfig, fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(ValueError, match=name):
        replace(config, **fields)


def test_a_rate_is_a_number() -> None:
    with pytest.raises(ValueError, match="SIZE:SAMPLES:BATCH:RATE"):
        Phase.parse("32:4:4:nan")


def test_a_folder_that_is_a_file_is_said(
    config: TrainConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config.out.write_text("mine")
    arguments = ["--data", str(config.data), "--out", str(config.out), "--validation", "4"]
    assert train.main([*arguments, "--phases", "32:4:4:1e-3", "--device", "cpu"]) == 2
    assert str(config.out) in capsys.readouterr().err
    assert config.out.read_text() == "mine"


def test_a_run_does_not_go_on_with_other_data(config: TrainConfig, tmp_path: Path) -> None:
    Trainer(config).fit()
    moved = tmp_path / "moved" / "other-name"
    moved.parent.mkdir()
    moved.write_bytes(config.data.read_bytes())
    assert Trainer(replace(config, data=moved), resume=True).progress.samples == 12
    packs.write(moved, step=20)
    with pytest.raises(CheckpointError, match=r"other options \(data\)"):
        Trainer(replace(config, data=moved), resume=True)


def test_it_leaves_checkpoints_that_load_and_a_log(config: TrainConfig) -> None:
    info = Trainer(config).fit()
    for name in ("last", "phase-32", "phase-48"):
        load_checkpoint(config.out / f"{name}.safetensors")
    _, stored = load_checkpoint(config.out / "last.safetensors")
    assert stored == info
    assert info.samples == 12 and info.resolution == 48
    assert info.training["depth_loss"] == "bce"
    assert set(info.metrics) == {
        *("iou", "batch_iou", "boundary_iou", "rmse", "batch_rmse", "rmse_over_deviation")
    }
    rows = (config.out / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == [
        *("kind", "training", "validation", "training", "validation")
    ]


def test_no_file_of_the_state_passes_16_mb(config: TrainConfig) -> None:
    trainer = Trainer(config)
    trainer.fit()
    files = list((config.out / "state").iterdir())
    assert len(files) <= 8
    assert max(file.stat().st_size for file in files) < 16e6
    assert not (config.out / "state.new").exists() and not (config.out / "state.old").exists()


def test_a_kill_between_the_two_renames_loses_nothing(config: TrainConfig) -> None:
    Trainer(config).fit()
    (config.out / "state").rename(config.out / "state.old")
    assert Trainer(config, resume=True).progress.samples == 12


def test_a_damaged_state_is_said(config: TrainConfig) -> None:
    Trainer(config).fit()
    (config.out / "state" / "exp_avg.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match="start without --resume"):
        Trainer(config, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run(
    config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(config)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(math.nan)
    with pytest.raises(TrainingError, match="no longer finite"):
        trainer.fit()
    assert not (config.out / "state").exists(), "a broken state must not replace a good one"


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    """SIGKILL while it computes, validates or writes; --save-minutes 0 makes writing likely."""
    options = ["--data", str(data), "--phases", "32:24:4:1e-3", "48:4:2:1e-3"]
    options += ["--validation", "4", "--epoch", "8", "--save-minutes", "0", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(name: str, *more: str) -> subprocess.Popen[bytes]:
        program = [sys.executable, "train.py", *options, "--out", str(tmp_path / name), *more]
        return subprocess.Popen(program, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)

    assert start("whole").wait(timeout=600) == 0
    seed = random.randrange(2**32)
    killed, dice = tmp_path / "killed", random.Random(seed)
    print(f"killed after the dice of {seed}")  # shown if it fails
    for kill in range(4):
        process = start("killed", "--resume")
        saves = kill + 1 + dice.randrange(3)
        wait_for(lambda: samples_of(killed) >= 4 * saves or process.poll() is not None)  # noqa: B023
        time.sleep(dice.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("killed", "--resume").wait(timeout=600) == 0
    expected, found = (
        load_file(tmp_path / name / "last.safetensors") for name in ("whole", "killed")
    )
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    rows = [point.samples for point in read_log(killed / "log.csv") if point.kind == "validation"]
    assert rows == sorted(set(rows)), "what a killed process wrote too much is dropped"


def samples_of(out: Path) -> int:
    """How far the stored state of a run is; 0 while there is none."""
    try:
        return int(json.loads((out / "state" / "progress.json").read_text())["samples"])
    except OSError:
        return 0


def wait_for(is_true: Callable[[], bool], limit_s: float = 600) -> None:
    end = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


def test_a_limit_repeats_the_same_composites(config: TrainConfig) -> None:
    def batch(limit: int, samples: int) -> Batch:
        trainer = Trainer(replace(config, limit=limit))
        return trainer.supply.batch(config.phases[0], samples, trainer.model)

    assert torch.equal(batch(4, 0).image, batch(4, 8).image)
    assert not torch.equal(batch(0, 0).image, batch(0, 8).image)


def test_a_share_of_the_batches_is_as_the_original_made_them(config: TrainConfig) -> None:
    """Square, and nothing changes between the two pictures but what enters."""
    trainer = Trainer(replace(config, original_share=0.5, aspects=(16 / 9,)))
    originals = 0
    for step in range(40):
        batch = trainer.supply.batch(config.phases[0], 4 * step, trainer.model)
        square = batch.image.shape[2] == batch.image.shape[3]
        still = ((batch.image - batch.background).abs() * (batch.true_mask == 0)).max() == 0
        assert still or not square
        originals += square
    assert 10 <= originals <= 30


def test_a_share_of_the_batches_is_half_as_large(config: TrainConfig) -> None:
    """What a network has learned at one size it forgets at another."""
    trainer = Trainer(replace(config, half_share=0.5, aspects=(1.0,)))
    phase = Phase(64, 8, 4, 1e-3)
    sides = [
        trainer.supply.batch(phase, 4 * step, trainer.model).image.shape[-1] for step in range(40)
    ]
    assert set(sides) == {32, 64}
    assert 10 <= sides.count(32) <= 30


@pytest.mark.parametrize("share", [-0.1, 1.1])
@pytest.mark.parametrize("name", ["original_share", "half_share"])
def test_a_share_that_is_none_is_refused(config: TrainConfig, name: str, share: float) -> None:
    fields: dict[str, Any] = {name: share}
    with pytest.raises(ValueError, match=name):
        replace(config, **fields)


@pytest.mark.slow
def test_it_learns_one_batch_by_heart(config: TrainConfig) -> None:
    phase = Phase(32, 4 * 120, 4, 3e-3)
    trainer = Trainer(replace(config, limit=4, phases=(phase,)))
    model = trainer.ready()
    scores = []
    while trainer.progress.step < phase.steps:
        _, logits, batch = trainer.advance(model, phase)
        scores.append({name: value.mean().item() for name, value in score(logits, batch).items()})
    assert scores[-1]["iou"] > 0.9
    assert scores[-1]["rmse"] < 0.6 * scores[0]["rmse"]


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


def test_a_decoder_alone_needs_what_it_is_trained_beside(config: TrainConfig, start: Path) -> None:
    with pytest.raises(ValueError, match="only is among the tasks: mask"):
        replace(config, tasks=("mask",), only="depth", start=start)
    with pytest.raises(ValueError, match="name it with --start"):
        replace(config, only="depth")


def test_the_original_protocol_validates_on_the_pictures_it_trains_on(config: TrainConfig) -> None:
    fields = config_module.PROTOCOLS["original"] | {"shared_pictures": 3}
    trainer = Trainer(replace(config, **fields))
    assert trainer.train_pools is trainer.validation_pools
    pools = trainer.train_pools
    assert pools.foregrounds.members.tolist() == [0, 2, 4]
    assert pools.backgrounds.pick(torch.tensor([0.0, 0.4, 0.99])).tolist() == [0, 5, 10]
    batch = trainer.supply.batch(Phase(32, 8, 8, 1e-3), 0, trainer.model)
    assert batch.image.shape == (8, 3, 32, 32)
    assert batch.true_mask.amax(dim=(1, 2, 3)).min() > 0.5, "every composite has its cut-out"


def test_one_task_alone(config: TrainConfig) -> None:
    info = Trainer(replace(config, tasks=("mask",), phases=(Phase(32, 4, 4, 1e-3),))).fit()
    assert info.tasks == ("mask",) and "rmse" not in info.metrics


def test_training_starts_from_a_checkpoint(config: TrainConfig) -> None:
    first = Trainer(config)
    first.fit()
    second = Trainer(replace(config, start=config.out / "last.safetensors"))
    assert torch.equal(
        second.average["decoders.mask.fuse.weight"], first.average["decoders.mask.fuse.weight"]
    )


def test_a_checkpoint_of_other_tasks_is_refused(config: TrainConfig) -> None:
    start = config.out.with_name("mask.safetensors")
    masks_only = U2Net(("mask",))
    save_checkpoint(start, masks_only.state_dict(), CheckpointInfo(tasks=("mask",)))
    with pytest.raises(CheckpointError, match="same --tasks"):
        Trainer(replace(config, start=start))


@pytest.mark.slow
def test_it_learns(config: TrainConfig) -> None:
    trainer = Trainer(replace(config, phases=(Phase(32, 960, 8, 2e-3),), validation=32))
    before = trainer.validate(32).metrics
    after = trainer.fit().metrics
    assert after["iou"] > before["iou"] + 0.1
    assert after["rmse"] < before["rmse"]


@pytest.mark.slow
def test_two_processes_train_as_one(data: Path, tmp_path: Path) -> None:
    """With frozen batch statistics a global batch is the same however it is shared."""
    program = tmp_path / "steps.py"
    program.write_text(
        "import contextlib, sys\n"
        "from pathlib import Path\n"
        "import torch\n"
        "from safetensors.torch import save_file\n"
        "from depthmask import config as config_module, trainer as module\n"
        "torch.set_num_threads(1)\n"
        "data, out = map(Path, sys.argv[1:])\n"
        "phase = config_module.Phase(32, 12, 4, 1e-3)\n"
        "config = config_module.TrainConfig(\n"
        "    data=data, out=out, phases=(phase,), device='cpu', freeze_norm=True)\n"
        "module.autocast = lambda device: contextlib.nullcontext()\n"
        "t = module.Trainer(config)\n"
        "wrapped = t.ready()\n"
        "for step in range(3):\n"
        "    t.advance(wrapped, phase)\n"
        "if t.team.leads:\n"
        "    for kind in ('grad', 'data'):\n"
        "        tensors = {n: getattr(p, kind) for n, p in t.model.named_parameters()}\n"
        "        tensors = {n: value.contiguous() for n, value in tensors.items()}\n"
        "        save_file(tensors, out.with_suffix('.' + kind))\n"
        "t.team.leave()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, start in (("one", []), ("two", launcher)):
        subprocess.run(
            [sys.executable, *start, str(program), str(data), str(tmp_path / name)],
            check=True,
            timeout=240,
            env=environment,
            capture_output=True,
        )
    for kind, tolerance in (("grad", 1e-3), ("data", 1e-4)):
        one, two = (load_file(tmp_path / f"{name}.{kind}") for name in ("one", "two"))
        for name, value in one.items():
            torch.testing.assert_close(value, two[name], rtol=tolerance, atol=tolerance)


def test_the_rate_rises_and_falls(config: TrainConfig) -> None:
    rates = [one_cycle(step / 100, config) for step in range(100)]
    peak = rates.index(max(rates))
    assert peak == 10 and rates[peak] == 1
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    assert rates[-1] < 0.06


@pytest.mark.parametrize("aspect", [9 / 16, 1.0, 16 / 9])
def test_frames_keep_their_area(aspect: float) -> None:
    height, width = frame_size(112, aspect)
    assert height % 16 == width % 16 == 0
    assert height * width == pytest.approx(112**2, rel=0.15)
    assert width / height == pytest.approx(aspect, rel=0.15)


@pytest.mark.parametrize("text", ["64", "64:0:8:1e-3", "64:10:8:fast", "64:10:8:-1"])
def test_a_phase_that_makes_no_sense_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        train.parse(["--data", "d", "--out", "o", "--phases", text])
    assert caught.value.code == 2
    assert "SIZE:SAMPLES:BATCH:RATE" in capsys.readouterr().err


def test_missing_data_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "depthmask pack" in said and said.count("\n") == 1


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
