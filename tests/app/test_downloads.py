"""The downloads: every file holds what its button says, at the image's own size."""

import errno
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from depthmask.app.endpoint import make_endpoint
from depthmask.app.fair_queue import FairQueue
from depthmask.app.photos import downloads
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.downloads import (
    DOWNLOADS,
    REPORT,
    Download,
    Edits,
    Result,
    apply_edits,
    prepare,
    read_edits,
)
from depthmask.app.photos.dropped import DroppedFiles
from depthmask.app.prediction_cache import PredictedPair, PredictionCache
from depthmask.depth import CONVENTION
from depthmask.inference.predictor import Prediction
from depthmask.inference.refinement import foreground_colours
from depthmask.pictures import Map, write_mask
from depthmask.render.views import at_most
from tests.app.pages import Fake, files, in_own_loop
from tests.conftest import HEIGHT, WIDTH, Pair

__all__ = ["files"]


@pytest.fixture
def predicted(pair: Pair) -> PredictedPair:
    mask = pair.true_mask.astype(np.float32)
    mask[30, 20] = 0.25
    found = Prediction(mask, pair.true_depth, 0.1234, background=pair.background)
    return PredictedPair(pair.image, found, (HEIGHT, 2 * WIDTH), ("A note.",))


def get(name: str, predicted: PredictedPair, folder: Path) -> Path:
    path = folder / DOWNLOADS[name].file
    DOWNLOADS[name].write(
        path, Result(Analysis("", predicted=predicted, iou=0.5), predicted, "weights")
    )
    return path


def test_the_cutout_has_alpha(predicted: PredictedPair, tmp_path: Path) -> None:
    cutout = Image.open(get("cutout", predicted, tmp_path))
    assert cutout.mode == "RGBA"
    alpha = np.asarray(cutout)[..., 3]
    assert alpha[30, 20] == 64 and alpha[40, 40] == 255 and alpha[5, 5] == 0


def test_the_cutout_has_the_colours_of_the_foreground_alone(
    predicted: PredictedPair, tmp_path: Path
) -> None:
    cutout = np.asarray(Image.open(get("cutout", predicted, tmp_path)))
    image, mask = predicted.image, predicted.prediction.mask
    expected = foreground_colours(image, predicted.prediction.background, mask)
    assert (expected[30, 20] != image[30, 20]).any()
    assert (cutout[30, 20, :3] == expected[30, 20]).all()


def test_the_mask_is_grey(predicted: PredictedPair, tmp_path: Path) -> None:
    mask = Image.open(get("mask", predicted, tmp_path))
    assert mask.mode == "L" and mask.getpixel((20, 30)) == 64


def test_the_depth_has_16_bits(predicted: PredictedPair, tmp_path: Path) -> None:
    depth = np.asarray(Image.open(get("depth", predicted, tmp_path)))
    assert depth.dtype == np.uint16
    assert len(np.unique(depth)) > WIDTH // 2
    assert abs(depth / 65535 - predicted.prediction.depth).max() < 1e-5


def test_the_array_is_exact(predicted: PredictedPair, tmp_path: Path) -> None:
    depth = np.load(get("array", predicted, tmp_path))
    assert depth.dtype == np.float32
    assert (depth == predicted.prediction.depth).all()


@pytest.mark.slow
def test_the_scene_is_a_glb(predicted: PredictedPair, tmp_path: Path) -> None:
    assert get("model", predicted, tmp_path).read_bytes()[:4] == b"glTF"


def test_the_zip_has_it_all_and_a_description(predicted: PredictedPair, tmp_path: Path) -> None:
    with zipfile.ZipFile(get("all", predicted, tmp_path)) as archive:
        names = set(archive.namelist())
        report = json.loads(archive.read(REPORT))
        depth = np.load(io.BytesIO(archive.read("depth.npy")))
    files = {download.file for download in DOWNLOADS.values()} - {"depthmask.zip"}
    assert names == {*files, REPORT}
    assert (depth == predicted.prediction.depth).all()
    assert report["image"] == {"width": WIDTH, "height": HEIGHT}
    assert report["background"] == {"width": 2 * WIDTH, "height": HEIGHT}
    assert report["convention"] == CONVENTION
    assert report["model"] == "weights"
    assert report["seconds"] == 0.123
    assert report["metrics"] == {"iou": 0.5}
    assert report["notes"] == ["A note."]
    assert [path.name for path in tmp_path.iterdir()] == ["depthmask.zip"]


def test_a_file_is_made_where_the_page_can_fetch_it(predicted: PredictedPair) -> None:
    path, complaint = prepare(
        DOWNLOADS["mask"], Analysis("", predicted=predicted), "weights", photo="bear"
    )
    assert path is not None and path.name == "bear-mask.png" and complaint == ""
    with Image.open(path) as mask:
        assert mask.size == (WIDTH, HEIGHT)


