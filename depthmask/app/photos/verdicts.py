"""What the figures mean, in words: how good each is, and which kind of error prevails."""

import numpy as np

from depthmask.app.photos.analysis import Analysis
from depthmask.evaluation.array_metrics import MASK_THRESHOLD
from depthmask.pictures import Mask
from depthmask.texts import TEXTS

_TEXT = TEXTS["words"]
_EXCELLENT, _GOOD, _FAIR, _POOR = (_TEXT[word] for word in ("excellent", "good", "fair", "poor"))
# From the best down: the figure that a word needs.
# 0.95 is a border of about one pixel in a hundred around a person; 0.85 looks right until one looks
# closely; below 0.7 a part is missing or something else was taken.
IOU_WORDS = ((0.95, _EXCELLENT), (0.85, _GOOD), (0.7, _FAIR), (0.0, _POOR))
# Depth that is the same everywhere has 0.25 to 0.3 on the examples, so more than that is no use.
RMSE_WORDS = ((0.08, _EXCELLENT), (0.15, _GOOD), (0.25, _FAIR), (np.inf, _POOR))
MIN_SHARE = 0.01  # of the true foreground; a smaller error is not worth a word
PREVAILS = 2.0  # times the other kind of error
BIASED = 0.5  # of the RMSE is the mean error: most is off in one direction
SHADOW_SHARE = 0.5  # of what is taken too much
MIN_SHADOW = 0.25  # of the light is taken away


def words(analysis: Analysis) -> dict[str, str]:
    """Returns a few words for "iou" and "rmse", as far as there is truth."""
    found = {}
    if analysis.iou is not None:
        found["iou"] = ": ".join(filter(None, (_iou_word(analysis.iou), _mask_error(analysis))))
    if analysis.rmse is not None:
        word = next(word for most, word in RMSE_WORDS if analysis.rmse <= most)
        found["rmse"] = ": ".join(filter(None, (word, _depth_error(analysis))))
    return found


def _iou_word(iou: float) -> str:
    return next(word for least, word in IOU_WORDS if iou >= least)


def _mask_error(analysis: Analysis) -> str:
    """Says what is taken too much or missed, in shares of the true foreground."""
    assert analysis.predicted is not None and analysis.true_mask is not None
    mask, true = analysis.predicted.prediction.mask > MASK_THRESHOLD, analysis.true_mask
    known = np.ones_like(true) if analysis.mask_known is None else analysis.mask_known
    size = np.count_nonzero(true & known)
    wrong = mask & ~true & known
    if not size:
        return _TEXT["empty_but_found" if wrong.any() else "empty"]
    taken, missed = np.count_nonzero(wrong) / size, np.count_nonzero(true & ~mask & known) / size
    if max(taken, missed) < MIN_SHARE:
        return ""
    if missed > PREVAILS * taken:
        return _TEXT["misses"].format(missed=missed)
    if taken > PREVAILS * missed:
        text = "takes_shadow" if _is_shadow(analysis, wrong) else "takes"
        return _TEXT[text].format(taken=taken)
    return _TEXT["both"].format(missed=missed, taken=taken)


def _is_shadow(analysis: Analysis, wrong: Mask) -> bool:
    """Whether most of what is taken too much, (H, W), is the foreground's shadow."""
    from depthmask.inference.shadow import cast_shadow

    assert analysis.predicted is not None
    found = analysis.predicted.prediction
    if found.background is None:
        return False
    shadow = cast_shadow(analysis.predicted.image, found.background, found.mask)
    return bool((shadow > MIN_SHADOW)[wrong].mean() > SHADOW_SHARE)


def _depth_error(analysis: Analysis) -> str:
    assert analysis.depth_error is not None and analysis.rmse is not None
    mean = float(np.nanmean(analysis.depth_error))
    if analysis.rmse < RMSE_WORDS[0][0] or abs(mean) < BIASED * analysis.rmse:
        return ""
    return _TEXT["too_far" if mean > 0 else "too_near"]
