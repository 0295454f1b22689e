"""Links and pages that carry a result: what was packed comes back, and what is broken is told."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from depthmask.app.photos.scene import write_scene
from tests.app.browser.test_stage_browser import (
    COLOUR,
    FAR,
    NEAR,
    WALL,
    WIDTH,
    choose,
    close,
    draw_analysis,
    pixels,
    view,
)
from tools.stage_page import serve_stage

pytestmark = pytest.mark.browser
NAME = "<b>me</b>"  # a name that must not become markup
PACK = """async () => {
    const { pack } = await import("/scripts/share_link.js");
    return pack(await stage.result());
}"""
OPEN = """async (text) => {
    const { unpack } = await import("/scripts/share_link.js");
    try {
        const { scene, settings } = await unpack(text);
        await stage.show(scene.description, { settings });
        return scene.description.figures.iou.value;
    } catch (error) {
        return error.message;
    }
}"""
PAGE = """async () => {
    const { resultPage } = await import("/scripts/share_page.js");
    const told = { convention: "Near is 0.", home: "https://a.example/" };
    return (await resultPage(await stage.result(), told)).text();
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One page with the stage for all tests."""
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "block").mkdir()
    scene = write_scene(draw_analysis(narrow=True), name=NAME, folder=folder / "block")
    (folder / "block" / "scene.json").write_text(json.dumps(scene))
    failures: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.on("pageerror", lambda error: failures.append(str(error)))
    with serve_stage(folder) as url:
        page.goto(url)
        page.wait_for_function("window.stage")
        yield page
        page.close()
    assert failures == []


@pytest.fixture
def stage(page: Page) -> Page:
    page.evaluate("open_scene('block')")
    return page


def test_a_link_brings_the_result_and_what_was_chosen(stage: Page) -> None:
    iou = stage.evaluate("stage.look.scene.description.figures.iou.value")
    choose(stage, "mask", "backdrop")
    stage.get_by_role("button", name="Sky").click()
    choose(stage, "depth", "blur")
    text = stage.evaluate(PACK)
    assert len(text) <= 60_000
    stage.evaluate("open_scene('block')")
    assert stage.evaluate(OPEN, text) == iou
    checked = ".stage-tile > .stage-views input:checked"
    views = stage.locator(checked).evaluate_all("all => all.map(({ value }) => value)")
    assert views == ["image", "backdrop", "blur"]
    seen = pixels(stage, "mask")
    assert close(seen[60, 60], COLOUR, 12) and close(seen[10, 10], (0x7A, 0xA7, 0xD9))
    assert close(view(stage, "image", "background")[60, 60], WALL, 12)
    assert close(view(stage, "mask", "mask")[60, 60], 255)
    assert close(view(stage, "mask", "mask-errors")[50, 85], (230, 159, 0)), "false foreground"
    depth = stage.evaluate("Array.from(stage.look.scene.depth)")
    levels = [depth[y * WIDTH + x] / 4095 for y, x in ((60, 60), (10, 10))]
    assert levels == pytest.approx([NEAR, FAR], abs=0.003)
    assert stage.locator(".stage-unknown >> nth=1").is_visible(), "what is unknown is hatched"
    assert not stage.locator(".stage-downloads").is_visible(), "there is no pair to make them of"
    choose(stage, "depth", "3d")
    stage.wait_for_selector(".stage-relief:not([hidden])")


def test_a_repaired_mask_is_what_a_link_has(stage: Page) -> None:
    stage.get_by_role("button", name="Repair mask").click()
    stage.locator(".stage-slider input >> nth=0").wait_for()
    stage.evaluate("stage.repaired(stage.repair.set({ grow: 9 }), true)")
    iou = stage.evaluate("stage.result().then(({ figures }) => figures.iou)")
    text = stage.evaluate(PACK)
    assert stage.evaluate(OPEN, text) == pytest.approx(iou, abs=1e-9)
    assert close(view(stage, "mask", "mask")[35, 60], 255), "it has grown to there"


@pytest.mark.parametrize("cut", ["half", "end", "signs", "head", "version"])
def test_a_broken_link_is_told(stage: Page, cut: str) -> None:
    text = str(stage.evaluate(PACK))
    size = 4 + int.from_bytes(base64.urlsafe_b64decode(text[:8])[:4])
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    head = json.loads(content[4:size])

    def with_head(**changes: object) -> str:
        changed = json.dumps({**head, **changes}).encode()
        whole = len(changed).to_bytes(4) + changed + content[size:]
        return base64.urlsafe_b64encode(whole).decode().rstrip("=")

    broken = {
        "half": text[: len(text) // 2],
        "end": text[:-9],
        "signs": "!" + text[1:],
        "head": with_head(size=[10**6, 10**6]),
        "version": with_head(version=99),
    }[cut]
    told = "a newer version of this page" if cut == "version" else "This link is not whole"
    assert told in stage.evaluate(OPEN, broken)
    assert stage.evaluate(OPEN, with_head(settings={"colour": "red;"})) == head["figures"]["iou"]


def test_a_saved_page_shows_the_result_without_any_request(
    stage: Page, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "result.html"
    file.write_text(stage.evaluate(PAGE), "utf-8")
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        boxes = [page.locator(f"#{name} img").bounding_box() for name in ("image", "mask")]
        assert all(box and box["height"] > 100 for box in boxes), "pictures have a size"
        assert page.inner_text("h1") == NAME
        assert page.locator("#mask").inner_text().replace("\n", " ").startswith("Mask IoU 0.9")
        assert "Near is 0." in page.inner_text("footer")
        assert page.get_attribute("footer a", "href") == "https://a.example/"
        small = boxes[1]
        page.click("#mask >> text=Larger")
        large = page.locator("#mask img").bounding_box()
        assert small and large and large["height"] > small["height"]
    assert {url.partition("#")[0] for url in asked if not url.startswith("data:")} == {
        file.as_uri()
    }
    kinds = stage.evaluate(
        "async (text) => Promise.all([...new DOMParser().parseFromString(text, 'text/html').images]"
        ".map(async (image) => (await (await fetch(image.src)).blob()).type))",
        file.read_text("utf-8"),
    )
    assert kinds == ["image/webp"] * 4
