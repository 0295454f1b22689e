"""Predicts a mask and a depth map of the image's own size from two photos."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depthmask.backends import Backend, make_backend
from depthmask.backends.base import STRIDE
from depthmask.errors import OptionError, PictureError
from depthmask.inference.background import (
    Background,
    Choice,
    FramedBackground,
    LearnedBackground,
    assemble,
    closest,
    frame,
)
from depthmask.inference.gone import leave_out
from depthmask.inference.light import NOT_MATCHED, LightMatch, apply_light, light_copy, match_light
from depthmask.inference.pair_quality import PairReport, judge
from depthmask.inference.pair_signs import is_same, measure
from depthmask.inference.refinement import enlarge_mask, refine_depth, steepen
from depthmask.inference.second_look import ASPECTS, look_again
from depthmask.inference.stopwatch import Stopwatch
from depthmask.inference.unknown_area import covered_share, keep_joined
from depthmask.network.architecture import MODELS
from depthmask.network.checkpoint import SHIPPED, check_tasks, read_info
from depthmask.pictures import Map, Mask, Picture
from depthmask.pictures.resize import resize, resize_by_halves

_LOG = logging.getLogger(__name__)  # prints warnings on stderr, unless the program has it otherwise
RESOLUTIONS = range(STRIDE, 2048 + 1)
# Sides of what the network sees, in those of what the checkpoint is meant to see
QUALITIES = {"fast": 4 / 7, "balanced": 1.0, "best": 8 / 7}
# Gain of the second looks that are worth their time: see `second_look`. On crops, the fast network
# takes more shadows for things.
MIN_GAINS = {"fast": math.inf, "balanced": 1.6, "best": 1.1}
_FAST = "fast"  # the quality for which there are weights of their own
MAX_GAIN_CHANGE_STOPS = 0.15  # of a channel; the network predicts the same with less
MIN_DEPTH = 1e-6  # depth is above 0, so that 1 / depth is finite


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted of a pair of photos, at the image's own size."""

    mask: Map  # (H, W), in [0, 1]: how much of a pixel is foreground
    depth: Map  # (H, W), in (0, 1], by depthmask.depth.CONVENTION
    seconds: float  # wall time, from arrays to arrays
    pair: PairReport | None = None  # None: whoever predicted did not look
    background: Picture | None = None  # (H, W, 3), RGB, moved and lit as the image
    unknown: Mask | None = None  # (H, W): what the background does not show; None: it shows all


@dataclass(frozen=True, eq=False)
class FirstLook:
    """What the network found of a pair at its own size; `Predictor.finish` goes on from here."""

    image: Picture  # (H, W, 3)
    framed: FramedBackground
    light: LightMatch
    choice: Choice  # (h, w): which candidate was the background where
    mask: Map  # (h, w), without what is gone from the image
    depth: Map  # (h, w)
    left_out: Mask  # (h, w): what is gone from it
    unknown: Mask | None  # (H, W), as in `Prediction`
    pair: PairReport
    seconds: float  # wall time, until here

    @property
    def size(self) -> int:
        """Bytes of its arrays, without the image."""
        arrays = (*self.framed.pictures, self.choice, self.mask, self.depth, self.unknown)
        return sum(array.nbytes for array in arrays if array is not None)

    def preview(self, height: int, width: int) -> Prediction:
        """The prediction as far as it is known, in a size in which it is soon made."""
        mask = steepen(enlarge_mask(self.mask, height, width))
        depth = np.clip(refine_depth(self.depth, self.mask, mask), MIN_DEPTH, 1)
        unknown = self.unknown
        if unknown is not None:
            unknown = resize(unknown.astype(np.uint8), height, width) > 0
        return Prediction(mask, depth, self.seconds, self.pair, None, unknown)


