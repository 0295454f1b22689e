"""Live in the static page, with a fake camera: its worker answers as the server does.

`test_live_browser.py` tests what both pages have in common.
"""

import os
import re
import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.app.browser.cameras import Clip, example
from tests.app.browser.conftest import WAIT_LIMIT_MS
from tests.app.browser.test_live_browser import (
    UNPLUG,
    check_gone,
    check_refusals,
    look,
    overlap,
    part,
    recorded,
    share,
    shown,
)
from tests.app.browser.test_site_browser import Host
from tools.browser import FLAGS, find_browser
from tools.build_site import MISSING, is_built

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EMPTY, IMAGE, TRUTH = example("teddy")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """A camera that looks at an empty room."""
    return Clip(tmp_path_factory.mktemp("cameras") / "room.y4m", EMPTY)


@pytest.fixture(scope="module")
def page(browser: Browser, room: Clip) -> Iterator[Page]:
    """One visit for all tests; no request may leave this computer, and no script may fail."""
    if not is_built():
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    host = Host()
    asked: list[str] = []
    failures: list[str] = []
    with browser.browser_type.launch(
        executable_path=find_browser(shell=True), args=[*FLAGS, *room.options]
    ) as own:
        page = own.new_page()
        page.set_default_timeout(WAIT_LIMIT_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(f"{host.url}#live")
        part(page, "start").click()
        yield page
    host.stop()
    assert [url for url in asked if not url.startswith((host.url, "data:", "blob:"))] == []
    assert failures == []


def capture(page: Page) -> None:
    part(page, "count").evaluate("count => { count.dataset.seconds = 0; }")
    expect(part(page, "capture")).to_be_enabled()
    part(page, "capture").click()
    expect(part(page, "capture")).to_have_text("Recapture")
    part(page, "quality-choice").select_option("0")  # however slow this computer is
    look(page, "mask")
    frames(page, 3)


def frames(page: Page, count: int) -> None:
    """Waits for so many more frames."""

    def number() -> int:
        return int(part(page, "shown").get_attribute("data-frames"))

    least = number() + count
    until(lambda: number() >= least)


def until(is_so: Callable[[], bool]) -> None:
    """Waits in the test: the page's own policy forbids the scripts by which Playwright waits."""
    end = time.monotonic() + WAIT_LIMIT_MS / 1000
    while not is_so():
        assert time.monotonic() < end, "that never came"
        time.sleep(0.2)


def test_the_empty_scene_is_captured_and_the_object_is_found(page: Page, room: Clip) -> None:
    capture(page)
    assert share(page) < 0.02
    expect(part(page, "sentence")).to_have_text("Nothing is in the scene: step in.")
    expect(part(page, "check")).to_have_text(re.compile(r"^[01]\.\d%$"))
    room.show(IMAGE)
    until(lambda: share(page) > TRUTH.mean() / 2)
    frames(page, 3)
    expect(part(page, "sentence")).to_have_text("")
    assert overlap(shown(page)[..., 0] > 127, TRUTH) > 0.8
    expect(part(page, "quality")).to_have_text("Quality is fixed: 224 pixels a side.")
    expect(page.locator("#live .runtime")).to_contain_text("ms a frame")


def test_the_cut_out_is_saved_as_picture_and_video(page: Page) -> None:
    look(page, "cutout")
    with page.expect_download() as saved:
        part(page, "snapshot").click()
    alpha = cv2.imread(str(saved.value.path()), cv2.IMREAD_UNCHANGED)
    assert alpha is not None and alpha.shape == (480, 640, 4)
    assert overlap(np.asarray(alpha)[..., 3] > 127, TRUTH) > 0.8
    part(page, "record").click()
    frames(page, 3)
    with page.expect_download() as saved:
        part(page, "record").click()
    assert saved.value.suggested_filename == "depthmask.webm"


def test_background_and_frame_become_photos(page: Page) -> None:
    part(page, "pause").click()
    part(page, "use").click()
    expect(page.locator("#live")).to_be_hidden()
    expect(page.locator("#message")).to_contain_text("What is new covers")
    assert page.get_attribute("#background img", "alt") == "Background: live-background.png"
    page.get_by_role("tab", name="Live").click()
    assert page.url.endswith("#live")
    expect(part(page, "pause")).to_have_text("Resume")


def test_a_scene_that_moves_is_watched_for_longer(page: Page, room: Clip) -> None:
    room.show(EMPTY, sways=True)
    part(page, "quality-choice").select_option("2")  # the frames are many
    part(page, "capture").click()
    expect(part(page, "sentence")).to_contain_text("Leaves, water and screens are learned")
    expect(part(page, "capture")).to_have_text("Recapture")
    look(page, "mask")
    frames(page, 6)
    assert share(page) < 0.02


def test_a_camera_that_is_gone_or_refused_can_be_started_again(page: Page) -> None:
    part(page, "record").click()
    recorded(page)
    with page.expect_download():
        page.evaluate(UNPLUG)
    check_gone(page)
    check_refusals(page)
    capture(page)
    part(page, "record").click()
    recorded(page)
    with page.expect_download():
        part(page, "record").click()
