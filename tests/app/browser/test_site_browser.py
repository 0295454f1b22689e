"""The static page of web/ in a browser: it predicts as Python does, and works offline."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from depthmask.app.examples import Example, find_examples
from depthmask.app.photos.analysis import analyse
from depthmask.app.photos.dropped import DroppedFiles
from depthmask.app.prediction_cache import PredictionCache
from depthmask.inference.predictor import Predictor
from depthmask.pictures import read_picture
from tests.app.browser.conftest import WAIT_LIMIT_MS
from tests.app.browser.dragging import drag, drag_text
from tests.app.browser.test_accessibility import RUN
from tools.axe import MISSING as NO_AXE
from tools.axe import find_axe
from tools.build_site import DIST, MISSING, is_built

pytestmark = pytest.mark.browser
EXAMPLES = find_examples()
DEPTH = "[data-picture=depth]"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


class Host:
    """A plain host of files, as any static one; it sends no headers that would isolate the page."""

    def __init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(DIST)))
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    if not is_built():
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    host = Host()
    yield host
    host.stop()


@pytest.fixture(scope="module")
def page(browser: Browser, host: Host) -> Iterator[Page]:
    """One visit for all tests; no request may leave this computer, and no script may fail."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    asked: list[str] = []
    failures: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.set_default_timeout(WAIT_LIMIT_MS)
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(host.url)
    page.wait_for_selector(f"{DEPTH}[data-drawn]")
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((host.url, "data:", "blob:"))] == []
    assert failures == []


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(quality="fast", backend="onnxruntime")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_has_the_figures_of_python(
    page: Page, predictor: Predictor, example: Example
) -> None:
    wanted = analyse(predictor, PredictionCache(), DroppedFiles(*example.files))
    with drawn_anew(page):
        page.click(f"#examples [data-name={example.name}]")
    iou, rmse = (figure(page, tile) for tile in ("mask", "depth"))
    assert iou == pytest.approx(wanted.iou, abs=0.005)
    assert rmse == pytest.approx(wanted.rmse, abs=0.01)
    assert page.inner_text("#message") == wanted.message
    assert page.url.endswith(f"#example={example.name}")


def test_two_dropped_photos_are_put_in_order(page: Page) -> None:
    desk = next(example for example in EXAMPLES if example.name == "desk")
    with drawn_anew(page):
        drag(page, desk.image, desk.background)
    assert page.inner_text("#message").startswith("The two photos were put in this order;")
    assert page.get_attribute("#image img", "alt") == "Image: image.jpg"
    page.wait_for_selector("[data-download=cutout]:enabled")
    for name, depth in (("cutout", (8, 6)), ("depth", (16, 0))):
        with page.expect_download() as download:
            page.click(f"[data-download={name}]")
        assert download.value.suggested_filename == f"image-{name}.png"
        head = Path(download.value.path()).read_bytes()[:26]
        assert (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) == (960, 640)
        assert tuple(head[24:]) == depth  # bits of a channel, and kind of the colours
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("[data-share=copy]")
    page.wait_for_selector("[data-share=copy]:text('Copied')")
    check_link(page, str(page.evaluate("navigator.clipboard.readText()")))


def check_link(page: Page, link: str) -> None:
    """Opens it as somebody else does: the result is there without the network, until photos are."""
    assert link.startswith(page.url.split("#")[0] + "#result=")
    other = page.context.new_page()
    other.set_default_timeout(WAIT_LIMIT_MS)
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    other.goto(link)
    other.wait_for_selector(f"{DEPTH}[data-drawn]")
    assert other.inner_text("#message").startswith("This result came with the link")
    assert not [url for url in asked if url.endswith((".onnx", ".wasm"))]
    other.goto(link[:-40])  # the same page, with another address
    other.wait_for_selector("#message.failed")
    assert "This link is not whole" in other.inner_text("#message")
    drag(other, EXAMPLES[0].background)
    other.wait_for_selector(".runtime :text('Runs here')")
    assert "#result" not in other.url
    other.close()


def test_a_background_is_learned_from_several_photos(
    page: Page, predictor: Predictor, tmp_path: Path
) -> None:
    desk = next(example for example in EXAMPLES if example.name == "desk")
    empty = read_picture(desk.background)
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):  # something passes through the scene
        photo = empty.copy()
        photo[200:420, 180 * number : 180 * number + 150] = (220, 40, 30)
        Image.fromarray(photo).save(path)
    first, *others = map(str, paths)
    files = DroppedFiles(first, str(desk.image), more_backgrounds=tuple(others))
    wanted = analyse(predictor, PredictionCache(), files)
    drag(page, *paths, onto="#background")
    drag(page, desk.image, onto="#image")
    expect(page.locator("#message")).to_have_text(wanted.message)
    assert page.inner_text("#background .count") == "4 photos"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_has_no_serious_fault_of_accessibility(page: Page, width: int) -> None:
    axe = find_axe()
    if axe is None:
        pytest.skip(NO_AXE)
    page.evaluate(axe)
    size = page.viewport_size
    page.set_viewport_size({"width": width, "height": 900})
    found = {}
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        found[scheme] = page.evaluate(RUN)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(size or {"width": 1440, "height": 900})
    assert found == {scheme: [] for scheme in SCHEMES}


