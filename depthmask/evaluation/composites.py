"""How well a predictor does on a data set of composites: masks, alpha, depth and its borders."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypedDict

import numpy as np
import torch

from depthmask.data.split import MIXED, TEST, TRAIN
from depthmask.datasets.reader import Dataset, Sample, SamplePictures, pick_evenly
from depthmask.depth import align_inverse_depth, inverse_from_depth
from depthmask.errors import DatasetError
from depthmask.evaluation import array_metrics, matting, metrics
from depthmask.evaluation.sequences import PredictPair
from depthmask.pictures import Map

_ORIGINAL_BATCH_PICTURES = 16  # the original's metrics depend on it
_MIN_DEPTH = 0.02  # in ratios of depths; smaller values count as this one
_REPORT_EVERY_SAMPLES = 100
_ALPHA_ERRORS = {
    "mae": matting.absolute_error,
    "mse": matting.squared_error,
    "sad": matting.sum_of_differences,
    "gradient": matting.gradient_error,
    "connectivity": matting.connectivity_error,
}

Scores = dict[str, float]  # by the metric's name


class SampleScores(NamedTuple):
    """A sample and its scores; a metric that is NaN is left out."""

    sample: Sample
    scores: Scores


class CompositesEvaluation(TypedDict):
    """The result of `evaluate_composites`, ready for JSON."""

    samples: int
    split: str
    means: Scores  # of each metric, over the samples that have it
    original: Scores  # batch_iou and batch_rmse, as the original project computed them


def evaluate_composites(
    predict: PredictPair,
    dataset: Dataset,
    *,
    side: str = TEST,
    limit: int | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[CompositesEvaluation, list[SampleScores]]:
    """Compares predictions with the ground truth of one side of a data set.

    Args:
        predict: Makes a prediction of a background and an image.
        dataset: The data set.
        side: "train", "test" or "mixed".
        limit: Largest number of samples, picked evenly; all, if None.
        progress: Called with a line every 100 samples.

    Returns:
        The means, and the scores of each sample.

    Raises:
        DatasetError: No sample is on that side, or a file is damaged.
    """
    samples = dataset.of_side(side)
    if not samples:
        raise DatasetError(_why_empty(dataset, side))
    samples = pick_evenly(samples, limit or len(samples))
    scored: list[SampleScores] = []
    original, true_depth = _OriginalMetrics(), _Deviation()
    for number, sample in enumerate(samples, start=1):
        pictures = dataset.read(sample)
        prediction = predict(pictures.background, pictures.image)
        scored.append(
            SampleScores(sample, score_sample(prediction.mask, prediction.depth, pictures))
        )
        original.add(prediction.mask, prediction.depth, pictures)
        true_depth.add(pictures.depth)
        if number % _REPORT_EVERY_SAMPLES == 0 or number == len(samples):
            progress(f"{number} of {len(samples)} samples")
    means = _mean_scores([one.scores for one in scored])
    means["depth_rmse_over_deviation"] = means["depth_rmse"] / max(true_depth.value(), 1e-9)
    result = CompositesEvaluation(
        samples=len(samples), split=side, means=means, original=original.means()
    )
    return result, scored


def score_sample(pred_mask: Map, pred_depth: Map, true: SamplePictures) -> Scores:
    """All metrics of one sample that are not NaN.

    Args:
        pred_mask: (H, W) in [0, 1].
        pred_depth: (H, W) in (0, 1].
        true: The truth, of the same size.
    """
    scores = {
        **_score_mask(pred_mask, true.mask),
        **_score_depth(pred_depth, true.depth),
        "depth_edge_recall": matting.depth_edge_recall(pred_depth, true.depth, true.mask),
    }
    return {name: value for name, value in scores.items() if np.isfinite(value)}


def _why_empty(dataset: Dataset, side: str) -> str:
    counts = [
        len({sample.cutout for sample in dataset.samples}),
        len({sample.background for sample in dataset.samples}),
    ]
    test = side == TEST  # cut-outs and backgrounds are divided, each into two sides
    if (min if test else max)(counts) < 2:
        needed = f"that takes two cut-outs {'and' if test else 'or'} two backgrounds; add some"
    else:  # the share was 0, or all pictures are near-duplicates
        needed = "raise --held-out, or add pictures that are not near-duplicates"
    others = " or ".join(one for one in (TRAIN, MIXED) if dataset.of_side(one))
    return f"The data set has no sample for {side}: {needed}, or use --split {others}."


def _mean_scores(rows: Sequence[Scores]) -> Scores:
    """The mean of each metric over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def _score_mask(pred: Map, true: Map) -> Scores:
    band = matting.unknown_band(true)
    tensors = (torch.from_numpy(np.ascontiguousarray(x))[None] for x in (pred, true))
    return {
        "iou": array_metrics.mask_iou(pred, true),
        "boundary_iou": metrics.boundary_iou(*tensors).item(),
        "f_measure": array_metrics.f_measure(pred, true),
        **{name: error(pred, true) for name, error in _ALPHA_ERRORS.items()},
        **{f"{name}_band": error(pred, true, band) for name, error in _ALPHA_ERRORS.items()},
    }


