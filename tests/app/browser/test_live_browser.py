"""The live tab as a visitor meets it, with a fake camera whose picture the test changes.

How fast it is depends on the machine, so no test says; `benchmarks/live_session.py` does.
"""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from depthmask.app.html import NEEDS_TRUTH
from depthmask.app.live.server import LiveServer
from depthmask.app.live.tab import build_live_tab
from depthmask.pictures import Map, Mask, Picture
from tests.app.browser.cameras import Clip, example
from tests.app.browser.conftest import serve
from tests.app.test_live_server import FakePredictor
from tools.browser import FLAGS, find_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT_MS = 240_000
NETWORK_S = 0.4  # what the stand-in for the network takes at least
Start = Callable[..., BrowserContext]

# Whatever the canvas shows, unmirrored, as PNG.
SHOWN = 'canvas => canvas.toDataURL("image/png").split(",")[1]'

# Notes when each frame was drawn, by the page's clock.
NOTE_FRAMES = """() => {
    window.drawnAt = [];
    new MutationObserver(() => window.drawnAt.push(performance.now())).observe(
        document.querySelector("#live canvas"), { attributeFilter: ["data-frames"] });
}"""

# Notes each new sentence, and how many frames had been drawn.
NOTE_SENTENCES = """() => {
    const [say, canvas] = ['[data-live="sentence"]', "canvas"].map(
        name => document.querySelector(`#live ${name}`));
    window.heard = [];
    const note = () => window.heard.push([say.textContent, +canvas.dataset.frames]);
    new MutationObserver(note).observe(say, { childList: true });
}"""

# Frames a second as the page counts them: over three seconds, but over no less than five frames.
RATE = """() => {
    const [times, fps] = [window.drawnAt, document.querySelector('#live [data-live="fps"]')];
    const now = times[times.length - 1];
    const last = times.filter((at, place) => at > now - 3000 || place >= times.length - 5);
    return [+fps.textContent, 1000 * (last.length - 1) / (now - last[0]), last.length];
}"""


class Slow(FakePredictor):
    """Stands in for a network that takes its time."""

    resolution = 160
    rest = threading.Event()  # is never set

    def see(self, background: Picture, image: Picture) -> dict[str, Map]:
        self.rest.wait(NETWORK_S)
        maps = super().see(background, image)
        return maps | {"depth": np.full_like(maps["mask"], 0.5)}  # drawn brightly


class Served(NamedTuple):
    """A page with nothing but the tab, which needs no weights."""

    url: str
    server: LiveServer
    cache: Path
    close: Callable[[], None]


@pytest.fixture(autouse=True)
def waits() -> None:
    expect.set_options(timeout=WAIT_MS)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    cache = tmp_path / "cache"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(cache))
    with gr.Blocks(analytics_enabled=False) as demo:
        server = build_live_tab(Slow)
    yield Served(serve(demo), server, cache, lambda: demo.close(verbose=False))
    demo.close(verbose=False)


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


@pytest.fixture
def room(tmp_path: Path) -> Clip:
    """A camera that looks at an empty room."""
    return Clip(tmp_path / "room.y4m", example("teddy")[0])


