"""The views of a prediction: what each draws, and its legend.

A view is a row in a table. No Gradio here, and no HTML, but the legends' CSS gradients.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.scene import foreground_colours
from depthmask.app.prediction_cache import PredictedPair
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.pictures import Map, Mask, Picture
from depthmask.render import views as render

PREVIEW_SIDE = 1600  # longest side of the pictures sent to the browser, in pixels
COLOUR = "#3f7d6e"  # of the new background, until another is chosen
LEGEND_STEPS = 16
CHECKS_ACROSS = 48

BLACK_TO_WHITE = "linear-gradient(90deg, #000, #fff)"
CHECKS = "repeating-conic-gradient(#ccc 0 25%, #999 0 50%) 0 0 / 8px 8px"


@dataclass(frozen=True)
class Choices:
    """The settings of the views that have some."""

    colour: str = COLOUR  # of the new background, as CSS writes it
    backdrop: Picture | None = None  # (h, w, 3), instead of the colour
    blur: float = 0.5  # in [0, 1]


class ScreenPair:
    """A pair at the size of the screen."""

    def __init__(self, analysis: Analysis, predicted: PredictedPair) -> None:
        found = predicted.prediction
        self.image = render.at_most(predicted.image, PREVIEW_SIDE)
        self.mask: Map = render.at_most(found.mask, PREVIEW_SIDE)
        self.depth: Map = render.at_most(found.depth, PREVIEW_SIDE)
        self.background: Picture | None = None
        if found.background is not None:
            self.background = render.at_most(found.background, PREVIEW_SIDE)
        self.depth_error: Map | None = None
        if analysis.depth_error is not None:
            self.depth_error = render.at_most(analysis.depth_error, PREVIEW_SIDE)
        true = analysis.true_mask
        self.true_mask: Mask | None = None
        if true is not None:
            self.true_mask = render.at_most(true.astype(np.float32), PREVIEW_SIDE) > MASK_THRESHOLD

    @cached_property
    def cutout(self) -> Picture:
        """(H, W, 4), with the foreground's own colours; computed once."""
        return render.cutout(foreground_colours(self.image, self.background, self.mask), self.mask)


@dataclass(frozen=True)
class Legend:
    """A bar of colours between two words, or words alone."""

    left: str
    bar: str = ""  # CSS background
    right: str = ""


@dataclass(frozen=True)
class View:
    """One way to look at a prediction.

    `draw` makes (H, W), (H, W, 3) or, for views of two pictures, a pair of those; None if the truth
    that it needs is missing. panel.py makes the 3D view, which draws nothing here.
    """

    label: str
    alt: str  # alternative text
    draw: Callable[[ScreenPair, Choices], Picture | tuple[Picture, Picture] | None]
    legend: Legend
    needs: str = ""  # shown if `draw` makes nothing


def draw_mask(scene: ScreenPair, _: Choices) -> Picture:
    return ((scene.mask > MASK_THRESHOLD) * np.uint8(255)).astype(np.uint8)


def draw_alpha(scene: ScreenPair, _: Choices) -> Picture:
    return np.rint(scene.mask * 255).astype(np.uint8)


