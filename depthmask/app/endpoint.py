"""The endpoint /predict for programs; `--mcp` also offers it as a tool."""

from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr
from anyio.to_thread import run_sync

from depthmask.app.cache_files import fetch_file
from depthmask.app.fair_queue import FairQueue
from depthmask.app.loading import Predicts
from depthmask.app.photos.analysis import analyse
from depthmask.app.photos.downloads import DOWNLOADS, describe, prepare
from depthmask.app.photos.dropped import MAX_FILE_BYTES, DroppedFiles
from depthmask.app.prediction_cache import PredictionCache
from depthmask.errors import DepthmaskError

PARTS = ("mask", "depth", "cutout")  # keys of DOWNLOADS, in the order of the results
Result = tuple[str, str, str, dict[str, Any]]


def make_endpoint(
    predictor: Predicts, cache: PredictionCache, queue: FairQueue, *, model: str
) -> Callable[[str, str, gr.Request], Awaitable[Result]]:
    """Makes the function behind the endpoint. Requests of one client are served one by one."""

    async def predict(background: str, image: str, request: gr.Request) -> Result:
        """Find what is new in a photo of a scene, and how far away everything is.

        Args:
            background: Photo of the empty scene.
            image: Photo of the same scene, from the same spot, with something in it.

        Returns:
            The mask as an 8-bit PNG (255 is foreground), the depth as a 16-bit PNG (65535 is
            depth 1), the foreground as a PNG with alpha, and a description of all that.
        """
        if not (background and image):
            raise gr.Error("Give both files, the background and the image.", print_exception=False)
        return await queue.run(str(request.session_hash), answer, background, image)

    def answer(background: str, image: str) -> Result:
        analysis = analyse(predictor, cache, DroppedFiles(background, image))
        if analysis.predicted is None:
            raise gr.Error(analysis.message, print_exception=False)
        paths = []
        for name in PARTS:
            path, complaint = prepare(DOWNLOADS[name], analysis, model)
            if path is None:
                raise gr.Error(complaint, print_exception=False)
            paths.append(str(path))
        mask, depth, cutout = paths
        return mask, depth, cutout, describe(analysis, analysis.predicted, model)

    return predict


def build_endpoint(
    predictor: Predicts, cache: PredictionCache, queue: FairQueue, *, model: str
) -> None:
    """Adds /predict to the surrounding `gr.Blocks`; its components are not visible."""
    background, image = (_photo(name) for name in ("Background", "Image"))
    outputs = [gr.File(label=name.capitalize(), visible=False) for name in PARTS]
    described = gr.JSON(label="Description", visible=False)
    gr.Button(visible=False).click(
        make_endpoint(predictor, cache, queue, model=model),
        [background, image],
        [*outputs, described],
        api_name="predict",
        concurrency_limit=None,
    )


def _photo(label: str) -> gr.File:
    """A file that a call may also name by its address in the web.

    Gradio would fetch it, but keep all of the answer in memory, however long it is.
    """
    file = gr.File(label=label, visible=False)
    store = file.async_move_resource_to_block_cache

    async def fetch_or_store(url_or_file_path: Any) -> str | None:
        place = str(url_or_file_path)
        if not place.lower().startswith(("http://", "https://")):
            return await store(url_or_file_path)
        try:
            return str(await run_sync(lambda: fetch_file(place, max_bytes=MAX_FILE_BYTES)))
        except DepthmaskError as error:
            raise gr.Error(str(error), print_exception=False) from error

    file.async_move_resource_to_block_cache = fetch_or_store  # type: ignore[method-assign]
    return file
