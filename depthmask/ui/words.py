"""The small pieces of HTML of the page. Everything that comes from a file or a user is escaped."""

from collections.abc import Sequence
from html import escape

import numpy as np

from depthmask.depth import CONVENTION
from depthmask.render import colour_depth
from depthmask.ui.analysis import Analysis
from depthmask.ui.examples import Example, thumbnail

NEEDS_TRUTH = "needs ground truth"
LEGEND_STEPS = 16

HEADER = "<h1>depthmask</h1><p>What is new in a photo, and how far away everything is.</p>"


def message(analysis: Analysis) -> str:
    """The line under the drop zones."""
    kind = "failed" if analysis.failed else "calm"
    return f'<p class="{kind}">{escape(analysis.message)}</p>'


def mask_figures(analysis: Analysis) -> str:
    """Legend of the mask, and the IoU."""
    bar = _bar("linear-gradient(90deg, #000, #fff)", "background", "foreground")
    hint = "Intersection over union of predicted and true mask: 1 is perfect"
    return bar + _figure("IoU", analysis.iou, hint)


def depth_figures(analysis: Analysis) -> str:
    """Legend of the depth colours, and the RMSE."""
    hint = "Root of the mean squared error of the depth, on its scale from 0 to 1: 0 is perfect"
    return _bar(depth_gradient(), "near 0", "1 far") + _figure("RMSE", analysis.rmse, hint)


def depth_gradient() -> str:
    """CSS gradient of the depth colours from 0 (left) to 1 (right)."""
    steps = np.linspace(0, 1, LEGEND_STEPS, dtype=np.float32)[None]
    colours = ", ".join(f"rgb({r} {g} {b})" for r, g, b in colour_depth(steps)[0])
    return f"linear-gradient(90deg, {colours})"


def about_run(analysis: Analysis) -> str:
    """Time and size of the last prediction; a placeholder of the same height before it."""
    if analysis.prediction is None:
        return "<p>&nbsp;</p>"
    height, width = analysis.prediction.mask.shape
    return f"<p>{analysis.prediction.seconds:.2f} s for {width} × {height} pixels</p>"


def convention() -> str:
    """The depth convention: a short form to see, the whole of it to unfold."""
    return (
        "<details><summary>Depth is relative: 1 is the farthest of the empty scene, 0 infinitely "
        f"near</summary><p>{escape(CONVENTION)}.</p></details>"
    )


def example_buttons(examples: Sequence[Example]) -> str:
    """A row of thumbnails; the page's script sends the number of the one that is clicked."""
    buttons = "".join(
        f'<button type="button" data-number="{number}">'
        f'<img src="{thumbnail(example.image)}" alt="">'
        f"<span>{escape(example.title)}</span></button>"
        for number, example in enumerate(examples)
    )
    return f'<h2>Or try one of these</h2><div class="strip">{buttons}</div>'


def footer(model: str) -> str:
    kept = "Pictures stay on the computer that serves this page, for an hour at most."
    return (
        f"<p>{escape(model)}. Code under Apache-2.0, shipped weights under CC BY-NC 4.0. {kept}</p>"
    )


def _bar(gradient: str, left: str, right: str) -> str:
    return (
        f'<div class="legend"><span>{left}</span>'
        f'<span class="bar" style="background: {gradient}"></span><span>{right}</span></div>'
    )


def _figure(name: str, value: float | None, hint: str) -> str:
    shown = f"<dd>{value:.3f}</dd>" if value is not None else f'<dd class="none">{NEEDS_TRUTH}</dd>'
    return f'<dl title="{hint}"><dt>{name}</dt>{shown}</dl>'
