"""The small pieces of HTML of the page. Text from files and users is escaped."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from depthmask.app.examples import Example, thumbnail_url
from depthmask.app.fair_queue import Wait
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.views import Legend, View
from depthmask.depth import CONVENTION

NEEDS_TRUTH = "needs ground truth"  # in the place of a figure

HEADER = "<h1>depthmask</h1><p>What is new in a photo, and how far away everything is.</p>"
FILES_DELETED = "Dropped files are deleted within an hour after you leave."


def message(analysis: Analysis) -> str:
    """Returns the line under the drop zones."""
    kind = "failed" if analysis.failed else "doubtful" if analysis.doubtful else "calm"
    return f'<p class="{kind}">{escape(analysis.message)}</p>'


def calm(text: str) -> str:
    """Returns the same line with a text that is no result."""
    return f'<p class="calm">{escape(text)}</p>'


def waiting(wait: Wait) -> str:
    """Says in a sentence how long a visitor waits."""
    if wait.seconds is None:
        return f"Waiting: place {wait.place} of {wait.places}."
    return f"Waiting: place {wait.place} of {wait.places}, about {max(1, round(wait.seconds))} s."


def mask_figures(analysis: Analysis) -> str:
    """Returns the IoU."""
    hint = "Intersection over union of predicted and true mask: 1 is perfect"
    return _figure("IoU", analysis.iou, hint)


def depth_figures(analysis: Analysis) -> str:
    """Returns the RMSE."""
    hint = "Root of the mean squared error of the depth, on its scale from 0 to 1: 0 is perfect"
    return _figure("RMSE", analysis.rmse, hint)


def legend(view: View) -> str:
    """Returns the legend of a view."""
    return _bar(view.legend)


def note(text: str) -> str:
    """Returns a text in the place of a legend."""
    return f'<div class="legend"><span>{escape(text)}</span></div>'


def about_run(analysis: Analysis) -> str:
    """Returns time and size of the last prediction; a placeholder of the same height before it."""
    if analysis.predicted is None:
        return "<p>&nbsp;</p>"
    found = analysis.predicted.prediction
    height, width = found.mask.shape
    return f"<p>{found.seconds:.2f} s for {width} × {height} pixels</p>"


def convention() -> str:
    """Returns the depth convention: a short form that unfolds to the whole."""
    return (
        "<details><summary>Depth is relative: 1 is the farthest of the empty scene, 0 infinitely "
        f"near</summary><p>{escape(CONVENTION)}.</p></details>"
    )


def example_buttons(examples: Sequence[Example]) -> str:
    """Returns the thumbnails; photos.js sends the name of the one that is clicked."""
    buttons = "".join(
        f'<button type="button" data-name="{escape(example.name)}" title="{escape(example.note)}">'
        f'<img src="{thumbnail_url(example.image)}" alt="">'
        f"<span>{escape(example.title)}</span></button>"
        for example in examples
    )
    return f'<h2>Or try one of these</h2><div class="strip">{buttons}</div>'


def footer(model: str, card: Path | None) -> str:
    """Names the model, links its card, and says how long dropped files are kept."""
    link = '<a href="#model" data-tab="model">Model card</a>' if card else ""
    parts = (escape(f"Model {model}"), link, FILES_DELETED)
    return f"<p>{' · '.join(part for part in parts if part)}</p>"


def _bar(legend: Legend) -> str:
    if not legend.bar:
        return note(legend.left)
    left = f"<span>{escape(legend.left)}</span>" if legend.left else ""
    return (
        f'<div class="legend">{left}'
        f'<span class="bar" style="background: {legend.bar}"></span>'
        f"<span>{escape(legend.right)}</span></div>"
    )


def _figure(name: str, value: float | None, hint: str) -> str:
    shown = f"<dd>{value:.3f}</dd>" if value is not None else f'<dd class="none">{NEEDS_TRUTH}</dd>'
    return f'<dl title="{hint}"><dt>{name}</dt>{shown}</dl>'
