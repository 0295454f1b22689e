"""What a run leaves behind for people to look at."""

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from depthmask.errors import TrainingError
from depthmask.training.run_log import LOG_COLUMNS, RunLog, RunPosition, read_log


def write(out: Path, *samples: int, since: int = 0) -> RunLog:
    log = RunLog(out, since=since)
    for number in samples:
        position = RunPosition(samples=number, seconds=number / 10)
        log.write("training", 64, position, {"loss": 1 / number, "iou": 0.5})
    return log


def logged(out: Path) -> list[int]:
    return [point.samples for point in read_log(out / "log.csv")]


def test_the_log_can_be_read_back(tmp_path: Path) -> None:
    write(tmp_path, 100, 200)
    first, _ = read_log(tmp_path / "log.csv")
    assert (first.kind, first.size, first.samples, first.seconds) == ("training", 64, 100, 10)
    assert first.figures == {"loss": 0.01, "iou": 0.5}


def test_nothing_is_written_before_the_first_figure(tmp_path: Path) -> None:
    RunLog(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_drops_what_came_after_its_state(tmp_path: Path) -> None:
    write(tmp_path, 100, 200, 300)
    write(tmp_path, 250, since=200)
    assert logged(tmp_path) == [100, 200, 250]


def test_a_new_run_keeps_the_old_log_aside(tmp_path: Path) -> None:
    write(tmp_path, 100)
    write(tmp_path, 50)
    assert logged(tmp_path) == [50]
    assert "100" in (tmp_path / "log.previous.csv").read_text()


@pytest.mark.parametrize("rest", ["train", "training,64", "training,64,300,", ",,,"])
def test_half_a_line_is_no_obstacle(tmp_path: Path, rest: str) -> None:
    write(tmp_path, 100)
    with (tmp_path / "log.csv").open("a") as file:
        file.write(rest)
    write(tmp_path, 200, since=100)
    assert logged(tmp_path) == [100, 200]


def test_a_log_with_other_columns_goes_on(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("kind,size,samples,seconds,old\ntraining,64,100,9,1\n")
    write(tmp_path, 200, since=100)
    assert logged(tmp_path) == [100, 200]
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == ",".join(LOG_COLUMNS)


def write_all(out: Path) -> None:
    log = write(out, 100)
    log.write("validation", 64, RunPosition(samples=100), {"iou": 0.5})
    log.add_sheet(torch.full((20, 30, 3), 7, dtype=torch.uint8), RunPosition(samples=100))


def test_a_sheet_of_predictions_is_a_picture(tmp_path: Path) -> None:
    write_all(tmp_path)
    with Image.open(tmp_path / "predictions-0000100.png") as picture:
        assert picture.size == (30, 20) and picture.getpixel((0, 0)) == (7, 7, 7)


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    write_all(tmp_path)
    write(tmp_path, 200, since=100)  # the events of both processes are one run
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert {"training/loss", "training/iou", "validation/iou"} == set(events.Tags()["scalars"])
    loss = [(event.step, event.value) for event in events.Scalars("training/loss")]
    assert loss == [(100, pytest.approx(0.01)), (200, pytest.approx(0.005))]
    (sheet,) = events.Images("predictions")
    assert (sheet.step, sheet.width, sheet.height) == (100, 30, 20)


def test_events_after_the_state_are_dropped(tmp_path: Path) -> None:
    write(tmp_path, 100, 200, 300)
    write(tmp_path, 250, since=150)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert [event.step for event in events.Scalars("training/loss")] == [100, 250]


def test_without_tensorboard_there_is_a_line_and_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    write_all(tmp_path)
    said = capsys.readouterr().err
    assert said.count("pip install tensorboard") == said.count("\n") == 1
    assert not (tmp_path / "events").exists()
    assert [point.kind for point in read_log(tmp_path / "log.csv")] == ["training", "validation"]
    assert (tmp_path / "predictions-0000100.png").exists()


@pytest.mark.parametrize("wrong", ["²", "x", "-3", "9" * 5000, ""])
def test_rows_with_wrong_numbers_are_dropped(tmp_path: Path, wrong: str) -> None:
    write(tmp_path, 100)
    with (tmp_path / "log.csv").open("a", encoding="utf-8") as file:
        file.write(f"training,64,{wrong},1,0.5\ntraining,64,200,{wrong},0.5\n")
        file.write(f"training,64,300,7,{wrong},{'1e999'}\n")
    points = read_log(tmp_path / "log.csv")
    assert [point.samples for point in points] == [100, 300]
    assert points[-1].figures in ({}, {"loss": -3.0})
    write(tmp_path, 400, since=300)
    assert logged(tmp_path) == [100, 300, 400]


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"a" * 200_000])
def test_what_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(TrainingError, match="is no log of a training run; move it away"):
        read_log(tmp_path / "log.csv")
