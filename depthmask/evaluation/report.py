"""An evaluation as a page: one file with tables, plots and samples, that opens anywhere."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from depthmask.datasets.reader import Dataset
from depthmask.errors import PictureError
from depthmask.evaluation.composites import CompositesEvaluation, SampleScores
from depthmask.evaluation.sequences import Predict
from depthmask.pictures import Picture

_SHOWN = 4  # samples of each group
_BINS = 30
_PLOT = (320, 120)  # pixels
_PLOTTED = ("iou", "boundary_iou", "mae", "depth_rmse", "abs_rel_aligned", "depth_edge_recall")
_TILES = ("background", "image", "true mask", "mask", "true depth", "depth")
_NOTES = {
    "iou": "intersection over union at 0.5; higher is better",
    "boundary_iou": "the same of bands along the border, 2 % of the diagonal wide",
    "f_measure": "F with beta² = 0.3, at 0.5",
    "sad": "sum of absolute differences, thousands of pixels",
    "gradient": "squared difference of gradient magnitudes, mean over pixels",
    "connectivity": "difference of how pixels hang together with the object, mean over pixels",
    "depth_rmse": "in the unit of depth, 0 to 1",
    "depth_rmse_over_deviation": "mean RMSE over the deviation of all true depth",
    "abs_rel": "mean of |difference| / truth",
    "delta1": "share of pixels within a factor 1.25; delta2 and 3: 1.25², 1.25³",
    "depth_edge_recall": "share of the mask's border whose step of depth is found",
    "batch_iou": "over all pixels of 16 pictures at once, as the original computed it",
    "batch_rmse": "sqrt(MSE + 1e-6) of 16 pictures at once, as the original computed it",
}
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;
color:#222;background:#fff}table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;
border-bottom:1px solid #ddd}td.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}
figure{display:inline-block;margin:.6rem 1rem .6rem 0}figcaption{font-size:13px}
.samples{table-layout:fixed;width:100%;min-width:44rem;font-size:13px}
.samples td,.samples th{padding:.2rem .3rem;overflow-wrap:anywhere}
img{width:100%}svg{border-bottom:1px solid #999}.scroll{overflow-x:auto}"""


def write_report(
    path: Path,
    result: CompositesEvaluation,
    scored: Sequence[SampleScores],
    dataset: Dataset,
    predict: Predict,
) -> None:
    """Writes the page.

    Args:
        path: The HTML file.
        result: Averages, of `evaluate_composites`.
        scored: Each sample's figures.
        dataset: Where the shown samples are read again.
        predict: Makes their predictions again.

    Raises:
        PictureError: The file cannot be written.
    """
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>Evaluation</title><style>{_STYLE}</style><h1>Evaluation</h1>"
        f"<p>{result['samples']:,} samples, split “{html.escape(result['split'])}”. Means over "
        "samples; “band”: near the true border only; “aligned”: inverse depth fitted to the truth "
        "by a scale and a shift.</p>"
        + _table({**result["means"], **result["original"]})
        + "<h2>Distributions</h2>"
        + "".join(_plot(name, scored) for name in _PLOTTED)
        + "".join(_samples(*group, dataset, predict) for group in choose(scored))
        + "</html>\n"
    )
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise PictureError(f"{path} cannot be written ({error.strerror}).") from error


def choose(scored: Sequence[SampleScores]) -> list[tuple[str, list[SampleScores]]]:
    """The samples to show: best, median and worst by IoU, none twice."""
    ordered = sorted(scored, key=lambda one: -one.scores["iou"])
    count = min(_SHOWN, max(1, len(ordered) // 3))
    middle = (len(ordered) - count) // 2
    groups = [("Best", ordered[:count])]
    if len(ordered) >= 2 * count:
        groups.append(("Worst", ordered[-count:]))
    if len(ordered) >= 3 * count:
        groups.insert(1, ("Median", ordered[middle : middle + count]))
    return groups


def _table(means: dict[str, float]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name.replace('_', ' '))}<td class=n>{value:.5g}"
        f"<td>{html.escape(_NOTES.get(name, ''))}"
        for name, value in means.items()
    )
    return f"<div class=scroll><table><tr><th>figure<th>mean<th>{rows}</table></div>"


def _plot(name: str, scored: Sequence[SampleScores]) -> str:
    """A histogram as SVG."""
    values = np.array([one.scores[name] for one in scored if name in one.scores])
    if not len(values):
        return ""
    most = max(float(values.max()), 1e-9)
    counts, _ = np.histogram(values, bins=_BINS, range=(0, most))
    width, height = _PLOT
    step, tallest = width / _BINS, max(int(counts.max()), 1)
    bars = "".join(
        f"<rect x='{n * step:.1f}' y='{height - count / tallest * height:.1f}' "
        f"width='{step - 1:.1f}' height='{count / tallest * height:.1f}'/>"
        for n, count in enumerate(counts.tolist())
    )
    return (
        f"<figure><svg width={width} height={height} role=img "
        f"aria-label='histogram of {name}' fill='#b0722f'>{bars}</svg>"
        f"<figcaption>{name.replace('_', ' ')}: 0 to {most:.3g}, median "
        f"{float(np.median(values)):.3g}</figcaption></figure>"
    )


def _samples(title: str, group: Sequence[SampleScores], dataset: Dataset, predict: Predict) -> str:
    rows = []
    for one in group:
        example = dataset.read(one.sample)
        prediction = predict(example.background, example.image)
        pictures = (
            example.background,
            example.image,
            *(
                np.rint(values * 255).astype(np.uint8)
                for values in (example.mask, prediction.mask, example.depth, prediction.depth)
            ),
        )
        cells = "".join(f"<td>{_inline(picture)}" for picture in pictures)
        label = f"{one.sample.background}, {one.sample.cutout}, number {one.sample.number}"
        rows.append(
            f"<tr><td>{html.escape(label)}<br>IoU {one.scores['iou']:.3f}, RMSE "
            f"{one.scores['depth_rmse']:.3f}{cells}"
        )
    head = "".join(f"<th>{name}" for name in _TILES)
    table = f"<table class=samples><tr><th>{head}{''.join(rows)}</table>"
    return f"<h2>{title} by IoU</h2><div class=scroll>{table}</div>"


def _inline(picture: Picture) -> str:
    """A picture inside the page, at most 320 pixels wide."""
    scale = min(1.0, 320 / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ordered = small[..., ::-1] if small.ndim == 3 else small
    done, coded = cv2.imencode(".jpg", ordered, (cv2.IMWRITE_JPEG_QUALITY, 85))
    assert done, "8-bit pictures can be coded"
    return f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(coded.tobytes()).decode()}'>"
