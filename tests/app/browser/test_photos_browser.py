"""The photos tab as a visitor meets it, with drags as a mouse makes them."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from depthmask.app import build_demo, cache_files
from depthmask.app.examples import find_examples
from depthmask.app.photos.analysis import DROP_BACKGROUND, DROP_BOTH, DROP_IMAGE
from depthmask.app.photos.dropped import MAX_FILE_BYTES
from depthmask.errors import PictureError
from depthmask.inference.light import NOT_MATCHED
from depthmask.inference.pair_quality import PairQuality, PairReport
from depthmask.inference.predictor import Prediction
from depthmask.inference.registration import NOT_REGISTERED
from depthmask.pictures import Picture
from depthmask.pictures.web import WebFile
from tests.app.browser.conftest import WAIT_LIMIT_MS, Visit, serving
from tests.app.browser.dragging import drag, drag_text
from tests.app.browser.test_site_browser import write_useless
from tests.app.pages import Fake, InParts

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]


@pytest.fixture(autouse=True)
def waits() -> None:
    expect.set_options(timeout=WAIT_LIMIT_MS)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a page that needs no weights."""
    cache = tmp_path_factory.mktemp("cache")
    with serving(cache, lambda: build_demo(Fake(), find_examples(), model="fake")) as address:
        yield address


@pytest.fixture
def open_photos(browser: Browser, url: str) -> Iterator[OpenPage]:
    visit = Visit(browser, url)
    yield visit.open
    visit.close()
    visit.check()


@pytest.fixture
def empty_page(open_photos: OpenPage) -> Page:
    page = open_photos()
    expect(message(page)).to_have_text(DROP_BOTH)
    return page


def message(page: Page) -> Locator:
    return page.locator("#message")


def solved(page: Page) -> None:
    expect(page.locator(".photos.solved")).to_have_count(1)


def named(page: Page, zone: str, name: str) -> None:
    """Waits until a zone shows the picture of this name."""
    expect(page.locator(f"{zone} img")).to_have_attribute("alt", re.compile(f": {name}$"))
    expect(page.locator(f"{zone} img")).not_to_have_js_property("naturalWidth", 0)


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    """Photos of one size in several greys."""
    found = {}
    for place, name in enumerate(("empty", "full", "later", "other")):
        found[name] = tmp_path / f"{name}.png"
        Image.new("RGB", (64, 48), (60 + 40 * place,) * 3).save(found[name])
    return found


def test_a_file_dropped_on_a_picture_replaces_it(empty_page: Page, photos: dict[str, Path]) -> None:
    page = empty_page
    drag(page, photos["empty"], onto="#background")
    expect(message(page)).to_have_text(DROP_IMAGE)
    drag(page, photos["full"], onto="#image")
    solved(page)
    drag(page, photos["later"], onto="#image")
    named(page, "#image", "later.png")
    named(page, "#background", "empty.png")
    expect(message(page)).to_contain_text("What is new")
    assert len(page.context.pages) == 1


def test_what_is_dropped_beside_the_zones_finds_its_place(
    empty_page: Page, photos: dict[str, Path]
) -> None:
    page = empty_page
    address = page.url
    for name, zone in (("empty", "#background"), ("full", "#image"), ("later", "#image")):
        drag(page, photos[name])
        named(page, zone, f"{name}.png")
    solved(page)
    assert page.url == address and len(page.context.pages) == 1


def test_two_files_at_once_fill_both_zones(empty_page: Page, photos: dict[str, Path]) -> None:
    page = empty_page
    drag(page, photos["empty"], photos["full"])
    solved(page)
    assert {
        page.locator(f"{zone} img").get_attribute("alt") for zone in ("#background", "#image")
    } == {"Background: empty.png", "Image: full.png"}
    drag(page, photos["later"], photos["other"], onto="#image")
    named(page, "#image", "other.png")
    named(page, "#background", "later.png")
    drag(page, *photos.values())
    expect(message(page)).to_contain_text("two at once")
    named(page, "#image", "other.png")


