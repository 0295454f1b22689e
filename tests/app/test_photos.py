"""The photos tab without a browser: what its requests are answered."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from depthmask.app import cache_files, find_examples
from depthmask.app.cache_files import MAX_FETCHES, TOO_MANY_FETCHES
from depthmask.app.examples import Example
from depthmask.app.fair_queue import FairQueue, Wait
from depthmask.app.photos.analysis import DROP_IMAGE
from depthmask.app.photos.dropped import DroppedFiles
from depthmask.app.photos.markup import markup
from depthmask.app.photos.request import Request
from depthmask.app.photos.tab import (
    NOT_UPLOADED,
    PUT_IN_ORDER,
    PhotosTab,
    waiting,
)
from depthmask.app.prediction_cache import PredictionCache
from depthmask.depth import CONVENTION
from depthmask.inference.light import NOT_MATCHED
from depthmask.inference.pair_quality import PairQuality, PairReport
from depthmask.inference.predictor import Prediction
from depthmask.inference.registration import NOT_REGISTERED
from depthmask.pictures import Picture, read_picture
from depthmask.pictures.web import WebFile
from tests.app.pages import HEIGHT, WIDTH, Broken, Fake, InParts, files, in_own_loop

__all__ = ["files"]


class Judging(Fake):
    """Takes a pair for swapped if the image is the darker photo."""

    def predict(self, background: Picture, image: Picture) -> Prediction:
        swapped = image.mean() < background.mean()
        quality = PairQuality(0.1, "swapped", "Swapped.") if swapped else None
        quality = quality or PairQuality(1.0, "good", "Fine.")
        found = super().predict(background, image)
        return replace(found, pair=PairReport(NOT_REGISTERED, NOT_MATCHED, quality))


def build(
    predictor: Any = None, examples: list[Example] | None = None, *, solved: Any = None
) -> PhotosTab:
    async def make() -> PhotosTab:
        with gr.Blocks():
            return PhotosTab(
                predictor or Fake(),
                examples or [],
                model="weights",
                cache=PredictionCache(),
                queue=FairQueue(),
                solved=solved,
            )

    return in_own_loop(make)  # Gradio would open a loop of its own and leave it open


def asking(files: DroppedFiles | None = None, **changes: Any) -> Request:
    files = files or DroppedFiles()
    request = Request(
        serial=7,
        example="",
        **asdict(files),
        near_is_bright=False,
        align=False,
        unordered=False,
        replaces=False,
    )
    return replace(request, **changes)


@pytest.fixture
def uploads(files: DroppedFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DroppedFiles:
    """The files, in Gradio's cache."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return files


def ask(tab: PhotosTab, request: Request | str) -> list[dict[str, Any]]:
    """Sends a request as the page does; returns all answers."""

    text = request if isinstance(request, str) else json.dumps(asdict(request))

    async def collect() -> list[dict[str, Any]]:
        return [answer async for answer in tab.on_request(text, "visitor")]

    return in_own_loop(collect)


def test_the_last_answer_has_a_scene_and_the_number_of_its_request(uploads: DroppedFiles) -> None:
    *before, last = ask(build(), asking(uploads))
    assert all(answer["waiting"] and answer["serial"] == 7 for answer in before)
    assert last["serial"] == 7 and "waiting" not in last
    assert last["message"]["tone"] == "calm"
    assert last["scene"]["name"] == "image"
    assert last["scene"]["figures"]["iou"]["value"] == 0.5
    json.dumps(last)


def test_a_request_that_is_none_is_refused() -> None:
    for text in ("", "[]", '{"serial": "one"}'):
        with pytest.raises(gr.Error, match="no request"):
            ask(build(), text)


