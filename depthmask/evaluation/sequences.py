"""How well a predictor does on sequences with ground truth.

A folder holds one folder for each sequence, and in it:

    background.png      the empty scene
    image/NAME.png      the frames
    mask/NAME.png       255 foreground, 0 background, 170 left out (optional)
    depth/NAME.png      16 bits, millimetres, 0 where unknown (optional)

Each may be of any format that is read, such as JPEG; NAME says what belongs together.
Every number is first computed for a frame at its native size, then averaged over the frames of a
sequence, then over the sequences. What no frame can tell is left out of the result.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import Required, TypedDict, cast

import numpy as np

from depthmask.depth import align_inverse_depth, inverse_from_depth_array
from depthmask.errors import PictureError
from depthmask.evaluation.array_metrics import (
    THRESHOLD,
    abs_rel,
    delta1,
    depth_rmse,
    mask_iou,
)
from depthmask.inference.predictor import Prediction
from depthmask.pictures import (
    SUFFIXES,
    Grey,
    Map,
    Mask,
    Picture,
    check_size,
    read_grey,
    read_labels,
    read_picture,
)

Predict = Callable[[Picture, Picture], Prediction]  # (background, image) -> Prediction
Scores = dict[str, dict[str, float]]  # {"mask": {"iou": 0.9, ...}, "depth": {...}}


class Evaluation(TypedDict, total=False):
    """What `evaluate_folder` finds, ready for JSON."""

    mask: dict[str, float]  # "iou", "false_foreground"
    depth: dict[str, float]  # "abs_rel", "delta1", "rmse_m"
    sequences: Required[dict[str, Scores]]  # the same for each, by name


IGNORED = 170  # value of mask pixels that count neither as foreground nor as background
LEAST_FOREGROUND = 0.002  # share of a frame; below it, IoU is the noise of a few pixels
NEAREST, FARTHEST = 0.3, 10.0  # metres, what depth cameras can measure


def evaluate_folder(
    predict: Predict, folder: Path, *, progress: Callable[[str], None] = lambda line: None
) -> Evaluation:
    """Compares predictions with the ground truth of a folder of sequences.

    Args:
        predict: Makes a prediction of a background and an image.
        folder: As this module describes.
        progress: Is told of each sequence as it begins, in one line.

    Returns:
        The averages, and each sequence's own. Never NaN: a number or a part that no frame can
        tell is not there.

    Raises:
        PictureError: There is nothing to evaluate, or a file is missing or damaged.
    """
    sequences: dict[str, Scores] = {}
    for sequence in _find_sequences(folder):
        frames = frames_with_truth(sequence)
        progress(f"{sequence.name}: {len(frames)} frame{'s' if len(frames) != 1 else ''}")
        background = read_picture(background_of(sequence))
        sequences[sequence.name] = _average(
            _evaluate_frame(predict, background, frame) for frame in frames
        )
    if not any(sequences.values()):
        raise PictureError(f"No frame in {folder} has a mask or a depth map to compare with.")
    return cast(Evaluation, {**_average(sequences.values()), "sequences": sequences})


def background_of(sequence: Path) -> Path:
    """The picture of a sequence's empty scene, whatever its format; reading tells if it is there.

    Raises:
        PictureError: There are two.
    """
    return pictures_of(sequence, "background").get("background", sequence / "background.png")


def pictures_of(folder: Path, stem: str = "*") -> dict[str, Path]:
    """The pictures in a folder by their names without endings, in order; none if it is missing.

    Raises:
        PictureError: Two have one name, and only one can be meant.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob(f"{stem}.*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        if path.stem in found:
            other = found[path.stem].name
            raise PictureError(f"{folder} holds {other} and {path.name}; keep one of them.")
        found[path.stem] = path
    return found


def frames_with_truth(sequence: Path, *, needed: Set[str] = frozenset()) -> list[dict[str, Path]]:
    """The files of each frame of a sequence, in order: "image", and "mask" or "depth" or both.

    Args:
        sequence: A folder with the folders image, and mask or depth or both.
        needed: Frames without a file of each of these names are left out.
    """
    known = {part: pictures_of(sequence / part) for part in ("image", "mask", "depth")}
    frames = [
        {part: files[name] for part, files in known.items() if name in files}
        for name in known["image"]
    ]
    return [frame for frame in frames if len(frame) > 1 and needed <= frame.keys()]


def compare(
    prediction: Prediction,
    *,
    true_mask: Mask | None = None,
    true_depth: Map | None = None,
) -> dict[str, float]:
    """Compares one prediction with what is known of the truth.

    Args:
        prediction: Of an image of H x W pixels.
        true_mask: (H, W), bool, True is foreground.
        true_depth: (H, W), in [0, 1], by depthmask.depth.CONVENTION.

    Returns:
        "iou" where there is a true mask, "rmse" where there is a true depth.

    Raises:
        ValueError: The truth is of another size than the prediction.
    """
    scores = {}
    if true_mask is not None:
        check_size(true_mask, prediction.mask, "The true mask")
        scores["iou"] = mask_iou(prediction.mask, true_mask)
    if true_depth is not None:
        check_size(true_depth, prediction.depth, "The true depth")
        scores["rmse"] = depth_rmse(prediction.depth, true_depth)
    return scores


def mask_scores(pred: Map, labels: Grey) -> dict[str, float]:
    """Scores a mask.

    Args:
        pred: (H, W), in [0, 1].
        labels: (H, W): 255 foreground, 0 background, 170 neither.

    Returns:
        "iou", unless under 0.2 % of the frame is foreground, and "false_foreground", the share
        of the true background that is taken for foreground, unless there is none.
    """
    true, valid = labels > 127, labels != IGNORED
    foreground, background = true & valid, ~true & valid
    scores = {}
    if foreground.mean() >= LEAST_FOREGROUND:
        scores["iou"] = mask_iou(pred, true, valid)
    if background.any():
        scores["false_foreground"] = float((pred > THRESHOLD)[background].mean())
    return scores


def depth_scores(pred: Map, millimetres: Grey) -> dict[str, float]:
    """Scores a depth map, after fitting its inverse to the truth by a scale and a shift.

    Args:
        pred: (H, W), relative depth in (0, 1].
        millimetres: (H, W), true depth; what is not between 0.3 and 10 m is left out.

    Returns:
        "abs_rel", "delta1" and "rmse_m" (metres); nothing where no pixel has a true depth.
    """
    true = millimetres.astype(np.float64) / 1000
    valid = (true >= NEAREST) & (true <= FARTHEST)
    if not valid.any():
        return {}
    true = true.clip(NEAREST, FARTHEST)  # keeps pixels that do not count finite
    inverse = inverse_from_depth_array(pred.astype(np.float64))
    aligned = align_inverse_depth(inverse, 1 / true, valid)
    metres = 1 / aligned.clip(1 / FARTHEST, 1 / NEAREST)
    return {
        "abs_rel": abs_rel(metres, true, valid),
        "delta1": delta1(metres, true, valid),
        "rmse_m": depth_rmse(metres, true, valid),
    }


def _find_sequences(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PictureError(f"There is no folder at {folder}; check the path.")
    sequences = sorted(path for path in folder.iterdir() if (path / "image").is_dir())
    if not sequences:
        raise PictureError(
            f"{folder} holds no sequence: folders with background.png, image/*.png and mask/*.png "
            "or depth/*.png, or other pictures named so, are needed in it."
        )
    return sequences


def _evaluate_frame(predict: Predict, background: Picture, frame: dict[str, Path]) -> Scores:
    image = read_picture(frame["image"])
    truth = {
        part: _read_truth(read, frame[part], image)
        for part, read in (("mask", read_labels), ("depth", read_grey))
        if part in frame
    }
    prediction = predict(background, image)
    scores = {}
    if "mask" in truth:
        scores["mask"] = mask_scores(prediction.mask, truth["mask"])
    if "depth" in truth:
        scores["depth"] = depth_scores(prediction.depth, truth["depth"])
    return scores


def _read_truth(read: Callable[[Path], Grey], path: Path, image: Picture) -> Grey:
    truth = read(path)
    check_size(truth, image, str(path))
    return truth


def _average(scores: Iterable[Mapping[str, Mapping[str, float]]]) -> Scores:
    """Averages each number over those that have it; parts without a number are left out."""
    values: dict[str, dict[str, list[float]]] = {}
    for score in scores:
        for part, numbers in score.items():
            for key, value in numbers.items():
                values.setdefault(part, {}).setdefault(key, []).append(value)
    return {
        part: {key: float(np.mean(listed)) for key, listed in numbers.items()}
        for part, numbers in values.items()
    }