def _score_depth(pred: Map, true: Map) -> Scores:
    """Scores depth as it is, and with its inverse fitted to the truth by a scale and a shift."""
    inverse = align_inverse_depth(inverse_from_depth(pred), inverse_from_depth(true))
    aligned = (1 / (1 + inverse.clip(min=0))).astype(np.float32)
    scores: Scores = {}
    for ending, depth in (("", pred), ("_aligned", aligned)):
        bounded, true_bounded = np.maximum(depth, _MIN_DEPTH), np.maximum(true, _MIN_DEPTH)
        delta = partial(array_metrics.delta, bounded, true_bounded)
        scores |= {
            f"depth_rmse{ending}": array_metrics.depth_rmse(depth, true),
            f"abs_rel{ending}": array_metrics.abs_rel(bounded, true_bounded),
            **{f"delta{power}{ending}": delta(power=power) for power in (1, 2, 3)},
            f"ssim{ending}": array_metrics.structural_similarity(depth, true),
        }
    return scores


class _OriginalMetrics:
    """The original project's metrics, over batches of 16 pictures."""

    def __init__(self) -> None:
        self._batch: list[tuple[Map, ...]] = []
        self._found: list[tuple[float, float]] = []

    def add(self, pred_mask: Map, pred_depth: Map, true: SamplePictures) -> None:
        self._batch.append((pred_mask, true.mask, pred_depth, true.depth))
        if len(self._batch) == _ORIGINAL_BATCH_PICTURES:
            self._score_batch()

    def means(self) -> Scores:
        if self._batch:
            self._score_batch()
        iou, rmse = np.mean(self._found, axis=0)
        return {"batch_iou": float(iou), "batch_rmse": float(rmse)}

    def _score_batch(self) -> None:
        # flat, so that pictures of several sizes make one batch
        pred_mask, true_mask, pred_depth, true_depth = (
            torch.from_numpy(np.concatenate([one.ravel() for one in maps]))[None, None]
            for maps in zip(*self._batch, strict=True)
        )
        iou = metrics.batch_iou(pred_mask, true_mask).item()
        self._found.append((iou, metrics.batch_rmse(pred_depth, true_depth).item()))
        self._batch = []


class _Deviation:
    """The standard deviation of all pixels of many maps."""

    def __init__(self) -> None:
        self._sums = np.zeros(3)  # count, sum, sum of squares

    def add(self, values: Map) -> None:
        wide = values.astype(np.float64)
        self._sums += (wide.size, wide.sum(), (wide**2).sum())

    def value(self) -> float:
        count, total, squares = self._sums
        return float(max(squares / count - (total / count) ** 2, 0.0) ** 0.5)
