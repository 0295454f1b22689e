"""The stage alone, on a drawn scene of known values: pixels of the views, repair, saving, keys."""

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from depthmask.app.photos import scene as scene_module
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.scene import first_scene, write_scene
from depthmask.app.prediction_cache import PredictedPair
from depthmask.evaluation.array_metrics import mask_iou
from depthmask.inference.predictor import Prediction
from depthmask.render import views as render
from tools.axe import MISSING, find_axe
from tools.stage_page import serve_stage

pytestmark = pytest.mark.browser

HEIGHT, WIDTH = 160, 120  # portrait
THING, SHADOW = np.s_[40:120, 30:80], np.s_[100:120, 80:105]
UNKNOWN = np.s_[130:150, 5:25]  # where the true mask does not count
UNSHOWN = np.s_[:, 90:]  # a quarter, in the scene "narrow": what the background does not show
WALL, COLOUR = (150, 160, 170), (200, 60, 40)
NEAR, FAR = 0.4, 0.8
HALF = 35  # a column of the thing where the mask is half sure
OpenStage = Callable[..., Page]
Rgb = npt.NDArray[np.int64]


def draw_analysis(*, truth: bool = True, found: bool = True, narrow: bool = False) -> Analysis:
    """A red block before a grey wall, with its shadow; the mask also takes ten columns too many."""
    background = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
    image = background.copy()
    image[SHADOW] = np.rint(image[SHADOW] * 0.5 ** (1 / 2.2)).astype(np.uint8)
    image[THING] = COLOUR
    image[40:120, HALF] = (np.array(COLOUR) + WALL) // 2
    true = np.zeros((HEIGHT, WIDTH), bool)
    true[THING] = True
    mask = true.astype(np.float32) * found
    if found:
        mask[40:120, HALF] = 0.5
        mask[40:60, 80:90] = 1
        mask[130:150, 5:15] = 1
    depth = np.where(true, np.float32(NEAR), np.float32(FAR))
    error = np.where(true, np.float32(0.1), np.float32(-0.2))
    error[:5] = np.nan
    unknown = np.zeros_like(true)
    unknown[UNSHOWN] = True
    prediction = Prediction(
        mask, depth, 0.1, background=background, unknown=unknown if narrow else None
    )
    predicted = PredictedPair(image, prediction, (HEIGHT, WIDTH), ())
    if not truth:
        return Analysis("", predicted=predicted)
    known = np.ones_like(true)
    known[UNKNOWN] = False
    return Analysis(
        "",
        predicted=predicted,
        true_mask=true,
        mask_known=known,
        depth_error=error,
        iou=mask_iou(mask, true, known),
        rmse=0.18,
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for name, analysis in (
        ("block", draw_analysis()),
        ("bare", draw_analysis(truth=False)),
        ("nobody", draw_analysis(found=False)),
        ("narrow", draw_analysis(narrow=True)),
    ):
        (folder / name).mkdir()
        scene = write_scene(analysis, name=name, folder=folder / name, words={"iou": "good"})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(scene_module, "FIRST_SIDE", max(HEIGHT, WIDTH) // 2)
            scene["first"] = first_scene(analysis)["first"]
        (folder / name / "scene.json").write_text(json.dumps(scene))
    return folder


@pytest.fixture
def open_stage(browser: Browser, scenes: Path) -> Iterator[OpenStage]:
    failures: list[str] = []
    pages: list[Page] = []
    with serve_stage(scenes) as url:

        def open_stage(name: str = "block", *, still: bool = True, arrival: bool = False) -> Page:
            page = browser.new_page(
                viewport={"width": 1280, "height": 900},
                reduced_motion="reduce" if still else "no-preference",
            )
            pages.append(page)
            page.set_default_timeout(60_000)
            page.on("pageerror", lambda error: failures.append(str(error)))
            page.goto(url)
            page.wait_for_function("window.stage")
            page.evaluate("([name, arrival]) => open_scene(name, { arrival })", [name, arrival])
            return page

        yield open_stage
        for page in pages:
            page.close()
    assert failures == []


def choose(page: Page, tile: str, view: str) -> None:
    page.locator(f"[data-tile={tile}] > .stage-views input[value='{view}']").check(force=True)


def canvas_pixels(page: Page, selector: str) -> Rgb:
    """The pixels of a canvas: (H, W, 4)."""
    width, height, text = page.evaluate(
        "selector => { const c = document.querySelector(selector);"
        " const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
        " const text = Array.from(data, (value) => String.fromCharCode(value)).join('');"
        " return [c.width, c.height, btoa(text)]; }",
        selector,
    )
    values = np.frombuffer(base64.b64decode(text), np.uint8)
    return values.reshape(height, width, 4).astype(np.int64)


def pixels(page: Page, tile: str) -> Rgb:
    """What a tile shows: (H, W, 3)."""
    return canvas_pixels(page, f"canvas[data-picture={tile}]")[..., :3]


def view(page: Page, tile: str, name: str) -> Rgb:
    choose(page, tile, name)
    return pixels(page, tile)


def close(seen: Rgb, expected: object, tolerance: int = 4) -> bool:
    return bool((abs(seen - np.array(expected)) <= tolerance).all())


def download(page: Page, tile: str) -> tuple[str, Image.Image]:
    with page.expect_download() as saved:
        page.locator(f"[data-tile={tile}] [data-do=save]").click()
    return saved.value.suggested_filename, Image.open(io.BytesIO(saved.value.path().read_bytes()))


def stroke(page: Page, *places: tuple[float, float]) -> None:
    """Drags the brush over places in pixels of the picture."""
    box = page.locator("[data-tile=mask] .stage-picture").bounding_box()
    assert box is not None
    points = [
        (box["x"] + x / WIDTH * box["width"], box["y"] + y / HEIGHT * box["height"])
        for x, y in places
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def test_the_views_of_the_mask_have_the_scenes_values(open_stage: OpenStage) -> None:
    page = open_stage()
    assert close(view(page, "image", "image")[60, 60], COLOUR)
    assert close(view(page, "image", "background")[60, 60], WALL)
    mask = view(page, "mask", "mask")
    assert mask[60, 60].tolist() == [255] * 3 and mask[10, 10].tolist() == [0] * 3
    assert close(view(page, "mask", "alpha")[60, HALF], 128, 1)
    cutout = view(page, "mask", "cutout")
    assert close(cutout[60, 60], COLOUR)
    greys = {tuple(cutout[y, x]) for y in range(30) for x in range(30)}
    assert greys == {(render.LIGHT_GREY,) * 3, (render.DARK_GREY,) * 3}
    errors = view(page, "mask", "mask-errors")
    assert errors[50, 85].tolist() == list(render.FALSE_COLOUR)
    assert np.ptp(errors[140, [10, 20]], axis=1).tolist() == [0, 0], "unknown, so it is grey"
    assert page.locator("[data-tile=mask] dd").first.text_content() == f"{draw_analysis().iou:.3f}"
    assert page.locator("[data-tile=mask] .stage-words").text_content() == "good"


def test_the_views_of_the_depth_have_the_scenes_values(open_stage: OpenStage) -> None:
    page = open_stage()
    expected = render.colour_depth(np.array([[NEAR, FAR]], np.float32))[0].astype(int)
    depth = view(page, "depth", "depth")
    assert close(depth[60, 60], expected[0], 3) and close(depth[10, 10], expected[1], 3)
    errors = view(page, "depth", "depth-errors")
    # a third and two thirds of the way from light grey to orange and to blue
    assert close(errors[60, 60], (236, 195, 164), 2) and close(errors[20, 10], (104, 150, 196), 2)
    assert errors[2, 10].tolist() == [120] * 3, "unknown"
    blurred = view(page, "depth", "blur")
    assert close(blurred[60, 60], COLOUR), "the foreground stays sharp"
    assert close(blurred[60, 20], WALL, 12), "and its colours do not bleed into the rest"


def test_a_backdrop_lies_behind_the_foreground(open_stage: OpenStage) -> None:
    page = open_stage()
    assert close(view(page, "mask", "backdrop")[10, 10], (0x3F, 0x7D, 0x6E), 0)
    page.get_by_role("button", name="Amber").click()
    seen = pixels(page, "mask")
    assert close(seen[10, 10], (0xE3, 0xB2, 0x3C), 0) and close(seen[60, 60], COLOUR)
    page.get_by_role("button", name="Blur of the scene").click()
    assert close(pixels(page, "mask")[60, 60], COLOUR)
    assert close(pixels(page, "mask")[10, 10], WALL)
    picture = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 20, 30)).save(picture, "PNG")
    page.locator("input[type=file]").set_input_files(
        {"name": "own.png", "mimeType": "image/png", "buffer": picture.getvalue()}
    )
    page.wait_for_function(
        "document.querySelector('canvas[data-picture=mask]').getContext('2d')"
        ".getImageData(5, 5, 1, 1).data[0] === 10"
    )


def test_errors_without_truth_say_what_is_missing(open_stage: OpenStage) -> None:
    page = open_stage("bare")
    for tile, name in (("mask", "mask-errors"), ("depth", "depth-errors")):
        choose(page, tile, name)
        waits = page.locator(f"[data-tile={tile}] .stage-waits")
        assert "Add the true" in str(waits.text_content())
        assert page.locator(f"[data-tile={tile}] dd").text_content() == "needs ground truth"
    choose(page, "mask", "mask")
    assert page.locator("[data-tile=mask] .stage-waits").text_content() == ""


def test_compare_has_both_halves_at_the_same_place_and_size(open_stage: OpenStage) -> None:
    page = open_stage()
    seen = view(page, "mask", "compare")
    image, cutout = view(page, "image", "image"), view(page, "mask", "cutout")
    half = WIDTH // 2
    assert (seen[:, :half] == image[:, :half]).all() and (seen[:, half:] == cutout[:, half:]).all()
    choose(page, "mask", "compare")
    page.get_by_label("Compare: how much").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    assert (pixels(page, "mask") == cutout).all()
    page.keyboard.press("End")
    assert (pixels(page, "mask") == image).all()
    stroke(page, (100, 80), (30, 80))
    seen = pixels(page, "mask")
    assert (seen[:, 32:] == cutout[:, 32:]).all() and (seen[:, :28] == image[:, :28]).all()


def test_compare_sweeps_once_on_arrival(open_stage: OpenStage) -> None:
    page = open_stage(still=False, arrival=True)
    handle = "document.querySelector('.stage-handle').style.left"
    page.wait_for_function(f"{handle} && Math.abs(parseFloat({handle}) - 50) > 10")
    page.wait_for_function(f"Math.abs(parseFloat({handle}) - 50) < 0.1")
    rests = open_stage(still=True, arrival=True)
    assert rests.evaluate(handle) in ("", "50%")


def test_the_brush_erases_what_every_view_shows(open_stage: OpenStage) -> None:
    page = open_stage()
    page.get_by_role("button", name="Repair mask").click()
    page.keyboard.press("e")
    for x in (81, 85, 89):
        stroke(page, (x, 36), (x, 64))
    mask = view(page, "mask", "mask")
    assert mask[45:58, 84:90].max() == 0 and mask[60, 60].max() == 255
    assert close(
        view(page, "mask", "mask-errors")[50, 87], view(page, "mask", "mask-errors")[70, 100], 12
    )
    words = page.locator("[data-tile=mask] .stage-words")
    assert "repaired" in str(words.text_content())
    figure = page.locator("[data-tile=mask] dd").first
    assert float(str(figure.text_content())) > 0.96, "without the pixels that are not known"
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert pixels(page, "mask").shape  # settled
    assert view(page, "mask", "mask")[50, 87].max() == 255
    assert words.text_content() == "good"
    page.get_by_role("button", name="Redo").click()
    assert words.text_content() != "good"


def test_the_brush_adds_from_the_keyboard(open_stage: OpenStage) -> None:
    page = open_stage()
    page.get_by_role("button", name="Repair mask").click()
    page.keyboard.press("b")
    page.locator("canvas[data-picture=mask]").focus()
    for _ in range(200):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    assert view(page, "mask", "mask")[1, WIDTH // 2].max() == 255


def test_grow_shrink_feather_and_reset(open_stage: OpenStage) -> None:
    page = open_stage()
    before = view(page, "mask", "alpha")
    page.get_by_role("button", name="Repair mask").click()

    def slide(name: str, value: int) -> Rgb:
        page.get_by_label(name, exact=True).evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }",
            value,
        )
        return view(page, "mask", "alpha")

    grown = slide("Grow", 5)
    assert grown[80, 26].max() == 255 and grown[80, 23].max() == 0
    shrunk = slide("Grow", -5)
    assert shrunk[80, 75].max() < 255 and shrunk[80, 72].max() == 255
    slide("Grow", 0)
    soft = slide("Feather", 6)
    assert 0 < soft[80, 27].max() < 128 < soft[80, 82].max() + 100
    page.get_by_role("button", name="Reset").click()
    assert (view(page, "mask", "alpha") == before).all()


