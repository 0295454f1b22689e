"""How well a predictor does on sequences with ground truth.

The folder is as `frames` describes. Each number is computed for each frame at its native size. The
mean over the frames of a sequence is taken first, then the mean over the sequences. Precision,
recall and their F-measure count the pixels of a whole sequence, as CDnet 2014 does. A number that
no frame has is left out.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Required, TypedDict, cast

import numpy as np
import numpy.typing as npt

from depthmask.depth import align_inverse_depth, inverse_from_depth
from depthmask.errors import PictureError, named
from depthmask.evaluation.array_metrics import (
    MASK_THRESHOLD,
    abs_rel,
    delta,
    depth_rmse,
    mask_iou,
)
from depthmask.evaluation.frames import (
    background_of,
    find_sequences,
    frames_with_truth,
    part_of,
    passed_over,
    photos_before,
    pictures_of,
)
from depthmask.evaluation.truth import (
    depth_doubts,
    known_depth,
    leave_out,
    mask_doubts,
    relative_depth,
    split_labels,
    unknown_remarks,
)
from depthmask.inference.background import (
    MAX_FRAMES,
    Background,
    LearnedBackground,
    learn_background,
    spread_evenly,
)
from depthmask.inference.predictor import Prediction
from depthmask.pictures import (
    Map,
    Picture,
    TrueDepth,
    TrueMask,
    check_size,
    read_picture,
    read_true_depth,
    read_true_mask,
)

Predict = Callable[[Background, Picture], Prediction]  # (background, image) -> Prediction
Learn = Callable[[Sequence[Picture]], LearnedBackground]
PredictPair = Callable[[Picture, Picture], Prediction]  # the same of two photos
Counts = npt.NDArray[np.int64]  # (3,), of pixels
Scores = dict[str, dict[str, float]]  # {"mask": {"iou": 0.9, ...}, "depth": {...}}


class Evaluation(TypedDict, total=False):
    """The result of `evaluate_folder`, ready for JSON."""

    mask: dict[str, float]  # "iou", "false_foreground", "precision", "recall", "f_measure"
    depth: dict[str, float]  # "abs_rel", "delta1", "rmse_m", of metres; else "rmse"
    sequences: Required[dict[str, Scores]]  # the same for each, by name


MIN_FOREGROUND_SHARE = 0.002  # of a frame; below it, a few pixels decide the IoU
_MIN_METRES, _MAX_METRES = 0.3, 10.0  # what depth cameras can measure


def evaluate_folder(
    predict: Predict,
    folder: Path,
    *,
    learn: Learn | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Compares predictions with the ground truth of a folder of sequences.

    Args:
        predict: Makes a prediction of a background and an image.
        folder: As this module describes.
        learn: Learns the background of a sequence from its images, whatever else there is.
        progress: Called with a line when a sequence begins.

    Returns:
        The means, and those of each sequence. A number that no frame has is left out, so none is
        NaN.

    Raises:
        PictureError: There is nothing to evaluate, or a file is missing or damaged.
    """
    sequences: dict[str, Scores] = {}
    for sequence in find_sequences(folder):
        name = sequence.name if sequence == folder else sequence.relative_to(folder).as_posix()
        frames = frames_with_truth(sequence)
        progress(f"{name}: {len(frames)} frame{'s' if len(frames) != 1 else ''}")
        if others := passed_over(sequence):
            progress(f"{name}: passed over {named(others)}")
        background = _learned(sequence, learn) if learn else read_background(sequence)
        found = [_evaluate_frame(predict, background, frame) for frame in frames]
        scores = _mean_scores(frame.scores for frame in found)
        if pooled := pooled_scores(sum((x.counts for x in found), np.zeros(3, np.int64))):
            scores["mask"] |= pooled
        sequences[name] = scores
        for remark, count in Counter(chain.from_iterable(x.remarks for x in found)).items():
            progress(f"{name}: {remark} ({count} of {len(frames)} frames)")
    if not any(sequences.values()):
        raise PictureError(f"No frame in {folder} has a mask or a depth map to compare with.")
    return cast(Evaluation, {**_mean_scores(sequences.values()), "sequences": sequences})


