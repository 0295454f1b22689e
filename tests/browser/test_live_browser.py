"""The live tab as a visitor meets it, with a fake camera that plays a clip over and over.

How fast it is depends on the machine, so no test says; `benchmarks/live.py` does.
"""

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from depthmask._cv2 import cv2
from depthmask.pictures import Mask, Picture
from depthmask.ui.words import NEEDS_TRUTH
from tests.browser.cameras import example, fake_camera, write_clip
from tools.browser import FLAGS, find_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT_MS = 240_000
EMPTY, OCCUPIED = 60, 60  # seconds; the clip begins when the camera is opened
Start = Callable[..., BrowserContext]

# Whatever the canvas shows, unmirrored, as PNG.
SHOWN = 'canvas => canvas.toDataURL("image/png").split(",")[1]'


@pytest.fixture(autouse=True)
def waits() -> None:
    expect.set_options(timeout=WAIT_MS)


@pytest.fixture
def start(browser: Browser) -> Iterator[Start]:
    """Starts a browser of its own, as its camera can be chosen only then."""
    executable = find_browser()
    browsers: list[Browser] = []

    def start(*options: str) -> BrowserContext:
        arguments = [*FLAGS, *options]
        browsers.append(browser.browser_type.launch(executable_path=executable, args=arguments))
        return browsers[-1].new_context()

    yield start
    for each in browsers:
        each.close()


def open_tab(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    page.get_by_role("tab", name="Live").click()
    expect(part(page, "start")).to_be_visible()
    return page


def part(page: Page, name: str) -> Any:
    return page.locator(f'#live [data-live="{name}"]')


def capture(page: Page) -> None:
    part(page, "start").click()
    expect(part(page, "capture")).to_be_enabled()
    part(page, "capture").click()
    expect(part(page, "capture")).to_have_text("Recapture")
    frames(page, 3)


def frames(page: Page, count: int) -> None:
    """Waits for so many more frames."""
    before = int(part(page, "shown").get_attribute("data-frames"))
    page.wait_for_function(
        "least => +document.querySelector('#live canvas').dataset.frames >= least",
        arg=before + count,
    )


def shown(page: Page) -> Picture:
    data = np.frombuffer(base64.b64decode(part(page, "shown").evaluate(SHOWN)), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


def share(page: Page) -> float:
    return float((shown(page)[..., 0] > 127).mean())


def overlap(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))


def test_the_empty_scene_is_captured_and_the_object_is_found(
    start: Start, demo_url: str, tmp_path: Path
) -> None:
    background, image, truth = example("teddy")
    clip = write_clip(tmp_path / "clip.y4m", (background, EMPTY), (image, OCCUPIED))
    page = open_tab(start(*fake_camera(clip)), demo_url)
    page.locator('#live [data-view="mask"]').click()
    capture(page)
    assert share(page) < 0.02
    expect(part(page, "check")).to_have_text(re.compile(r"^[01]\.\d%$"))
    assert page.locator("#live").get_by_text(NEEDS_TRUTH).count() == 2
    page.wait_for_function(f"""() => {{
        const canvas = document.querySelector('#live canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, 640, 480).data;
        let count = 0;
        for (let place = 0; place < pixels.length; place += 4) count += pixels[place] > 127;
        return count > {truth.sum() // 2};
    }}""")
    frames(page, 2)
    part(page, "pause").click()
    assert overlap(shown(page)[..., 0] > 127, truth) > 0.8
    expect(part(page, "fps")).to_have_text(re.compile(r"^\d+\.\d$"))
    expect(part(page, "latency")).to_have_text(re.compile(r"^\d+ ms$"))
    with page.expect_download() as saved:
        part(page, "snapshot").click()
    alpha = cv2.imread(str(saved.value.path()), cv2.IMREAD_UNCHANGED)
    assert alpha is not None and alpha.shape == (480, 640, 4)
    assert overlap(alpha[..., 3] > 127, truth) > 0.8


def test_a_recording_is_a_webm(start: Start, demo_url: str, tmp_path: Path) -> None:
    background, _, _ = example("desk")
    clip = write_clip(tmp_path / "clip.y4m", (background, 5))
    page = open_tab(start(*fake_camera(clip)), demo_url)
    capture(page)
    part(page, "record").click()
    expect(part(page, "record")).to_have_text(re.compile("^Stop"))
    frames(page, 3)
    with page.expect_download() as saved:
        part(page, "record").click()
    assert saved.value.suggested_filename == "depthmask.webm"
    assert Path(saved.value.path()).read_bytes()[:4] == b"\x1a\x45\xdf\xa3"


def test_two_visitors_have_a_background_each(start: Start, demo_url: str, tmp_path: Path) -> None:
    pages = []
    for name in ("teddy", "desk"):
        background, _, _ = example(name)
        clip = write_clip(tmp_path / f"{name}.y4m", (background, 5))
        page = open_tab(start(*fake_camera(clip)), demo_url)
        page.locator('#live [data-view="mask"]').click()
        pages.append(page)
    for page in pages:
        capture(page)
    for page in pages:
        frames(page, 2)
        assert share(page) < 0.02


def test_a_refused_camera_is_told(start: Start, demo_url: str) -> None:
    page = open_tab(
        start("--deny-permission-prompts", "--use-fake-device-for-media-stream"), demo_url
    )
    part(page, "start").click()
    expect(part(page, "sentence")).to_contain_text("The camera was refused")
    expect(part(page, "capture")).to_be_disabled()


def test_a_computer_without_camera_is_told(start: Start, demo_url: str) -> None:
    page = open_tab(start("--use-fake-ui-for-media-stream"), demo_url)
    part(page, "start").click()
    expect(part(page, "sentence")).to_contain_text("No camera was found")