def test_the_cast_shadow_is_kept_or_dropped(open_stage: OpenStage) -> None:
    page = open_stage()
    plain = view(page, "mask", "cutout")[110, 90]
    page.get_by_role("button", name="Repair mask").click()
    page.locator(".stage-shadow input[value=keep]").check(force=True)
    kept = view(page, "mask", "cutout")[110, 90]
    assert close(kept, plain * 0.5, 25), "soft black on the checks"
    name, saved = download(page, "mask")
    assert name == "block-cutout.png"
    assert saved.mode == "RGBA" and abs(int(np.asarray(saved)[110, 90, 3]) - 128) < 20
    page.locator(".stage-shadow input[value=drop]").check(force=True)
    assert close(view(page, "mask", "cutout")[110, 90], plain, 0)


def test_what_was_repaired_is_what_is_saved(open_stage: OpenStage) -> None:
    page = open_stage()
    page.get_by_role("button", name="Repair mask").click()
    page.keyboard.press("e")
    stroke(page, (60, 70), (62, 90))
    choose(page, "mask", "cutout")
    _, saved = download(page, "mask")
    alpha = np.asarray(saved)[..., 3]
    assert alpha[80, 61] == 0 and alpha[50, 60] == 255 and alpha[60, HALF] in (127, 128)
    assert close(np.asarray(saved)[60, HALF, :3].astype(int), COLOUR, 25), "not multiplied by alpha"
    page.get_by_role("button", name="Cut-out", exact=True).click()
    page.wait_for_function("window.asked.length")
    sent = page.evaluate(
        "async () => { const [name, { mask, shadow }] = window.asked[0];"
        " return [name, shadow, Array.from(new Uint8Array(await mask.arrayBuffer()))]; }"
    )
    assert sent[:2] == ["cutout", "found"]
    levels = np.asarray(Image.open(io.BytesIO(bytes(sent[2]))))
    assert (levels == alpha).all()
    assert "There is no server here." in str(page.locator(".stage-message").text_content())


