"""Charts are well-formed SVG, to scale, with what is marked in a colour of its own."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import resolution as quality
from depthmask.cli.charts import Bar, Spot, draw_bars, draw_lines
from tests.conftest import FakeBackend, Pair

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_to_scale() -> None:
    bars = [Bar("plain", 1.0, "1 x"), Bar("fast", 4.0, "4 x", marked=True)]
    page = ElementTree.fromstring(draw_bars("speed", {"224": bars}))
    plain, fast = page.findall(f"{SVG}rect")[1:]  # the first is the page
    widths = [float(bar.get("width", 0)) for bar in (plain, fast)]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert plain.get("fill") != fast.get("fill")
    assert {"speed", "224", "plain", "4 x"} <= {text.text for text in page.findall(f"{SVG}text")}


def test_spots_are_where_their_values_are() -> None:
    spots = [Spot(10, 0.8, "small"), Spot(40, 0.9, "large", marked=True)]
    lines = [spots, [Spot(20, 0.85, "other")]]
    page = ElementTree.fromstring(draw_lines("trade-off", lines, x_title="ms", y_title="IoU"))
    assert len(page.findall(f"{SVG}polyline")) == 2
    small, large, other = page.findall(f"{SVG}circle")
    assert float(small.get("cx", 0)) < float(other.get("cx", 0)) < float(large.get("cx", 0))
    assert float(small.get("cx", 0)) < float(large.get("cx", 0))
    assert float(small.get("cy", 0)) > float(large.get("cy", 0))  # y grows downwards
    assert small.get("fill") != large.get("fill")


def test_resolutions_are_compared(tiny_checkpoint: Path, pair: Pair) -> None:
    labels = pair.true_mask * np.uint8(255)
    frames = [quality.Frame("room", pair.background, pair.image, labels)] * 2
    other = FakeBackend()
    other.precision = "bf16"
    rows = quality.measure(tiny_checkpoint, [FakeBackend(), other], frames, (32, 64))
    assert [(row.precision, row.resolution) for row in rows] == [
        (precision, resolution) for precision in ("fp32", "bf16") for resolution in (32, 64)
    ]
    assert [row.quality for row in rows][1:] == ["balanced", "", ""]
    assert all(0.5 < row.iou <= 1 and row.network_ms > 0 for row in rows)
    page = ElementTree.fromstring(quality.draw(rows, FakeBackend()))
    assert len(page.findall(f"{SVG}polyline")) == 2


def test_without_a_folder_the_examples_are_measured() -> None:
    frames = list(quality.read_frames(None, 1))
    assert {"teddy", "empty"} <= {frame.sequence for frame in frames}
    assert all(frame.labels.shape == frame.image.shape[:2] for frame in frames)
