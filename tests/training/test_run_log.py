"""What a run leaves behind for people to look at."""

from pathlib import Path

import pytest
import torch

from depthmask.training.journal import RunPosition
from depthmask.training.run_log import COLUMNS, Records, read_log


def write(out: Path, *samples: int, since: int = 0) -> Records:
    records = Records(out, since=since)
    for number in samples:
        progress = RunPosition(samples=number, seconds=number / 10)
        records.write("training", 64, progress, {"loss": 1 / number, "iou": 0.5})
    return records


def logged(out: Path) -> list[int]:
    return [point.samples for point in read_log(out / "log.csv")]


def test_the_log_can_be_read_back(tmp_path: Path) -> None:
    write(tmp_path, 100, 200)
    first, _ = read_log(tmp_path / "log.csv")
    assert (first.kind, first.size, first.samples, first.seconds) == ("training", 64, 100, 10)
    assert first.figures == {"loss": 0.01, "iou": 0.5}


def test_nothing_is_written_before_the_first_figure(tmp_path: Path) -> None:
    Records(tmp_path / "run")
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
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == ",".join(COLUMNS)


def test_a_validation_draws_the_curves_and_the_predictions(tmp_path: Path) -> None:
    records = write(tmp_path, 100)
    records.write("validation", 64, RunPosition(samples=100), {"iou": 0.5})
    records.show(torch.zeros(20, 30, 3, dtype=torch.uint8), RunPosition(samples=100))
    assert (tmp_path / "curves.svg").read_text().startswith("<svg")
    assert (tmp_path / "predictions-0000100.png").read_bytes().startswith(b"\x89PNG")
    (events,) = (tmp_path / "events").iterdir()
    for tag in (b"training/loss", b"validation/iou", b"predictions"):
        assert tag in events.read_bytes()