def draw_cutout(scene: ScreenPair, _: Choices) -> Picture:
    tile = max(2, max(scene.mask.shape) // CHECKS_ACROSS)
    return render.lay_over(scene.cutout, render.checkerboard(*scene.mask.shape, tile=tile))


def draw_before_after(scene: ScreenPair, choices: Choices) -> tuple[Picture, Picture]:
    return scene.image, draw_cutout(scene, choices)


def draw_backdrop(scene: ScreenPair, choices: Choices) -> Picture:
    if choices.backdrop is not None:
        behind = render.fill(choices.backdrop, *scene.mask.shape)
    else:
        behind = np.full_like(scene.image, parse_colour(choices.colour))
    return render.lay_over(scene.cutout, behind)


def draw_mask_errors(scene: ScreenPair, _: Choices) -> Picture | None:
    if scene.true_mask is None:
        return None
    return render.mask_errors(scene.image, scene.mask > MASK_THRESHOLD, scene.true_mask)


def draw_depth(scene: ScreenPair, _: Choices) -> Picture:
    return render.colour_depth(scene.depth)


def draw_blur(scene: ScreenPair, choices: Choices) -> Picture:
    return render.blur_by_depth(
        scene.image, scene.mask, scene.depth, background=scene.background, strength=choices.blur
    )


def draw_depth_errors(scene: ScreenPair, _: Choices) -> Picture | None:
    return None if scene.depth_error is None else render.depth_errors(scene.depth_error)


def draw_nothing(_: ScreenPair, __: Choices) -> None:
    return None


def parse_colour(text: str) -> tuple[int, int, int]:
    """Reads "#rrggbb", "rgb(r, g, b)" or "rgba(r, g, b, a)"; anything else is `COLOUR`."""
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        red, green, blue = bytes.fromhex(text[1:])
        return red, green, blue
    numbers = re.findall(r"\d+(?:\.\d+)?", text) if text.startswith("rgb") else []
    if len(numbers) < 3:
        return parse_colour(COLOUR)
    red, green, blue = (round(min(255.0, float(number))) for number in numbers[:3])
    return red, green, blue


def gradient(colours: Picture) -> str:
    """Makes a CSS gradient through colours, (N, 3), from left to right."""
    return f"linear-gradient(90deg, {', '.join(f'rgb({r} {g} {b})' for r, g, b in colours)})"


def _css(colour: tuple[int, int, int]) -> str:
    return f"rgb({colour[0]} {colour[1]} {colour[2]})"


_STEPS = np.linspace(0, 1, LEGEND_STEPS, dtype=np.float32)[None]
_DEPTHS = gradient(render.colour_depth(_STEPS)[0])
_ERRORS = gradient(render.depth_errors((2 * _STEPS - 1) * render.MAX_DEPTH_ERROR)[0])
_MISSED, _FALSE = _css(render.MISSED_COLOUR), _css(render.FALSE_COLOUR)

SLIDER, MODEL = "slider", "3d"  # the views that are not one picture
BACKDROP, BLUR = "backdrop", "blur"
CHOOSING = (BACKDROP, BLUR)  # the views with something to choose

MASK_VIEWS = {
    "mask": View(
        "Mask",
        "The foreground in white, the background in black",
        draw_mask,
        Legend("background", "linear-gradient(90deg, #000 50%, #fff 50%)", "foreground"),
    ),
    "alpha": View(
        "Soft",
        "How much of each pixel is foreground, from black to white",
        draw_alpha,
        Legend("background", BLACK_TO_WHITE, "foreground"),
    ),
    "cutout": View(
        "Cut-out",
        "The foreground alone, on a checkerboard",
        draw_cutout,
        Legend("", CHECKS, "transparent"),
    ),
    SLIDER: View(
        "Compare",
        "The image on the left of the handle, the cut-out on the right",
        draw_before_after,
        Legend("image", CHECKS, "cut-out"),
    ),
    BACKDROP: View(
        "Backdrop",
        "The foreground on a new background",
        draw_backdrop,
        Legend("a colour or a picture"),
    ),
    "mask-errors": View(
        "Errors",
        "Missed foreground in blue, false foreground in orange",
        draw_mask_errors,
        Legend("missed", f"linear-gradient(90deg, {_MISSED} 50%, {_FALSE} 50%)", "false"),
        needs="Add the true mask to see where the mask errs.",
    ),
}
DEPTH_VIEWS = {
    "depth": View(
        "Depth",
        "Depth in colours from yellow, near, to black, far",
        draw_depth,
        Legend("near 0", _DEPTHS, "1 far"),
    ),
    BLUR: View(
        "Blur",
        "The foreground sharp, the rest blurred by its distance from it",
        draw_blur,
        Legend("sharp where the foreground stands"),
    ),
    MODEL: View(
        "3D",
        "The scene as a relief; drag to turn it",
        draw_nothing,
        Legend("drag to turn, scroll to come closer"),
    ),
    "depth-errors": View(
        "Errors",
        "Depth that is too near in blue, too far in orange",
        draw_depth_errors,
        Legend(f"too near {render.MAX_DEPTH_ERROR}", _ERRORS, f"{render.MAX_DEPTH_ERROR} too far"),
        needs="Add the true depth to see where the depth errs.",
    ),
}