class Predictor:
    """Predicts mask and depth; one object serves any number of threads, one at a time.

    Args:
        checkpoint: A file of `train.py` or of the original project; without it, the shipped weights
            that the quality asks for.
        device: "auto" (a GPU that torch can use, else the CPU), or a name of torch's such as "cpu"
            or "cuda:1".
        resolution: Square root of the number of pixels that the network gets to see. Without
            it, what the quality asks for.
        quality: A name of `QUALITIES`: "balanced" is what the checkpoint is meant to see. "fast" is
            the fast network; with a checkpoint, that one at a lower resolution.
        backend: What runs the network: "auto", a name of `depthmask.backends.backend_names`, or
            one of those objects. Where "auto" cannot have the fastest, the log says why.

    Raises:
        CheckpointError: The checkpoint is missing, damaged, or lacks mask or depth.
        ValueError: There is no such device, backend or quality, or the resolution is out of
            range.
    """

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        *,
        device: str = "auto",
        resolution: int | None = None,
        backend: str | Backend = "auto",
        quality: str = "balanced",
    ) -> None:
        path = Path(checkpoint or weights_for(quality))
        self.info = read_info(path)
        check_tasks(path, self.info)
        has_own_weights = checkpoint is None and quality == _FAST
        suited = resolution_for("balanced" if has_own_weights else quality, self.info.resolution)
        self.resolution = suited if resolution is None else resolution
        if self.resolution not in RESOLUTIONS:
            raise OptionError(
                f"The resolution must be from {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}, "
                f"not {self.resolution}."
            )
        if isinstance(backend, str):
            backend = make_backend(backend, checkpoint=path, device=device, say=_LOG.warning)
        self.backend = backend
        is_fast = (self.info.stages, self.info.stride) == MODELS["fast"]
        self._min_gain = MIN_GAINS["fast" if is_fast else quality]
        self._crop_sizes = [network_size(*aspect, self.resolution) for aspect in ASPECTS]

    @property
    def device(self) -> str:
        """Where the network runs, by torch's names."""
        return self.backend.device

    def predict(
        self,
        background: Background,
        image: Picture,
        *,
        align: bool = True,
        light: bool = True,
        refine: bool = True,
        stopwatch: Stopwatch | None = None,
    ) -> Prediction:
        """Finds what has entered the scene, and how far everything is.

        Args:
            background: (h, w, 3), uint8, RGB: the empty scene, of any size. It is scaled to
                cover the image and cropped around its centre, never squashed. Or a learned one.
            image: (H, W, 3), uint8, RGB, of any size.
            align: Move the background to where the camera stood for the image.
            light: Give the background the exposure and white balance of the image.
            refine: Look again at what is small, steepen the mask's edge, and put the depth's step
                on it; else both are enlarged.
            stopwatch: Gets a lap for each stage: register, light, network and quality; then
                background, second look and refine.

        Raises:
            ValueError: An array is empty or not of this type and shape.
        """
        look = self.look(background, image, align=align, light=light, stopwatch=stopwatch)
        return self.finish(look, refine=refine, stopwatch=stopwatch)

    def look(
        self,
        background: Background,
        image: Picture,
        *,
        align: bool = True,
        light: bool = True,
        stopwatch: Stopwatch | None = None,
    ) -> FirstLook:
        """The first part of `predict`, which takes and raises the same: what the network sees."""
        start = time.perf_counter()
        watch = stopwatch or Stopwatch()
        photo = None if isinstance(background, LearnedBackground) else background
        if not isinstance(background, LearnedBackground):
            check_picture(background, "background")
        check_picture(image, "image")
        height, width = image.shape[:2]
        framed = frame(background, image, align=align)
        watch.lap("register")
        size = network_size(height, width, self.resolution)
        copies = framed.copies(*size)
        small_image = resize_by_halves(image, *size)
        unknown, small_unknown = framed.unknown, None
        if unknown is not None:
            small_unknown = resize(unknown.astype(np.float32), *size) > 0
            unknown = resize(unknown.astype(np.uint8), height, width) > 0
        maps, lighting, choice = self._see(copies, small_image, small_unknown, watch, light=light)
        covered = covered_share(unknown, image)
        signs = measure(
            assemble(copies, choice),
            small_image,
            maps["mask"],
            framed.registration,
            lighting,
            moved=framed.registration.shift / math.hypot(height, width),
            covered=covered,
            unknown=small_unknown,
            same=photo is not None and is_same(photo, image),
        )
        found = leave_out(maps["mask"], signs.gone)
        report = PairReport(framed.registration, lighting, judge(signs), covered)
        watch.lap("quality")
        return FirstLook(
            image,
            framed,
            lighting,
            choice,
            found,
            maps["depth"],
            found < maps["mask"],
            unknown,
            report,
            time.perf_counter() - start,
        )

    def finish(
        self, look: FirstLook, *, refine: bool = True, stopwatch: Stopwatch | None = None
    ) -> Prediction:
        """The rest of `predict`: what is of the image's own size, and the second look."""
        start = time.perf_counter()
        watch = stopwatch or Stopwatch()
        height, width = look.image.shape[:2]
        lit = apply_light(assemble(look.framed.pictures, look.choice), look.light)
        background = resize(lit, height, width)
        watch.lap("background")
        if refine:
            mask = self._look_again(look, background)
            watch.lap("second look")
            mask = steepen(mask)
            depth = refine_depth(look.depth, look.mask, mask)
        else:
            mask, depth = (resize(each, height, width) for each in (look.mask, look.depth))
        mask, depth = np.clip(mask, 0, 1, out=mask), np.clip(depth, MIN_DEPTH, 1, out=depth)
        watch.lap("refine")
        seconds = look.seconds + time.perf_counter() - start
        return Prediction(mask, depth, seconds, look.pair, background, look.unknown)

    def _look_again(self, look: FirstLook, background: Picture) -> Map:
        """The network's mask, enlarged, with a second look where that pays.

        It decides neither in the unknown area nor on what was left out. The background is (H, W, 3)
        in the image's light.
        """
        height, width = look.image.shape[:2]
        closed = look.unknown
        if look.left_out.any():
            closed = resize(look.left_out.astype(np.float32), height, width) > 0
            closed = closed if look.unknown is None else closed | look.unknown
        return look_again(
            self.backend,
            background,
            look.image,
            enlarge_mask(look.mask, height, width),
            look.mask,
            sizes=self._crop_sizes,
            min_gain=self._min_gain,
            closed=closed,
        )

    def _see(
        self,
        candidates: Sequence[Picture],
        image: Picture,
        unknown: Mask | None,
        watch: Stopwatch,
        *,
        light: bool,
    ) -> tuple[dict[str, Map], LightMatch, Choice]:
        """Runs the network on two pictures of its size, in the same light if so wanted.

        Foreground in the unknown area is kept where it goes on from foreground that is known.

        The light is first fitted without a mask. Where a second fit, to the background of the
        predicted mask, differs by `MAX_GAIN_CHANGE_STOPS`, the network runs once more with it.

        Returns:
            Mask and depth, how the light was matched, and which candidate was the background where.
        """

        def run(match: LightMatch) -> tuple[dict[str, Map], LightMatch, Choice]:
            choice = closest(candidates, image, match)
            lit = apply_light(assemble(candidates, choice), match)
            watch.lap("light")
            maps = self.backend.run(lit, image)
            watch.lap("network")
            if unknown is not None:
                maps["mask"] = keep_joined(maps["mask"], unknown, image)
            return maps, match, choice

        if not light:
            return run(NOT_MATCHED)
        background = assemble(candidates, closest(candidates, image))
        copies = light_copy(background), light_copy(image)
        first = match_light(*copies, foreground=_hidden(unknown))
        result = run(first)
        second = match_light(*copies, foreground=_hidden(unknown, result[0]["mask"]))
        # where the mask leaves nothing to compare, the first fit stands
        if second.reason or np.abs(np.log2(second.gain / first.gain)).max() < MAX_GAIN_CHANGE_STOPS:
            return result
        return run(second)


