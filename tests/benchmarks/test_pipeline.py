"""The stages of a prediction are measured in turns, and compared with another run."""

import json
from pathlib import Path

import pytest

from benchmarks.pipeline import (
    REST,
    WHOLE,
    Report,
    Row,
    Work,
    draw,
    measure,
    parse_size,
    print_table,
    read_report,
    to_rows,
)
from depthmask.errors import OptionError
from depthmask.inference.stopwatch import Stopwatch


def test_works_take_turns_and_the_first_round_does_not_count() -> None:
    now = 0.0
    order: list[str] = []

    def make(name: str, seconds: float) -> Work:
        def work(watch: Stopwatch) -> None:
            nonlocal now
            order.append(name)
            for stage in ("decode", "network"):
                now += seconds * (10 if len(order) <= 2 else 1)
                watch.lap(stage)

        return work

    found = measure({"a": make("a", 1), "b": make("b", 2)}, lambda: now, rounds=2)
    assert order == ["a", "b"] * 3
    assert found["b"] == {"decode": [2, 2], "network": [2, 2], WHOLE: [4, 4], REST: [2, 2]}
    rows = {row.place: row for row in to_rows("64x48", "photo", found)}
    assert rows["64x48", "photo", "a", WHOLE].median_ms == 2000


def report(network_ms: float) -> list[Row]:
    times = {"decode": 10.0, "network": network_ms, REST: 10.0, WHOLE: 10 + network_ms}
    return [
        Row("64x48", "photo", backend, stage, value, value)
        for backend, speed in (("pytorch fp32", 1), ("torch fp32", 2))
        for stage, value in ((stage, ms / speed) for stage, ms in times.items())
    ]


def test_ratios_name_both_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    rows = report(90)
    print_table(rows[-1], rows, Report("wall", report(190)))
    *_, plain, rest, whole = capsys.readouterr().out.splitlines()
    assert plain == "| whole: times as fast as plain PyTorch | 1.00 | 2.00 |"
    assert rest == "| all but the network: times as fast as the baseline | 1.00 | 1.00 |"
    assert whole == "| whole: times as fast as the baseline | 2.00 | 2.00 |"


def test_a_report_of_another_clock_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"clock": "cpu", "rows": []}))
    assert read_report(path, "cpu") == Report("cpu", [])
    with pytest.raises(OptionError, match="use --clock wall"):
        read_report(path, "wall")


@pytest.mark.parametrize("text", ["", "640", "640x", "0x480", "axb"])
def test_a_size_is_width_and_height(text: str) -> None:
    assert parse_size("640x480") == (640, 480)
    with pytest.raises(OptionError, match="WIDTHxHEIGHT"):
        parse_size(text)


def test_the_plot_has_a_bar_for_each_stage() -> None:
    assert b"<svg" in draw(report(90))
