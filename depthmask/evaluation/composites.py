"""How well a predictor does on a data set of composites: the mask, alpha, depth, and its border."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor

from depthmask.data.split import MIXED, TEST, TRAIN
from depthmask.datasets.reader import Dataset, Sample, SamplePictures, pick_evenly
from depthmask.depth import inverse_from_depth
from depthmask.errors import DatasetError
from depthmask.evaluation import matting, metrics
from depthmask.evaluation.sequences import Predict
from depthmask.pictures import Map

BATCH = 16  # pictures of the original's metrics, which depend on it
_DIVIDED = ("cutout", "background")  # fields of a sample: each kind has its own test side
_F_WEIGHT = 0.3  # beta² of the F-measure: precision counts more, as is usual for salient objects
_NEAREST = 0.02  # of aligned depth: what is nearer is cut off, for ratios stay finite

Row = dict[str, float]


class Scored(NamedTuple):
    """A sample and its figures; those that it cannot have are not there."""

    sample: Sample
    scores: Row


class SetEvaluation(TypedDict):
    """What `score_set` finds, ready for JSON."""

    samples: int
    split: str
    means: dict[str, float]  # over the samples that have each
    original: dict[str, float]  # batch_iou and batch_rmse, as the original project computed them


def score_set(
    predict: Predict,
    dataset: Dataset,
    *,
    side: str = TEST,
    limit: int | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> tuple[SetEvaluation, list[Scored]]:
    """Scores predictions for one side of a data set.

    Args:
        predict: Makes a prediction of a background and an image.
        dataset: The data set.
        side: "train", "test" or "mixed".
        limit: Of samples, evenly over the side; all, if None.
        progress: Is told how far it is, in lines.

    Returns:
        The averages, and each sample's own figures.

    Raises:
        DatasetError: No sample is on that side, or a file is damaged.
        ImportError: torchmetrics is missing.
    """
    _torchmetrics()  # told now, not after a prediction
    known = dataset.of_side(side)
    if not known:
        raise DatasetError(_why_empty(dataset, side))
    chosen = pick_evenly(known, limit or len(known))
    count = len(chosen)
    scored: list[Scored] = []
    batches = _Batches()
    spread = _Spread()
    for number, sample in enumerate(chosen, start=1):
        example = dataset.read(sample)
        prediction = predict(example.background, example.image)
        scored.append(Scored(sample, scores_of(prediction.mask, prediction.depth, example)))
        batches.add(prediction.mask, prediction.depth, example)
        spread.add(example.depth)
        if number % 100 == 0 or number == count:
            progress(f"{number} of {count} samples")
    means = average([one.scores for one in scored])
    means["depth_rmse_over_deviation"] = means["depth_rmse"] / max(spread.deviation(), 1e-9)
    return SetEvaluation(samples=count, split=side, means=means, original=batches.means()), scored


def scores_of(pred_mask: Map, pred_depth: Map, example: SamplePictures) -> Row:
    """All figures of one sample that are not NaN.

    Args:
        pred_mask: (H, W) in [0, 1].
        pred_depth: (H, W) in (0, 1].
        example: The truth, of the same size.
    """
    mask, depth, true_mask, true_depth = (
        torch.from_numpy(np.ascontiguousarray(x))[None]
        for x in (pred_mask, pred_depth, example.mask, example.depth)
    )
    found = {**_mask_scores(mask, true_mask), **_depth_scores(depth, true_depth)}
    found["depth_edge_recall"] = matting.depth_edge_recall(depth, true_depth, true_mask)
    values = {name: float(value) for name, value in found.items()}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def average(rows: Sequence[Row]) -> dict[str, float]:
    """Averages each figure over the rows that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}


def _why_empty(dataset: Dataset, side: str) -> str:
    counts = [len({getattr(one, of) for one in dataset.samples}) for of in _DIVIDED]
    test = side == TEST
    if (min if test else max)(counts) < 2:
        needed = f"that takes two cut-outs {'and' if test else 'or'} two backgrounds; add some"
    else:  # the share was 0, or all that there is looks alike
        needed = "raise --held-out, or add pictures that are not near-duplicates"
    others = " or ".join(one for one in (TRAIN, MIXED) if dataset.of_side(one))
    return f"The data set has no sample for {side}: {needed}, or use --split {others}."


