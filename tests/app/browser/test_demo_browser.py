"""The demo with its own weights, and its queue, as visitors meet them."""

import io
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
from playwright.sync_api import Browser, Locator, Page, Route, expect

from depthmask.app import build_demo
from depthmask.app.examples import find_examples
from depthmask.app.photos.downloads import DOWNLOADS, REPORT
from depthmask.app.photos.tab import WORKING
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture
from tests.app.browser.conftest import Visit, serve
from tests.app.browser.dragging import drag
from tests.app.pages import Fake
from tools.build_site import DIST

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]
FIGURE = re.compile(r"^\d\.\d{3}$")
EXAMPLE_SIZE = (960, 720)
WAITING = "Waiting: place 1 of 1."


@pytest.fixture(autouse=True)
def waits() -> None:
    expect.set_options(timeout=120_000)


def drawn(page: Page) -> None:
    """Waits until the stage shows mask and depth."""
    for tile in ("mask", "depth"):
        expect(page.locator(f"[data-picture={tile}]")).to_have_attribute(
            "data-drawn", re.compile(".+")
        )


def figures(page: Page) -> Locator:
    return page.locator("#stage dd").get_by_text(FIGURE)


def fetch(page: Page, name: str) -> bytes:
    """Clicks a download button and returns the bytes that arrive under the right name."""
    with page.expect_download() as info:
        page.click(f"[data-download={name}]")
    assert info.value.suggested_filename.endswith(DOWNLOADS[name].file)
    return info.value.path().read_bytes()


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
    while sorted(said) != [WAITING, WORKING, WORKING]:
        assert time.monotonic() < end, said
        pages[0].wait_for_timeout(50)
        said = [line.inner_text().strip() for line in lines]
    network.go.set()
    for page, line in zip(pages, lines, strict=True):
        drawn(page)
        expect(line).to_contain_text("What is new")
    visit.close()
    visit.check()


def test_of_quick_clicks_the_last_one_counts(browser: Browser, held: tuple[Held, str]) -> None:
    network, url = held
    visit = Visit(browser, url)
    page = visit.open()
    for button in page.locator("#examples [data-name]").all():
        button.click()
    expect(page.locator("#stage [aria-busy=true]")).to_have_count(1)
    network.go.set()
    last = find_examples()[-1]
    shown = page.locator("#image img")
    expect(shown).to_have_attribute("src", re.compile(f"/{last.name}/{last.image.name}$"))
    expect(page.locator("#stage [aria-busy=true]")).to_have_count(0)
    assert page.url.endswith(f"?example={last.name}")
    assert len(network.pairs) == 2, "those between the first and the last wait no longer"
    visit.close()
    visit.check()


def test_a_page_that_leaves_gives_its_place_back(browser: Browser, held: tuple[Held, str]) -> None:
    network, url = held
    visit = Visit(browser, url)
    for example in find_examples()[:3]:
        page = visit.open(query=f"?example={example.name}")
        expect(page.locator("#message")).to_have_text(re.compile("Working|Waiting"))
    visit.close()
    network.go.set()
    again = Visit(browser, url)
    drawn(again.open(query="?example=teddy"))
    again.close()
    again.check()


def test_a_link_to_an_example_shows_it(example_page: Page) -> None:
    assert example_page.locator("#examples [data-name]").count() == len(find_examples())
    drawn(example_page)
    expect(figures(example_page)).to_have_count(2)


def test_the_page_tells_where_else_it_can_be_opened(example_page: Page) -> None:
    drawn(example_page)
    example_page.click(".ways summary")
    ways = example_page.locator(".ways")
    expect(ways).to_contain_text("depthmask demo --host 0.0.0.0")
    expect(ways).to_contain_text("depthmask demo --share")
    expect(ways).to_contain_text("depthmask site -o FOLDER")
    links = example_page.locator("a", has_text=re.compile("without a server"))
    assert links.count() == 2 * (DIST / "index.html").is_file()
    for link in links.all():
        address = str(link.get_attribute("href"))
        assert address == example_page.url.split("?")[0] + "site/"
        assert "<title>depthmask</title>" in example_page.request.get(address).text()
    example_page.click(".ways summary")


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
    expect(example_page.locator("[data-download=all]")).to_have_text(DOWNLOADS["all"].label)