def test_a_file_that_is_no_picture_is_told(page: Page, tmp_path: Path) -> None:
    letter = tmp_path / "letter.jpg"
    letter.write_text("no picture")
    drag(page, letter, onto="#image")
    page.wait_for_selector("#message.failed")
    assert "letter.jpg is no picture that this browser can read" in page.inner_text("#message")


def write_useless(folder: Path) -> dict[Path, str]:
    """Files that are told to be no use before they are decoded, and by which words."""
    empty, bomb, pictures = folder / "empty.png", folder / "bomb.png", folder / "pictures"
    empty.touch()
    pictures.mkdir()
    Image.new("1", (20_000, 20_000)).save(bomb)
    return {
        empty: "empty.png is empty; copy or download it again.",
        bomb: "bomb.png has 20000 × 20000 pixels, and at most 50 megapixels are read",
        pictures: "pictures cannot be read: it is a folder, or was moved",
    }


def test_what_is_no_use_is_told_and_changes_nothing(page: Page, tmp_path: Path) -> None:
    message = page.locator("#message")
    page.click("#examples [data-name=teddy]")
    expect(message).to_contain_text("What is new covers")
    page.wait_for_selector(f"{DEPTH}[data-drawn]")
    for path, words in write_useless(tmp_path).items():
        drag(page, path, onto="#image")
        expect(message).to_contain_text(words)
        expect(message).to_have_class(re.compile("failed"))
    address = "https://example.org/photo.jpg"
    drag_text(page, address, kind="text/uri-list", onto="#image")
    expect(message).to_contain_text("This page fetches nothing from other sites")
    for text, kind in (("a word", "text/plain"), ("file:///photo.jpg", "text/uri-list")):
        drag_text(page, address, kind="text/uri-list")
        expect(message).to_contain_text("This page fetches nothing from other sites")
        drag_text(page, text, kind=kind)
        expect(message).to_have_text("That is no picture: drop a photo.")
    assert page.get_attribute("#image img", "alt") == "Image: teddy-image"
    assert page.url.endswith("#example=teddy")
    expect(page.locator(".photos.solved")).to_have_count(1)


def test_photos_that_are_odd_are_predicted_or_told(page: Page, tmp_path: Path) -> None:
    """A photo that is cut short, one of a pixel, and one with a very long name."""
    message, whole = page.locator("#message"), EXAMPLES[0]
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.image.read_bytes()[:20_000])
    drag(page, whole.background, cut)
    expect(message).to_contain_text("cut.jpg is damaged or cut short; save or download it again.")
    dot = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(dot)
    drag(page, whole.background, onto="#background")
    drag(page, dot, onto="#image")
    expect(message).to_contain_text("The image is almost black")
    named = tmp_path / f"{'é漢' * 49}.jpg"
    named.write_bytes(whole.image.read_bytes())
    size = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 900})
    drag(page, named, onto="#image")
    expect(page.locator("#image img")).to_have_attribute("alt", f"Image: {named.name}")
    expect(message).to_have_text(re.compile("^(?!.*almost black).*What is new covers"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.wait_for_selector("[data-download=mask]:enabled")
    with page.expect_download() as download:
        page.click("[data-download=mask]")
    assert download.value.suggested_filename == f"{named.stem}-mask.png"
    page.set_viewport_size(size or {"width": 1440, "height": 900})


def test_the_page_works_offline_and_with_threads(page: Page, host: Host) -> None:
    host.stop()
    page.goto(f"{host.url}?visit=2#example=doorstep")
    page.wait_for_selector(f"{DEPTH}[data-drawn]")
    assert figure(page, "mask") > 0.9
    assert page.evaluate("crossOriginIsolated"), "WASM has one thread otherwise"
    assert "Runs here by WASM" in page.inner_text(".runtime")


@contextmanager
def drawn_anew(page: Page) -> Iterator[None]:
    """Waits until another scene is drawn than the one before."""
    before = int(str(page.get_attribute(DEPTH, "data-drawn")).split()[-1])
    yield
    page.wait_for_selector(f"{DEPTH}[data-drawn='depth {before + 1}']")


def figure(page: Page, tile: str) -> float:
    return float(page.inner_text(f"[data-tile={tile}] .stage-figure dd >> nth=0"))