def open_tab(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    tab = page.get_by_role("tab", name="Live")
    expect(tab.or_(page.locator("#live"))).to_be_visible()
    if tab.count():
        tab.click()
    expect(part(page, "start")).to_be_visible()
    return page


def part(page: Page, name: str) -> Any:
    return page.locator(f'#live [data-live="{name}"]')


def look(page: Page, view: str) -> None:
    page.locator(f'#live [data-view="{view}"]').click()


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


def wait_for_share(page: Page, least: float, most: float) -> None:
    """Waits until this share of what is shown is bright."""
    page.wait_for_function(
        """([least, most]) => {
            const canvas = document.querySelector('#live canvas');
            const { width, height } = canvas;
            const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
            let count = 0;
            for (let place = 0; place < pixels.length; place += 4) count += pixels[place] > 127;
            return least <= count / (width * height) && count / (width * height) <= most;
        }""",
        arg=[least, most],
        polling=200,
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


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_empty_scene_is_captured_and_the_object_is_found(
    start: Start, demo_url: str, room: Clip
) -> None:
    _, image, truth = example("teddy")
    page = open_tab(start(*room.options), demo_url)
    look(page, "mask")
    capture(page)
    assert share(page) < 0.02
    expect(part(page, "sentence")).to_have_text("Nothing is in the scene: step in.")
    expect(part(page, "check")).to_have_text(re.compile(r"^[01]\.\d%$"))
    assert page.locator("#live").get_by_text(NEEDS_TRUTH).count() == 2
    room.show(image)
    wait_for_share(page, truth.mean() / 2, 1)
    frames(page, 3)
    expect(part(page, "sentence")).to_have_text("")
    part(page, "pause").click()
    expect(part(page, "pause")).to_have_text("Resume")
    assert overlap(shown(page)[..., 0] > 127, truth) > 0.8
    with page.expect_download() as saved:
        part(page, "snapshot").click()
    alpha = cv2.imread(str(saved.value.path()), cv2.IMREAD_UNCHANGED)
    assert alpha is not None and alpha.shape == (480, 640, 4)
    assert overlap(alpha[..., 3] > 127, truth) > 0.8


def test_the_page_says_how_fast_it_is(start: Start, served: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    room.show(example("teddy")[0], passes=True)
    frames(page, 8)  # until the camera shows it
    page.evaluate(NOTE_FRAMES)
    frames(page, 8)
    part(page, "pause").click()
    expect(part(page, "pause")).to_have_text("Resume")
    said, counted, count = page.evaluate(RATE)
    assert count >= 5
    assert said == pytest.approx(counted, rel=0.15)
    assert said <= 1 / NETWORK_S
    latency = part(page, "latency").inner_text()
    assert float(latency.removesuffix(" ms")) >= 1000 * NETWORK_S


def test_the_page_says_that_quality_was_lowered(start: Start, served: Served, room: Clip) -> None:
    """The stand-in for the network takes as long at every quality."""
    page = open_tab(start(*room.options), served.url)
    capture(page)
    room.show(example("teddy")[0], passes=True)
    told = part(page, "quality")
    expect(told).to_contain_text("Quality is lowered to reach 15 frames a second")
    expect(told).to_contain_text(f"88 pixels a side, not {Slow.resolution}")
    part(page, "off").click()
    expect(told).to_be_empty()


def test_a_recording_is_a_webm_and_nothing_else_is_left_on_the_disk(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    before = files(served.cache)
    part(page, "record").click()
    expect(part(page, "record")).to_have_text(re.compile("^Stop"))
    frames(page, 10)
    assert files(served.cache) == before
    with page.expect_download() as saved:
        part(page, "record").click()
    assert saved.value.suggested_filename == "depthmask.webm"
    assert Path(saved.value.path()).read_bytes()[:4] == b"\x1a\x45\xdf\xa3"
    frames(page, 3)
    assert [path.name for path in set(files(served.cache)) - set(before)] == ["depthmask.webm"]


def test_two_visitors_have_a_background_each(start: Start, served: Served, tmp_path: Path) -> None:
    pages, clips = [], []
    for name in ("teddy", "desk"):
        clips.append(Clip(tmp_path / f"{name}.y4m", example(name)[0]))
        pages.append(open_tab(start(*clips[-1].options), served.url))
        look(pages[-1], "mask")
    for page in pages:
        capture(page)
    for page in pages:
        frames(page, 2)
        assert share(page) < 0.02
    # whoever gets the other's scene before the camera sees that it is another
    clips[0].show(example("desk")[0])
    wait_for_share(pages[0], 0.1, 1)
    frames(pages[1], 2)
    assert share(pages[1]) < 0.02
    assert len(served.server) == 2


def test_who_closes_the_page_is_forgotten(start: Start, served: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    assert len(served.server) == 1
    page.goto("about:blank")
    for _ in range(WAIT_MS // 200):
        if len(served.server) == 0:
            break
        page.wait_for_timeout(200)
    assert len(served.server) == 0


def test_another_view_asks_for_a_new_capture(start: Start, served: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    room.show(example("desk")[0])
    expect(part(page, "sentence")).to_contain_text("press Recapture")
    expect(part(page, "sentence")).to_have_class(re.compile("failed"))
    part(page, "capture").click()
    expect(part(page, "sentence")).to_have_text("Nothing is in the scene: step in.")


def test_a_request_that_fails_is_told_and_the_page_goes_on(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    page.route("**/component_server/**", lambda route: route.abort())
    expect(part(page, "sentence")).to_contain_text("The server did not answer")
    page.unroute_all(behavior="wait")
    part(page, "pause").click()
    frames(page, 2)


def test_a_complaint_stands_until_it_can_be_read(
    start: Start, served: Served, room: Clip, tmp_path: Path
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    look(page, "backdrop")
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    page.evaluate(NOTE_SENTENCES)
    part(page, "file").set_input_files(bad)
    page.wait_for_function("window.heard.length > 1")
    (complaint, before), (sentence, after) = page.evaluate("window.heard.slice(0, 2)")
    assert complaint.startswith("notes.png is no picture")
    assert sentence == "Nothing is in the scene: step in."
    assert after - before > 1, "it did not go with the next frame"


def test_the_last_frame_can_be_looked_at_while_paused(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    look(page, "backdrop")
    capture(page)
    assert share(page) < 0.02, "the backdrop's red is dark"
    part(page, "pause").click()
    expect(part(page, "pause")).to_have_text("Resume")
    look(page, "depth")
    wait_for_share(page, 0.02, 1)
    look(page, "mask")
    wait_for_share(page, 0, 0.02)


def test_the_camera_can_be_turned_off(start: Start, served: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    page.evaluate("window.track = document.querySelector('#live video').srcObject.getTracks()[0]")
    part(page, "off").click()
    expect(part(page, "sentence")).to_have_text("The camera is off.")
    assert page.evaluate("window.track.readyState") == "ended"
    expect(part(page, "start")).to_be_visible()
    expect(part(page, "off")).not_to_be_visible()
    expect(part(page, "waits")).to_be_visible()
    for figure in ("fps", "latency", "check"):
        expect(part(page, figure)).to_have_text("–")
    expect(part(page, "pause")).to_be_disabled()
    capture(page)


def test_a_refused_camera_is_told(start: Start, served: Served) -> None:
    page = open_tab(
        start("--deny-permission-prompts", "--use-fake-device-for-media-stream"), served.url
    )
    part(page, "start").click()
    expect(part(page, "sentence")).to_contain_text("The camera was refused")
    expect(part(page, "capture")).to_be_disabled()
    expect(part(page, "start")).to_be_enabled()


def test_a_computer_without_camera_is_told(start: Start, served: Served) -> None:
    page = open_tab(start("--use-fake-ui-for-media-stream"), served.url)
    part(page, "start").click()
    expect(part(page, "sentence")).to_contain_text("No camera was found")


def test_a_page_that_is_neither_local_nor_https_says_what_to_do(
    start: Start, served: Served, room: Clip
) -> None:
    context = start("--host-resolver-rules=MAP camera.test 127.0.0.1", *room.options)
    page = open_tab(context, served.url.replace("127.0.0.1", "camera.test"))
    for _ in range(2):
        expect(part(page, "sentence")).to_contain_text("http://localhost:")
        expect(part(page, "sentence")).to_contain_text("--ssl-certfile")
        part(page, "start").click()
    expect(part(page, "capture")).to_be_disabled()
