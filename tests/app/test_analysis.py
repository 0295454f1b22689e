"""From dropped files to what there is to say and show, without a page."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from depthmask.app.loading import Predicts
from depthmask.app.photos import analysis, dropped
from depthmask.app.photos.analysis import Analysis, Convention, analyse, depth_error
from depthmask.app.photos.dropped import ZONES, DroppedFiles
from depthmask.app.prediction_cache import PredictedPair, PredictionCache
from depthmask.inference.background import LearnedBackground, vote
from depthmask.inference.light import NOT_MATCHED
from depthmask.inference.pair_quality import PairQuality, PairReport
from depthmask.inference.predictor import Prediction
from depthmask.inference.registration import NOT_REGISTERED
from depthmask.pictures import Map, Picture, TrueDepth
from tests.app.pages import HEIGHT, WIDTH, Broken, Fake, files

__all__ = ["files"]


def look(
    predictor: Predicts, files: DroppedFiles, convention: Convention | None = None
) -> Analysis:
    return analyse(predictor, PredictionCache(), files, convention)


def test_a_pair_alone_has_a_prediction_and_no_figures(files: DroppedFiles) -> None:
    result = look(Fake(), DroppedFiles(files.background, files.image))
    assert result.predicted is not None
    assert (result.iou, result.rmse) == (None, None)
    assert not result.failed


@pytest.mark.parametrize(("score", "doubtful"), [(0.0, True), (0.2, True), (0.3, False)])
def test_a_pair_that_cannot_be_meant_stands_out(score: float, doubtful: bool) -> None:
    quality = PairQuality(score, "moved", "The camera moved.")
    pair = PairReport(NOT_REGISTERED, NOT_MATCHED, quality)
    found = Prediction(np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32), 0, pair=pair)
    result = Analysis("", predicted=PredictedPair(np.zeros((4, 4, 3), np.uint8), found, (4, 4), ()))
    assert result.doubtful == doubtful


def test_truth_gives_figures(files: DroppedFiles) -> None:
    result = look(Fake(), files)
    assert result.iou == pytest.approx(0.5)
    assert result.rmse == pytest.approx(0.1, abs=1e-4)
    assert result.depth_error is not None
    assert result.depth_error.max() == pytest.approx(-0.1, abs=1e-4), "predicted too near"


def test_a_pair_is_predicted_once(files: DroppedFiles) -> None:
    fake, cache = Fake(), PredictionCache()
    first = analyse(fake, cache, DroppedFiles(files.background, files.image))
    second = analyse(fake, cache, files)
    assert len(fake.pairs) == 1
    assert first.predicted is not None and second.predicted is first.predicted
    assert second.iou is not None
    analyse(fake, cache, replace(files, background=files.image, image=files.background))
    assert len(fake.pairs) == 2


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ((), analysis.DROP_BOTH),
        (("background",), analysis.DROP_IMAGE),
        (("image",), analysis.DROP_BACKGROUND),
        (("true_mask", "true_depth"), analysis.DROP_BOTH),
    ],
)
def test_what_is_missing_is_asked_for(
    files: DroppedFiles, kept: tuple[str, ...], message: str
) -> None:
    fake = Fake()
    result = look(fake, DroppedFiles(**{zone: getattr(files, zone) for zone in kept}))
    assert (result.message, result.failed, result.predicted) == (message, False, None)
    assert not fake.pairs


@pytest.mark.parametrize("zone", ZONES)
def test_a_bad_file_is_named_and_its_zone_emptied(
    files: DroppedFiles, tmp_path: Path, zone: str
) -> None:
    bad = tmp_path / "deep" / "notes.png"
    bad.parent.mkdir()
    bad.write_text("no picture")
    named: dict[str, Any] = {zone: str(bad)}
    result = look(Fake(), replace(files, **named))
    assert result.failed
    assert result.unreadable == {zone}
    assert "notes.png" in result.message
    assert str(bad) not in result.message, "the user does not know where the upload was put"
    assert (result.predicted is None) == (zone in ("background", "image"))


def test_a_file_that_was_deleted_meanwhile_is_asked_for_again(files: DroppedFiles) -> None:
    Path(str(files.image)).unlink()
    assert "drop it again" in look(Fake(), files).message


def test_files_beyond_the_limit_are_refused(
    files: DroppedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropped, "MAX_FILE_BYTES", 50)
    result = look(Fake(), files)
    assert result.failed and result.predicted is None
    assert "MB" in result.message


def test_truth_of_another_size_is_refused_in_words(files: DroppedFiles) -> None:
    Image.new("L", (10, 20)).save(str(files.true_mask))
    result = look(Fake(), files)
    assert result.predicted is not None
    assert result.iou is None
    assert result.rmse is not None
    assert "true mask is 10x20" in result.message
    assert f"{WIDTH}x{HEIGHT}" in result.message


def test_a_network_that_fails_is_told_in_one_line(files: DroppedFiles) -> None:
    result = look(Broken(), files)
    assert result.failed
    assert result.message == "The network failed on this pair: out of memory"


def predicted(
    mask: np.ndarray, background_size: tuple[int, int] = (100, 100), *notes: str
) -> PredictedPair:
    image = np.zeros((*mask.shape, 3), np.uint8)
    quality = PairQuality(0.9, "good", "A fine pair.")
    pair = PairReport(NOT_REGISTERED, NOT_MATCHED, quality)
    return PredictedPair(image, Prediction(mask, mask, 0.0, pair), background_size, notes)


def test_the_verdict_says_how_the_pair_fits_and_what_was_found() -> None:
    mask = np.zeros((100, 100), np.float32)
    assert analysis.verdict(predicted(mask)) == ("A fine pair.", analysis.NOTHING_NEW)
    mask = mask.copy()
    mask[:50] = 1
    assert "covers 50%" in " ".join(analysis.verdict(predicted(mask)))
    assert "differ in size" in " ".join(analysis.verdict(predicted(mask, (50, 50))))
    mask = np.zeros((100, 100), np.float32)
    mask[0, :50] = 1  # half a percent
    assert "less than 1%" in " ".join(analysis.verdict(predicted(mask)))
    assert analysis.verdict(predicted(mask, (100, 100), "A note."))[-1] == "A note."


def test_notes_on_a_photo_name_it(files: DroppedFiles) -> None:
    Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 90)).save(str(files.image))
    assert "Image: The transparent parts" in look(Fake(), files).message


def ramp() -> Map:
    return np.linspace(0.3, 1, 64, dtype=np.float32)[None].repeat(4, axis=0)


def test_truth_whose_near_is_bright_is_turned_round() -> None:
    error = depth_error(ramp(), TrueDepth(1 - ramp()), Convention(near_is_bright=True))
    assert np.nanmax(abs(error)) < 1e-6
    assert np.nanmax(abs(depth_error(ramp(), TrueDepth(1 - ramp()), Convention()))) > 0.3


def test_alignment_takes_scale_and_shift_out() -> None:
    error = depth_error(ramp(), TrueDepth(0.1 + 0.5 * ramp()), Convention(align=True))
    assert np.nanmax(abs(error)) < 1e-5


def test_aligned_truth_whose_near_is_bright_is_inverse_depth() -> None:
    truth = (0.2 + 0.2 / ramp()).astype(np.float32)
    error = depth_error(ramp(), TrueDepth(truth), Convention(near_is_bright=True, align=True))
    assert np.nanmax(abs(error)) < 1e-5
    nearer = truth.copy()
    nearer[:, :8] += 0.1  # the truth is nearer there than predicted
    error = depth_error(ramp(), TrueDepth(nearer), Convention(near_is_bright=True, align=True))
    assert error[:, :8].mean() > 0.02, "predicted too far is above 0"


def test_what_is_unknown_of_a_truth_does_not_count(files: DroppedFiles, tmp_path: Path) -> None:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[:, : WIDTH // 2] = 255
    labels[:, WIDTH // 4 :] = (np.arange(WIDTH - WIDTH // 4) % 2 * 85 + 85)[None]
    depth = np.full((HEIGHT, WIDTH), round(0.6 * 65535), np.uint16)
    depth[: HEIGHT // 2] = 0
    for name, array in (("labels", labels), ("part", depth), ("nothing", depth * 0)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    given = replace(
        files, true_mask=str(tmp_path / "labels.png"), true_depth=str(tmp_path / "part.png")
    )
    result = analyse(Fake(), PredictionCache(), given)
    assert result.iou == 1.0 and result.rmse == pytest.approx(0.1, abs=1e-3)
    assert result.mask_known is not None and result.mask_known.mean() == 0.25
    unknown = replace(given, true_depth=str(tmp_path / "nothing.png"))
    result = analyse(Fake(), PredictionCache(), unknown)
    assert result.rmse is None and result.depth_error is None
    assert result.failed and "unknown" in result.message


def test_a_photo_is_no_truth(files: DroppedFiles, tmp_path: Path) -> None:
    photo = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    photo[..., 0] = 200
    Image.fromarray(photo).save(tmp_path / "photo.jpg")
    for zone in ("true_mask", "true_depth"):
        named: dict[str, Any] = {zone: str(tmp_path / "photo.jpg")}
        result = analyse(Fake(), PredictionCache(), replace(files, **named))
        assert "in colour" in result.message and zone in result.unreadable
    grey = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.jpg")
    given = replace(files, true_depth=str(tmp_path / "grey.jpg"))
    assert not analyse(Fake(), PredictionCache(), given).failed, "grey, although saved in colour"


@pytest.mark.parametrize(
    ("size", "turned", "said"),
    [
        ((24, 32), False, "fit together well"),
        ((48, 64), False, "differ in size"),
        ((24, 43), False, "differ in shape"),
        ((32, 24), True, "upright"),
        ((32, 32), False, "differ in shape"),
    ],
)
def test_photos_of_other_sizes_and_shapes_are_told(
    size: tuple[int, int], turned: bool, said: str
) -> None:
    quality = PairQuality(1.0, "good", "The photos fit together well.")
    pair = PairReport(NOT_REGISTERED, NOT_MATCHED, quality)
    empty = np.zeros((24, 32), np.float32)
    predicted = PredictedPair(
        np.zeros((24, 32, 3), np.uint8), Prediction(empty, empty, 0, pair=pair), size, ()
    )
    sentences = " ".join(analysis.verdict(predicted))
    assert said in sentences
    assert ("fit together well" in sentences) != turned
    assert Analysis("", predicted=predicted).doubtful is turned


def test_a_new_background_is_not_judged_by_the_earlier_image(files: DroppedFiles) -> None:
    fits = analyse(Fake(), PredictionCache(), files)
    assert analysis.with_earlier_image(fits).message.startswith("Compared with the earlier image.")
    assert fits.predicted is not None
    turned = replace(fits, predicted=fits.predicted._replace(background_size=(WIDTH, HEIGHT)))
    asked = analysis.with_earlier_image(turned)
    assert asked.predicted is None and not asked.failed and "Now drop the image" in asked.message
    alone = Analysis("Now drop the image.")
    assert analysis.with_earlier_image(alone) is alone


def test_several_photos_of_the_empty_scene_are_learned_once(
    files: DroppedFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = []
    for level in (91, 92):
        more.append(str(tmp_path / f"{level}.png"))
        Image.new("RGB", (WIDTH, HEIGHT), (level,) * 3).save(more[-1])
    votes: list[int] = []

    def counted(frames: list[Picture]) -> LearnedBackground:
        votes.append(len(frames))
        return vote(frames)

    monkeypatch.setattr("depthmask.inference.background.vote", counted)
    fake, cache = Fake(), PredictionCache()
    several = replace(files, more_backgrounds=tuple(more))
    assert analyse(fake, cache, several).predicted is not None
    assert analyse(fake, cache, replace(several, image=more[0])).predicted is not None
    assert votes == [3]
    (first, _), (second, _) = fake.pairs
    assert isinstance(first, LearnedBackground) and first is second
    assert analyse(fake, cache, files).predicted is not None
    assert not isinstance(fake.pairs[-1][0], LearnedBackground)


def test_one_of_several_photos_that_cannot_be_read_is_told(
    files: DroppedFiles, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    result = look(Fake(), replace(files, more_backgrounds=(str(broken),)))
    assert result.failed and result.unreadable == {"background"}
    assert "broken.png" in result.message
