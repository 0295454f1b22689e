"""Options of a run: those that cannot be are refused in a sentence."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import train
from depthmask.training.config import Phase, TrainConfig


@pytest.mark.parametrize(
    "fields",
    [
        {"epoch": 0},
        {"validation": 0},
        {"candidates": 0},
        {"ahead": 0},
        {"minutes": -1.0},
        {"mixed": ((8, 0.5),)},
        {"mixed": ((64, -0.5),)},
        {"mixed": ((64, 0.6), (96, 0.6))},
        {"border": math.nan},
        {"depth_weight": -1.0},
        {"save_minutes": math.nan},
        {"report_seconds": -1.0},
        {"stages": ()},
        {"seed": -1},
        {"held_out": 1.0},
        {"limit": -1},
        {"depth_loss": "l3"},
        {"tasks": ()},
        {"phases": ()},
        *(
            {name: share}
            for name in ("original_share", "plate_share", "half_share")
            for share in (-0.1, 1.5)
        ),
    ],
)
def test_options_that_cannot_be_are_refused(config: TrainConfig, fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(ValueError, match=name.removesuffix("s")):
        replace(config, **fields)


def test_options_that_exclude_each_other_are_refused(config: TrainConfig) -> None:
    with pytest.raises(ValueError, match="before the hardest can be known"):
        replace(config, ahead=2, candidates=2)
    with pytest.raises(ValueError, match="a run of one phase"):
        replace(config, minutes=1.0, phases=(*config.phases, *config.phases))


def test_shares_of_sizes_are_read_from_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin = ["--data", "pack", "--out", "run", "--mixed"]
    assert train.parse([*begin, "112:0.2", "64:.1"]).mixed == ((112, 0.2), (64, 0.1))
    with pytest.raises(SystemExit):
        train.parse([*begin, "112"])
    assert "--mixed" in capsys.readouterr().err


def test_a_decoder_alone_needs_what_it_is_trained_beside(config: TrainConfig, start: Path) -> None:
    with pytest.raises(ValueError, match="only is among the tasks: mask"):
        replace(config, tasks=("mask",), only="depth", start=start)
    with pytest.raises(ValueError, match="name it with --start"):
        replace(config, only="depth")


@pytest.mark.parametrize(
    ("fields", "weights"),
    [({}, {"depth": 1.0, "mask": 2.0}), ({"tasks": ("mask",)}, {"depth": 0.0, "mask": 2.0})],
)
def test_tasks_that_are_not_trained_weigh_nothing(
    config: TrainConfig, fields: dict[str, Any], weights: dict[str, float]
) -> None:
    assert replace(config, **fields).task_weights == weights


def test_a_phase_is_read_as_it_is_written() -> None:
    phase = Phase.parse("64:100:32:3e-3")
    assert phase == Phase(64, 100, 32, 3e-3) == Phase.parse(str(phase))
    assert phase.steps == 4, "the last batch is whole"


def test_a_rate_is_a_number() -> None:
    with pytest.raises(ValueError, match="SIZE:SAMPLES:BATCH:RATE"):
        Phase.parse("32:4:4:nan")


@pytest.mark.parametrize("text", ["64", "64:0:8:1e-3", "64:10:8:fast", "64:10:8:-1"])
def test_a_phase_that_makes_no_sense_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        train.parse(["--data", "d", "--out", "o", "--phases", text])
    assert caught.value.code == 2
    assert "SIZE:SAMPLES:BATCH:RATE" in capsys.readouterr().err
