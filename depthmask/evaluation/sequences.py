"""How well a predictor does on sequences with ground truth.

A folder holds one folder for each sequence, and in it:

    background.png      the empty scene
    image/NAME.png      the frames
    mask/NAME.png       255 foreground, 0 background, 85 and 170 left out (optional)
    depth/NAME.png      16 bits, millimetres, 0 where unknown (optional)

The pictures may have any format that is read, such as JPEG. Pictures of one frame have one NAME.
Each number is computed for each frame at its native size. The mean over the frames of a sequence is
taken first, then the mean over the sequences. A number that no frame has is left out.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import Required, TypedDict, cast

import numpy as np

from depthmask.depth import align_inverse_depth, inverse_from_depth
from depthmask.errors import PictureError
from depthmask.evaluation.array_metrics import (
    MASK_THRESHOLD,
    abs_rel,
    delta,
    depth_rmse,
    mask_iou,
)
from depthmask.evaluation.truth import known_depth, split_labels
from depthmask.inference.predictor import Prediction
from depthmask.pictures import (
    SUFFIXES,
    Grey,
    Map,
    Picture,
    check_size,
    read_grey,
    read_labels,
    read_picture,
)

Predict = Callable[[Picture, Picture], Prediction]  # (background, image) -> Prediction
Scores = dict[str, dict[str, float]]  # {"mask": {"iou": 0.9, ...}, "depth": {...}}


class Evaluation(TypedDict, total=False):
    """The result of `evaluate_folder`, ready for JSON."""

    mask: dict[str, float]  # "iou", "false_foreground"
    depth: dict[str, float]  # "abs_rel", "delta1", "rmse_m"
    sequences: Required[dict[str, Scores]]  # the same for each, by name


MIN_FOREGROUND_SHARE = 0.002  # of a frame; below it, a few pixels decide the IoU
_MIN_METRES, _MAX_METRES = 0.3, 10.0  # what depth cameras can measure


def evaluate_folder(
    predict: Predict, folder: Path, *, progress: Callable[[str], None] = lambda line: None
) -> Evaluation:
    """Compares predictions with the ground truth of a folder of sequences.

    Args:
        predict: Makes a prediction of a background and an image.
        folder: As this module describes.
        progress: Called with a line when a sequence begins.

    Returns:
        The means, and those of each sequence. A number that no frame has is left out, so none is
        NaN.

    Raises:
        PictureError: There is nothing to evaluate, or a file is missing or damaged.
    """
    sequences: dict[str, Scores] = {}
    for sequence in _find_sequences(folder):
        frames = frames_with_truth(sequence)
        progress(f"{sequence.name}: {len(frames)} frame{'s' if len(frames) != 1 else ''}")
        background = read_picture(background_of(sequence))
        sequences[sequence.name] = _mean_scores(
            _evaluate_frame(predict, background, frame) for frame in frames
        )
    if not any(sequences.values()):
        raise PictureError(f"No frame in {folder} has a mask or a depth map to compare with.")
    return cast(Evaluation, {**_mean_scores(sequences.values()), "sequences": sequences})


def background_of(sequence: Path) -> Path:
    """The path of a sequence's background, whatever its format. It may be missing.

    Raises:
        PictureError: There are two backgrounds.
    """
    return pictures_of(sequence, "background").get("background", sequence / "background.png")


def pictures_of(folder: Path, stem: str = "*") -> dict[str, Path]:
    """The pictures in a folder, in order, by their names without endings; empty if it is missing.

    Raises:
        PictureError: Two have the same name and different endings.
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
    """The files of each frame that has ground truth, in order, by "image", "mask" and "depth".

    Args:
        sequence: A folder with the folders image, and mask or depth or both.
        needed: Of these names; frames without one of them are left out.
    """
    known = {part: pictures_of(sequence / part) for part in ("image", "mask", "depth")}
    frames = [
        {part: files[name] for part, files in known.items() if name in files}
        for name in known["image"]
    ]
    return [frame for frame in frames if len(frame) > 1 and needed <= frame.keys()]


def score_prediction(
    prediction: Prediction,
    *,
    true_labels: Grey | None = None,
    true_depth: Map | None = None,
) -> dict[str, float]:
    """Compares one prediction with a true mask, a true depth, or both.

    Args:
        prediction: Of an image of H x W pixels.
        true_labels: (H, W), as for `split_labels`.
        true_depth: (H, W), in [0, 1], by depthmask.depth.CONVENTION; 0 where it is not known.

    Returns:
        "iou" if there is a true mask, "rmse" if any true depth is known.

    Raises:
        PictureError: The truth has another size than the prediction.
    """
    scores = {}
    if true_labels is not None:
        check_size(true_labels, prediction.mask, "The true mask")
        scores["iou"] = mask_iou(prediction.mask, *split_labels(true_labels))
    if true_depth is not None:
        check_size(true_depth, prediction.depth, "The true depth")
        known = known_depth(true_depth)
        if known.any():
            scores["rmse"] = depth_rmse(prediction.depth, true_depth, known)
    return scores


def mask_scores(pred: Map, labels: Grey) -> dict[str, float]:
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


def depth_scores(pred: Map, millimetres: Grey) -> dict[str, float]:
    """Scores a depth map, after fitting its inverse to the truth by a scale and a shift.

    Args:
        pred: (H, W), relative depth in (0, 1].
        millimetres: (H, W), true depth; pixels outside 0.3 to 10 m do not count.

    Returns:
        "abs_rel", "delta1" and "rmse_m" (metres); empty where no pixel counts.
    """
    true = millimetres.astype(np.float64) / 1000
    valid = (true >= _MIN_METRES) & (true <= _MAX_METRES)
    if not valid.any():
        return {}
    true = true.clip(_MIN_METRES, _MAX_METRES)  # else pixels that do not count give infinity
    inverse = inverse_from_depth(pred.astype(np.float64))
    aligned = align_inverse_depth(inverse, 1 / true, valid)
    metres = 1 / aligned.clip(1 / _MAX_METRES, 1 / _MIN_METRES)
    return {
        "abs_rel": abs_rel(metres, true, valid),
        "delta1": delta(metres, true, valid),
        "rmse_m": depth_rmse(metres, true, valid),
    }


def _find_sequences(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise PictureError(f"There is no folder at {folder}; check the path.")
    sequences = sorted(path for path in folder.iterdir() if (path / "image").is_dir())
    if not sequences:
        raise PictureError(
            f"{folder} holds no sequence; it needs folders with background.png, image/*.png, and "
            "mask/*.png or depth/*.png, or the same in other formats."
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