def test_several_files_on_the_background_are_one(empty_page: Page, photos: dict[str, Path]) -> None:
    page = empty_page
    empty = [photos[name] for name in ("empty", "later", "other")]
    drag(page, *empty)
    expect(message(page)).to_contain_text(
        "Drop several photos of the empty scene on the background"
    )
    expect(page.locator("#background img")).to_have_count(0)
    drag(page, *empty, onto="#background")
    named(page, "#background", "3 photos of the empty scene")
    expect(page.locator("#background .count")).to_have_text("3 photos")
    expect(message(page)).to_have_text(DROP_IMAGE)
    drag(page, photos["full"], onto="#image")
    solved(page)
    expect(page.get_by_role("button", name="Swap")).to_be_disabled()
    drag(page, photos["later"])  # a new image of the same scene
    named(page, "#image", "later.png")
    named(page, "#background", "3 photos of the empty scene")
    page.get_by_role("button", name="Remove the background").click()
    expect(page.locator("#background .count, #background img")).to_have_count(0)
    expect(message(page)).to_have_text(DROP_BACKGROUND)
    page.locator("#background input").set_input_files(empty[:2])
    named(page, "#background", "2 photos of the empty scene")
    solved(page)
    drag(page, photos["empty"], onto="#background")
    named(page, "#background", "empty.png")
    expect(page.locator("#background .count")).to_have_count(0)


def test_too_many_photos_of_the_empty_scene_are_told(
    empty_page: Page, photos: dict[str, Path]
) -> None:
    page = empty_page
    page.locator("#background input").set_input_files([photos["empty"]] * 25)
    expect(message(page)).to_contain_text("at most 24 photos")
    expect(page.locator("#background img")).to_have_count(0)


def test_a_drag_is_seen_and_can_end_without_a_drop(
    empty_page: Page, photos: dict[str, Path]
) -> None:
    page = empty_page
    drag(page, photos["empty"], onto="#image", drop=False)
    expect(page.locator(".dragged")).to_be_visible()
    expect(page.locator("#image")).to_have_class(re.compile("aimed"))
    drag(page, photos["empty"], drop=False)
    expect(page.locator("#background")).to_have_class(re.compile("aimed"))
    page.mouse.move(10, 10)
    expect(page.locator(".dragged")).not_to_be_visible()


def test_pictures_are_pasted(empty_page: Page) -> None:
    page = empty_page
    for zone in ("#background", "#image"):
        page.evaluate("""async () => {
            const canvas = new OffscreenCanvas(40, 30);
            canvas.getContext("2d").fillRect(0, 0, 20, 30);
            const content = await canvas.convertToBlob();
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([content], "pasted.png", { type: "image/png" }));
            const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true });
            document.body.dispatchEvent(paste);
        }""")
        named(page, zone, "pasted.png")
    solved(page)


def test_the_keyboard_chooses_and_removes(empty_page: Page, photos: dict[str, Path]) -> None:
    page = empty_page
    with page.expect_file_chooser() as info:
        page.locator("#background .field").press("Enter")
    info.value.set_files(photos["empty"])
    named(page, "#background", "empty.png")
    expect(page.locator("#background .field")).to_have_accessible_name(
        "Background: empty.png; choose another file"
    )
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Remove the background")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#background img")).to_have_count(0)
    expect(page.locator("#background .field")).to_be_focused()
    expect(message(page)).to_have_text(DROP_BOTH)