def test_any_view_is_saved_under_the_photos_name(open_stage: OpenStage) -> None:
    page = open_stage()
    for tile, name in (("mask", "mask-errors"), ("depth", "depth"), ("depth", "depth-errors")):
        shown = view(page, tile, name)
        file, saved = download(page, tile)
        assert file == f"block-{name}.png"
        assert (np.asarray(saved.convert("RGB")) == shown).all()


def test_nothing_found_is_said_and_not_saved(open_stage: OpenStage) -> None:
    page = open_stage("nobody")
    choose(page, "mask", "cutout")
    page.locator("[data-tile=mask] [data-do=save]").click()
    assert "Nothing new was found" in str(page.locator(".stage-message").text_content())


def test_the_depth_under_pointer_and_cursor_is_told(open_stage: OpenStage) -> None:
    page = open_stage()
    box = page.locator("[data-tile=depth] .stage-picture").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    readout = page.locator(".stage-readout")
    assert readout.text_content() == f"depth {NEAR:.3f}"
    page.mouse.move(2, 2)
    page.locator("canvas[data-picture=depth]").focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowLeft")
    assert readout.text_content() == f"depth {FAR:.3f}"
    choose(page, "depth", "depth-errors")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert str(readout.text_content()).startswith("0.10 too far")


