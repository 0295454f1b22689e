"""The demo as a visitor meets it."""

import base64
import io
import os
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from depthmask.app import build_demo
from depthmask.app.examples import find_examples
from depthmask.app.html import NEEDS_TRUTH
from depthmask.app.photos.analysis import DROP_BACKGROUND, DROP_BOTH, DROP_IMAGE, MAX_FILE_BYTES
from depthmask.app.photos.downloads import DOWNLOADS, REPORT
from depthmask.app.photos.views import DEPTH_VIEWS, MASK_VIEWS, MODEL, SLIDER, View
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture
from tests.app.browser.conftest import Visit, serve
from tests.app.pages import Fake

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]
FIGURE = re.compile(r"^\d\.\d{3}$")
FIGURES = ("#mask-figures", "#depth-figures")
EXAMPLE_SIZE = (960, 720)

DROP = """
([zone, name, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
    const target = zone.querySelector("button:has(input[type=file])");
    for (const type of ["dragenter", "dragover", "drop"]) {
        target.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true }));
    }
}
"""

WAITING = r"Waiting: place 1 of 1\."


@pytest.fixture(autouse=True)
def waits() -> None:
    expect.set_options(timeout=120_000)


def drop(page: Page, zone: str, path: Path) -> None:
    """Drops a file on a zone, with the events a mouse would cause."""
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(DROP, [page.locator(zone).element_handle(), path.name, content])


def loaded(frame: Locator) -> None:
    """Waits until a frame shows a picture that has really arrived."""
    picture = frame.locator("img").first
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", True)
    expect(picture).not_to_have_js_property("naturalWidth", 0)


def look(page: Page, panel: str, label: str) -> None:
    # forced, since the radio is drawn over by its label
    page.locator(f"#{panel}-views").get_by_role("radio", name=label, exact=True).check(force=True)


def box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).bounding_box()
    assert found is not None
    return {side: round(found[side]) for side in ("x", "y", "width", "height")}


def fetch(page: Page, name: str) -> bytes:
    """Clicks a download button and returns the bytes that arrive under the right name."""
    with page.expect_download() as info:
        page.click(f"#get-{name}")
    assert info.value.suggested_filename == DOWNLOADS[name].file
    return info.value.path().read_bytes()


def test_drops_show_results_and_figures_and_can_be_swapped(
    open_page: OpenPage, pair_folder: Path
) -> None:
    page = open_page()
    expect(page.locator("#message")).to_have_text(DROP_BOTH)
    loaded(page.locator("#examples"))
    places = ("#pair", "#examples", "#truth", "#mask", "#depth", "#downloads", "#footer")
    before = {place: box(page, place) for place in places}
    expect(page.locator("#get-cutout")).to_be_disabled()
    drop(page, "#background", pair_folder / "background.png")
    expect(page.locator("#message")).to_have_text(DROP_IMAGE)
    drop(page, "#image", pair_folder / "image.png")
    loaded(page.locator("#mask"))
    loaded(page.locator("#depth"))
    for figures in FIGURES:
        expect(page.locator(f"{figures} dd")).to_have_text(NEEDS_TRUTH)
    expect(page.locator("#about-run")).to_have_text(re.compile(r"\d\.\d\d s for 80 × 60 pixels"))
    assert {place: box(page, place) for place in places} == before, "nothing has moved"

    page.click("#truth > button")
    drop(page, "#true-mask", pair_folder / "mask.png")
    expect(page.locator("#mask-figures dd")).to_have_text(FIGURE)
    expect(page.locator("#depth-figures dd")).to_have_text(NEEDS_TRUTH)
    drop(page, "#true-depth", pair_folder / "depth.png")
    expect(page.locator("#depth-figures dd")).to_have_text(FIGURE)
    rmse = page.locator("#depth-figures dd").inner_text()
    for switch in ("#near-is-bright", "#align"):
        page.locator(f"{switch} input").check()
        expect(page.locator("#depth-figures dd")).not_to_have_text(rmse)
        rmse = page.locator("#depth-figures dd").inner_text()

    source = page.locator("#image img").get_attribute("src")
    page.click("#swap")
    expect(page.locator("#background img")).to_have_attribute("src", str(source))
    page.get_by_role("button", name="Image: Remove Image").click()
    expect(page.locator("#message")).to_have_text(DROP_IMAGE)
    expect(page.locator("#mask img")).to_have_count(0)


