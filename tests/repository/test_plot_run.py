"""The picture of a run's curves: what its panels show."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from depthmask.training.run_log import Point, RunLog, RunPosition
from tools import plot_run


def points() -> list[Point]:
    training = [
        Point("training", size, samples, 0, {"loss": 5 - samples / 1000, "iou": samples / 5000})
        for size, samples in ((64, 1000), (64, 2000), (96, 3000))
    ]
    return [*training, Point("validation", 96, 3000, 0, {"iou": 0.7})]


def curves(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """The places of each curve with a name."""
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def test_there_is_a_panel_for_each_figure_of_the_log() -> None:
    loss, iou = plot_run.draw_curves(points()).axes
    assert (loss.get_title("left"), iou.get_title("left")) == (
        *("loss", "mask: IoU (mean over pictures)"),
    )
    assert curves(loss) == {"training": [(1000, 4), (2000, 3), (3000, 2)]}
    assert curves(iou) == {
        "training": [(1000, 0.2), (2000, 0.4), (3000, 0.6)],
        "validation": [(3000, 0.7)],
    }


def test_phases_are_marked_where_they_begin() -> None:
    assert plot_run.phase_starts(points()) == [(0, 64), (2000, 96)]
    for axes in plot_run.draw_curves(points()).axes:
        assert [text.get_text() for text in axes.texts] == ["64 px", "96 px"]


@pytest.mark.parametrize("name", [None, "picture.svg"])
def test_it_draws_a_log(tmp_path: Path, name: str | None) -> None:
    log = RunLog(tmp_path)
    for samples in (100, 200):
        log.write("training", 64, RunPosition(samples=samples), {"loss": 1 / samples})
    log.write("validation", 64, RunPosition(samples=200), {"iou": 0.5})
    plot_run.main([str(tmp_path), *(["-o", str(tmp_path / name)] if name else [])])
    if name:
        assert "<svg" in (tmp_path / name).read_text()
    else:
        Image.open(tmp_path / "curves.png").verify()


def test_a_log_without_rows_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("kind,size,samples,seconds,loss\n")
    with pytest.raises(ValueError, match="no rows yet"):
        plot_run.main([str(tmp_path)])


def test_a_file_that_is_no_picture_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("kind,size,samples,seconds,loss\ntraining,64,1,1,1\n")
    with pytest.raises(ValueError, match=r"name a \.png, \.svg or \.pdf"):
        plot_run.main([str(tmp_path), "-o", str(tmp_path / "curves.txt")])
