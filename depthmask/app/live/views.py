"""The views of a live frame. They are fast rather than exact: a frame has a few milliseconds."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from depthmask.app.photos.views import parse_colour
from depthmask.inference.light import apply_light
from depthmask.inference.live_session import Sight
from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import shrink_by_halves
from depthmask.render.views import TINT_COLOUR, checkerboard, colour_depth, fill

TILE_PIXELS = 16  # of the checkerboard
BLUR_SHRINK = 4  # factor by which the copy that is blurred is smaller
BLUR_SHARE = 0.012  # standard deviation of the blur, as a share of the frame's diagonal
LIVE_JPEG_QUALITY = 80
DEPTH_VIEW = "depth"  # the one that shows depth


@dataclass(frozen=True, eq=False)
class LiveChoice:
    """The view that the visitor chose, and its settings."""

    view: str = "cutout"  # a key of `VIEWS`
    colour: str = "#3f7d6e"  # of the new background
    backdrop: Picture | None = None  # (h, w, 3), instead of the colour

    def is_drawn_as(self, other: "LiveChoice | None") -> bool:
        """Whether another choice would draw the same."""
        if other is None or (self.view, self.colour) != (other.view, other.colour):
            return False
        return self.backdrop is other.backdrop


DrawView = Callable[[Picture, Sight, LiveChoice], Picture]


def draw_view(choice: LiveChoice, frame: Picture, sight: Sight) -> Picture:
    """Draws a view of a frame, (H, W, 3): (H, W, 3) or (H, W), uint8.

    Raises:
        KeyError: There is no such view.
    """
    return VIEWS[choice.view][1](frame, sight, choice)


def full_mask(frame: Picture, sight: Sight) -> Map:
    """Enlarges the mask to the frame's size: (H, W), in [0, 1]."""
    height, width = frame.shape[:2]
    return np.asarray(cv2.resize(sight.mask, (width, height), interpolation=cv2.INTER_LINEAR))


def to_jpeg(picture: Picture) -> bytes:
    """Encodes (H, W) or (H, W, 3), RGB."""
    if picture.ndim == 3:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, LIVE_JPEG_QUALITY])
    assert done
    return data.tobytes()


def _mask(frame: Picture, sight: Sight, _: LiveChoice) -> Picture:
    return np.asarray(cv2.convertScaleAbs(full_mask(frame, sight), alpha=255))


def _depth(frame: Picture, sight: Sight, _: LiveChoice) -> Picture:
    assert sight.depth is not None
    height, width = frame.shape[:2]
    return np.asarray(cv2.resize(colour_depth(sight.depth), (width, height)))


def _composite(frame: Picture, sight: Sight, _: LiveChoice) -> Picture:
    return _blend(
        frame, _plain(frame.shape, TINT_COLOUR), 1 - np.float32(0.5) * full_mask(frame, sight)
    )


def _cutout(frame: Picture, sight: Sight, _: LiveChoice) -> Picture:
    return _blend(frame, _board(frame.shape), full_mask(frame, sight))


def _blur(frame: Picture, sight: Sight, _: LiveChoice) -> Picture:
    height, width = frame.shape[:2]
    coarse = height // BLUR_SHRINK, width // BLUR_SHRINK  # a blur leaves no detail anyway
    image, background = (
        shrink_by_halves(frame, *coarse),
        shrink_by_halves(sight.background, *coarse),
    )
    mask = shrink_by_halves(sight.mask, *coarse)
    # behind the foreground lies the empty scene; otherwise, its colours would make a halo
    behind = _blend(apply_light(background, sight.gain), image, mask)
    soft = cv2.GaussianBlur(behind, (0, 0), BLUR_SHARE * float(np.hypot(*coarse)))
    return _blend(frame, np.asarray(cv2.resize(soft, (width, height))), full_mask(frame, sight))


def _backdrop(frame: Picture, sight: Sight, choice: LiveChoice) -> Picture:
    if choice.backdrop is not None:
        behind = fill(choice.backdrop, *frame.shape[:2])
    else:
        behind = _plain(frame.shape, parse_colour(choice.colour))
    return _blend(frame, behind, full_mask(frame, sight))


def _blend(front: Picture, back: Picture, alpha: Map) -> Picture:
    mixed = cv2.blendLinear(front, np.ascontiguousarray(back), alpha, 1 - alpha)
    return np.asarray(mixed, dtype=np.uint8)


# Cached, because drawing these would take longer than blending them.
@lru_cache(maxsize=4)
def _board(shape: tuple[int, ...]) -> Picture:
    return checkerboard(*shape[:2], tile=TILE_PIXELS)


@lru_cache(maxsize=4)
def _plain(shape: tuple[int, ...], colour: tuple[int, int, int]) -> Picture:
    return np.full(shape, colour, np.uint8)


VIEWS: dict[str, tuple[str, DrawView]] = {
    "cutout": ("Cut-out", _cutout),
    "mask": ("Mask", _mask),
    DEPTH_VIEW: ("Depth", _depth),
    "composite": ("Overlay", _composite),
    "blur": ("Blur", _blur),
    "backdrop": ("Backdrop", _backdrop),
}