def weights_for(quality: str) -> Path:
    """The shipped weights that a quality means."""
    return SHIPPED["fast" if quality == _FAST else "main"]


def resolution_for(quality: str, resolution: int) -> int:
    """The resolution that a quality means for weights that are meant for another: both in pixels.

    Raises:
        ValueError: There is no such quality.
    """
    if quality not in QUALITIES:
        raise OptionError(f"There is no quality {quality!r}; use one of: {', '.join(QUALITIES)}.")
    scaled = round(resolution * QUALITIES[quality])
    return min(max(scaled, RESOLUTIONS[0]), RESOLUTIONS[-1])


def check_picture(picture: Picture, name: str) -> None:
    """Raises ValueError, naming the picture, unless it is a non-empty uint8 (H, W, 3) array."""
    if not isinstance(picture, np.ndarray):
        raise PictureError(f"The {name} must be a numpy array, not {type(picture).__name__}.")
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise PictureError(
            f"The {name} must be uint8 RGB of shape (height, width, 3), not {picture.dtype} of "
            f"shape {picture.shape}."
        )
    if picture.size == 0:
        raise PictureError(f"The {name} has no pixels: its shape is {picture.shape}.")


def network_size(height: int, width: int, resolution: int) -> tuple[int, int]:
    """Chooses the size at which the network sees a picture.

    Returns:
        Height and width, multiples of 32: about resolution² pixels, in the picture's aspect as
        far as sides of at least 32 allow.
    """
    longest = resolution**2 / STRIDE  # a picture one pixel wide must not cost more than others

    def side(ideal: float) -> int:
        return max(STRIDE, round(min(ideal, longest) / STRIDE) * STRIDE)

    aspect = math.sqrt(height / width)
    return side(resolution * aspect), side(resolution / aspect)


def _hidden(unknown: Mask | None, mask: Map | None = None) -> Map | None:
    """What cannot be compared: the unknown area and the foreground, (h, w) each."""
    if unknown is None:
        return mask
    return unknown.astype(np.float32) if mask is None else np.maximum(mask, unknown)