def read_background(sequence: Path) -> Background:
    """Learns the background from what a sequence shows before its frames, else reads the photo.

    Raises:
        PictureError: There is neither, or a file is damaged.
    """
    before = photos_before(sequence)
    if len(before) < 2:
        return read_picture(background_of(sequence))
    return learn_background([read_picture(path) for path in spread_evenly(before, MAX_FRAMES)])


def _learned(sequence: Path, learn: Learn) -> Background:
    images = list(pictures_of(part_of(sequence, "image")).values())
    return learn([read_picture(path) for path in spread_evenly(images, MAX_FRAMES)])


def score_prediction(
    prediction: Prediction,
    *,
    true_labels: Picture | None = None,
    true_depth: TrueDepth | None = None,
) -> dict[str, float]:
    """Compares one prediction with a true mask, a true depth, or both.

    Args:
        prediction: Of an image of H x W pixels.
        true_labels: (H, W), as for `split_labels`.
        true_depth: (H, W), by depthmask.depth.CONVENTION, or in metres; 0 where it is not known.

    Returns:
        "iou" of what is not unknown, if there is a true mask. "rmse" if any true depth is known,
        in units of relative depth; of metres, which are fitted to the prediction for it, also what
        `depth_scores` has.

    Raises:
        PictureError: The truth has another size than the prediction.
    """
    scores = {}
    if true_labels is not None:
        check_size(true_labels, prediction.mask, "The true mask")
        labels = leave_out(true_labels, prediction.unknown)
        scores["iou"] = mask_iou(prediction.mask, *split_labels(labels))
    if true_depth is not None:
        check_size(true_depth.values, prediction.depth, "The true depth")
        known = known_depth(true_depth.values)
        if known.any():
            relative = relative_depth(true_depth, prediction.depth)
            scores["rmse"] = depth_rmse(prediction.depth, relative, known)
        if true_depth.in_metres:
            scores |= depth_scores(prediction.depth, true_depth.values)
    return scores


def mask_scores(pred: Map, labels: Picture) -> dict[str, float]:
    """Scores a mask.

    Args:
        pred: (H, W), in [0, 1].
        labels: (H, W): 255 foreground, 0 background; see `split_labels` for what does not count.

    Returns:
        "iou", unless less than 0.2 % of the frame is foreground; and "false_foreground", the share
        of the true background that the mask calls foreground, unless there is no background.
    """
    true, valid = split_labels(labels)
    foreground, background = true & valid, ~true & valid
    scores = {}
    if foreground.mean() >= MIN_FOREGROUND_SHARE:
        scores["iou"] = mask_iou(pred, true, valid)
    if background.any():
        scores["false_foreground"] = float((pred > MASK_THRESHOLD)[background].mean())
    return scores


def mask_counts(pred: Map, labels: Picture) -> Counts:
    """Hits, false alarms and misses of a mask, (3,): numbers of pixels, of what counts.

    Args:
        pred: (H, W), in [0, 1].
        labels: (H, W), as for `mask_scores`.
    """
    true, valid = split_labels(labels)
    found = pred > MASK_THRESHOLD
    kinds = found & true, found & ~true, ~found & true
    return np.array([np.count_nonzero(kind & valid) for kind in kinds])


def pooled_scores(counts: Counts) -> dict[str, float]:
    """ "precision", "recall" and "f_measure" (β = 1) of hits, false alarms and misses, (3,).

    Empty where no pixel is foreground in truth.
    """
    hits, alarms, misses = (float(count) for count in counts)
    if not hits + misses:
        return {}
    return {
        "precision": hits / (hits + alarms) if hits + alarms else 0.0,
        "recall": hits / (hits + misses),
        "f_measure": 2 * hits / (2 * hits + alarms + misses),
    }


