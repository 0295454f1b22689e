"""Which pixels of a ground truth count, and whether it can belong to its picture.

One rule for the page, `predict` and `evaluate`.
"""

import numpy as np

from depthmask.depth import align_inverse_depth, inverse_from_depth
from depthmask.evaluation.array_metrics import MASK_THRESHOLD, Valid, mask_iou
from depthmask.pictures import IGNORED_LABELS, Map, Mask, Picture, TrueDepth
from depthmask.texts import TEXTS

_FULL_LABEL = 255
MIN_UNKNOWN_SHARE = 0.01  # of a picture; less needs no word
_MIN_SHARE = 0.001  # of a picture: a smaller mask counts as empty
_INVERTED_GAIN = 0.3  # by which IoU is higher with the inverted truth, of one that is inverted
_MAX_UNRELATED = 0.05  # correlation of two masks that have nothing in common
_OPPOSITE = -0.4  # correlation of two depth maps of which one has near bright

EMPTY = TEXTS["truth"]["empty"]
FULL = TEXTS["truth"]["full"]
INVERTED = TEXTS["truth"]["inverted"]
UNRELATED = TEXTS["truth"]["unrelated"]
LEFT_OUT = TEXTS["truth"]["left_out"]
UNKNOWN_DEPTH = TEXTS["truth"]["unknown_depth"]
UNRELATED_DEPTH = TEXTS["truth"]["unrelated_depth"]
OPPOSITE_DEPTH = TEXTS["truth"]["opposite_depth"]


def split_labels(labels: Picture) -> tuple[Mask, Valid]:
    """Splits the labels of a true mask, (H, W).

    Returns:
        What is foreground (above 127), and which pixels count, (H, W) each.
    """
    return labels > _FULL_LABEL // 2, ~np.isin(labels, IGNORED_LABELS)


def leave_out(labels: Picture, unknown: Mask | None) -> Picture:
    """Labels in which the unknown area of a prediction does not count, (H, W)."""
    return labels if unknown is None else np.where(unknown, np.uint8(IGNORED_LABELS[0]), labels)


def unknown_remarks(unknown: Mask | None) -> tuple[str, ...]:
    """Says that an unknown area is left out, unless it is less than 1 % of the picture."""
    is_large = unknown is not None and unknown.mean() >= MIN_UNKNOWN_SHARE
    return (LEFT_OUT,) if is_large else ()


def known_depth(true: Map) -> Valid:
    """Which pixels of a true depth, (H, W), are known: 0 means that none was measured."""
    return true > 0


def relative_depth(true: TrueDepth, pred: Map) -> Map:
    """Brings a true depth to the scale of a prediction.

    Args:
        true: (H, W). Metres are fitted to the prediction, as inverse depth, by a scale and a shift.
        pred: (H, W), in (0, 1], by depthmask.depth.CONVENTION.

    Returns:
        (H, W), in [0, 1], 0 where it is not known.
    """
    known = known_depth(true.values)
    if not true.in_metres or not known.any():
        return true.values
    inverse = 1 / np.where(known, true.values, 1)
    fitted = align_inverse_depth(inverse, inverse_from_depth(pred.astype(np.float64)), known)
    return np.where(known, 1 / (1 + np.maximum(fitted, 0)), 0).astype(np.float32)


def mask_doubts(pred: Map, labels: Picture) -> tuple[str, ...]:
    """Says in a sentence why a true mask may not belong to its picture; none if it may.

    Args:
        pred: (H, W), in [0, 1].
        labels: (H, W), as for `split_labels`.
    """
    true, valid = split_labels(labels)
    if not valid.any():
        return ()
    found, given = (pred > MASK_THRESHOLD)[valid], true[valid]
    if given.mean() < _MIN_SHARE:
        return (EMPTY,) if found.mean() >= _MIN_SHARE else ()
    if given.mean() > 1 - _MIN_SHARE:
        return (FULL,)
    if mask_iou(found, ~given) > mask_iou(found, given) + _INVERTED_GAIN:
        return (INVERTED,)
    if found.mean() >= _MIN_SHARE and _correlation(found, given) < _MAX_UNRELATED:
        return (UNRELATED,)
    return ()


def depth_doubts(pred: Map, true: TrueDepth) -> tuple[str, ...]:
    """Says in a sentence why a true depth may be none of this picture; none if it may.

    Args:
        pred: (H, W), in (0, 1].
        true: (H, W).
    """
    known = known_depth(true.values)
    if not known.any():
        return (UNKNOWN_DEPTH,)
    if _correlation(pred[known], true.values[known]) < _OPPOSITE:
        return (UNRELATED_DEPTH if true.in_metres else OPPOSITE_DEPTH,)
    return ()


def _correlation(one: Valid | Map, other: Valid | Map) -> float:
    """Pearson's, in [-1, 1]; 0 where one of them is constant."""
    x, y = (values.astype(np.float64) - values.mean() for values in (one, other))
    scale = float(np.sqrt(np.square(x).sum() * np.square(y).sum()))
    return float((x * y).sum()) / scale if scale else 0.0