def test_bad_and_missing_pictures_are_told_in_words(
    open_page: OpenPage, pair_folder: Path, tmp_path: Path
) -> None:
    page = open_page()
    drop(page, "#image", pair_folder / "image.png")
    expect(page.locator("#message")).to_have_text(DROP_BACKGROUND)
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    drop(page, "#background", bad)
    expect(page.locator("#message .failed")).to_contain_text("notes.png")
    expect(page.locator("#background img")).to_have_count(0)

    heavy = tmp_path / "heavy.png"
    heavy.write_bytes((pair_folder / "background.png").read_bytes())
    os.truncate(heavy, MAX_FILE_BYTES + 1_000_000)
    page.set_input_files("#background input[type=file]", heavy)
    expect(page.locator("#message .failed")).to_contain_text("at most 25 MB")
    wide = tmp_path / "wide.png"
    Image.new("1", (10_000, 5_100)).save(wide)
    drop(page, "#background", wide)
    expect(page.locator("#message .failed")).to_contain_text("at most 50 megapixels")
    expect(page.locator("#background img")).to_have_count(0)
    drop(page, "#background", pair_folder / "background.png")
    loaded(page.locator("#mask"))
    expect(page.locator("#message .failed")).to_have_count(0)


@pytest.mark.parametrize("ending", ["tif", "heic"])
def test_what_browsers_cannot_show_has_a_stand_in(
    open_page: OpenPage, pair_folder: Path, tmp_path: Path, ending: str
) -> None:
    page = open_page()
    background = tmp_path / f"background.{ending}"
    if ending == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    Image.open(pair_folder / "background.png").save(background)
    drop(page, "#background", background)
    loaded(page.locator("#background"))
    drop(page, "#image", pair_folder / "image.png")
    loaded(page.locator("#mask"))
    expect(page.locator("#message .failed")).to_have_count(0)
    look(page, "mask", "Cut-out")  # which is made of the file itself
    expect(page.locator("#mask img")).to_have_attribute("alt", MASK_VIEWS["cutout"].alt)


def test_a_picture_of_ones_own_becomes_the_backdrop(example_page: Page, tmp_path: Path) -> None:
    look(example_page, "mask", "Backdrop")
    picture = example_page.locator("#mask img")
    expect(picture).to_have_attribute("alt", MASK_VIEWS["backdrop"].alt)
    plain = str(picture.get_attribute("src"))
    red = tmp_path / "red.png"
    Image.new("RGB", (64, 48), (200, 20, 30)).save(red)
    with example_page.expect_file_chooser() as info:
        example_page.click("#picture")
    info.value.set_files(red)
    expect(picture).not_to_have_attribute("src", plain)
    loaded(example_page.locator("#mask"))
    shown = example_page.request.get(str(picture.get_attribute("src"))).body()
    corner = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"))[0, 0].astype(int)
    assert abs(corner - (200, 20, 30)).max() < 8
    red.write_text("no picture")
    with example_page.expect_file_chooser() as info:
        example_page.click("#picture")
    info.value.set_files(red)
    expect(example_page.get_by_text("red.png", exact=False).first).to_be_visible()
    again = example_page.request.get(str(picture.get_attribute("src"))).body()
    corner = np.asarray(Image.open(io.BytesIO(again)).convert("RGB"))[0, 0].astype(int)
    assert abs(corner - (200, 20, 30)).max() < 8, "what is no picture leaves the one before"
    look(example_page, "mask", "Mask")


class Held(Fake):
    """Stands in for the network: sees nothing before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def predict(self, background: Picture, image: Picture) -> Prediction:
        assert self.go.wait(240)
        return super().predict(background, image)


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Held, str]]:
    """A page whose predictions wait, and its address."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    network = Held()
    demo = build_demo(network, find_examples(), model="held")
    yield network, serve(demo)
    network.go.set()
    demo.close(verbose=False)


def test_who_waits_is_told_the_place_in_the_queue(browser: Browser, held: tuple[Held, str]) -> None:
    network, url = held
    visit = Visit(browser, url)
    pages = [visit.open(query=f"?example={example.name}") for example in find_examples()[:3]]
    lines = [page.locator("#message") for page in pages]
    end, said = time.monotonic() + 120, [""]
    told = f".*Working…|.*Working…|{WAITING}"  # in any order
    while not re.fullmatch(told, "|".join(sorted(said, reverse=True)), re.DOTALL):
        assert time.monotonic() < end, said
        pages[0].wait_for_timeout(50)
        said = [line.inner_text().strip() for line in lines]
    network.go.set()
    for page, line in zip(pages, lines, strict=True):
        loaded(page.locator("#mask"))
        expect(line).to_contain_text("What is new")
    visit.close()
    visit.check()