def depth_scores(pred: Map, metres: Map) -> dict[str, float]:
    """Scores a depth map, after fitting its inverse to the truth by a scale and a shift.

    Args:
        pred: (H, W), relative depth in (0, 1].
        metres: (H, W), true depth; pixels outside 0.3 to 10 m do not count.

    Returns:
        "abs_rel", "delta1" and "rmse_m" (metres); empty where no pixel counts.
    """
    true = metres.astype(np.float64)
    valid = (true >= _MIN_METRES) & (true <= _MAX_METRES)
    if not valid.any():
        return {}
    true = true.clip(_MIN_METRES, _MAX_METRES)  # else pixels that do not count give infinity
    inverse = inverse_from_depth(pred.astype(np.float64))
    aligned = align_inverse_depth(inverse, 1 / true, valid)
    fitted = 1 / aligned.clip(1 / _MAX_METRES, 1 / _MIN_METRES)
    return {
        "abs_rel": abs_rel(fitted, true, valid),
        "delta1": delta(fitted, true, valid),
        "rmse_m": depth_rmse(fitted, true, valid),
    }


class _Frame(NamedTuple):
    """What was found of a frame."""

    scores: Scores
    counts: Counts  # see `mask_counts`; 0 without a true mask
    remarks: tuple[str, ...]  # on its truth


def _evaluate_frame(predict: Predict, background: Background, frame: dict[str, Path]) -> _Frame:
    image = read_picture(frame["image"])
    mask, depth = read_truth(frame.get("mask"), frame.get("depth"), image)
    prediction = predict(background, image)
    scores, counts = {}, np.zeros(3, np.int64)
    if mask is not None:
        labels = leave_out(mask.labels, prediction.unknown)
        scores["mask"] = mask_scores(prediction.mask, labels)
        counts = mask_counts(prediction.mask, labels)
    if depth is not None and depth.in_metres:
        scores["depth"] = depth_scores(prediction.depth, depth.values)
    elif depth is not None:
        scores["depth"] = score_prediction(prediction, true_depth=depth)
    return _Frame(scores, counts, truth_remarks(prediction, mask, depth))


def read_truth(
    mask: Path | None, depth: Path | None, image: Picture
) -> tuple[TrueMask | None, TrueDepth | None]:
    """Reads the truth of an image, as far as it is given.

    Raises:
        PictureError: A file cannot be read, or is not of the image's size.
    """
    true_mask = read_true_mask(mask) if mask else None
    true_depth = read_true_depth(depth) if depth else None
    if true_mask is not None:
        check_size(true_mask.labels, image, str(mask))
    if true_depth is not None:
        check_size(true_depth.values, image, str(depth))
    return true_mask, true_depth


def truth_remarks(
    prediction: Prediction, mask: TrueMask | None, depth: TrueDepth | None
) -> tuple[str, ...]:
    """Sentences on how the truth was read, and on whether it can belong to the picture."""
    remarks: tuple[str, ...] = ()
    if mask is not None:
        labels = leave_out(mask.labels, prediction.unknown)
        remarks += (*mask.notes, *mask_doubts(prediction.mask, labels))
        remarks += unknown_remarks(prediction.unknown)
    if depth is not None:
        remarks += (*depth.notes, *depth_doubts(prediction.depth, depth))
    return remarks


def _mean_scores(scores: Iterable[Mapping[str, Mapping[str, float]]]) -> Scores:
    """The mean of each number over those that have it; parts without a number are left out."""
    values: dict[str, dict[str, list[float]]] = {}
    for score in scores:
        for part, numbers in score.items():
            for key, value in numbers.items():
                values.setdefault(part, {}).setdefault(key, []).append(value)
    return {
        part: {key: float(np.mean(listed)) for key, listed in numbers.items()}
        for part, numbers in values.items()
    }
