"""Scores worked out by hand, and folders that are not complete."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.errors import PictureError
from depthmask.evaluation.frames import frames_with_truth
from depthmask.evaluation.sequences import (
    depth_scores,
    evaluate_folder,
    mask_scores,
    score_prediction,
)
from depthmask.evaluation.truth import INVERTED, LEFT_OUT
from depthmask.inference.background import MAX_FRAMES, Background, LearnedBackground
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture, TrueDepth
from depthmask.pictures.truth import MILLIMETRES, PALETTE
from tests.conftest import FakePredictor, Pair

SIZE = 40
PERFECT = {
    "iou": 1.0,
    "false_foreground": 0.0,
    "precision": 1.0,
    "recall": 1.0,
    "f_measure": 1.0,
}


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def labels(side: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[:side, :side] = 255
    return mask


def add_frame(
    sequence: Path, name: str, *, side: int = 20, mask: bool = True, depth: bool = False
) -> None:
    """A frame whose foreground is a white square in the corner, 1 m away before a wall at 4 m."""
    grey = np.full((SIZE, SIZE, 3), 50, np.uint8)
    save(sequence / "background.png", grey)
    save(sequence / "image" / name, np.maximum(grey, labels(side)[..., None]))
    if mask:
        save(sequence / "mask" / name, labels(side))
    if depth:
        millimetres = np.where(labels(side) > 0, 1000, 4000).astype(np.uint16)
        save(sequence / "depth" / name, millimetres)


def test_a_perfect_prediction(fake_predictor: FakePredictor, tmp_path: Path) -> None:
    add_frame(tmp_path / "room", "0.png", depth=True)
    lines: list[str] = []
    result = evaluate_folder(fake_predictor.predict, tmp_path, progress=lines.append)
    scores = {
        "mask": PERFECT,
        "depth": {
            "abs_rel": pytest.approx(0, abs=1e-6),
            "delta1": 1.0,
            "rmse_m": pytest.approx(0, abs=1e-6),
        },
    }
    assert result == {**scores, "sequences": {"room": scores}}
    assert lines == ["room: 1 frame", f"room: {MILLIMETRES} (1 of 1 frames)"]
    json.dumps(result, allow_nan=False)


def test_averages_are_over_frames_then_over_sequences(tmp_path: Path) -> None:
    for name in ("0.png", "1.png", "2.png"):
        add_frame(tmp_path / "long", name)
    add_frame(tmp_path / "short", "0.png", side=10)

    def all_of_it(background: Background, image: Picture) -> Prediction:
        ones = np.ones(image.shape[:2], np.float32)
        return Prediction(ones, ones, 0)

    result = evaluate_folder(all_of_it, tmp_path)
    assert result["mask"]["iou"] == (400 / 1600 + 100 / 1600) / 2
    assert result["mask"]["false_foreground"] == 1.0


def test_what_no_frame_tells_is_left_out(fake_predictor: FakePredictor, tmp_path: Path) -> None:
    add_frame(tmp_path / "empty", "0.png", side=0)
    add_frame(tmp_path / "masks", "0.png")
    add_frame(tmp_path / "masks", "1.png", mask=False)
    add_frame(tmp_path / "depths", "0.png", mask=False, depth=True)
    result = evaluate_folder(fake_predictor.predict, tmp_path)
    sequences = result["sequences"]
    assert sequences["empty"] == {"mask": {"false_foreground": 0.0}}
    assert sequences["masks"] == {"mask": PERFECT}
    assert list(sequences["depths"]) == ["depth"]
    assert result["mask"] == PERFECT


def test_a_background_of_another_size(fake_predictor: FakePredictor, tmp_path: Path) -> None:
    add_frame(tmp_path / "room", "0.png")
    save(tmp_path / "room" / "background.png", np.full((7, 90, 3), 50, np.uint8))
    result = evaluate_folder(fake_predictor.predict, tmp_path)
    assert result["mask"] == PERFECT


def test_pictures_of_other_formats(fake_predictor: FakePredictor, tmp_path: Path) -> None:
    room = tmp_path / "room"
    add_frame(room, "0.png", depth=True)
    for name, other in (("background", ".JPG"), ("image/0", ".jpg"), ("mask/0", ".bmp")):
        with Image.open(room / f"{name}.png") as picture:
            picture.save((room / name).with_suffix(other), quality=100)
        (room / f"{name}.png").unlink()
    (room / "image" / "._0.jpg").write_bytes(b"what a Mac leaves")
    result = evaluate_folder(fake_predictor.predict, tmp_path)
    assert result["mask"]["iou"] > 0.95 and set(result) == {"mask", "depth", "sequences"}


@pytest.mark.parametrize("name", ["image/0", "mask/0", "background"])
def test_two_pictures_of_one_name(fake_predictor: FakePredictor, tmp_path: Path, name: str) -> None:
    add_frame(tmp_path / "room", "0.png")
    save(tmp_path / "room" / f"{name}.jpg", labels(20))
    with pytest.raises(PictureError, match=r"\.jpg and .*\.png; keep one"):
        evaluate_folder(fake_predictor.predict, tmp_path)


def test_ignored_pixels_do_not_count() -> None:
    true, pred = labels(20), np.zeros((SIZE, SIZE), np.float32)
    true[20:] = 170
    pred[:20, :20] = pred[20:] = 1
    assert mask_scores(pred, true) == {"iou": 1.0, "false_foreground": 0.0}


def test_little_foreground_has_no_iou() -> None:
    true = np.zeros((100, 100), np.uint8)
    true[0, :19] = 255
    pred = np.zeros((100, 100), np.float32)
    assert mask_scores(pred, true) == {"false_foreground": 0.0}
    true[0, 19] = 255  # 0.2 %
    assert mask_scores(pred, true) == {"iou": 0.0, "false_foreground": 0.0}


def test_a_frame_without_background() -> None:
    everything = np.full((4, 4), 255, np.uint8)
    assert mask_scores(np.ones((4, 4), np.float32), everything) == {"iou": 1.0}


def test_depth_is_aligned_in_inverse_depth() -> None:
    metres = np.linspace(0.5, 8, 400).reshape(20, 20)
    inverse = 3 / metres - 0.2  # any scale and shift
    pred = (1 / (1 + inverse)).astype(np.float32)
    scores = depth_scores(pred, metres.astype(np.float32))
    assert scores["abs_rel"] < 1e-3 and scores["rmse_m"] < 1e-2 and scores["delta1"] == 1


def test_depth_counts_from_30_cm_to_10_m() -> None:
    metres = np.array([[0, 0.2, 0.299, 10.001, 65.535]], np.float32)
    pred = np.full((1, 5), 0.5, np.float32)
    assert depth_scores(pred, metres) == {}
    metres[0, :2] = 2
    assert depth_scores(pred, metres)["rmse_m"] == pytest.approx(0)


def test_aligned_depth_is_clipped_to_10_m() -> None:
    true_inverse = np.array([[0.1, 0.1, 0.1, 1.0]])
    pred_inverse = np.array([[0.0, 0.5, 0.5, 3.0]])  # the line puts the first below 0.1 per metre
    scores = depth_scores(
        (1 / (1 + pred_inverse)).astype(np.float32), (1 / true_inverse).astype(np.float32)
    )
    slope, shift = np.polyfit(pred_inverse[0], true_inverse[0], 1)
    metres = 1 / np.clip(slope * pred_inverse + shift, 0.1, 1 / 0.3)
    assert (slope * pred_inverse + shift).min() < 0.1
    assert scores["abs_rel"] == pytest.approx(np.abs(metres * true_inverse - 1).mean(), rel=1e-4)


def test_aligned_depth_is_clipped_to_30_cm() -> None:
    true_inverse = np.array([[3.3, 3.3, 3.3, 1.0]])
    pred_inverse = np.array([[6.0, 5.0, 5.0, 1.0]])  # the line puts the first above 1 / 0.3 m
    scores = depth_scores(
        (1 / (1 + pred_inverse)).astype(np.float32), (1 / true_inverse).astype(np.float32)
    )
    slope, shift = np.polyfit(pred_inverse[0], true_inverse[0], 1)
    metres = 1 / np.clip(slope * pred_inverse + shift, 0.1, 1 / 0.3)
    assert (slope * pred_inverse + shift).max() > 1 / 0.3
    assert scores["abs_rel"] == pytest.approx(np.abs(metres * true_inverse - 1).mean(), abs=2e-3)


def test_score_of_one_prediction(fake_predictor: FakePredictor, pair: Pair) -> None:
    prediction = fake_predictor.predict(pair.background, pair.image)
    assert score_prediction(prediction) == {}
    labels = pair.true_mask.astype(np.uint8) * 255
    scores = score_prediction(prediction, true_labels=labels, true_depth=TrueDepth(pair.true_depth))
    error = np.sqrt(((prediction.depth - pair.true_depth) ** 2).mean())
    assert scores == {"iou": 1.0, "rmse": pytest.approx(float(error))}
    with pytest.raises(PictureError, match="true mask is 79x60 pixels, its image is 80x60"):
        score_prediction(prediction, true_labels=labels[:, 1:])


def test_folders_without_anything_to_evaluate(
    fake_predictor: FakePredictor, tmp_path: Path
) -> None:
    with pytest.raises(PictureError, match="no folder at"):
        evaluate_folder(fake_predictor.predict, tmp_path / "missing")
    with pytest.raises(PictureError, match="holds no sequence"):
        evaluate_folder(fake_predictor.predict, tmp_path)
    add_frame(tmp_path / "room", "0.png", mask=False)
    with pytest.raises(PictureError, match="has a mask or a depth map"):
        evaluate_folder(fake_predictor.predict, tmp_path)


def test_masks_are_read_as_data_sets_have_them(
    fake_predictor: FakePredictor, tmp_path: Path
) -> None:
    add_frame(tmp_path / "room", "0.png")
    palette = Image.fromarray(labels(20) // 255, "P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    palette.save(tmp_path / "room" / "mask" / "0.png")
    lines: list[str] = []
    result = evaluate_folder(fake_predictor.predict, tmp_path, progress=lines.append)
    assert result["mask"]["iou"] == 1
    assert lines[1:] == [f"room: {PALETTE} (1 of 1 frames)"]


def test_truth_of_another_picture_is_questioned(
    fake_predictor: FakePredictor, tmp_path: Path
) -> None:
    add_frame(tmp_path / "room", "0.png")
    save(tmp_path / "room" / "mask" / "0.png", 255 - labels(20))
    lines: list[str] = []
    evaluate_folder(fake_predictor.predict, tmp_path, progress=lines.append)
    assert lines[1:] == [f"room: {INVERTED} (1 of 1 frames)"]


def test_names_of_a_data_set_are_matched_by_their_numbers(
    fake_predictor: FakePredictor, tmp_path: Path
) -> None:
    room = tmp_path / "room"
    for number in (1, 2, 3):
        add_frame(room, f"{number}.png", depth=number > 1)
    for part, prefix in (("image", "in"), ("mask", "gt"), ("depth", "d-2-")):
        for path in sorted((room / part).iterdir()):
            path.rename(path.with_name(f"{prefix}{int(path.stem):06}.png"))
    (room / "mask" / "gt000003.png").unlink()
    (room / "mask" / "notes.txt").write_text("hello")
    save(room / "mask" / "gt000009.png", labels(5))
    assert [sorted(frame) for frame in frames_with_truth(room)] == [
        ["image", "mask"],
        ["depth", "image", "mask"],
        ["depth", "image"],
    ]
    lines: list[str] = []
    assert evaluate_folder(fake_predictor.predict, tmp_path, progress=lines.append)
    assert "room: passed over 2 files (mask/gt000009.png, mask/notes.txt)" in lines


def test_names_that_do_not_match_are_told(fake_predictor: FakePredictor, tmp_path: Path) -> None:
    add_frame(tmp_path / "room", "a.png")
    (tmp_path / "room" / "mask" / "a.png").rename(tmp_path / "room" / "mask" / "b.png")
    with pytest.raises(PictureError, match=r"do not match \(a\.png, b\.png\)"):
        evaluate_folder(fake_predictor.predict, tmp_path)


def test_numbers_of_two_frames_match_nothing(tmp_path: Path) -> None:
    for name in ("left-1.png", "right-1.png"):
        add_frame(tmp_path, name)
        (tmp_path / "mask" / name).rename(tmp_path / "mask" / f"gt-{name}")
    with pytest.raises(PictureError, match=r"do not match \(left-1\.png, gt-left-1\.png\)"):
        frames_with_truth(tmp_path)


def test_pictures_are_found_by_content(fake_predictor: FakePredictor, tmp_path: Path) -> None:
    add_frame(tmp_path / "room", "0.png")
    add_frame(tmp_path / "room", "1.png")
    for path in (tmp_path / "room" / "image").iterdir():
        path.rename(path.with_suffix(".jfif" if path.stem == "0" else ""))
    np.save(tmp_path / "room" / "mask" / "1.npy", labels(20) > 0)
    (tmp_path / "room" / "mask" / "1.png").unlink()
    lines: list[str] = []
    result = evaluate_folder(fake_predictor.predict, tmp_path, progress=lines.append)
    assert result["mask"]["iou"] == 1 and lines == ["room: 2 frames"]


def test_incomplete_sequences(fake_predictor: FakePredictor, tmp_path: Path) -> None:
    add_frame(tmp_path / "room", "0.png")
    save(tmp_path / "room" / "mask" / "0.png", np.zeros((3, 5), np.uint8))
    with pytest.raises(PictureError, match=r"0\.png is 5x3 pixels, its image is 40x40"):
        evaluate_folder(fake_predictor.predict, tmp_path)
    (tmp_path / "room" / "background.png").unlink()
    with pytest.raises(PictureError, match=r"background\.png"):
        evaluate_folder(fake_predictor.predict, tmp_path)


def test_labels_that_do_not_count_and_unknown_depth_are_left_out(pair: Pair) -> None:
    labels = pair.true_mask.astype(np.uint8) * 255
    labels[:5], labels[5:10] = 85, 170
    depth = pair.true_depth.copy()
    depth[:10] = 0
    wrong = pair.true_mask.astype(np.float32)
    wrong[:10] = 1
    prediction = Prediction(wrong, pair.true_depth, 0.1)
    assert score_prediction(prediction, true_labels=labels, true_depth=TrueDepth(depth)) == {
        "iou": 1.0,
        "rmse": 0.0,
    }
    nothing = np.zeros_like(depth)
    assert score_prediction(prediction, true_depth=TrueDepth(nothing)) == {}


def test_precision_and_recall_count_the_pixels_of_a_sequence(tmp_path: Path) -> None:
    add_frame(tmp_path / "room", "0.png", side=20)  # 400 pixels
    add_frame(tmp_path / "room", "1.png", side=10)  # 100 pixels

    def a_strip(background: Background, image: Picture) -> Prediction:
        mask = np.zeros(image.shape[:2], np.float32)
        mask[:10, :20] = 1
        return Prediction(mask, np.ones_like(mask), 0)

    scores = evaluate_folder(a_strip, tmp_path)["mask"]  # 200 + 100 hits, 0 + 100 false alarms
    assert scores["precision"] == 300 / 400
    assert scores["recall"] == 300 / 500
    assert scores["f_measure"] == pytest.approx(2 * 0.75 * 0.6 / 1.35)


class Seen:
    """Predicts nothing, and keeps what it got."""

    def __init__(self) -> None:
        self.backgrounds: list[Background] = []
        self.images: list[Picture] = []

    def __call__(self, background: Background, image: Picture) -> Prediction:
        self.backgrounds.append(background)
        self.images.append(image)
        nothing = np.zeros(image.shape[:2], np.float32)
        return Prediction(nothing, nothing + 1, 0)


def test_a_background_is_learned_from_photos_before_the_frames(tmp_path: Path) -> None:
    add_frame(tmp_path / "room", "0.png")
    for index in range(30):
        save(
            tmp_path / "room" / "before" / f"{index:02}.png",
            np.full((SIZE, SIZE, 3), index + 50, np.uint8),
        )
    seen = Seen()
    evaluate_folder(seen, tmp_path)
    (learned,) = seen.backgrounds
    assert isinstance(learned, LearnedBackground) and len(learned.frames) == MAX_FRAMES
    assert (int(learned.frames[0][0, 0, 0]), int(learned.frames[-1][0, 0, 0])) == (50, 79)


def test_a_background_is_learned_from_the_images_where_asked(tmp_path: Path) -> None:
    for index in range(3):
        add_frame(tmp_path / "room", f"{index}.png", side=10 * index)
    seen = Seen()
    learned = LearnedBackground(np.zeros((4, 4, 3), np.uint8), (), np.zeros((4, 4), bool))
    counts: list[int] = []

    def learn(photos: Sequence[Picture]) -> LearnedBackground:
        counts.append(len(photos))
        return learned

    evaluate_folder(seen, tmp_path, learn=learn)
    assert counts == [3]
    assert all(background is learned for background in seen.backgrounds)


def cdnet(video: Path, *, interest: str = "4 6") -> None:
    """Seven frames of which each is as bright as its number; the mask of each is a square."""
    for number in range(1, 8):
        save(
            video / "input" / f"in{number:06}.jpg", np.full((SIZE, SIZE, 3), 10 * number, np.uint8)
        )
        save(video / "groundtruth" / f"gt{number:06}.png", labels(number))
    (video / "temporalROI.txt").write_text(interest)


def test_videos_of_cdnet(tmp_path: Path) -> None:
    cdnet(tmp_path / "dynamicBackground" / "fall")
    seen, lines = Seen(), list[str]()
    result = evaluate_folder(seen, tmp_path, progress=lines.append)
    assert [int(image.mean()) for image in seen.images] == [40, 50, 60]
    learned = seen.backgrounds[0]
    assert isinstance(learned, LearnedBackground)
    assert [int(frame.mean()) for frame in learned.frames] == [10, 20, 30]
    assert lines == ["dynamicBackground/fall: 3 frames"]
    assert result["mask"]["recall"] == 0
    alone = evaluate_folder(Seen(), tmp_path / "dynamicBackground" / "fall")
    assert list(alone["sequences"]) == ["fall"]


@pytest.mark.parametrize("interest", ["", "4", "0 3", "four six"])
def test_frames_of_interest_that_are_no_numbers(tmp_path: Path, interest: str) -> None:
    cdnet(tmp_path / "fall", interest=interest)
    with pytest.raises(PictureError, match=r"temporalROI.txt must hold two numbers"):
        evaluate_folder(Seen(), tmp_path)


def test_what_the_background_does_not_show_is_left_out_with_a_word(
    fake_predictor: FakePredictor, tmp_path: Path
) -> None:
    add_frame(tmp_path / "room", "0.png")
    truth = labels(20)
    truth[:, 30:] = 255  # nobody could find that
    save(tmp_path / "room" / "mask" / "0.png", truth)
    unknown = np.zeros(truth.shape, bool)
    unknown[:, 30:] = True

    def predict(background: Background, image: Picture) -> Prediction:
        assert not isinstance(background, LearnedBackground)
        return replace(fake_predictor.predict(background, image), unknown=unknown)

    lines: list[str] = []
    result = evaluate_folder(predict, tmp_path, progress=lines.append)
    assert result["mask"]["iou"] == 1 and lines[1:] == [f"room: {LEFT_OUT} (1 of 1 frames)"]
    found = predict(*(np.zeros((*truth.shape, 3), np.uint8),) * 2)
    assert score_prediction(found, true_labels=truth)["iou"] == 0  # it found nothing of the rest
    assert (
        score_prediction(found, true_labels=np.where(unknown, 255, 0).astype(np.uint8))["iou"] == 1
    )