def test_of_quick_clicks_the_last_one_counts(browser: Browser, held: tuple[Held, str]) -> None:
    network, url = held
    visit = Visit(browser, url)
    page = visit.open()
    for button in page.locator("#examples button").all():
        button.click()
    expect(page.locator("#message .waiting")).to_have_text("Working…")
    network.go.set()
    last = find_examples()[-1]
    shown = page.locator("#image img")
    expect(shown).to_have_attribute("src", re.compile(f"/{last.name}/{last.image.name}$"))
    expect(page.locator("#message .waiting")).to_have_text("")
    assert page.url.endswith(f"?example={last.name}")
    assert len(network.pairs) == 2, "those between the first and the last wait no longer"
    visit.close()
    visit.check()


def test_a_view_chosen_meanwhile_is_drawn(browser: Browser, held: tuple[Held, str]) -> None:
    network, url = held
    visit = Visit(browser, url)
    page = visit.open(query=f"?example={find_examples()[0].name}")
    expect(page.locator("#message .waiting")).to_have_text("Working…")
    for panel, label in (("mask", "Cut-out"), ("depth", "Blur")):
        look(page, panel, label)
    expect(page.locator("#mask img")).to_have_count(0)
    network.go.set()
    for panel, views, name in (("mask", MASK_VIEWS, "cutout"), ("depth", DEPTH_VIEWS, "blur")):
        loaded(page.locator(f"#{panel}"))
        expect(page.locator(f"#{panel} img")).to_have_attribute("alt", views[name].alt)
    visit.close()
    visit.check()


def test_a_photo_of_an_example_can_be_taken_away(open_page: OpenPage) -> None:
    page = open_page(query="?example=teddy")
    loaded(page.locator("#mask"))
    page.click("#image button[aria-label='Image: Remove Image']")
    expect(page.locator("#message")).to_have_text(DROP_IMAGE)
    expect(page.locator("#mask img")).to_have_count(0)
    expect(page.locator("#get-mask")).to_be_disabled()
    for figures in FIGURES:
        expect(page.locator(f"{figures} dd")).to_have_text(NEEDS_TRUTH)


def test_a_colour_can_be_typed(open_page: OpenPage) -> None:
    page = open_page(query="?example=teddy")
    look(page, "mask", "Backdrop")
    picture = page.locator("#mask img")
    expect(picture).to_have_attribute("alt", MASK_VIEWS["backdrop"].alt)
    green = str(picture.get_attribute("src"))
    before = box(page, "#mask-figures")
    page.click("#colour button")
    field = page.locator("#colour input[type=text]")
    expect(field).to_be_visible()
    assert box(page, "#mask-figures") == before, "the picker opens over what is there"
    field.fill("#0000ff")
    field.press("Enter")
    expect(picture).not_to_have_attribute("src", green)
    shown = page.request.get(str(picture.get_attribute("src"))).body()
    corner = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"))[0, 0].astype(int)
    assert abs(corner - (0, 0, 255)).max() < 8


def test_a_link_to_an_example_shows_it(example_page: Page) -> None:
    assert example_page.locator("#examples button").count() == len(find_examples())
    for frame in ("#background", "#image", "#mask", "#depth"):
        loaded(example_page.locator(frame))
    for other in ("#mask-slider", "#depth-model"):  # no empty frame beside them
        expect(example_page.locator(other)).not_to_be_visible()
    for figures in FIGURES:
        expect(example_page.locator(f"{figures} dd")).to_have_text(FIGURE)


@pytest.mark.parametrize(("panel", "views"), [("mask", MASK_VIEWS), ("depth", DEPTH_VIEWS)])
def test_every_view_has_its_picture(example_page: Page, panel: str, views: dict[str, View]) -> None:
    sources = set()
    for name, view in [*views.items()][::-1]:  # so that the first is shown in the end
        look(example_page, panel, view.label)
        if name == MODEL:
            expect(example_page.locator("#depth-model canvas")).to_be_visible()
        elif name == SLIDER:
            loaded(example_page.locator("#mask-slider"))
        else:
            picture = example_page.locator(f"#{panel} img")
            expect(picture).to_have_attribute("alt", view.alt)
            loaded(example_page.locator(f"#{panel}"))
            sources.add(picture.get_attribute("src"))
    assert len(sources) == len(views) - 1


