"""The live tab as a visitor meets it, with a fake camera whose picture the test changes.

How fast it is depends on the machine, so no test says; `benchmarks/live_session.py` does.
"""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from depthmask.app.live.server import HasNetwork, LiveServer
from depthmask.app.live.tab import build_live_tab
from depthmask.pictures import Map, Mask, Picture
from tests.app.browser.cameras import Clip, example
from tests.app.browser.conftest import serving
from tests.app.browser.dragging import drag
from tests.app.browser.test_site_browser import write_useless
from tests.app.test_live_server import FakePredictor
from tools.axe import MISSING as MISSING_AXE
from tools.axe import find_axe
from tools.browser import FLAGS, find_browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WAIT_MS = 240_000
RATE_OF_CLIPS = 10  # frames a second
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

# Notes what stands over the camera's picture.
NOTE_COUNT = """() => {
    const count = document.querySelector('#live [data-live="count"]');
    window.counted = [];
    new MutationObserver(() => count.textContent && window.counted.push(count.textContent))
        .observe(count, { childList: true });
}"""

# Presses "Use as photos", and returns name, type and content of what the photos tab gets.
TAKE_PHOTOS = """async () => {
    const told = new Promise((done) => document.addEventListener("depthmask:photos",
        ({ detail }) => done([detail.background, detail.image]), { once: true }));
    document.querySelector('#live [data-live="use"]').click();
    return Promise.all((await told).map(async (file) => {
        const bytes = new Uint8Array(await file.arrayBuffer());
        const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
        return [file.name, file.type, btoa(text)];
    }));
}"""

# The serious faults that axe-core finds.
FAULTS = """async () => {
    const { violations } = await axe.run("#live");
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`));
}"""

# As a browser does whose user says no; a headless shell asks nobody.
REFUSE_CAMERA = """navigator.mediaDevices.getUserMedia =
    () => Promise.reject(new DOMException("Permission denied", "NotAllowedError"));"""

# The next camera that is asked for is not there, for a reason.
MISS_CAMERA = """([name, message]) => {
    const media = navigator.mediaDevices;
    const own = media.getUserMedia;
    media.getUserMedia = () => {
        media.getUserMedia = own;
        return Promise.reject(new DOMException(message, name));
    };
}"""

# As a browser does when the plug is pulled.
UNPLUG = """() => {
    const [track] = document.querySelector("#live video").srcObject.getTracks();
    track.stop();
    track.dispatchEvent(new Event("ended"));
}"""

# The same once this stands over the camera's picture.
UNPLUG_AT = f"""(text) => {{
    const count = document.querySelector('#live [data-live="count"]');
    const watch = new MutationObserver(() => {{
        if (count.textContent !== text) return;
        watch.disconnect();
        ({UNPLUG})();
    }});
    watch.observe(count, {{ childList: true }});
}}"""

# Lets a test have what records, and lets the first attempt fail.
HOLD_RECORDER = """() => {
    let number = 0;
    window.MediaRecorder = class extends MediaRecorder {
        constructor(...given) {
            super(...given);
            window.recorder = this;
        }
        start(step) {
            number += 1;
            if (number === 1) throw new DOMException("no encoder", "NotSupportedError");
            super.start(step);
        }
    };
}"""

IOU_IS_NEITHER_0_NOR_1 = """() => {
    const iou = parseFloat(document.querySelector('#live [data-live="iou"]').textContent);
    return iou > 0.2 && iou < 1;
}"""

# Frames a second as the page counts them: over three seconds, but over no less than five frames.
RATE = """() => {
    const [times, fps] = [window.drawnAt, document.querySelector('#live [data-live="fps"]')];
    const now = times[times.length - 1];
    const last = times.filter((at, place) => at > now - 3000 || place >= times.length - 5);
    return [+fps.textContent, 1000 * (last.length - 1) / (now - last[0]), last.length];
}"""


