"""An evaluation as a page: one HTML file with a table, plots and samples."""

import base64
import html
import io
from collections.abc import Sequence

import cv2
import numpy as np

from depthmask.datasets.inspect import draw_histogram, import_figure
from depthmask.datasets.reader import Dataset
from depthmask.evaluation.composites import CompositesEvaluation, SampleScores
from depthmask.evaluation.sequences import PredictPair
from depthmask.pictures import Picture

_SAMPLES_PER_GROUP = 4
_PICTURE_WIDTH, _JPEG_QUALITY = 320, 85  # pixels at most
_PLOTTED = ("iou", "boundary_iou", "mae", "depth_rmse", "abs_rel_aligned", "depth_edge_recall")
_TILES = ("background", "image", "true mask", "mask", "true depth", "depth")
_NOTES = {
    "iou": "intersection over union at 0.5; higher is better",
    "boundary_iou": "the same of bands along the border, 2 % of the diagonal wide",
    "f_measure": "F with beta² = 0.3, at 0.5",
    "sad": "sum of absolute differences, thousands of pixels",
    "gradient": "squared difference of gradient magnitudes, mean over pixels",
    "connectivity": "difference of the pixels' connection with the object, mean over pixels",
    "depth_rmse": "in the unit of depth, 0 to 1",
    "depth_rmse_over_deviation": "mean RMSE over the deviation of all true depth",
    "abs_rel": "mean of |difference| / truth",
    "delta1": "share of pixels within a factor 1.25; delta2 and 3: 1.25², 1.25³",
    "depth_edge_recall": "share of the true border at which the step of depth is found",
    "batch_iou": "over all pixels of 16 pictures at once, as the original computed it",
    "batch_rmse": "sqrt(MSE + 1e-6) of 16 pictures at once, as the original computed it",
}
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;
color:#222;background:#fff}table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;
border-bottom:1px solid #ddd}td.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}
.samples{table-layout:fixed;width:100%;min-width:44rem;font-size:13px}
.samples td,.samples th{padding:.2rem .3rem;overflow-wrap:anywhere}
img{width:100%}.scroll{overflow-x:auto}"""


def report_page(
    result: CompositesEvaluation,
    scored: Sequence[SampleScores],
    dataset: Dataset,
    predict: PredictPair,
) -> bytes:
    """Makes the page, as an HTML file's content.

    Args:
        result: Of `evaluate_composites`.
        scored: The scores of each sample, of `evaluate_composites`.
        dataset: The data set, from which the shown samples are read again.
        predict: Makes their predictions again.

    Raises:
        DatasetError: Matplotlib is missing.
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
        + _plots(scored)
        + "".join(_samples(*group, dataset, predict) for group in best_median_worst(scored))
        + "</html>\n"
    )
    return page.encode("utf-8", "backslashreplace")  # names may be no text


def best_median_worst(scored: Sequence[SampleScores]) -> list[tuple[str, list[SampleScores]]]:
    """Up to four samples of each group, by IoU. No sample is in two groups."""
    ordered = sorted(scored, key=lambda one: -one.scores["iou"])
    count = min(_SAMPLES_PER_GROUP, max(1, len(ordered) // 3))
    middle = (len(ordered) - count) // 2
    groups = [("Best", ordered[:count])]
    if len(ordered) >= 2 * count:
        groups.append(("Worst", ordered[-count:]))
    if len(ordered) >= 3 * count:
        groups.insert(1, ("Median", ordered[middle : middle + count]))
    return groups


def _table(means: dict[str, float]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(_label(name))}<td class=n>{value:.5g}"
        f"<td>{html.escape(_NOTES.get(name, ''))}"
        for name, value in means.items()
    )
    return f"<div class=scroll><table><tr><th>metric<th>mean<th>{rows}</table></div>"


def _plots(scored: Sequence[SampleScores]) -> str:
    """Histograms as a picture in SVG."""
    figure = import_figure()(figsize=(10, 5), layout="constrained")
    plots = figure.subplots(2, len(_PLOTTED) // 2)
    for plot, name in zip(plots.flat, _PLOTTED, strict=True):
        values = np.array([one.scores.get(name, np.nan) for one in scored], np.float64)
        draw_histogram(plot, values, _label(name))
    for plot in plots[:, 0]:
        plot.set_ylabel("samples")
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    names = ", ".join(map(_label, _PLOTTED))
    return f"<img alt='Histograms of {names}' src='{_as_url('image/svg+xml', file.getvalue())}'>"


def _label(name: str) -> str:
    return name.replace("_", " ")


def _samples(
    title: str, group: Sequence[SampleScores], dataset: Dataset, predict: PredictPair
) -> str:
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
    """A picture as an element of the page."""
    scale = min(1.0, _PICTURE_WIDTH / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ordered = small[..., ::-1] if small.ndim == 3 else small
    done, coded = cv2.imencode(".jpg", ordered, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    assert done, "8-bit pictures can be coded"
    return f"<img alt='' src='{_as_url('image/jpeg', coded.tobytes())}'>"


def _as_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