def test_a_full_disk_is_said(predicted: PredictedPair) -> None:
    def write(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/secret/mask.png")

    download = Download("Mask", "mask.png", write)
    path, complaint = prepare(download, Analysis("", predicted=predicted), "weights")
    assert path is None and "mask.png could not be made. The server cannot write" in complaint
    assert "No space left" in complaint and "secret" not in complaint


def repair(mask: Map) -> Map:
    """The mask as the browser sends it, with the left edge added and a block erased."""
    edited = (np.rint(mask * 255) / 255).astype(np.float32)
    edited[:, :5] = 1
    edited[42:48, 35:45] = 0
    return edited


def test_downloads_have_the_mask_as_it_was_repaired(
    predicted: PredictedPair, tmp_path: Path
) -> None:
    sent = tmp_path / "sent.png"
    write_mask(sent, repair(predicted.prediction.mask))
    edits = read_edits(str(sent), "drop")
    wanted = repair(predicted.prediction.mask) > 0.5
    analysis = Analysis("", predicted=predicted, true_mask=wanted, iou=0.5)
    path, complaint = prepare(DOWNLOADS["all"], analysis, "weights", edits)
    assert path is not None and complaint == ""
    with zipfile.ZipFile(path) as archive:
        cutout = np.asarray(Image.open(io.BytesIO(archive.read("cutout.png"))))
        mask = np.asarray(Image.open(io.BytesIO(archive.read("mask.png"))))
        report = json.loads(archive.read(REPORT))
    for alpha in (mask, cutout[..., 3]):
        assert (alpha[:, :5] == 255).all() and (alpha[42:48, 35:45] == 0).all()
        assert alpha[30, 20] == 64 and alpha[25, 40] == 255
    assert (cutout[:, :5, :3] == predicted.image[:, :5]).all()
    assert report["repaired"] is True
    assert report["metrics"] == {"iou": 1.0}, "that of the repaired mask"


def test_a_repair_at_the_size_of_the_screen_keeps_the_fine_rest(
    predicted: PredictedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "PREVIEW_SIDE", WIDTH // 2)
    small = at_most(predicted.prediction.mask, WIDTH // 2)
    edited = small.copy()
    edited[:, :5] = 1
    result = apply_edits(Analysis("", predicted=predicted), predicted, "weights", Edits(edited))
    mask, before = result.predicted.prediction.mask, predicted.prediction.mask
    assert (mask[:, :9] == 1).all()
    assert (mask[:, 12:] == before[:, 12:]).all()


def test_a_shadow_that_is_kept_lies_under_the_cutout_as_soft_black(
    predicted: PredictedPair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shadow = np.zeros((HEIGHT, WIDTH), np.float32)
    shadow[50:58, 60:70] = 0.4
    monkeypatch.setattr(downloads, "cast_shadow", lambda *_: shadow)
    analysis = Analysis("", predicted=predicted)
    for edits, expected in (
        (Edits(shadow=True), [0, 0, 0, 102]),
        (Edits(), [*predicted.image[55, 65], 0]),
    ):
        path, _ = prepare(DOWNLOADS["cutout"], analysis, "weights", edits)
        assert path is not None
        assert np.asarray(Image.open(path))[55, 65].tolist() == expected


def test_the_repair_of_another_picture_is_refused(predicted: PredictedPair) -> None:
    edits = Edits(np.zeros((HEIGHT, WIDTH + 1), np.float32))
    path, complaint = prepare(
        DOWNLOADS["mask"], Analysis("", predicted=predicted), "weights", edits
    )
    assert path is None and "another picture" in complaint


def test_nothing_to_download_is_said() -> None:
    assert prepare(DOWNLOADS["mask"], Analysis("Drop a pair."), "weights") == (None, "Drop a pair.")


def test_programs_get_mask_depth_and_cutout_in_this_order(
    files: DroppedFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    ask = make_endpoint(Fake(), PredictionCache(), FairQueue(), model="weights")

    def predict(background: str, image: str) -> tuple[Any, ...]:
        async def answer() -> tuple[Any, ...]:
            return await ask(background, image, gr.Request(session_hash="one"))

        return in_own_loop(answer)

    *paths, described = predict(str(files.background), str(files.image))
    modes = []
    for path in paths:
        with Image.open(path) as picture:
            modes.append(picture.mode)
    assert modes == ["L", "I;16", "RGBA"]
    assert described["model"] == "weights"
    with pytest.raises(gr.Error, match="Give both files"):
        predict("", str(files.image))
    with pytest.raises(gr.Error, match="cannot be used"):
        predict(__file__, str(files.image))
