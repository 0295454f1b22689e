"""The batch tab as a visitor meets it: one page, on which one batch follows another."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from depthmask.app import build_demo
from depthmask.app.batch.server import CLIP_DONE, BatchServer
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture
from tests.app.browser.conftest import WAIT_LIMIT_MS, Visit, serving
from tests.app.browser.dragging import drag
from tests.app.pages import Fake

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VIDEO = "import sys; open(sys.argv[sys.argv.index('-o') + 1], 'w').write('a clip')"


class Gated(Fake):
    """Predicts as long as the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def predict(self, background: Picture, image: Picture) -> Prediction:
        assert self.gate.wait(60)
        return super().predict(background, image)


@pytest.fixture(scope="module")
def predictor() -> Gated:
    return Gated()


@pytest.fixture(scope="module")
def visit(
    browser: Browser, predictor: Gated, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Visit, Page]]:
    video = [sys.executable, "-c", VIDEO]
    cache = tmp_path_factory.mktemp("cache")
    with serving(cache, lambda: build_demo(predictor, [], model="fake", video=video)) as url:
        visit = Visit(browser, url)
        page = visit.open()
        yield visit, page
        visit.close()


@pytest.fixture
def page(visit: tuple[Visit, Page]) -> Iterator[Page]:
    yield visit[1]
    visit[0].check()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A background and three images, of which the second is none."""
    folder = tmp_path_factory.mktemp("photos")
    found = [folder / f"{name}.png" for name in ("empty", "first", "notes", "last")]
    for place, path in enumerate(found):
        Image.new("RGB", (64, 48), (60 + 40 * place,) * 3).save(path)
    found[2].write_text("no picture")
    return found


def part(page: Page, name: str) -> Locator:
    return page.locator(f"[data-batch={name}]")


def tiles(page: Page) -> Locator:
    return page.locator("#batch .gallery li")


def test_many_photos_on_the_photos_tab_are_sent_here(page: Page, photos: list[Path]) -> None:
    drag(page, *photos)
    expect(page.locator("#message")).to_contain_text("The Batch tab takes many images.")
    page.get_by_role("tab", name="Batch").click()
    expect(part(page, "root")).to_have_attribute("data-ready", "")
    assert page.url.endswith("#batch")
    expect(part(page, "start")).to_be_disabled()


def test_results_arrive_and_one_file_has_them_all(page: Page, photos: list[Path]) -> None:
    background, *images = photos
    drag(page, background)
    expect(page.locator("#batch-background img")).to_be_visible()
    drag(page, *images)
    expect(page.locator("#batch-images .count")).to_have_text("3 photos")
    page.locator("#batch [value=depth]").uncheck()
    part(page, "start").press("Enter")
    expect(part(page, "message")).to_have_text("2 images done. 1 failed: its tile says why.")
    expect(tiles(page)).to_have_count(3)
    expect(page.locator("#batch .gallery .failed .name")).to_have_text("notes.png")
    with page.expect_download() as download:
        part(page, "file").locator("a").click()
    assert download.value.suggested_filename == "depthmask.zip"
    assert download.value.path().read_bytes().startswith(b"PK")


def test_cancel_keeps_what_is_done(page: Page, predictor: Gated) -> None:
    predictor.gate.clear()
    part(page, "start").click()
    expect(part(page, "far")).to_have_text("0 of 3 images.")
    expect(page.locator("#batch-images [data-do=remove]")).to_be_disabled()
    part(page, "stop").click()
    predictor.gate.set()
    expect(part(page, "message")).to_have_text("Stopped after 1 of 3 images.")
    expect(tiles(page)).to_have_count(1)
    expect(part(page, "file").locator("a")).to_be_visible()


def test_a_clip_is_played(page: Page, tmp_path: Path) -> None:
    clip = tmp_path / "walk.mp4"
    clip.write_bytes(b"\0\0\0\x18ftypmp42")
    drag(page, clip)
    expect(part(page, "outputs")).to_be_hidden()
    part(page, "look").select_option("white")
    part(page, "start").click()
    expect(part(page, "message")).to_have_text(CLIP_DONE)
    expect(page.get_by_label("walk-composite.mp4")).to_be_visible()
    expect(part(page, "file").locator("a")).to_contain_text("walk-composite.mp4")


def test_a_closed_page_tells_the_server(
    visit: tuple[Visit, Page],
    predictor: Gated,
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    answer = BatchServer.answer

    async def listen(server: BatchServer, message: Any) -> Any:
        told.append(message["do"])
        return await answer(server, message)

    monkeypatch.setattr(BatchServer, "answer", listen)
    page = visit[0].open(query="#batch")
    expect(part(page, "root")).to_have_attribute("data-ready", "")
    page.locator("#batch-background input").set_input_files(photos[0])
    page.locator("#batch-images input").set_input_files(photos[1:])
    predictor.gate.clear()
    part(page, "start").click()
    expect(part(page, "far")).to_have_text("0 of 3 images.")
    page.on("dialog", lambda dialog: dialog.accept())  # the browser asks before it leaves
    page.goto("about:blank")
    for _ in range(WAIT_LIMIT_MS // 200):
        if "leave" in told:
            break
        page.wait_for_timeout(200)
    predictor.gate.set()
    assert "leave" in told