def test_views_are_one_tab_stop_with_arrow_keys(open_stage: OpenStage) -> None:
    page = open_stage()
    page.locator("[data-tile=mask] > .stage-views input:checked").focus()
    page.keyboard.press("ArrowRight")
    assert (
        page.locator("[data-tile=mask] > .stage-views input:checked").get_attribute("value")
        == "alpha"
    )
    assert close(pixels(page, "mask")[60, HALF], 128, 1)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.stage-views')") is None


def test_the_relief_is_drawn_tilts_and_is_saved(open_stage: OpenStage) -> None:
    page = open_stage()
    choose(page, "depth", "3d")
    page.wait_for_selector("canvas.stage-relief[data-frames]")
    _, still = download(page, "depth")
    colours = np.asarray(still.convert("RGB")).astype(int)
    height, width = colours.shape[:2]
    assert close(colours[height // 2, width // 2], COLOUR, 12)
    frames = page.locator("canvas.stage-relief").get_attribute("data-frames")
    page.wait_for_timeout(300)
    assert page.locator("canvas.stage-relief").get_attribute("data-frames") == frames, "it rests"
    page.locator("canvas.stage-relief").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    _, tilted = download(page, "depth")
    assert abs(np.asarray(tilted.convert("RGB")).astype(int) - colours).mean() > 3


def test_without_webgl_a_sentence_says_so(open_stage: OpenStage) -> None:
    page = open_stage()
    page.evaluate(
        "() => { const get = HTMLCanvasElement.prototype.getContext;"
        " HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        " return kind === 'webgl' ? null : get.call(this, kind, ...rest); }; }"
    )
    choose(page, "depth", "3d")
    assert "no WebGL" in str(page.locator("[data-tile=depth] .stage-waits").text_content())


