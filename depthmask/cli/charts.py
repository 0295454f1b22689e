"""Small charts of measurements as SVG: plain text, so that no drawing library is needed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from depthmask.training.curves import ticks

_WIDTH = 860  # in SVG units, as all below
_ROW, _LABELS, _NOTES = 26, 210, 190  # of bars: height of a row, room left and right of them
_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 70, 60, 44, 50  # of a line, and room around it
_PLAIN, _MARKED, _FAINT = "#8aa4c8", "#d9480f", "#e3e3e3"


class Bar(NamedTuple):
    """One measurement among others of its kind."""

    label: str
    value: float  # 0 or more
    note: str  # stands behind the bar
    marked: bool = False


class Spot(NamedTuple):
    """One measurement of two quantities."""

    x: float
    y: float
    label: str
    marked: bool = False


def draw_bars(title: str, groups: Mapping[str, Sequence[Bar]]) -> str:
    """Draws horizontal bars, each group with a heading and a scale of its own."""
    drawn, y = [_text(16, 26, title, size=15)], 44.0
    for heading, bars in groups.items():
        drawn.append(_text(16, y + 18, heading, colour="#555555"))
        y += _ROW
        longest = max((bar.value for bar in bars), default=0) or 1.0
        for bar in bars:
            length = (_WIDTH - _LABELS - _NOTES) * bar.value / longest
            colour = _MARKED if bar.marked else _PLAIN
            drawn.append(_text(_LABELS - 8, y + 17, bar.label, anchor="end"))
            drawn.append(
                f'<rect x="{_LABELS}" y="{y + 4:.0f}" width="{length:.1f}" height="{_ROW - 8}" '
                f'fill="{colour}"/>'
            )
            drawn.append(_text(_LABELS + length + 8, y + 17, bar.note))
            y += _ROW
        y += 10
    return _page(drawn, round(y) + 6)


def draw_lines(title: str, lines: Sequence[Sequence[Spot]], *, x_title: str, y_title: str) -> str:
    """Draws measurements in the order they have, those of a sequence joined by a line."""
    spots = [spot for line in lines for spot in line]
    right = max(spot.x for spot in spots) * 1.05
    values = [spot.y for spot in spots]
    margin = 0.15 * (max(values) - min(values)) or 0.05
    low, high = min(values) - margin, max(values) + margin

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            _LEFT + (_WIDTH - _LEFT - _RIGHT) * x / right,
            _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (y - low) / (high - low),
        )

    drawn = [_text(16, 24, title, size=15), _text(16, _TOP - 2, y_title, colour="#555555")]
    for value in ticks(low, high, 6):
        y = place(0, value)[1]
        drawn.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_FAINT}"/>')
        drawn.append(_text(_LEFT - 8, y + 4, f"{value:g}", anchor="end"))
    for value in ticks(0, right, 8):
        drawn.append(
            _text(place(value, 0)[0], _HEIGHT - _BOTTOM + 18, f"{value:g}", anchor="middle")
        )
    drawn.append(_text(_WIDTH / 2, _HEIGHT - 10, x_title, anchor="middle", colour="#555555"))
    for line in lines:
        places = (place(spot.x, spot.y) for spot in line)
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(
            f'<polyline points="{points}" fill="none" stroke="{_PLAIN}" stroke-width="2"/>'
        )
    for spot in spots:
        x, y = place(spot.x, spot.y)
        colour = _MARKED if spot.marked else _PLAIN
        drawn.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{6 if spot.marked else 4}" fill="{colour}"/>'
        )
        drawn.append(_text(x, y - 12, spot.label, anchor="middle"))
    return _page(drawn, _HEIGHT)


def _page(drawn: Sequence[str], height: int) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif">',
        # words stay legible where a line runs behind them
        "<style>text { paint-order: stroke; stroke: white; stroke-width: 3px }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    )
    return "\n".join([*head, *drawn, "</svg>\n"])


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = "black", size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
        f'font-size="{size}">{text}</text>'
    )
