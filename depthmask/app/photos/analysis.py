"""What the photos tab does with the dropped files: read, predict, compare. No Gradio and no HTML.

Heavy modules are imported with the first pair, so that the page is up sooner.
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from depthmask.app.loading import Looks, Predicts
from depthmask.app.photos.dropped import DroppedFiles, Reader, named
from depthmask.app.prediction_cache import EmptyScene, PredictedPair, PredictionCache
from depthmask.app.reading import photo_reader
from depthmask.depth import align_inverse_depth
from depthmask.errors import PictureError
from depthmask.evaluation.array_metrics import MASK_THRESHOLD, mask_iou, masked_mean
from depthmask.evaluation.truth import (
    depth_doubts,
    known_depth,
    leave_out,
    mask_doubts,
    relative_depth,
    split_labels,
    unknown_remarks,
)
from depthmask.pictures import Map, Mask, Picture, TrueDepth
from depthmask.pictures.resize import fit_size
from depthmask.texts import TEXTS

if TYPE_CHECKING:
    from depthmask.inference.background import Background
    from depthmask.inference.pair_quality import PairQuality

_TEXT = TEXTS["photos"]
FIRST_SIDE = 480  # longest side of the first picture of a pair, in pixels
DROP_BOTH = _TEXT["drop_both"]
DROP_IMAGE = _TEXT["drop_image"]
DROP_BACKGROUND = _TEXT["drop_background"]
DROP_NEXT_IMAGE = _TEXT["drop_next_image"]
WITH_EARLIER_IMAGE = _TEXT["with_earlier_image"]
TURNED = _TEXT["turned"]
OTHER_SHAPE = _TEXT["other_shape"]
OTHER_SIZE = _TEXT["other_size"]
NOTHING_NEW = _TEXT["nothing_new"]
MIN_NEW_SHARE = 0.001  # of the picture; a smaller mask counts as empty
MIN_SHAPE_DIFFERENCE = (
    0.03  # of the logarithms of the ratios of the sides; 3 : 2 and 4 : 3 have 0.12
)
MAX_DOUBTFUL_SCORE = 0.2  # quality of a pair, in [0, 1]; up to here, it is probably a mistake


@dataclass(frozen=True)
class Convention:
    """How to read the true depth."""

    near_is_bright: bool = False  # otherwise, far is bright
    align: bool = False  # first fit the prediction to the truth by a scale and a shift


@dataclass(frozen=True, eq=False)
class Analysis:
    """The results to show. `predicted` is None unless both pictures could be read."""

    message: str  # one or more sentences for the user
    failed: bool = False  # the message tells what went wrong
    unreadable: frozenset[str] = field(default_factory=frozenset)  # keys of ZONES
    predicted: PredictedPair | None = None
    true_mask: Mask | None = None  # (H, W); None unless of the image's size
    mask_known: Mask | None = None  # (H, W), where the true mask counts; None without one
    depth_error: Map | None = None  # (H, W), above 0: too far, NaN: truth unknown; or None
    iou: float | None = None  # in [0, 1]; None without a true mask
    rmse: float | None = None  # of the depth error; None without a true depth

    @property
    def doubtful(self) -> bool:
        """Whether the pair is probably a mistake of the visitor."""
        if self.predicted is not None and is_turned(self.predicted):
            return True
        return self._quality is not None and self._quality.score <= MAX_DOUBTFUL_SCORE

    @property
    def verdict(self) -> str:
        """The verdict on the pair, see pair_quality.py; "" if there is none."""
        return self._quality.verdict if self._quality else ""

    @property
    def _quality(self) -> "PairQuality | None":
        pair = self.predicted.prediction.pair if self.predicted else None
        return pair.quality if pair else None


def analyse(
    predictor: Predicts,
    cache: PredictionCache,
    files: DroppedFiles,
    convention: Convention | None = None,
    *,
    first: bool = False,
) -> Analysis:
    """Reads the files, predicts, and compares with the truth if there is one.

    Never raises for what a user did: the message tells what cannot be read or compared.

    Args:
        predictor: Makes the prediction.
        cache: Keeps it.
        files: What was dropped.
        convention: Of a true depth.
        first: A preview will do, of `FIRST_SIDE` pixels, if that is sooner there.
    """
    reader = Reader()
    # figures are of the whole
    first = first and not (files.true_mask or files.true_depth) and isinstance(predictor, Looks)
    predicted = cache.get(files.pair) if first else None
    if predicted is None:
        predicted = cache.get_or_make(
            _key(files, first=first),
            lambda: _predict(predictor, cache, reader, files, first=first),
        )
    given = reader.read("true_mask", files.true_mask, photo_reader().true_mask)
    true_depth = reader.read("true_depth", files.true_depth, photo_reader().true_depth)
    if predicted is None:
        return _nothing(reader, missing(files.background is not None, files.image is not None))
    mask, depth = predicted.prediction.mask, predicted.prediction.depth
    true_mask = known = iou = error = rmse = None
    if given is not None and reader.fits("true_mask", given.labels, mask):
        unknown = predicted.prediction.unknown
        labels = leave_out(given.labels, unknown)
        true_mask, known = split_labels(labels)
        iou = mask_iou(mask, true_mask, known)
        notes = (*given.notes, *unknown_remarks(unknown))
        reader.note("true_mask", notes, mask_doubts(mask, labels))
    if true_depth is not None and reader.fits("true_depth", true_depth.values, mask):
        convention = convention or Convention()
        error = depth_error(depth, true_depth, convention)
        rmse = float(np.sqrt(masked_mean(np.square(error), np.isfinite(error))))
        unusual = convention != Convention() and np.isfinite(rmse)
        doubts = () if unusual else depth_doubts(depth, true_depth)
        reader.note("true_depth", true_depth.notes, doubts)
        if np.isnan(rmse):
            error = rmse = None
    return Analysis(
        message=" ".join((*reader.complaints, *verdict(predicted), *reader.notes)),
        failed=bool(reader.complaints),
        unreadable=frozenset(reader.unreadable),
        predicted=predicted,
        true_mask=true_mask,
        mask_known=known,
        depth_error=error,
        iou=iou,
        rmse=rmse,
    )


def missing(has_background: bool, has_image: bool) -> str:
    """Says which picture to drop next; "" if both are there."""
    if has_background and has_image:
        return ""
    if has_background:
        return DROP_IMAGE
    return DROP_BACKGROUND if has_image else DROP_BOTH


def verdict(predicted: PredictedPair) -> tuple[str, ...]:
    """Says in sentences how the pair fits, and what was found."""
    pair = predicted.prediction.pair
    if is_turned(predicted):
        return TURNED, found(predicted), *predicted.notes
    fits = pair.quality.sentences if pair else ()
    fitted: tuple[str, ...] = ()
    if predicted.background_size != predicted.image.shape[:2]:
        fitted = (OTHER_SHAPE if has_other_shape(predicted) else OTHER_SIZE,)
    return (*fits, found(predicted), *fitted, *predicted.notes)


def found(predicted: PredictedPair) -> str:
    """Says how much of the picture is new."""
    share = float((predicted.prediction.mask > MASK_THRESHOLD).mean())
    covered = f"{share:.0%}" if share >= 0.01 else "less than 1%"
    return NOTHING_NEW if share < MIN_NEW_SHARE else _TEXT["found"].format(covered=covered)


def has_other_shape(predicted: PredictedPair) -> bool:
    """Whether the sides of the photos are in other ratios, so that one shows more of the scene."""
    background, image = _ratios(predicted)
    return abs(np.log(background / image)) > MIN_SHAPE_DIFFERENCE


def is_turned(predicted: PredictedPair) -> bool:
    """Whether one photo is upright and the other lies across; a square is neither."""
    background, image = _ratios(predicted)
    return has_other_shape(predicted) and (background - 1) * (image - 1) < 0


def with_earlier_image(analysis: Analysis) -> Analysis:
    """Changes the result of a new background and an image that was there before it.

    Whoever begins a new pair with its background has not dropped its image yet.
    """
    if analysis.predicted is None:
        return analysis
    if analysis.doubtful:
        return Analysis(message=DROP_NEXT_IMAGE)
    return replace(analysis, message=f"{WITH_EARLIER_IMAGE} {analysis.message}")


def _ratios(predicted: PredictedPair) -> tuple[float, float]:
    """Width / height of the background and of the image."""
    (height, width), (rows, columns) = predicted.background_size, predicted.image.shape[:2]
    return width / height, columns / rows


def depth_error(pred: Map, true: TrueDepth, convention: Convention) -> Map:
    """Computes the error of depth against a truth of some convention.

    Args:
        pred: (H, W), in (0, 1], by depthmask.depth.CONVENTION.
        true: (H, W). Metres are fitted to the prediction, whatever the convention.
        convention: Of a relative truth. If aligned, one whose near is bright counts as inverse
            depth, as in most such maps, and one whose far is bright as depth.

    Returns:
        (H, W), in units of the truth, above 0 where the prediction is too far, NaN where the truth
        is not known.
    """
    known = known_depth(true.values)
    if not known.any():
        return np.full_like(pred, np.nan)
    relative = relative_depth(true, pred)
    error = _error(pred, relative, known, Convention() if true.in_metres else convention)
    return np.where(known, error, np.float32(np.nan))


def _error(pred: Map, true: Map, known: Mask, convention: Convention) -> Map:
    if not convention.align:
        return pred - (1 - true if convention.near_is_bright else true)
    values = 1 / np.maximum(pred, np.float32(1e-6)) if convention.near_is_bright else pred
    # the fit only needs values that depend on each other linearly, whatever they mean
    error = align_inverse_depth(values, true, known).astype(np.float32) - true
    return -error if convention.near_is_bright else error


def _key(files: DroppedFiles, *, first: bool) -> Hashable:
    """Of a pair in the cache; a preview has one of its own."""
    return ("first", *files.pair) if first else files.pair


def _predict(
    predictor: Predicts,
    cache: PredictionCache,
    reader: Reader,
    files: DroppedFiles,
    *,
    first: bool,
) -> PredictedPair | None:
    """Reads and predicts a pair, or its preview; returns None if that was not possible."""
    begun = None if first else cache.pop(_key(files, first=True))
    if begun is not None:
        return _explained(reader, partial(_finished, predictor, begun))
    with ThreadPoolExecutor(2) as pool:  # each waits for a process that decodes
        empty = pool.submit(_empty_scene, cache, reader, files)
        image = reader.read("image", files.image, photo_reader().photo)
        scene = empty.result()
    if scene is None or image is None:
        return None
    learned = scene if files.more_backgrounds else None
    notes = (*scene.notes, *named("image", image.notes))

    picture, background, size = image.picture, scene.background, scene.size

    def predict() -> PredictedPair:
        look = None
        if first and isinstance(predictor, Looks):
            look = predictor.look(background, picture)
        if look is None:
            found = predictor.predict(background, picture)
        else:
            found = look.preview(*fit_size(picture.shape, FIRST_SIDE))
        return PredictedPair(picture, found, size, notes, learned, look)

    return _explained(reader, predict)


def _explained(reader: Reader, predict: Callable[[], PredictedPair]) -> PredictedPair | None:
    """Returns what is predicted; None if the network failed, and then the reader tells that."""
    try:
        return predict()
    except (RuntimeError, ValueError, MemoryError, cv2.error) as error:
        logging.getLogger(__name__).exception("prediction failed")
        reader.complaints.append(f"The network failed on this pair: {_first_line(error)}")
        return None


def _finished(predictor: Predicts, begun: PredictedPair) -> PredictedPair:
    """The whole of a pair of which there was a preview."""
    if begun.look is None or not isinstance(predictor, Looks):
        return begun
    return begun._replace(prediction=predictor.finish(begun.look), look=None)


def _empty_scene(cache: PredictionCache, reader: Reader, files: DroppedFiles) -> EmptyScene | None:
    """Reads the background, or learns it from several photos; None if one cannot be read."""
    paths = (files.background, *files.more_backgrounds)
    if known := cache.empty_scene(paths):
        return known
    notes: dict[str, None] = {}  # each once
    sizes: list[tuple[int, int]] = []

    def photos() -> Iterator[Picture]:
        for path in paths:
            photo = reader.read("background", path, photo_reader().photo)
            if photo is None:
                return
            notes.update(dict.fromkeys(named("background", photo.notes)))
            sizes.append((photo.picture.shape[0], photo.picture.shape[1]))
            yield photo.picture

    if len(paths) == 1:
        background: Background | None = next(photos(), None)
    else:
        from depthmask.inference.background import kept_frames, vote

        try:
            frames = kept_frames(photos())
        except PictureError:  # the reader has told why there are too few
            return None
        background = vote(frames) if len(sizes) == len(paths) else None
    if background is None:
        return None
    return EmptyScene(paths, background, sizes[0], tuple(notes))


def _nothing(reader: Reader, hint: str) -> Analysis:
    return Analysis(
        message=" ".join(reader.complaints) or hint,
        failed=bool(reader.complaints),
        unreadable=frozenset(reader.unreadable),
    )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