def test_a_newer_scene_wins_and_clear_empties_the_stage(open_stage: OpenStage) -> None:
    page = open_stage()
    page.evaluate(
        """async () => {
            const [older, newer] = await Promise.all(["nobody", "bare"].map(async (name) => ({
                ...(await (await fetch(`/scenes/${name}/scene.json`)).json()),
                folder: name, first: undefined,
            })));
            const get = window.fetch;
            window.fetch = async (url) => { // the older one's files come last
                const wait = String(url).includes("/nobody/") ? 500 : 0;
                await new Promise((go) => setTimeout(go, wait));
                return get(url);
            };
            await Promise.all([window.stage.show(older), window.stage.show(newer)]);
        }"""
    )
    assert page.locator("[data-tile=depth] dd").text_content() == "needs ground truth"
    assert close(view(page, "mask", "mask")[60, 60], 255, 0)
    page.evaluate("window.stage.clear('Drop two photos.')")
    assert page.locator("[data-tile=mask] .stage-waits").text_content() == "Drop two photos."
    assert page.locator("[data-do=save]").first.is_disabled()


def test_the_rest_of_a_scene_comes_later(open_stage: OpenStage) -> None:
    page = open_stage()
    choose(page, "image", "background")
    choose(page, "mask", "cutout")
    page.evaluate("open_scene('block', { late: true })")
    page.wait_for_function("!!window.answer_rest")
    first = pixels(page, "mask")
    assert first.shape[:2] == (HEIGHT // 2, WIDTH // 2)
    assert close(first[30, 30], COLOUR), "the image's colours serve until then"
    assert close(pixels(page, "image")[30, 30], COLOUR)
    repair = page.get_by_role("button", name="Repair mask")
    assert repair.is_disabled()
    assert "as soon as all of it is loaded" in str(repair.get_attribute("title"))
    page.locator("[data-tile=mask] [data-do=save]").click()  # waits for the colours
    choose(page, "depth", "3d")
    with page.expect_download() as saved:
        page.evaluate("answer_rest()")
    assert saved.value.suggested_filename == "block-cutout.png"
    assert close(pixels(page, "image")[60, 60], WALL)
    half = pixels(page, "mask")[60, HALF]
    mixed = [(np.array(COLOUR) + grey) // 2 for grey in (153, 204)]
    assert any(close(half, each) for each in mixed), "the wall no longer shines through"
    page.wait_for_selector("canvas.stage-relief[data-frames]")
    assert repair.get_attribute("title") == ""
    repair.click()
    assert page.get_by_role("radiogroup", name="Shadow").is_visible()


def test_a_rest_that_did_not_come_is_asked_for_again(open_stage: OpenStage) -> None:
    page = open_stage()
    page.evaluate("open_scene('block', { late: true })")
    page.wait_for_function("!!window.refuse_rest")
    page.evaluate("() => { refuse_rest(); window.answer_rest = null; }")
    page.locator("[data-tile=image] [data-do=save]").click()
    page.wait_for_function("!!window.answer_rest")
    with page.expect_download():
        page.evaluate("answer_rest()")


def test_a_panel_that_is_open_waits_for_the_whole_scene(open_stage: OpenStage) -> None:
    page = open_stage()
    page.get_by_role("button", name="Repair mask").click()
    page.evaluate("open_scene('block', { late: true })")
    page.wait_for_function("!!window.answer_rest")
    before = pixels(page, "mask")
    page.locator("[data-tile=mask] canvas").first.click(position={"x": 5, "y": 5})
    assert (pixels(page, "mask") == before).all(), "what is painted would be lost"
    page.evaluate("answer_rest()")
    page.wait_for_function(f"document.querySelector('[data-picture=mask]').width === {WIDTH}")
    before = pixels(page, "mask")
    page.locator("[data-tile=mask] canvas").first.click(position={"x": 5, "y": 5})
    assert (pixels(page, "mask") != before).any()


def test_the_pages_own_photo_is_shown_if_it_fits(open_stage: OpenStage) -> None:
    page = open_stage()
    for width, expected in ((WIDTH, (1, 2, 3)), (WIDTH + 1, COLOUR)):
        page.evaluate(
            """async ([width, height]) => {
                const canvas = new OffscreenCanvas(width, height);
                const pencil = canvas.getContext("2d");
                pencil.fillStyle = "rgb(1 2 3)";
                pencil.fillRect(0, 0, width, height);
                window.own_photo = { bitmaps: [await createImageBitmap(canvas)], width, height };
                window.answer_rest = null;
                const answer = await fetch("/scenes/block/scene.json");
                const { rest, first, files, ...scene } = await answer.json();
                const kept = { ...rest, files: { ...rest.files, ...files } };
                delete first.image;
                const shown = stage.show({ ...scene, first, kept, folder: "block" });
                while (!window.answer_rest) await new Promise((go) => setTimeout(go, 10));
                answer_rest();
                await shown;
                await stage.complete();
            }""",
            [width, HEIGHT],
        )
        assert close(view(page, "image", "image")[60, 60], expected)


@pytest.mark.parametrize("refused", [False, True])
def test_full_screen_fills_the_screen(open_stage: OpenStage, refused: bool) -> None:
    page = open_stage()
    page.set_viewport_size({"width": 390, "height": 844})
    if refused:
        page.evaluate("() => { Element.prototype.requestFullscreen = () => Promise.reject(); }")
    page.locator("[data-tile=depth] [data-do=full]").click()
    page.wait_for_function(
        "() => { const c = document.querySelector('canvas[data-picture=depth]');"
        " const tile = c.closest('.stage-tile').getBoundingClientRect();"
        " return tile.height >= innerHeight && tile.width >= innerWidth"
        " && c.getBoundingClientRect().width > 0.9 * innerWidth; }"
    )
    page.locator("[data-tile=depth] [data-do=full]").click()
    page.wait_for_function(
        "() => !document.fullscreenElement && !document.querySelector('.stage-filled')"
    )


def test_buttons_are_large_enough_to_hit(open_stage: OpenStage) -> None:
    page = open_stage()
    choose(page, "mask", "backdrop")
    page.get_by_role("button", name="Repair mask").click()
    choose(page, "mask", "backdrop")
    sizes = page.evaluate(
        "Array.from(document.querySelectorAll('.stage button, .stage-views label, .stage-swatch'))"
        ".map((b) => b.getBoundingClientRect()).filter((b) => b.width)"
        ".map((b) => Math.min(b.width, b.height))"
    )
    assert len(sizes) > 25 and min(sizes) >= 24


AXE = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`));
}"""


@pytest.mark.parametrize("dark", [False, True])
def test_no_state_has_a_serious_fault_of_accessibility(open_stage: OpenStage, dark: bool) -> None:
    axe = find_axe()
    if axe is None:
        pytest.skip(MISSING)
    page = open_stage()
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.evaluate(axe)
    faults = {}

    def look(state: str) -> None:
        faults[state] = page.evaluate(AXE)

    for tile, name in (
        ("mask", "compare"),
        ("mask", "backdrop"),
        ("depth", "3d"),
        ("depth", "blur"),
    ):
        choose(page, tile, name)
        look(name)
    page.get_by_role("button", name="Repair mask").click()
    look("repair")
    page.evaluate("window.stage.clear()")
    look("empty")
    page.evaluate("open_scene('bare')")
    choose(page, "mask", "mask-errors")
    look("without truth")
    assert {state: found for state, found in faults.items() if found} == {}


def test_what_the_background_does_not_show_is_hatched(open_stage: OpenStage) -> None:
    page = open_stage("narrow")
    layer = page.locator("[data-tile=mask] .stage-unknown")
    legend = page.locator("[data-tile=mask] .stage-legend")
    for name in ("mask", "alpha", "cutout", "compare", "mask-errors"):
        choose(page, "mask", name)
        assert layer.is_visible()
        assert "25% of the picture is not shown by the background" in legend.inner_text()
    stripes = canvas_pixels(page, "[data-tile=mask] .stage-unknown")
    assert (stripes[UNSHOWN][..., 3] > 0).all() and not stripes[:, :90, 3].any()
    assert stripes[UNSHOWN][..., :3].std() > 50
    # the stripes are no part of the picture, so they are not saved
    assert close(view(page, "mask", "mask")[:20], 0)
    choose(page, "mask", "backdrop")
    assert not layer.is_visible()
    choose(page, "image", "background")
    assert page.locator("[data-tile=image] .stage-unknown").is_visible()
    choose(page, "image", "image")
    assert not page.locator("[data-tile=image] .stage-unknown").is_visible()
    choose(page, "mask", "mask")
    page.evaluate("() => open_scene('block')")
    page.wait_for_function("() => window.stage && !document.querySelector('.stage-busy')")
    assert not layer.is_visible() and "not shown" not in legend.inner_text()
