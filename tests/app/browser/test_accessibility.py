"""axe-core finds nothing serious in any state of the page."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import gradio as gr
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from depthmask.app import build_demo, find_card, find_examples
from depthmask.network.checkpoint import WEIGHTS
from tests.app.browser.conftest import Visit, serving
from tests.app.browser.dragging import drag
from tests.app.pages import Fake
from tools.axe import MISSING, find_axe

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OpenPage = Callable[..., Page]
WIDTHS = ((1280, 800, True), (390, 844, False))

RUN = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} `
            + node.any.concat(node.all).map((check) => check.message).join(" ").slice(0, 200)));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    script = find_axe()
    if script is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return script


def no_network() -> NoReturn:
    pytest.fail("nobody starts a camera here")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    def make() -> gr.Blocks:
        card = find_card(WEIGHTS)
        return build_demo(Fake(), find_examples(), model="fake", card=card, live=no_network)

    with serving(tmp_path_factory.mktemp("cache"), make) as address:
        yield address


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    visit = Visit(browser, url)
    yield visit.open
    visit.close()


@pytest.mark.parametrize(("width", "height", "dark"), WIDTHS)
def test_no_state_has_a_serious_fault(
    open_page: OpenPage, axe: str, tmp_path: Path, width: int, height: int, dark: bool
) -> None:
    page = open_page(width=width, height=height, dark=dark)
    page.evaluate(axe)
    found = {}

    def look(state: str) -> None:
        found[state] = page.evaluate(RUN)

    paths = {}
    for place, name in enumerate(("empty", "full")):
        paths[name] = tmp_path / f"{name}.png"
        Image.new("RGB", (64, 48), (60 + 40 * place,) * 3).save(paths[name])
    notes = tmp_path / "notes.png"
    notes.write_text("no picture")
    look("empty")
    drag(page, paths["empty"], onto="#image", drop=False)
    look("dragged over")
    drag(page, paths["empty"])
    expect(page.locator("#background img")).to_be_visible()
    look("one file")
    drag(page, notes)
    expect(page.locator("#message")).to_have_class(re.compile("failed"))
    look("error")
    drag(page, paths["full"])
    expect(page.locator(".photos.solved")).to_have_count(1)
    page.click("#truth summary")
    look("result, and truth open")
    page.locator("#examples [data-name]").first.click()
    expect(page.locator("#true-mask img")).to_be_visible()
    look("example")
    for tab in ("Batch", "Live", "Model"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(300)
        look(tab)
    for state, faults in found.items():
        print(state, *faults, sep="\n    ")
    assert {state: faults for state, faults in found.items() if faults} == {}
