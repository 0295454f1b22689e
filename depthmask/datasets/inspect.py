"""Describes a data set: counts, the sizes and places of its objects, and a sheet with samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from depthmask.data.split import MIXED, TEST, TRAIN
from depthmask.datasets.reader import Dataset, Sample, SamplePictures, pick_evenly
from depthmask.errors import DatasetError
from depthmask.files import write_whole
from depthmask.pictures import Map, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHEET_ROWS, _SAMPLES_PER_ROW = 8, 2
_TILES = ("background", "image", "mask", "depth")  # of a sample
_TILE_PIXELS, _GAP_PIXELS = 128, 4  # side of a tile; white border around it
_CELLS = 24  # of the map of places, along each side
_BINS = 24  # of a histogram
_BAR_COLOUR = "#b0722f"


@dataclass(frozen=True)
class Distributions:
    """Of the objects in some samples."""

    share: NDArray[np.float64]  # (N,), of the frame that is foreground
    size: NDArray[np.float64]  # (N,), longest side of the box, in sides of the frame; or NaN
    places: NDArray[
        np.int64
    ]  # (24, 24), how many boxes have their centre in each part of the frame

    def summary(self) -> dict[str, dict[str, float]]:
        """Least, median and largest value of each, by name; a name without a value is left out."""
        return {
            name: {
                label: round(float(np.nanquantile(values, q)), 4)
                for label, q in (("least", 0), ("median", 0.5), ("most", 1))
            }
            for name, values in (("foreground_share", self.share), ("object_size", self.size))
            if not np.isnan(values).all()
        }


def inspect(dataset: Dataset, output: Path, *, samples: int = 400) -> dict[str, object]:
    """Writes a sheet with samples, and returns counts and distributions.

    Args:
        dataset: The data set.
        output: A PNG to write.
        samples: Number of masks to read for the distributions, picked evenly.

    Raises:
        DatasetError: A file of the set is damaged, the sheet cannot be written, or Matplotlib is
            missing.
    """
    import_figure()  # fails before the masks are read
    picked = pick_evenly(dataset.samples, samples)
    found = measure_masks(dataset, picked)
    shown = pick_evenly(dataset.samples, _SHEET_ROWS * _SAMPLES_PER_ROW)
    sheet = draw_sheet(map(dataset.read, shown), found)
    picture = BytesIO()
    sheet.savefig(picture, format="png")
    try:
        write_whole(output, picture.getvalue())
    except OSError as error:
        raise DatasetError(
            f"{output} cannot be written ({error.strerror}); choose another."
        ) from error
    return {
        "samples": len(dataset.samples),
        "splits": {side: len(dataset.of_side(side)) for side in (TRAIN, TEST, MIXED)},
        "cutouts": len({sample.cutout for sample in dataset.samples}),
        "backgrounds": len({sample.background for sample in dataset.samples}),
        "looked_at": len(picked),
        **found.summary(),
    }


def measure_masks(dataset: Dataset, samples: Sequence[Sample]) -> Distributions:
    """Reads the masks of samples, and measures their objects."""
    shares, sizes = [], []
    places = np.zeros((_CELLS, _CELLS), np.int64)
    for sample in samples:
        mask = dataset.read_mask(sample)
        opaque = mask > 0.5
        shares.append(float(mask.mean()))
        if not opaque.any():
            sizes.append(float("nan"))
            continue
        rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
        box = np.array([(line[0], line[-1] + 1) for line in (rows, columns)], dtype=np.float64)
        box /= np.array(opaque.shape)[:, None]
        sizes.append(float((box[:, 1] - box[:, 0]).max()))
        row, column = (box.mean(axis=1) * _CELLS).astype(int).clip(0, _CELLS - 1)
        places[row, column] += 1
    return Distributions(np.array(shares), np.array(sizes), places)


def draw_sheet(samples: Iterable[SamplePictures], found: Distributions) -> "Figure":
    """Draws the distributions, and below them the samples, two in a row.

    Raises:
        DatasetError: Matplotlib is missing.
    """
    figure = import_figure()(figsize=(10, 13.2), layout="constrained")
    plots, tiles = figure.subfigures(2, squeeze=False, height_ratios=[2.6, 10.6])[:, 0]
    share, size, places = plots.subplots(1, 3)
    _draw_tiles(tiles.subplots(), samples)
    draw_histogram(share, found.share, "foreground, share of the frame")
    draw_histogram(size, found.size, "longest side of an object, in sides of the frame")
    for plot in (share, size):
        plot.set_ylabel("samples")
    shown = places.imshow(found.places, extent=(0, 1, 1, 0), cmap="Oranges")
    places.set_title("centres of objects", fontsize="medium")
    places.set_xlabel("share of width")
    places.set_ylabel("share of height")
    plots.colorbar(shown, ax=places, label="samples")
    return figure


def draw_histogram(plot: "Axes", values: NDArray[np.float64], label: str) -> None:
    """Draws a histogram from 0 to the largest value, with a line at the median; NaN is left out."""
    values = values[~np.isnan(values)]
    plot.set_xlabel(label)
    if not len(values):
        return
    plot.hist(values, bins=_BINS, range=(0, max(float(values.max()), 1e-9)), color=_BAR_COLOUR)
    median = float(np.median(values))
    plot.axvline(median, color="black", linestyle="--", linewidth=1)
    plot.set_title(f"median {median:.3g}", fontsize="medium")


def import_figure() -> "type[Figure]":
    """Matplotlib's figure, which needs no display; errors: DatasetError where it is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DatasetError(
            "Plots need Matplotlib; run `pip install 'depthmask[plots]'`."
        ) from error
    return Figure


def _draw_tiles(plot: "Axes", samples: Iterable[SamplePictures]) -> None:
    tiles = np.stack([_tile(getattr(one, name)) for one in samples for name in _TILES])
    columns = _SAMPLES_PER_ROW * len(_TILES)
    empty = np.full((-len(tiles) % columns, *tiles.shape[1:]), 255, np.uint8)
    grid = np.concatenate((tiles, empty)).reshape(-1, columns, *tiles.shape[1:])
    rows = len(grid)
    plot.imshow(np.concatenate(np.concatenate(grid, axis=1), axis=1), extent=(0, columns, rows, 0))
    plot.set_xticks(np.arange(columns) + 0.5, _TILES * _SAMPLES_PER_ROW)
    plot.set_yticks([])
    plot.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    plot.spines[:].set_visible(False)


def _tile(picture: Picture | Map) -> Picture:
    """A picture or a map in [0, 1], at one size and with a white border."""
    if picture.ndim == 2:
        picture = np.rint(picture * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    small = cv2.resize(picture, (_TILE_PIXELS, _TILE_PIXELS), interpolation=cv2.INTER_AREA)
    return np.pad(small, ((_GAP_PIXELS,) * 2, (_GAP_PIXELS,) * 2, (0, 0)), constant_values=255)
