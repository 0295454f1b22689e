"""Time from a click on a view of the photos tab to its picture on screen.

    python -m benchmarks.stage [--image FOLDER] [--side 1600] [--repeats 15]

FOLDER is one of examples/, enlarged to SIDE pixels. Chromium opens the stage alone and clicks each
view. The columns, as medians in milliseconds:

    draw     from the click until the pixels are computed
    shown    until the frame after that was presented
    server   baseline: Python draws the same picture and packs it, as the page did before, and the
             browser unpacks it; without any network, queue or event between them
"""

import argparse
import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.command import check_folders, run
from depthmask.app.photos.analysis import Analysis
from depthmask.app.photos.scene import write_scene
from depthmask.app.prediction_cache import PredictedPair
from depthmask.files import EXAMPLES
from depthmask.inference.predictor import Prediction, Predictor
from depthmask.inference.refinement import foreground_colours
from depthmask.pictures import Picture, preview_file, read_mask, read_picture, read_true_depth
from depthmask.pictures.resize import resize
from depthmask.render import views as render
from tools.browser import FLAGS, WEBGL, require_browser
from tools.stage_page import serve_stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Clicks a view and tells when it is drawn and when the next frame has been presented.
CLICK = """([tile, view]) => new Promise((done) => {
    const input = document.querySelector(`[data-tile=${tile}] input[value="${view}"]`);
    const start = performance.now();
    input.click();
    const drawn = performance.now() - start;
    requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => done([drawn, performance.now() - start]);
        channel.port2.postMessage(null);
    });
})"""
DECODE = """async (url) => {
    const start = performance.now();
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    document.createElement("canvas").getContext("2d").drawImage(picture, 0, 0);
    return performance.now() - start;
}"""
VIEWS = {
    "mask": ("mask", "alpha", "cutout", "compare", "backdrop", "mask-errors"),
    "depth": ("depth", "blur", "depth-errors"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path, default=EXAMPLES / "teddy")
    parser.add_argument("--side", type=int, default=1600)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    check_folders(options.image)
    executable = require_browser()
    from playwright.sync_api import sync_playwright

    analysis = analyse(options.image, options.side)
    with tempfile.TemporaryDirectory() as folder, serve_stage(Path(folder)) as url:
        target = Path(folder) / "scene"
        target.mkdir()
        start = time.perf_counter()
        description = write_scene(analysis, name="scene", folder=target)
        seconds = time.perf_counter() - start
        (target / "scene.json").write_text(json.dumps(description))
        size = sum(file.stat().st_size for file in target.iterdir())
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *WEBGL])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(url)
            page.wait_for_function("window.stage")
            opened = page.evaluate(
                "async () => { const start = performance.now(); await open_scene('scene');"
                " return performance.now() - start; }"
            )
            print(
                f"{options.side} pixels; the scene has {size / 1e6:.2f} MB, is written in "
                f"{1000 * seconds:.0f} ms and opened in {opened:.0f} ms"
            )
            measure(page, analysis, options.repeats)
            browser.close()


def measure(page: "Page", analysis: Analysis, repeats: int) -> None:
    """Prints a row for each view."""
    baselines = server_views(analysis)
    print(f"{'view':14}{'first':>8}{'draw':>8}{'shown':>8}{'server':>8}")
    for tile, views in VIEWS.items():
        for view in views:
            times = []
            for _ in range(repeats + 1):
                other = views[0] if view != views[0] else views[1]
                page.evaluate(CLICK, [tile, other])
                times.append(page.evaluate(CLICK, [tile, view]))
            drawn, shown = (statistics.median(each) for each in zip(*times[1:], strict=True))
            draw = baselines.get(view)
            server = median(partial(fetch, page, draw), 5) if draw else None
            told = f"{server:8.0f}" if server is not None else f"{'-':>8}"
            print(f"{view:14}{times[0][0]:8.0f}{drawn:8.1f}{shown:8.1f}{told}")


def analyse(folder: Path, side: int) -> Analysis:
    """Predicts an example, enlarged so that its longest side has so many pixels."""
    small = [read_picture(folder / f"{name}.jpg") for name in ("background", "image")]
    height, width = (round(n * side / max(small[0].shape)) for n in small[0].shape[:2])
    background, image = (resize(picture, height, width) for picture in small)
    found: Prediction = Predictor().predict(background, image)
    truth = read_mask(folder / "mask.png").astype(np.float32)
    error = found.depth - resize(read_true_depth(folder / "depth.png").values, height, width)
    predicted = PredictedPair(image, found, (height, width), ())
    return Analysis(
        "",
        predicted=predicted,
        true_mask=resize(truth, height, width) > 0.5,
        depth_error=error,
    )


def server_views(analysis: Analysis) -> dict[str, Callable[[], Picture]]:
    """The views that Python can still draw."""
    predicted, true = analysis.predicted, analysis.true_mask
    assert predicted is not None and true is not None
    image, found = predicted.image, predicted.prediction
    colours = foreground_colours(image, found.background, found.mask)
    shape = found.mask.shape
    inside = found.mask > 0.5

    def draw_cutout() -> Picture:
        return render.lay_over(render.cutout(colours, found.mask), render.checkerboard(*shape))

    return {
        "mask": lambda: (inside * np.uint8(255)).astype(np.uint8),
        "cutout": draw_cutout,
        "mask-errors": lambda: render.mask_errors(image, inside, true),
        "depth": lambda: render.colour_depth(found.depth),
    }


def fetch(page: "Page", draw: Callable[[], Picture]) -> float:
    """Milliseconds to draw and pack a picture here and to unpack it in the browser."""
    start = time.perf_counter()
    content, ending = preview_file(draw())
    here = 1000 * (time.perf_counter() - start)
    kind = {"jpg": "jpeg"}.get(ending, ending)
    url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    there: float = page.evaluate(DECODE, url)
    return here + there


def median(measure: Callable[[], float], repeats: int) -> float:
    return statistics.median(measure() for _ in range(repeats))


if __name__ == "__main__":
    sys.exit(run(main))
