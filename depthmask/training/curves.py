"""The curves of a training run as an SVG: plain text, so that no drawing library is needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 860, 210  # of a panel, in SVG units
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 30, 34  # room around its axes
_COLOURS = {"training": "#8aa4c8", "validation": "#d9480f"}
_WIDTHS = {"training": 1.2, "validation": 2.2}
_PANELS = (
    ("loss", "loss"),
    ("iou", "mask: IoU (mean over pictures)"),
    ("rmse", "depth: RMSE (mean over pictures)"),
)


@dataclass(frozen=True)
class Point:
    """A row of the log."""

    kind: str  # "training" or "validation"
    size: int  # square root of the pixels of a picture
    samples: int  # seen so far
    seconds: int  # spent on steps so far
    figures: dict[str, float]


def draw_curves(points: Sequence[Point]) -> str:
    """Draws loss, IoU and RMSE over the samples seen, a panel each, where there are any."""
    panels = [
        _Panel(name, title, found, points[-1].samples)
        for name, title in _PANELS
        if (found := [point for point in points if name in point.figures])
    ]
    height = _HEIGHT * len(panels) + 20
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
        # Words stay legible where a curve runs behind them.
        "<style>text { paint-order: stroke; stroke: white; stroke-width: 3px }</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        drawn.append(f'<g transform="translate(0 {_HEIGHT * number})">')
        drawn += [*panel.frame(), *panel.lines(), *panel.phases(points), "</g>"]
    drawn.append(_text(_WIDTH / 2, height - 12, "samples", anchor="middle"))
    return "\n".join([*drawn, "</svg>\n"])


class _Panel:
    """One figure over the samples seen."""

    def __init__(self, name: str, title: str, points: Sequence[Point], last: int) -> None:
        self.name = name
        self.title = title
        self.points = points
        values = [point.figures[name] for point in points]
        spread = max(values) - min(values) or 1.0
        # The strip above the curves is for the phases' sizes.
        self.low, self.high = max(0.0, min(values) - 0.05 * spread), max(values) + 0.2 * spread
        self.last = max(last, 1)  # a validation may come before the first sample

    def x(self, samples: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * samples / self.last

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share

    def frame(self) -> list[str]:
        """Title, grid and numbers."""
        drawn = [_text(_LEFT, _TOP - 10, self.title)]
        for value in ticks(self.low, self.high, 6):
            y = self.y(value)
            drawn.append(_line(_LEFT, y, _WIDTH - _RIGHT, y, "#e3e3e3"))
            drawn.append(_text(_LEFT - 8, y + 4, f"{value:g}", anchor="end"))
        for samples in ticks(0, self.last, 8):
            x = self.x(samples)
            drawn.append(_line(x, _HEIGHT - _BOTTOM, x, _HEIGHT - _BOTTOM + 4, "#777777"))
            drawn.append(_text(x, _HEIGHT - _BOTTOM + 17, f"{samples:,.0f}", anchor="middle"))
        return drawn

    def phases(self, points: Sequence[Point]) -> list[str]:
        """A line where each phase begins, with its size."""
        drawn, before = [], 0
        for number, point in enumerate(points):
            if number == 0 or point.size != points[number - 1].size:
                x = self.x(before)
                drawn.append(_line(x, _TOP, x, _HEIGHT - _BOTTOM, "#b5b5b5"))
                drawn.append(_text(x + 4, _TOP + 11, f"{point.size} px", colour="#777777"))
            before = point.samples
        return drawn

    def lines(self) -> list[str]:
        """The curves, and what each is."""
        drawn = []
        kinds = [kind for kind in _COLOURS if any(point.kind == kind for point in self.points)]
        for number, kind in enumerate(kinds):
            places = [
                f"{self.x(point.samples):.1f},{self.y(point.figures[self.name]):.1f}"
                for point in self.points
                if point.kind == kind
            ]
            drawn.append(
                f'<polyline points="{" ".join(places)}" fill="none" stroke="{_COLOURS[kind]}" '
                f'stroke-width="{_WIDTHS[kind]}"/>'
            )
            if kind == "validation":
                drawn += [_dot(place, _COLOURS[kind]) for place in places]
            x = _WIDTH - _RIGHT - 80 * (len(kinds) - 1 - number)
            drawn.append(_text(x, _TOP - 10, kind, anchor="end", colour=_COLOURS[kind]))
        return drawn


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between two ends, `most` at most: 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def _dot(place: str, colour: str) -> str:
    x, y = place.split(",")
    return f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
