"""A data set at a glance: some samples, how large its objects are, and where they stand."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from depthmask.data.split import MIXED, TEST, TRAIN
from depthmask.datasets.reader import Dataset, Sample, SamplePictures, pick_evenly
from depthmask.errors import DatasetError
from depthmask.pictures import Map, Picture

_TILE, _GAP, _HEAD = 96, 6, 26  # pixels
_ROWS, _ACROSS = 8, 2  # samples below and beside each other, four tiles each
_BINS = 24
_INK, _BAR = (40, 40, 40), (176, 114, 47)  # RGB


@dataclass(frozen=True)
class Distributions:
    """Of the samples looked at; NaN where a mask is empty."""

    share: NDArray[np.float64]  # (N,), of the frame that is foreground
    size: NDArray[np.float64]  # (N,), longest side of the object's box, in sides of the frame
    place: Map  # (_BINS, _BINS), how often the box's centre lies there

    def summary(self) -> dict[str, dict[str, float]]:
        """Quantiles, by name."""
        return {
            name: {
                label: round(float(np.nanquantile(values, q)), 4)
                for label, q in (("least", 0), ("median", 0.5), ("most", 1))
            }
            for name, values in (("foreground_share", self.share), ("object_size", self.size))
            if not np.isnan(values).all()
        }


def inspect(dataset: Dataset, output: Path, *, samples: int = 400) -> dict[str, object]:
    """Draws a sheet, and tells counts and distributions.

    Args:
        dataset: The data set.
        output: A PNG to write.
        samples: How many, evenly over the set, are looked at for the distributions.

    Raises:
        DatasetError: A file of the set is damaged, or the sheet cannot be written.
    """
    known = dataset.samples
    looked_at = pick_evenly(known, samples)
    found = measure(dataset, looked_at)
    shown = pick_evenly(known, _ROWS * _ACROSS)
    sheet = draw([dataset.read(sample) for sample in shown], found)
    done, coded = cv2.imencode(".png", sheet[..., ::-1])
    assert done, "8-bit pictures can be coded"
    try:
        output.write_bytes(coded.tobytes())
    except OSError as error:
        raise DatasetError(f"{output} cannot be written ({error.strerror}).") from error
    return {
        "samples": len(known),
        "splits": {side: len(dataset.of_side(side)) for side in (TRAIN, TEST, MIXED)},
        "cutouts": len({sample.cutout for sample in known}),
        "backgrounds": len({sample.background for sample in known}),
        "looked_at": len(looked_at),
        **found.summary(),
    }


def measure(dataset: Dataset, samples: list[Sample]) -> Distributions:
    """Looks at the masks of some samples."""
    shares, sizes = [], []
    place = np.zeros((_BINS, _BINS), np.float32)
    for sample in samples:
        mask = dataset.read_mask(sample)
        opaque = mask > 0.5
        shares.append(float(mask.mean()))
        if not opaque.any():
            sizes.append(float("nan"))
            continue
        rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
        ends = np.array([(line[0], line[-1] + 1) for line in (rows, columns)], dtype=np.float64)
        ends /= np.array(opaque.shape)[:, None]
        sizes.append(float((ends[:, 1] - ends[:, 0]).max()))
        row, column = (ends.mean(axis=1) * _BINS).astype(int).clip(0, _BINS - 1)
        place[row, column] += 1
    return Distributions(np.array(shares), np.array(sizes), place)


def draw(examples: list[SamplePictures], found: Distributions) -> Picture:
    """Draws the sheet, (H, W, 3)."""
    tiles = np.stack([_strip(example) for example in examples])
    empty = np.full((-len(tiles) % _ACROSS, *tiles.shape[1:]), 255, np.uint8)
    lines = np.concatenate((tiles, empty)).reshape(-1, _ACROSS, *tiles.shape[1:])
    body = np.concatenate([np.concatenate(list(line), axis=1) for line in lines], axis=0)
    width, height = body.shape[1] // 3, 180
    plots = [
        _histogram(found.share, "foreground, share of the frame", (height, width)),
        _histogram(found.size, "longest side, share of the frame's", (height, width)),
        _places(found.place, "where objects are", (height, body.shape[1] - 2 * width)),
    ]
    head = np.full((_HEAD, body.shape[1], 3), 255, np.uint8)
    _write(head, "background, image, mask, depth", (_GAP, 18))
    return np.concatenate((np.concatenate(plots, axis=1), head, body), axis=0)


def _strip(example: SamplePictures) -> Picture:
    grey = (
        np.rint(x * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
        for x in (example.mask, example.depth)
    )
    tiles = [
        cv2.copyMakeBorder(
            cv2.resize(tile, (_TILE, _TILE), interpolation=cv2.INTER_AREA),
            *(_GAP // 2,) * 4,
            cv2.BORDER_CONSTANT,
            value=(255, 255, 255),
        )
        for tile in (example.background, example.image, *grey)
    ]
    return np.asarray(np.concatenate(tiles, axis=1), dtype=np.uint8)


def _histogram(values: NDArray[np.float64], title: str, size: tuple[int, int]) -> Picture:
    panel = np.full((*size, 3), 255, np.uint8)
    values = values[~np.isnan(values)]
    most = float(values.max()) if len(values) else 1.0
    counts, _ = np.histogram(values, bins=_BINS, range=(0, max(most, 1e-6)))
    floor, top, left = size[0] - 24, _HEAD + 4, _GAP
    step = (size[1] - 2 * _GAP) / _BINS
    for number, count in enumerate(counts / max(int(counts.max()), 1)):
        x = left + number * step
        corner = (round(x), round(floor - count * (floor - top)))
        cv2.rectangle(panel, corner, (round(x + step) - 2, floor), _BAR, cv2.FILLED)
    _write(panel, title, (left, 18))
    _write(panel, "0", (left, size[0] - 8))
    _write(panel, f"{most:.2g}", (size[1] - 50, size[0] - 8))
    return panel


def _places(place: Map, title: str, size: tuple[int, int]) -> Picture:
    panel = np.full((*size, 3), 255, np.uint8)
    side = size[0] - _HEAD - _GAP
    level = place / max(float(place.max()), 1.0)
    enlarged = cv2.resize(level, (side, side), interpolation=cv2.INTER_NEAREST)[..., None]
    shade = 255 - enlarged * (255 - np.array(_BAR, np.float32))
    panel[_HEAD : _HEAD + side, _GAP : _GAP + side] = shade.astype(np.uint8)
    cv2.rectangle(panel, (_GAP, _HEAD), (_GAP + side, _HEAD + side), _INK, 1)
    _write(panel, title, (_GAP, 18))
    return panel


def _write(panel: Picture, text: str, place: tuple[int, int]) -> None:
    cv2.putText(panel, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