def test_bad_files_are_told_in_words(
    empty_page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    page = empty_page
    drag(page, photos["full"], onto="#image")
    expect(message(page)).to_have_text(DROP_BACKGROUND)
    bad, heavy = tmp_path / "notes.png", tmp_path / "heavy.png"
    bad.write_text("no picture")
    drag(page, bad, onto="#background")
    expect(message(page)).to_contain_text("notes.png")
    expect(message(page)).to_have_class(re.compile("failed"))
    expect(page.locator("#background img")).to_have_count(0)
    heavy.write_bytes(bytes(MAX_FILE_BYTES + 1))
    drag(page, heavy, onto="#background")
    expect(message(page)).to_contain_text("heavy.png has 26 MB; a picture may have at most 25 MB")
    expect(page.locator("#background img")).to_have_count(0)
    drag(page, photos["empty"])
    solved(page)
    expect(message(page)).not_to_have_class(re.compile("failed"))


def test_what_is_no_use_is_told_and_changes_nothing(
    empty_page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    page = empty_page
    drag(page, photos["empty"], photos["full"])
    solved(page)
    (tmp_path / "useless").mkdir()
    for path, words in write_useless(tmp_path / "useless").items():
        drag(page, path, onto="#image")
        expect(message(page)).to_contain_text(words)
        expect(message(page)).to_have_class(re.compile("failed"))
    drag_text(page, "a word", onto="#background")
    expect(message(page)).to_have_text("That is no picture: drop a photo.")
    named(page, "#background", "empty.png")
    named(page, "#image", "full.png")
    drag(page, photos["later"], onto="#image")
    named(page, "#image", "later.png")
    expect(message(page)).to_contain_text("What is new")


def test_a_picture_browsers_cannot_show_has_a_stand_in(
    empty_page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    scan = tmp_path / "scan.tif"
    Image.open(photos["empty"]).save(scan)
    drag(empty_page, scan)
    named(empty_page, "#background", "scan.tif")


def test_an_example_leaves_with_the_first_photo_of_ones_own(
    open_photos: OpenPage, photos: dict[str, Path]
) -> None:
    name = find_examples()[0].name
    page = open_photos(query=f"?example={name}")
    solved(page)
    expect(page.locator(f"#examples [data-name={name}]")).to_have_attribute("aria-pressed", "true")
    drag(page, photos["full"], onto="#image")
    expect(message(page)).to_have_text(DROP_BACKGROUND)
    for zone in ("#background", "#true-mask", "#true-depth"):
        expect(page.locator(f"{zone} img")).to_have_count(0)
    assert "example" not in page.url


def test_swapped_twice_an_example_has_its_truth_again(open_photos: OpenPage) -> None:
    page = open_photos(query=f"?example={find_examples()[0].name}")
    solved(page)
    figure = page.locator("#stage").get_by_text(re.compile(r"^0\.\d{3}$"))
    expect(figure).to_have_count(2)
    before = figure.all_inner_texts()
    page.click("#swap")
    expect(message(page)).to_contain_text("belong to the other photo")
    expect(figure).to_have_count(0)
    page.click("#swap")
    expect(figure).to_have_count(2)
    assert figure.all_inner_texts() == before


def test_an_unknown_example_is_told(open_photos: OpenPage) -> None:
    page = open_photos(query="?example=nonsense")
    expect(message(page)).to_contain_text("no example called nonsense")


def test_a_link_to_an_example_is_copied(open_photos: OpenPage) -> None:
    page = open_photos(query="?example=desk")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    solved(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert page.url.endswith("?example=desk")


def test_the_address_opens_a_tab_and_tells_it(open_photos: OpenPage) -> None:
    page = open_photos(query="#model")
    expect(page.locator("#card")).to_be_visible()
    page.get_by_role("tab", name="Photos").click()
    expect(page.locator("#background")).to_be_visible()
    assert page.url.endswith("#photos")
    page.locator("#footer").scroll_into_view_if_needed()
    page.evaluate("window.location.hash = 'model'")
    expect(page.locator("#card")).to_be_visible()


def test_photos_come_from_another_tab(open_photos: OpenPage) -> None:
    page = open_photos(query="#model")
    expect(page.locator("#card")).to_be_visible()
    page.evaluate("""async () => {
        const canvas = new OffscreenCanvas(40, 30);
        canvas.getContext("2d").fillRect(0, 0, 20, 30);
        const content = await canvas.convertToBlob();
        const [background, image] = ["empty", "frame"].map(
            (name) => new File([content], `${name}.png`));
        const detail = { background, image };
        document.dispatchEvent(new CustomEvent("depthmask:photos", { detail }));
    }""")
    named(page, "#image", "frame.png")
    named(page, "#background", "empty.png")
    expect(page.locator("#background")).to_be_visible()


def test_a_new_background_waits_for_its_image(
    empty_page: Page, photos: dict[str, Path], tmp_path: Path
) -> None:
    page = empty_page
    drag(page, photos["full"], onto="#image")
    expect(message(page)).to_have_text(DROP_BACKGROUND)
    drag(page, photos["empty"], onto="#background")
    solved(page)
    expect(message(page)).not_to_contain_text("earlier")
    drag(page, photos["later"], onto="#background")
    expect(message(page)).to_contain_text("Compared with the earlier image.")
    upright = tmp_path / "upright.png"
    Image.new("RGB", (48, 64), (90, 90, 90)).save(upright)
    drag(page, upright, onto="#background")
    expect(message(page)).to_contain_text("Now drop the image of this background")
    expect(page.locator(".photos.solved")).to_have_count(0)


def test_truth_goes_with_its_image(empty_page: Page, photos: dict[str, Path]) -> None:
    page = empty_page
    drag(page, photos["empty"], photos["full"])
    solved(page)
    page.click("#truth summary")
    truth = Image.new("L", (64, 48))
    truth.paste(255, (10, 10, 40, 40))
    truth.save(photos["other"])
    drag(page, photos["other"], onto="#true-mask")
    figure = page.locator("#stage dd").get_by_text(re.compile(r"^\d\.\d{3}$"))
    expect(figure).to_have_count(1)
    drag(page, photos["later"], onto="#image")
    expect(message(page)).to_contain_text("The true mask went with the earlier image.")
    expect(figure).to_have_count(0)
    expect(page.locator("#true-mask img")).to_have_count(0)


def test_an_address_is_fetched_by_the_server(
    empty_page: Page, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(address: str, *, max_bytes: int) -> WebFile:
        if "missing" in address:
            raise PictureError("There is no such picture.")
        return WebFile("web.png", photos["empty"].read_bytes())

    monkeypatch.setattr(cache_files, "fetch", fetch)
    page, field = empty_page, empty_page.get_by_label("Address of a picture")
    field.fill("https://example.org/missing.png")
    field.press("Enter")
    expect(message(page)).to_contain_text("There is no such picture.")
    field.fill("https://example.org/web.png")
    page.get_by_role("button", name="Add").click()
    named(page, "#background", "web.png")
    expect(message(page)).to_have_text(DROP_IMAGE)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1920, 1080)])
def test_all_results_are_seen_at_once(open_photos: OpenPage, width: int, height: int) -> None:
    page = open_photos(width=width, height=height, query=f"?example={find_examples()[0].name}")
    solved(page)
    figures = page.locator("#stage dd").get_by_text(re.compile(r"^\d\.\d{3}$"))
    expect(figures).to_have_count(2)
    seen = [*figures.all(), page.locator("#image img")]
    seen += page.locator("[data-picture=mask], [data-picture=depth]").all()
    for part in seen:
        expect(part).to_be_in_viewport(ratio=0.99)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_pictures_grow_with_the_window(open_photos: OpenPage) -> None:
    page = open_photos(width=1440, height=1300, query="?example=desk")
    solved(page)
    picture = page.locator("[data-picture=mask]")
    small = picture.bounding_box()
    page.set_viewport_size({"width": 2200, "height": 1300})
    large = picture.bounding_box()
    assert small is not None and large is not None and large["width"] > small["width"]


@pytest.mark.parametrize("width", [320, 390, 640, 1280])
def test_nothing_is_small_or_wider_than_the_window(open_photos: OpenPage, width: int) -> None:
    """320 pixels are a phone, or 1280 at a zoom of 400 %; 640 are 1280 at 200 %."""
    page = open_photos(width=width, height=700, query=f"?example={find_examples()[0].name}")
    solved(page)
    page.click("#truth summary")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in ("#background", "#image", "#swap", "#stage", "#true-depth"):
        box = page.locator(part).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width, part
    small = page.evaluate("""() => [...document.querySelectorAll("#photos *")].filter((each) => {
        const { width, height } = each.getBoundingClientRect();
        if (!width || !height) return false;
        const written = [...each.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (written && parseFloat(getComputedStyle(each).fontSize) < 12) return true;
        return each.tagName === "BUTTON" && Math.min(width, height) < 24;
    }).map((each) => each.outerHTML.slice(0, 120))""")
    assert small == []


def test_on_a_phone_the_result_follows_the_photos_and_comes_into_view(
    open_photos: OpenPage, photos: dict[str, Path]
) -> None:
    page = open_photos(width=390, height=700)
    expect(page.locator("#stage")).not_to_be_visible()
    drag(page, photos["empty"], photos["full"], onto="#image")
    solved(page)
    expect(page.locator("[data-picture=mask]")).to_be_in_viewport(ratio=0.5)
    places = [page.locator(each).bounding_box() for each in ("#image", "#stage", "#examples")]
    tops = [box["y"] for box in places if box]
    assert len(tops) == 3 and tops == sorted(tops)


def test_what_is_written_has_room_on_a_phone(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 740}, has_touch=True, is_mobile=True)
    page.goto(f"{url}?example={find_examples()[0].name}")
    solved(page)
    for name in page.locator("#photos .pair .name").all():
        assert name.evaluate("each => each.scrollWidth <= each.clientWidth"), name.inner_text()
    field = page.locator("#photos input[type=url]")
    assert field.evaluate(
        """each => {
            const { font, paddingLeft } = getComputedStyle(each);
            const pen = document.createElement("canvas").getContext("2d");
            pen.font = font;
            const width = pen.measureText(each.placeholder).width;
            return width <= each.clientWidth - 2 * parseFloat(paddingLeft);
        }"""
    )
    page.context.close()


def test_answers_to_older_requests_are_left_out(empty_page: Page, photos: dict[str, Path]) -> None:
    page = empty_page
    drag(page, photos["empty"], photos["full"])
    solved(page)
    page.get_by_role("button", name="Remove the image").click()
    page.locator("#examples [data-name=desk]").click()
    expect(page.locator("#examples [data-name=desk]")).to_have_attribute("aria-pressed", "true")
    expect(message(page)).to_contain_text("What is new")
    named(page, "#image", "desk-image.jpg")


def test_the_sentence_follows_when_the_prediction_is_finished(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, photos: dict[str, Path]
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Waiting(InParts):
        def finish(self, look: InParts) -> Prediction:
            asked.set()
            assert go_on.wait(60)
            return super().finish(look)

    with serving(
        tmp_path_factory.mktemp("cache"), lambda: build_demo(Waiting(), [], model="fake")
    ) as address:
        visit = Visit(browser, address)
        page = visit.open()
        drag(page, photos["empty"], onto="#background")
        drag(page, photos["full"], onto="#image")
        expect(message(page)).to_contain_text("100% of the picture")
        solved(page)
        assert asked.wait(60), "the page asks for the rest when it shows the first picture"
        go_on.set()
        expect(message(page)).to_contain_text("50% of the picture")
        visit.close()
        visit.check()


def test_a_mirrored_background_is_mirrored_by_a_button(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    class Judging(Fake):
        """Takes a background that is darker on its left for a mirror image."""

        def predict(self, background: Picture, image: Picture) -> Prediction:
            half = background.shape[1] // 2
            mirrored = background[:, :half].mean() < background[:, half:].mean()
            quality = PairQuality(1.0, "good", "The photos fit.")
            if mirrored:
                quality = PairQuality(0.1, "mirrored", "The background is a mirror image.")
            report = PairReport(NOT_REGISTERED, NOT_MATCHED, quality)
            return replace(super().predict(background, image), pair=report)

    pair = tmp_path / "empty.png", tmp_path / "full.png"
    for path in pair:
        gradient = Image.linear_gradient("L").rotate(90).resize((64, 48))  # dark on its left
        gradient.convert("RGB").save(path)
    with serving(
        tmp_path_factory.mktemp("cache"), lambda: build_demo(Judging(), [], model="fake")
    ) as address:
        visit = Visit(browser, address)
        page = visit.open()
        button = page.locator("#mirror")
        expect(button).to_be_hidden()
        drag(page, pair[0], onto="#background")
        drag(page, pair[1], onto="#image")
        expect(message(page)).to_contain_text("mirror image")
        button.click()
        expect(message(page)).to_contain_text("The photos fit.")
        expect(button).to_be_hidden()
        named(page, "#background", "empty, mirrored")
        visit.close()
        visit.check()