def _mask_scores(pred: Tensor, true: Tensor) -> dict[str, Tensor]:
    functional = _torchmetrics()
    band = matting.unknown_band(true)
    errors = {
        "mae": matting.absolute_error,
        "mse": matting.squared_error,
        "sad": matting.sum_of_differences,
        "gradient": metrics.gradient_error,
        "connectivity": matting.connectivity_error,
    }
    f_measure = functional.classification.binary_fbeta_score(
        pred, (true > metrics.THRESHOLD).int(), beta=_F_WEIGHT**0.5, multidim_average="samplewise"
    )
    return {
        "iou": metrics.mask_iou(pred, true),
        "boundary_iou": metrics.boundary_iou(pred, true),
        # without foreground there is no recall, and so no F
        "f_measure": f_measure if (true > metrics.THRESHOLD).any() else torch.tensor(torch.nan),
        **{name: error(pred, true, None) for name, error in errors.items()},
        **{f"{name}_band": error(pred, true, band) for name, error in errors.items()},
    }


def _depth_scores(pred: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Raw, and with inverse depth fitted to the truth by a scale and a shift."""
    inverse = metrics.align_inverse_depth(inverse_from_depth(pred), inverse_from_depth(true))
    aligned = (1 / (1 + inverse.clamp_min(0))).float()
    scores: dict[str, Tensor] = {}
    for ending, depth in (("", pred), ("_aligned", aligned)):
        near, true_near = depth.clamp_min(_NEAREST), true.clamp_min(_NEAREST)
        ratio = torch.maximum(near / true_near, true_near / near)
        scores |= {
            f"depth_rmse{ending}": metrics.depth_rmse(depth, true),
            f"abs_rel{ending}": metrics.abs_rel(near, true_near),
            **{
                f"delta{power}{ending}": (ratio < metrics.DELTA1**power).float().mean()
                for power in (1, 2, 3)
            },
            f"ssim{ending}": _torchmetrics().image.structural_similarity_index_measure(
                depth[:, None], true[:, None], data_range=1.0
            ),
        }
    return scores


class _Batches:
    """The original project's metrics, over batches of `BATCH` pictures of one size."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Map, ...]] = []
        self._found: list[tuple[float, float]] = []

    def add(self, pred_mask: Map, pred_depth: Map, example: SamplePictures) -> None:
        self._waiting.append((pred_mask, example.mask, pred_depth, example.depth))
        if len(self._waiting) == BATCH:
            self._close()

    def means(self) -> dict[str, float]:
        if self._waiting:
            self._close()
        iou, rmse = np.mean(self._found, axis=0)
        return {"batch_iou": float(iou), "batch_rmse": float(rmse)}

    def _close(self) -> None:
        # flat, so that pictures of several sizes make one batch
        flat = (
            torch.from_numpy(np.concatenate([one.ravel() for one in kind]))[None, None]
            for kind in zip(*self._waiting, strict=True)
        )
        pred_mask, true_mask, pred_depth, true_depth = flat
        iou = metrics.batch_iou(pred_mask, true_mask)
        self._found.append((iou.item(), metrics.batch_rmse(pred_depth, true_depth).item()))
        self._waiting = []


class _Spread:
    """The standard deviation of all true depth."""

    def __init__(self) -> None:
        self._sums = np.zeros(3)

    def add(self, depth: Map) -> None:
        values = depth.astype(np.float64)
        self._sums += (values.size, values.sum(), (values**2).sum())

    def deviation(self) -> float:
        count, total, squares = self._sums
        return float(max(squares / count - (total / count) ** 2, 0.0) ** 0.5)


def _torchmetrics() -> Any:
    try:
        from torchmetrics import functional
    except ImportError as error:
        raise ImportError(
            "Data sets are scored with torchmetrics; run `pip install -e '.[evaluate]'`."
        ) from error
    return functional
