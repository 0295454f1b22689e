"""The picture of the curves: what it shows, and that it is one."""

import xml.etree.ElementTree as ET

import pytest

from depthmask.training.curves import Point, draw_curves, ticks

SVG = "{http://www.w3.org/2000/svg}"


def points() -> list[Point]:
    training = [
        Point("training", size, samples, 0, {"loss": 5 - samples / 1000, "iou": samples / 5000})
        for size, samples in ((64, 1000), (64, 2000), (96, 3000))
    ]
    return [*training, Point("validation", 96, 3000, 0, {"iou": 0.7})]


def test_it_has_a_panel_for_each_figure_there_is() -> None:
    tree = ET.fromstring(draw_curves(points()))
    words = [text.text or "" for text in tree.iter(f"{SVG}text")]
    assert "loss" in words and "mask: IoU (mean over pictures)" in words
    assert not any("depth" in word for word in words)
    assert words.count("64 px") == words.count("96 px") == 2
    assert len(list(tree.iter(f"{SVG}polyline"))) == 3


def test_better_is_where_it_should_be() -> None:
    tree = ET.fromstring(draw_curves(points()))
    loss, iou, _ = (line.attrib["points"].split() for line in tree.iter(f"{SVG}polyline"))
    heights = [[float(place.split(",")[1]) for place in line] for line in (loss, iou)]
    assert heights[0] == sorted(heights[0]), "a falling loss goes down the page"
    assert heights[1] == sorted(heights[1], reverse=True)


def test_a_single_point_and_a_flat_line_can_be_drawn() -> None:
    for number in (1, 3):
        flat = [Point("training", 64, n + 1, 0, {"loss": 2.0}) for n in range(number)]
        assert "NaN" not in draw_curves(flat)


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.31, 0.48, 4, [0.35, 0.4, 0.45]),
        (0, 75_000, 8, [0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 70_000]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, most: int, expected: list[float]) -> None:
    assert ticks(low, high, most) == expected


def test_a_run_that_has_seen_nothing_yet_has_a_picture() -> None:
    ET.fromstring(draw_curves([Point("validation", 64, 0, 0, {"iou": 0.1})]))