def test_a_page_that_waits_is_answered_whatever_happens(
    uploads: DroppedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    *_, last = ask(build(Broken()), asking(uploads))
    assert last["message"]["tone"] == "failed" and "out of memory" in last["message"]["text"]
    tab = build()
    monkeypatch.setattr(tab, "_describe", fail)
    *_, last = ask(tab, asking(uploads))
    assert last["message"]["tone"] == "failed" and "server" in last["message"]["text"]


def test_a_page_names_only_what_was_uploaded_and_the_examples(files: DroppedFiles) -> None:
    """Gradio lets any path pass that does not say that it is a file."""
    example = find_examples()[0]
    tab = build(examples=[example])
    uploaded = cache_files.new_file("image.png")
    shutil.copy(str(files.image), uploaded)
    beyond = str(Path(get_upload_folder()) / ".." / str(files.image).lstrip("/"))
    known = DroppedFiles(image=str(uploaded))
    for path in (str(files.background), beyond):
        for private in (replace(known, background=path), replace(known, true_depth=path)):
            assert "not uploaded" in tab.answer(asking(private))["message"]["text"]
            assert "not uploaded" in tab.save(asking(private), "all", None, "found")["failed"]
            assert "not uploaded" in tab.save(asking(known), "all", path, "found")["failed"]
    mixed = replace(known, background=str(example.background))
    assert tab.answer(asking(mixed))["scene"]


def test_the_time_is_that_of_this_request(uploads: DroppedFiles) -> None:
    tab = build()
    assert tab.answer(asking(uploads))["took"] == "Predicted in 0.2 s, 32 × 24 pixels."
    assert tab.answer(asking(uploads, align=True))["took"] == "", "it was predicted before"
    assert tab.answer(asking(DroppedFiles(image=uploads.image)))["took"] == ""


def test_one_photo_alone_is_read_and_the_other_asked_for(uploads: DroppedFiles) -> None:
    answer = build().answer(asking(DroppedFiles(background=uploads.background)))
    assert answer["message"]["text"] == DROP_IMAGE
    assert answer["scene"] is None and answer["zones"] == {}


def test_a_zone_whose_file_cannot_be_read_is_emptied(uploads: DroppedFiles) -> None:
    Path(str(uploads.image)).write_text("no picture")
    answer = build().answer(asking(uploads))
    assert answer["zones"] == {"image": None} and answer["message"]["tone"] == "failed"
    assert "image.png" in answer["message"]["text"]


def test_what_browsers_cannot_show_has_a_stand_in(uploads: DroppedFiles, tmp_path: Path) -> None:
    scan = tmp_path / "scan.tif"
    Image.open(str(uploads.image)).save(scan)
    answer = build().answer(asking(replace(uploads, image=str(scan))))
    assert answer["zones"]["image"]["shown"].endswith(".jpg")
    assert answer["scene"]["name"] == "scan"


def test_two_photos_at_once_are_put_in_order(uploads: DroppedFiles) -> None:
    darker, brighter = uploads.background, uploads.image
    both, turned = DroppedFiles(darker, brighter), DroppedFiles(brighter, darker)
    for pair, exchanged in ((both, False), (turned, True)):
        network = Judging()
        answer = build(network).answer(asking(pair, unordered=True))
        assert answer["exchanged"] is exchanged and not answer["swapped"]
        assert (PUT_IN_ORDER in answer["message"]["text"]) is exchanged
        background, image = network.pairs[-1]
        assert background.mean() < image.mean()
    answer = build(Judging()).answer(asking(turned))
    assert answer["swapped"] and not answer["exchanged"], "who chose the order is asked"


def test_a_mirrored_background_is_told_and_mirrored(uploads: DroppedFiles) -> None:
    class Mirrored(Fake):
        def predict(self, background: Picture, image: Picture) -> Prediction:
            quality = PairQuality(0.1, "mirrored", "Mirrored.")
            pair = PairReport(NOT_REGISTERED, NOT_MATCHED, quality)
            return replace(super().predict(background, image), pair=pair)

    assert build(Mirrored()).answer(asking(uploads))["mirrored"]
    assert not build().answer(asking(uploads))["mirrored"]
    half = np.zeros((24, 32, 3), np.uint8)
    half[:, :16] = 200
    Image.fromarray(half).save(str(uploads.background))
    found = build().mirror(str(uploads.background))
    assert found["name"] == "background, mirrored"
    mirrored = read_picture(Path(found["path"]))
    assert mirrored.shape == half.shape
    assert mirrored[:, 20:].min() > 150 and mirrored[:, :12].max() < 50


def test_only_uploads_are_mirrored(uploads: DroppedFiles) -> None:
    tab = build()
    for path in ("/etc/passwd", "\0", "\ud800", "a" * 10_000, f"{uploads.background}/../../x"):
        assert tab.mirror(path) == {"failed": NOT_UPLOADED}
    Path(str(uploads.background)).write_text("no picture")
    assert "picture" in tab.mirror(str(uploads.background))["failed"]


def test_few_addresses_are_fetched_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    tab, content = build(), b"a picture"
    asked, answers = [0], []

    def fetch(url: str, *, max_bytes: int) -> WebFile:
        asked[0] += 1
        if asked[0] <= MAX_FETCHES:  # somebody else asks meanwhile
            answers.append(tab.fetch(url))
        return WebFile("cat.png", content)

    monkeypatch.setattr("depthmask.app.cache_files.fetch", fetch)
    assert tab.fetch("https://example.org/cat.png")["name"] == "cat.png"
    refused, *served = answers
    assert refused == {"failed": TOO_MANY_FETCHES}
    assert [Path(answer["path"]).read_bytes() for answer in served] == [content] * len(served)
    assert "path" in tab.fetch("https://example.org/cat.png"), "there is room again"


def test_an_example_is_answered_with_its_files() -> None:
    example = find_examples()[0]
    answer = build(examples=[example]).answer(asking(example=example.name))
    assert answer["example"] == answer["scene"]["name"] == example.name
    assert answer["zones"]["image"]["path"] == str(example.image)
    assert set(answer["zones"]) == {"background", "image", "true_mask", "true_depth"}
    missing = build(examples=[example]).answer(asking(example="cup"))
    assert missing["message"]["tone"] == "failed" and example.name in missing["message"]["text"]
    assert "scene" not in missing, "what is shown stays"


def test_files_are_saved_on_demand(uploads: DroppedFiles) -> None:
    answer = build().save(asking(uploads), "mask", None, "found")
    assert np.asarray(Image.open(answer["path"])).max() == 255
    assert answer["name"] == "image-mask.png"
    assert "failed" in build().save(asking(uploads), "nonsense", None, "found")


def test_a_scene_is_finished_on_demand(uploads: DroppedFiles, tmp_path: Path) -> None:
    network = Fake()
    tab = build(network)
    scene = tab.answer(asking(uploads))["scene"]
    rest = tab.rest(json.dumps(scene["pair"]))
    assert {"maps", "foreground", "relief", "image"} <= set(rest["files"])
    assert all(Path(rest["folder"], name).is_file() for name in rest["files"].values())
    assert len(network.pairs) == 1, "the pair is not predicted again"
    for strange in ({}, {"background": 3, "image": None}, {**scene["pair"], "image": "/etc/hosts"}):
        assert "not uploaded" in tab.rest(json.dumps(strange))["failed"]
    Path(str(uploads.image)).unlink()
    assert "deleted" in build().rest(json.dumps(scene["pair"]))["failed"]


def test_the_first_picture_does_not_wait_for_the_whole_prediction(uploads: DroppedFiles) -> None:
    network = InParts()
    tab = build(network)
    untold = replace(uploads, true_mask=None, true_depth=None)
    answer = tab.answer(asking(untold))
    assert (
        "100%" in answer["message"]["found"]
        and answer["message"]["found"] in (answer["message"]["text"])
    )
    assert answer["scene"]["size"] == [WIDTH, HEIGHT]
    rest = tab.rest(json.dumps(answer["scene"]["pair"]))
    assert "50%" in rest["found"] and "maps" in rest["files"]
    again = tab.answer(asking(untold))
    assert "50%" in again["message"]["text"] and not again["took"], "what is finished stays"
    assert len(network.pairs) == 1


def test_what_is_saved_or_measured_is_the_whole_prediction(uploads: DroppedFiles) -> None:
    untold = replace(uploads, true_mask=None, true_depth=None)
    tab = build(InParts())
    tab.answer(asking(untold))
    saved = tab.save(asking(untold), "mask", None, "found")
    assert np.asarray(Image.open(saved["path"])).mean() == 255 / 2
    measured = build(InParts()).answer(asking(uploads))
    assert measured["scene"]["figures"]["iou"]["value"] == 0.5


def test_the_page_has_a_jpeg_itself(uploads: DroppedFiles, tmp_path: Path) -> None:
    tab, photo = build(), tmp_path / "photo.png"
    assert "image" in tab.answer(asking(uploads))["scene"]["first"]
    Image.open(str(uploads.image)).convert("RGB").save(photo, "JPEG")  # by content, not by name
    scene = tab.answer(asking(replace(uploads, image=str(photo))))["scene"]
    assert "image" not in scene["first"]
    assert "image" in tab.rest(json.dumps(scene["pair"]))["files"]
    turned = tmp_path / "turned.jpg"
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>3</tiff:Orientation></x:xmpmeta>'
    Image.open(str(uploads.image)).convert("RGB").save(turned, xmp=xmp)
    answer = tab.answer(asking(replace(uploads, image=str(turned))))
    assert "image" in answer["scene"]["first"], "browsers do not turn it"


def test_files_of_an_example_have_its_name() -> None:
    bear = next(each for each in find_examples() if each.name == "teddy")
    answer = build(examples=[bear]).save(asking(DroppedFiles(*bear.files)), "mask", None, "found")
    assert answer["name"] == "teddy-mask.png"


def test_the_convention_is_on_the_page_in_full() -> None:
    assert CONVENTION in markup([])


def test_who_waits_is_told_the_place() -> None:
    assert waiting(Wait(2, 3, None)) == "Waiting: place 2 of 3."
    assert waiting(Wait(1, 1, 0.2)) == "Waiting: place 1 of 1, about 1 s."