def test_downloads_hold_what_they_say(example_page: Page) -> None:
    cutout = Image.open(io.BytesIO(fetch(example_page, "cutout")))
    assert (cutout.mode, cutout.size) == ("RGBA", EXAMPLE_SIZE)
    alpha = np.asarray(cutout)[..., 3]
    assert alpha.min() == 0 and alpha.max() == 255
    assert 0.01 < (alpha > 127).mean() < 0.3
    depth = Image.open(io.BytesIO(fetch(example_page, "depth")))
    assert (depth.mode, depth.size) == ("I;16", EXAMPLE_SIZE)
    values = np.asarray(depth)
    assert len(np.unique(values)) > 1000, "more than 8 bits can tell apart"
    with zipfile.ZipFile(io.BytesIO(fetch(example_page, "all"))) as archive:
        assert REPORT in archive.namelist()
        exact = np.load(io.BytesIO(archive.read("depth.npy")))
        assert archive.read("scene.glb")[:4] == b"glTF"
    assert abs(values / 65535 - exact).max() < 1e-4
    expect(example_page.locator("#get-all")).to_have_text(DOWNLOADS["all"].label)


def test_results_survive_a_look_at_another_tab(example_page: Page) -> None:
    photos, model = (example_page.get_by_role("tab", name=name) for name in ("Photos", "Model"))
    model.click()
    expect(example_page.locator("#card h1")).to_be_visible()
    loaded(example_page.locator("#card"))
    expect(example_page.locator("#mask")).not_to_be_visible()
    photos.click()
    loaded(example_page.locator("#mask"))
    expect(example_page.locator("#mask-figures dd")).to_have_text(FIGURE)
    example_page.click("#footer a")
    expect(example_page.locator("#card h1")).to_be_visible()
    photos.click()


def test_an_example_leaves_no_truth_behind(open_page: OpenPage, pair_folder: Path) -> None:
    page = open_page(query="?example=nonsense")
    expect(page.locator("#message .failed")).to_contain_text("no example called nonsense")
    page.locator("#examples button").first.click()
    expect(page.locator("#mask-figures dd")).to_have_text(FIGURE)
    assert page.url.endswith("?example=teddy")
    drop(page, "#image", pair_folder / "image.png")
    for figures in FIGURES:
        expect(page.locator(f"{figures} dd")).to_have_text(NEEDS_TRUTH)
    expect(page.locator("#message .failed")).to_have_count(0)


def test_a_dark_phone_scrolls_in_one_direction_only(open_page: OpenPage) -> None:
    page = open_page(width=390, height=844, dark=True, query="?example=teddy")
    loaded(page.locator("#depth"))
    page.click("#truth > button")
    loaded(page.locator("#true-mask"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = {
        box(page, f"#{panel}-views .wrap >> nth=-1")["height"] for panel in ("mask", "depth")
    }
    assert len(heights) == 1, "the views of either panel take one row"
    assert max(page_colour(page)) < 40


def test_light_follows_the_system_and_the_convention_unfolds(example_page: Page) -> None:
    assert min(page_colour(example_page)) > 240
    expect(example_page.locator("#convention summary")).to_contain_text("1 is the farthest")
    example_page.click("#convention summary")
    expect(example_page.locator("#convention details p")).to_be_visible()


def page_colour(page: Page) -> list[int]:
    colour = page.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor")
    return [int(value) for value in re.findall(r"\d+", colour)[:3]]


def test_programs_can_ask_for_a_prediction(demo_url: str) -> None:
    client = Client(demo_url, verbose=False)
    (example, *_) = find_examples()
    mask, depth, cutout, report = client.predict(
        handle_file(example.background), handle_file(example.image), api_name="/predict"
    )
    assert report["image"] == {"width": 960, "height": 720}
    with Image.open(mask) as picture:
        assert picture.mode == "L"
    with Image.open(depth) as picture:
        assert picture.mode == "I;16"
    with Image.open(cutout) as picture:
        assert picture.mode == "RGBA"
    with pytest.raises(Exception, match="cannot be used"):
        client.predict(handle_file(__file__), handle_file(example.image), api_name="/predict")
    client.close()