def test_results_survive_a_look_at_another_tab(example_page: Page) -> None:
    photos, model = (example_page.get_by_role("tab", name=name) for name in ("Photos", "Model"))
    model.click()
    expect(example_page.locator("#card h1")).to_be_visible()
    expect(example_page.locator("#stage")).not_to_be_visible()
    photos.click()
    drawn(example_page)
    expect(figures(example_page)).to_have_count(2)
    example_page.click("#footer a")
    expect(example_page.locator("#card h1")).to_be_visible()
    photos.click()


def test_a_dark_phone_scrolls_in_one_direction_only(open_page: OpenPage) -> None:
    page = open_page(width=390, height=844, dark=True, query="?example=teddy")
    drawn(page)
    page.click("#truth summary")
    expect(page.locator("#true-mask img")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert max(page_colour(page)) < 40


def test_light_follows_the_system_and_the_convention_unfolds(example_page: Page) -> None:
    assert min(page_colour(example_page)) > 240
    expect(example_page.locator("#convention summary")).to_contain_text("1 is the farthest")
    example_page.click("#convention summary")
    expect(example_page.locator("#convention p")).to_be_visible()


def page_colour(page: Page) -> list[int]:
    colour = page.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor")
    return [int(value) for value in re.findall(r"\d+", colour)[:3]]


def test_a_page_at_rest_draws_no_frames(example_page: Page) -> None:
    count = """async () => {
        const ask = window.requestAnimationFrame;
        let asked = 0;
        window.requestAnimationFrame = (work) => { asked += 1; return ask(work); };
        await new Promise((done) => setTimeout(done, 3000));
        window.requestAnimationFrame = ask;
        return asked;
    }"""
    asked = 0
    for _ in range(5):  # Gradio fades its signs out first
        asked = example_page.evaluate(count)
        if asked <= 5:
            break
    assert asked <= 5, "at most one a second"


def test_programs_can_ask_for_a_prediction(demo_url: str) -> None:
    client = Client(demo_url, verbose=False)
    example = next(each for each in find_examples() if each.name == "teddy")
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


def test_the_page_opens_with_a_solved_example_and_shows_the_others_at_once(
    open_page: OpenPage,
) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    first, second, *_ = find_examples()
    expect(page.locator(f"#examples [data-name={first.name}]")).to_have_attribute(
        "aria-pressed", "true"
    )
    drawn(page)
    expect(figures(page)).to_have_count(2)
    assert page.url.endswith("/"), "nobody has chosen the example"
    page.locator(f"#examples [data-name={second.name}]").click()
    shown = page.locator("#image img")
    expect(shown).to_have_attribute("src", re.compile(f"/{second.name}/{second.image.name}$"))
    expect(figures(page)).to_have_count(2)
    assert not any("queue" in url for url in asked), "the result came with the page"
    assert page.url.endswith(f"?example={second.name}")


def test_a_photo_dropped_before_the_page_is_built_is_taken(
    browser: Browser, demo_url: str, pair_folder: Path
) -> None:
    page = browser.new_page()
    held: list[Route] = []
    dropped: list[bool] = []

    def hold(route: Route) -> None:
        if dropped:
            route.continue_()
        else:
            held.append(route)

    page.route("**/assets/*.js", hold)  # without its scripts Gradio builds no page
    page.goto(demo_url, wait_until="commit")
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(100)
    drag(page, pair_folder / "image.png", onto="html")
    dropped.append(True)
    for route in held:
        route.continue_()
    expect(page.locator("#background img")).to_have_attribute("alt", re.compile(r"image\.png$"))
    assert page.url.startswith(demo_url)
    page.context.close()