class Quick(FakePredictor):
    """Stands in for a network that is fast, and whose depth is drawn brightly."""

    resolution = 160

    def see(self, background: Picture, image: Picture) -> dict[str, Map]:
        maps = super().see(background, image)
        return maps | {"depth": np.full_like(maps["mask"], 0.5)}


class Slow(Quick):
    """Stands in for a network that takes its time, the same at every quality."""

    rest = threading.Event()  # is never set

    def see(self, background: Picture, image: Picture) -> dict[str, Map]:
        self.rest.wait(NETWORK_S)
        return super().see(background, image)


class Served(NamedTuple):
    """A page with nothing but the tab, which needs no weights."""

    url: str
    server: LiveServer
    cache: Path


@pytest.fixture(autouse=True)
def waits() -> None:
    expect.set_options(timeout=WAIT_MS)


@contextmanager
def serving_tab(network: Callable[[], HasNetwork], cache: Path) -> Iterator[Served]:
    """Serves a page with nothing but the tab, and closes it."""
    servers: list[LiveServer] = []

    def make() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False, fill_width=True) as demo:
            servers.append(build_live_tab(network))
        return demo

    with serving(cache, make) as url:
        yield Served(url, servers[0], cache)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page for all tests that do not count its visitors."""
    with serving_tab(Quick, tmp_path_factory.mktemp("cache")) as served:
        yield served


@pytest.fixture
def served_alone(tmp_path: Path) -> Iterator[Served]:
    """A page without visitors of other tests."""
    with serving_tab(Quick, tmp_path / "cache") as served:
        yield served


@pytest.fixture(scope="module")
def served_slowly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving_tab(Slow, tmp_path_factory.mktemp("cache")) as served:
        yield served


@pytest.fixture(scope="module")
def browsers(browser: Browser) -> Iterator[Callable[..., Browser]]:
    """A browser for each set of options: its camera can be chosen only when it starts."""
    executable = find_browser(shell=True)
    started: dict[tuple[str, ...], Browser] = {}

    def start(*options: str) -> Browser:
        if options not in started:
            started[options] = browser.browser_type.launch(
                executable_path=executable, args=[*FLAGS, *options]
            )
        return started[options]

    yield start
    for each in started.values():
        each.close()


@pytest.fixture
def start(browsers: Callable[..., Browser]) -> Iterator[Start]:
    """Opens a context of the test's own in a browser with these options."""
    contexts: list[BrowserContext] = []

    def start(*options: str) -> BrowserContext:
        contexts.append(browsers(*options).new_context())
        return contexts[-1]

    yield start
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the clips of the cameras lie."""
    return tmp_path_factory.mktemp("cameras")


@pytest.fixture
def room(cameras: Path) -> Clip:
    """A camera that looks at an empty room."""
    return Clip(cameras / "room.y4m", example("teddy")[0])


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
    page.locator(f'#live label[data-view="{view}"]').first.click()


def capture(page: Page, *, seconds: int = 0) -> None:
    """Turns the camera on, and captures the background after so many seconds."""
    part(page, "count").evaluate("(count, all) => { count.dataset.seconds = all; }", seconds)
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
    return decoded(part(page, "shown").evaluate(SHOWN))


def decoded(text: str) -> Picture:
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


def bottom(page: Page, name: str) -> float:
    """Where a part ends on the screen, in pixels from its top."""
    return float(part(page, name).evaluate("each => each.getBoundingClientRect().bottom"))


def write_video(path: Path, frames: list[Picture]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), RATE_OF_CLIPS, (640, 480))
    for frame in frames:
        writer.write(np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)))
    writer.release()


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
    expect(part(page, "iou")).not_to_be_visible()  # nobody has a camera's true masks
    room.show(image)
    wait_for_share(page, truth.mean() / 2, 1)
    frames(page, 3)
    expect(part(page, "sentence")).to_have_text("")
    part(page, "pause").click()
    expect(part(page, "pause")).to_have_text("Resume")
    assert overlap(shown(page)[..., 0] > 127, truth) > 0.75  # at the size that the load allows
    look(page, "cutout")
    with page.expect_download() as saved:
        part(page, "snapshot").click()
    assert saved.value.suggested_filename == "depthmask.png"
    alpha = cv2.imread(str(saved.value.path()), cv2.IMREAD_UNCHANGED)
    assert alpha is not None and alpha.shape == (480, 640, 4)
    assert overlap(alpha[..., 3] > 127, truth) > 0.75


def test_a_scene_that_moves_is_watched_for_longer(start: Start, served: Served, room: Clip) -> None:
    room.show(example("teddy")[0], sways=True)
    page = open_tab(start(*room.options), served.url)
    look(page, "mask")
    page.evaluate(NOTE_SENTENCES)
    capture(page)
    assert any("hold on" in sentence for sentence, _ in page.evaluate("window.heard"))
    frames(page, 5)
    assert share(page) < 0.02
    room.show(example("teddy")[1], sways=True)
    wait_for_share(page, 0.05, 0.9)


def test_the_page_says_how_fast_it_is(start: Start, served_slowly: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served_slowly.url)
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


def test_the_page_says_that_quality_was_lowered(
    start: Start, served_slowly: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served_slowly.url)
    capture(page)
    room.show(example("teddy")[0], passes=True)
    told = part(page, "quality")
    expect(told).to_contain_text("Quality is lowered to reach 15 frames a second")
    expect(told).to_contain_text(f"88 pixels a side, not {Slow.resolution}")
    part(page, "quality-choice").select_option(label="112 pixels a side")
    expect(told).to_have_text("Quality is fixed: 112 pixels a side.")
    part(page, "quality-choice").select_option(label="Automatic")
    expect(told).to_contain_text("Quality is lowered")
    part(page, "off").click()
    expect(told).to_be_empty()


def test_a_recording_is_of_the_view_on_screen(
    start: Start, served: Served, room: Clip, tmp_path: Path
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    before = files(served.cache)
    page.locator('#live label[data-colour="#00b140"]').click()
    part(page, "record").click()
    expect(part(page, "record")).to_have_text(re.compile("^Stop"))
    frames(page, 10)
    with page.expect_download() as saved:
        part(page, "record").click()
    assert saved.value.suggested_filename == "depthmask.webm"
    video = cv2.VideoCapture(str(saved.value.path()))
    done, picture = video.read()
    assert done and picture.shape == (480, 640, 3)
    assert picture[240, 320].tolist() == pytest.approx([0x40, 0xB1, 0], abs=25)
    count, rate = (video.get(name) for name in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS))
    assert 0 < count / rate < 600, "players are told the duration"
    expect(part(page, "record")).to_have_text("Record")
    assert files(served.cache) == before, "nothing passes the server's disk"


def test_a_recording_of_the_cut_out_is_transparent(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    look(page, "cutout")
    part(page, "record").click()
    frames(page, 5)
    with page.expect_download() as saved:
        part(page, "record").click()
    header = Path(saved.value.path()).read_bytes()[:1000]
    assert b"\x53\xc0\x81\x01" in header, "WebM's AlphaMode is 1"


def test_a_recording_is_saved_when_the_camera_is_turned_off(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    part(page, "record").click()
    recorded(page)
    with page.expect_download() as saved:
        part(page, "off").click()
    assert saved.value.suggested_filename == "depthmask.webm"


def test_a_recording_that_the_browser_ends_is_saved_and_another_begins(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    page.evaluate(HOLD_RECORDER)
    capture(page)
    part(page, "record").click()
    expect(part(page, "sentence")).to_contain_text("This browser cannot record")
    expect(part(page, "record")).to_have_text("Record")
    part(page, "record").click()
    recorded(page)
    with page.expect_download() as saved:
        page.evaluate("window.recorder.stop()")
    assert saved.value.suggested_filename == "depthmask.webm"
    expect(part(page, "sentence")).to_contain_text("The browser ended the recording")
    expect(part(page, "record")).to_have_text("Record")
    record_again(page)


def recorded(page: Page) -> None:
    """Waits until a second is recorded, as browsers hand out what they recorded by the second."""
    frames(page, 3)
    expect(part(page, "record")).to_have_text(re.compile("^Stop [1-9]"))


def record_again(page: Page) -> None:
    part(page, "record").click()
    recorded(page)
    with page.expect_download() as saved:
        part(page, "record").click()
    assert cv2.VideoCapture(str(saved.value.path())).read()[0]
    expect(part(page, "record")).to_have_text("Record")


def test_a_recording_can_be_saved_when_the_server_is_gone(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    part(page, "record").click()
    recorded(page)
    page.route("**/component_server/**", lambda route: route.abort())
    expect(part(page, "sentence")).to_contain_text("The server did not answer")
    with page.expect_download() as saved:
        part(page, "record").click()
    assert cv2.VideoCapture(str(saved.value.path())).read()[0]
    page.unroute_all(behavior="wait")
    part(page, "pause").click()
    record_again(page)


def test_who_leaves_during_a_recording_is_asked(start: Start, served: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served.url)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    capture(page)
    part(page, "record").click()
    recorded(page)
    with page.expect_event("dialog"):
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"]
    with page.expect_download():
        part(page, "record").click()
    with page.expect_event("close"):
        page.close(run_before_unload=True)
    assert len(asked) == 1, "nobody is asked without a recording"


def test_nobody_is_not_saved(start: Start, served: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    look(page, "cutout")
    for name in ("snapshot", "use"):
        part(page, name).click()
        expect(part(page, "sentence")).to_contain_text("Nothing is in the scene: step in, then")
        part(page, "pause").click()
        part(page, "pause").click()
    look(page, "depth")
    with page.expect_download():
        part(page, "snapshot").click()  # which an empty scene has, too


def test_background_and_frame_become_photos(start: Start, served: Served, room: Clip) -> None:
    background, image, _ = example("teddy")
    page = open_tab(start(*room.options), served.url)
    capture(page)
    room.show(image)
    expect(part(page, "sentence")).to_have_text("")
    frames(page, 3)
    sent = page.evaluate(TAKE_PHOTOS)
    names = [name for name, _, _ in sent]
    assert names == ["live-background.png", "live-image.png"]
    for (_, _, data), expected in zip(sent, (background, image), strict=True):
        assert abs(decoded(data).astype(int) - expected).mean() < 8


def test_the_background_is_learned_before_the_visitors_eyes(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    page.evaluate(NOTE_COUNT)
    expect(part(page, "count")).to_have_attribute("data-seconds", "3")
    capture(page, seconds=3)
    noted = page.evaluate("window.counted")
    assert noted[:3] == ["3", "2", "1"]
    assert [text for text in noted if "of" in text][:3] == ["0 of 15", "1 of 15", "2 of 15"]
    assert "14 of 15" in noted
    expect(part(page, "count")).to_be_empty()


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_the_result_is_seen_without_scrolling(
    start: Start, served: Served, room: Clip, size: tuple[int, int]
) -> None:
    width, height = size
    page = open_tab(start(*room.options), served.url)
    page.set_viewport_size({"width": width, "height": height})
    for name in ("start", "capture"):
        assert bottom(page, name) <= height
    capture(page)
    names = ["video", "shown", "depth", "swatches", "fps", "latency", "check"]
    assert {name: bottom(page, name) for name in names if bottom(page, name) > height} == {}
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_has_a_serious_fault_of_accessibility(
    start: Start, served: Served, room: Clip, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    script = find_axe()
    if script is None:
        pytest.skip(MISSING_AXE)
    page = open_tab(start(*room.options), served.url)
    page.emulate_media(color_scheme=scheme)
    page.evaluate(script)
    found = {"waiting": page.evaluate(FAULTS)}
    capture(page)
    found["live"] = page.evaluate(FAULTS)
    look(page, "cutout")
    part(page, "snapshot").click()
    page.locator("#live summary").click()
    part(page, "record").click()
    found["a complaint, recording, clips"] = page.evaluate(FAULTS)
    assert found == {state: [] for state in found}


def test_swatches_are_one_group_for_the_keyboard(start: Start, served: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    page.locator("#live label[data-view=mask] input").focus()
    page.keyboard.press("ArrowRight")
    expect(part(page, "caption")).to_have_text("Cut-out")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.live") == "colour"
    for swatch in page.locator("#live .swatch:visible canvas").all():
        swatch.click()
        frames(page, 1)


def test_a_colour_and_a_picture_of_the_visitors_own(
    start: Start, served: Served, room: Clip, tmp_path: Path
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    part(page, "colour").fill("#ff8000")
    expect(part(page, "caption")).to_have_text("Own colour")
    assert shown(page)[5, 5].tolist() == [255, 128, 0]
    blue = tmp_path / "blue.png"
    cv2.imwrite(str(blue), np.full((300, 90, 3), (255, 0, 0), np.uint8))
    part(page, "file").set_input_files(blue)
    expect(part(page, "caption")).to_have_text("Own picture")
    assert shown(page)[5, 5].tolist() == [0, 0, 255]
    page.locator('#live label[data-view="colour"]:visible').last.click()
    assert shown(page)[5, 5].tolist() == [255, 128, 0]


def test_a_clip_with_true_masks_is_scored(start: Start, served: Served, tmp_path: Path) -> None:
    background, image, truth = example("teddy")
    white = np.repeat(truth[..., None], 3, axis=2).astype(np.uint8) * 255
    write_video(tmp_path / "scene.webm", [background] * 15 + [image] * 15)
    write_video(tmp_path / "masks.webm", [np.zeros_like(white)] * 15 + [white] * 15)
    page = open_tab(start(), served.url)  # without a camera
    page.locator("#live summary").click()
    part(page, "play").click()
    expect(part(page, "sentence")).to_contain_text("Choose a clip first")
    part(page, "clip").set_input_files(tmp_path / "scene.webm")
    part(page, "truth").set_input_files(tmp_path / "masks.webm")
    part(page, "play").click()
    expect(part(page, "sentence")).to_contain_text("Press Capture background")
    part(page, "capture").click()
    for figure in ("iou", "mean"):
        expect(part(page, figure)).to_have_text(re.compile(r"^\d\.\d{3}$"))
    page.wait_for_function(IOU_IS_NEITHER_0_NOR_1)
    part(page, "off").click()
    expect(part(page, "sentence")).to_have_text("The clip is closed.")
    expect(part(page, "iou")).not_to_be_visible()


def test_a_clip_that_cannot_be_played_is_told(start: Start, served: Served, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    page = open_tab(start(), served.url)
    page.locator("#live summary").click()
    part(page, "clip").set_input_files(tmp_path / "notes.mp4")
    part(page, "play").click()
    expect(part(page, "sentence")).to_contain_text("notes.mp4 cannot be played by this browser")
    expect(part(page, "start")).to_be_visible()


def test_two_visitors_have_a_background_each(
    start: Start, served_alone: Served, cameras: Path
) -> None:
    pages, clips = [], []
    for name in ("teddy", "desk"):
        clips.append(Clip(cameras / f"{name}.y4m", example(name)[0]))
        pages.append(open_tab(start(*clips[-1].options), served_alone.url))
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
    assert len(served_alone.server) == 2


def test_who_closes_the_page_is_forgotten(start: Start, served_alone: Served, room: Clip) -> None:
    page = open_tab(start(*room.options), served_alone.url)
    capture(page)
    assert len(served_alone.server) == 1
    page.goto("about:blank")
    for _ in range(WAIT_MS // 200):
        if len(served_alone.server) == 0:
            break
        page.wait_for_timeout(200)
    assert len(served_alone.server) == 0


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
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    page.evaluate(NOTE_SENTENCES)
    part(page, "file").set_input_files(bad)
    page.wait_for_function("window.heard.length > 1")
    (complaint, before), (sentence, after) = page.evaluate("window.heard.slice(0, 2)")
    assert complaint.startswith("notes.png is no picture")
    assert sentence == "Nothing is in the scene: step in."
    assert after - before > 1, "it did not go with the next frame"


def test_a_backdrop_that_is_no_use_is_told(start: Start, served: Served, tmp_path: Path) -> None:
    page = open_tab(start(), served.url)
    for path, words in write_useless(tmp_path).items():
        drag(page, path, onto="#live .result")
        expect(part(page, "sentence")).to_contain_text(words)
        expect(part(page, "sentence")).to_have_class(re.compile("failed"))
    expect(part(page, "caption")).to_have_text("Mask")


def test_the_last_frame_can_be_looked_at_while_paused(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    page.locator('#live label[data-colour="#00b140"]').click()
    capture(page)
    assert share(page) < 0.02, "green has no red"
    part(page, "pause").click()
    expect(part(page, "pause")).to_have_text("Resume")
    look(page, "depth")
    wait_for_share(page, 0.02, 1)
    page.wait_for_timeout(1000)  # a frame may have been on its way
    frames_before = part(page, "shown").get_attribute("data-frames")
    look(page, "mask")
    wait_for_share(page, 0, 0.02)
    assert part(page, "shown").get_attribute("data-frames") == frames_before


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
    context = start()
    context.add_init_script(REFUSE_CAMERA)
    page = open_tab(context, served.url)
    part(page, "start").click()
    expect(part(page, "sentence")).to_contain_text("The camera was refused")
    expect(part(page, "capture")).to_be_disabled()
    expect(part(page, "start")).to_be_enabled()


def test_a_camera_that_cannot_be_had_is_told_and_can_be_asked_for_again(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    check_refusals(page)


def check_refusals(page: Page) -> None:
    """Asks for a camera that is not there, for all reasons, and then for one that is."""
    for name, message, words in (
        ("NotAllowedError", "Permission denied", "The camera was refused: allow it next to"),
        ("NotAllowedError", "Permission denied by system", "in the settings of the system"),
        ("NotFoundError", "", "No camera was found: connect one"),
        ("NotReadableError", "Could not start video source", "Another program uses the camera"),
        ("AbortError", "Starting videoinput failed", "see that no other program uses it"),
        ("UnknownError", "", "The camera could not be opened (UnknownError): connect it again"),
    ):
        page.evaluate(MISS_CAMERA, [name, message])
        part(page, "start").click()
        expect(part(page, "sentence")).to_contain_text(words)
        expect(part(page, "sentence")).to_contain_text("then press Start camera.")
        expect(part(page, "capture")).to_be_disabled()
        expect(part(page, "start")).to_be_enabled()
    part(page, "start").click()
    expect(part(page, "sentence")).to_contain_text("press Capture background")
    expect(part(page, "capture")).to_be_enabled()


def test_a_camera_that_is_unplugged_can_be_started_again(
    start: Start, served: Served, room: Clip
) -> None:
    page = open_tab(start(*room.options), served.url)
    capture(page)
    part(page, "record").click()
    recorded(page)
    with page.expect_download():
        page.evaluate(UNPLUG)
    check_gone(page)
    capture(page)
    record_again(page)
    part(page, "count").evaluate("count => { count.dataset.seconds = 2; }")
    for moment in ("2", "3 of 15"):  # during the countdown, and while frames are taken
        page.evaluate(UNPLUG_AT, moment)
        part(page, "capture").click()
        check_gone(page)
        part(page, "start").click()
        expect(part(page, "capture")).to_be_enabled()


def check_gone(page: Page) -> None:
    expect(part(page, "sentence")).to_have_text(
        "The camera is gone: connect it, then press Start camera."
    )
    expect(part(page, "count")).to_be_empty()
    expect(part(page, "start")).to_be_visible()
    for name in ("capture", "pause", "record", "snapshot", "use"):
        expect(part(page, name)).to_be_disabled()
    expect(part(page, "sentence")).to_contain_text("The camera is gone")  # still


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
