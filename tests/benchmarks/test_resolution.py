"""What a resolution is worth: every one is measured in every precision, and drawn."""

from pathlib import Path

import numpy as np

from benchmarks import resolution
from tests.conftest import FakeBackend, Pair


def test_resolutions_are_compared(tiny_checkpoint: Path, pair: Pair) -> None:
    labels = pair.true_mask * np.uint8(255)
    frames = [resolution.Frame("room", pair.background, pair.image, labels)] * 2
    other = FakeBackend()
    other.precision = "bf16"
    rows = resolution.measure(tiny_checkpoint, [FakeBackend(), other], frames, (32, 64))
    assert [(row.precision, row.resolution) for row in rows] == [
        (precision, resolution) for precision in ("fp32", "bf16") for resolution in (32, 64)
    ]
    assert [row.quality for row in rows][1:] == ["balanced", "", ""]
    assert all(0.5 < row.iou <= 1 and row.network_ms > 0 for row in rows)
    (plot,) = resolution.draw(rows, FakeBackend()).axes
    lines = [np.asarray(line.get_ydata()).tolist() for line in plot.lines]
    assert [line for line in lines if len(line) == 2] == [
        [row.iou for row in rows if row.precision == precision] for precision in ("fp32", "bf16")
    ]
    assert [text.get_text() for text in plot.texts] == ["", "balanced", "", "bf16, 64 px"]


def test_without_a_folder_the_examples_are_measured() -> None:
    frames = list(resolution.read_frames(None, 1))
    assert {"teddy", "empty"} <= {frame.sequence for frame in frames}
    assert all(frame.labels.shape == frame.image.shape[:2] for frame in frames)
