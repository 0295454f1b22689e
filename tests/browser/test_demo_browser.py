"""The demo as a visitor meets it."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from depthmask.ui.analysis import NEEDS_BACKGROUND, NEEDS_IMAGE, START
from depthmask.ui.examples import find_examples
from depthmask.ui.words import NEEDS_TRUTH

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]
FIGURE = re.compile(r"^\d\.\d{3}$")

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


@pytest.fixture(autouse=True)
def waits() -> None:
    expect.set_options(timeout=60_000)


def drop(page: Page, zone: str, path: Path) -> None:
    """Drops a file on a zone, with the events a mouse would cause."""
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(DROP, [page.locator(zone).element_handle(), path.name, content])


def loaded(frame: Locator) -> None:
    """Waits until a frame shows a picture that has really arrived."""
    picture = frame.locator("img")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("picture => picture.naturalWidth") > 0


def box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).bounding_box()
    assert found is not None
    return {side: round(found[side]) for side in ("x", "y", "width", "height")}


def test_two_drops_show_mask_depth_and_figures(open_page: OpenPage, pair_folder: Path) -> None:
    page = open_page()
    expect(page.locator("#message")).to_have_text(START)
    drop(page, "#background", pair_folder / "background.png")
    expect(page.locator("#message")).to_have_text(NEEDS_IMAGE)
    drop(page, "#image", pair_folder / "image.png")
    loaded(page.locator("#mask"))
    loaded(page.locator("#depth"))
    for figures in ("#mask-figures", "#depth-figures"):
        expect(page.locator(f"{figures} dd")).to_have_text(NEEDS_TRUTH)
    expect(page.locator("#about-run")).to_have_text(re.compile(r"\d\.\d\d s for 80 × 60 pixels"))

    page.click("#truth > button")
    drop(page, "#true-mask", pair_folder / "mask.png")
    expect(page.locator("#mask-figures dd")).to_have_text(FIGURE)
    expect(page.locator("#depth-figures dd")).to_have_text(NEEDS_TRUTH)
    drop(page, "#true-depth", pair_folder / "depth.png")
    expect(page.locator("#depth-figures dd")).to_have_text(FIGURE)


def test_one_click_on_an_example_shows_its_figures(open_page: OpenPage) -> None:
    page = open_page()
    assert page.locator("#examples button").count() == len(find_examples())
    page.locator("#examples button").first.click()
    for frame in ("#background", "#image", "#mask", "#depth"):
        loaded(page.locator(frame))
    for figures in ("#mask-figures", "#depth-figures"):
        expect(page.locator(f"{figures} dd")).to_have_text(FIGURE)


def test_an_example_leaves_no_truth_behind(open_page: OpenPage, pair_folder: Path) -> None:
    page = open_page()
    page.locator("#examples button").first.click()
    expect(page.locator("#mask-figures dd")).to_have_text(FIGURE)
    drop(page, "#image", pair_folder / "image.png")
    for figures in ("#mask-figures", "#depth-figures"):
        expect(page.locator(f"{figures} dd")).to_have_text(NEEDS_TRUTH)
    expect(page.locator("#message .failed")).to_have_count(0)


def test_taking_a_picture_out_empties_the_results(open_page: OpenPage, pair_folder: Path) -> None:
    page = open_page()
    drop(page, "#image", pair_folder / "image.png")
    expect(page.locator("#message")).to_have_text(NEEDS_BACKGROUND)
    drop(page, "#background", pair_folder / "background.png")
    loaded(page.locator("#mask"))
    page.click("#image button[aria-label='Remove Image']")
    expect(page.locator("#message")).to_have_text(NEEDS_IMAGE)
    expect(page.locator("#mask img")).to_have_count(0)


def test_a_bad_file_is_told_in_words(
    open_page: OpenPage, pair_folder: Path, tmp_path: Path
) -> None:
    page = open_page()
    drop(page, "#background", pair_folder / "background.png")
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    drop(page, "#image", bad)
    expect(page.locator("#message .failed")).to_contain_text("notes.png")
    expect(page.locator("#image img")).to_have_count(0)
    drop(page, "#image", pair_folder / "image.png")
    loaded(page.locator("#mask"))
    expect(page.locator("#message .failed")).to_have_count(0)


def test_nothing_moves_when_results_come(open_page: OpenPage, pair_folder: Path) -> None:
    page = open_page()
    places = ("#pair", "#examples", "#truth", "#mask", "#depth", "#convention", "#footer")
    before = {place: box(page, place) for place in places}
    drop(page, "#background", pair_folder / "background.png")
    drop(page, "#image", pair_folder / "image.png")
    loaded(page.locator("#mask"))
    loaded(page.locator("#depth"))
    assert {place: box(page, place) for place in places} == before


def test_a_phone_scrolls_in_one_direction_only(open_page: OpenPage) -> None:
    page = open_page(width=390, height=844)
    page.locator("#examples button").first.click()
    loaded(page.locator("#depth"))
    page.click("#truth > button")
    loaded(page.locator("#true-mask"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_follow_the_system(open_page: OpenPage, dark: bool) -> None:
    page = open_page(dark=dark)
    colour = page.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor")
    brightness = [int(value) for value in re.findall(r"\d+", colour)[:3]]
    assert max(brightness) < 40 if dark else min(brightness) > 240


def test_the_depth_convention_is_one_click_away(open_page: OpenPage) -> None:
    page = open_page()
    expect(page.locator("#convention summary")).to_contain_text("1 is the farthest")
    page.click("#convention summary")
    expect(page.locator("#convention details p")).to_be_visible()
