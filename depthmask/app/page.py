"""The page as a whole: a header, the tabs, a footer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.routes import App

from depthmask.app import html
from depthmask.app.batch.tab import build_batch_tab
from depthmask.app.cache_files import FILE_LIFETIME_S, SWEEP_INTERVAL_S
from depthmask.app.endpoint import build_endpoint
from depthmask.app.examples import Example
from depthmask.app.fair_queue import MAX_REQUESTS, FairQueue
from depthmask.app.live.server import HasNetwork
from depthmask.app.live.tab import build_live_tab
from depthmask.app.loading import Predicts
from depthmask.app.model_card import build_model_tab
from depthmask.app.modules import import_module
from depthmask.app.photos.tab import PhotosTab
from depthmask.app.prediction_cache import PredictionCache

FOLDER = Path(__file__).parent


def build_demo(
    predictor: Predicts,
    examples: Sequence[Example],
    *,
    model: str,
    card: Path | None = None,
    live: Callable[[], HasNetwork] | None = None,
    live_fast: Callable[[], HasNetwork] | None = None,
    solved: Mapping[str, dict[str, Any]] | None = None,
    queue: FairQueue | None = None,
    video: Sequence[str] | None = None,
    debug: bool = False,
) -> gr.Blocks:
    """Builds the page.

    Args:
        predictor: Makes the predictions: a `Predictor`, or a `LoadingPredictor`.
        examples: Shown in this order.
        model: The name of the model in use.
        card: Its model card, in Markdown.
        live: Returns the predictor of the live tab once it is loaded; without it, there is no tab.
        live_fast: Returns one of the fast network, which that tab uses where the other is too slow.
        solved: What `find_solved` found: examples that need no prediction.
        queue: In which visitors wait for their turn.
        video: Begins the command line by which the batch tab makes clips; without it, it does not.
        debug: The live tab shows how long each stage of a frame takes.
    """
    gr.set_static_paths([path for e in examples for path in (*e.files, e.solved) if path])
    cache, queue = PredictionCache(), FairQueue() if queue is None else queue
    with (
        _without_servers(),
        gr.Blocks(
            title="depthmask",
            analytics_enabled=False,
            fill_width=True,
            delete_cache=(SWEEP_INTERVAL_S, FILE_LIFETIME_S),
        ) as page,
    ):
        gr.HTML(html.HEADER, elem_id="header")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Photos", id="photos"):
                photos = PhotosTab(
                    predictor, examples, model=model, cache=cache, queue=queue, solved=solved
                )
            with gr.Tab("Batch", id="batch"):
                build_batch_tab(predictor, queue, model=model, knows=photos.knows, video=video)
            if live is not None:
                with gr.Tab("Live", id="live"):
                    build_live_tab(live, fast=live_fast, debug=debug)
            with gr.Tab("Model", id="model"):
                build_model_tab(card)
        gr.HTML(
            html.footer(model, card),
            elem_id="footer",
            js_on_load=import_module(FOLDER / "page.js"),
        )
        build_endpoint(predictor, cache, queue, model=model)
    with _without_servers():
        page.queue(max_size=MAX_REQUESTS)
    return page


@contextmanager
def _without_servers() -> Iterator[None]:
    """Spares three servers, with 80 routes each, that Gradio makes before it launches another."""
    create = App.create_app

    def create_app(blocks: gr.Blocks, *others: Any, **options: Any) -> App:
        if others or options != {"mcp_server": False}:  # a page of another thread is launched
            return create(blocks, *others, **options)
        return None  # type: ignore[return-value]

    App.create_app = staticmethod(create_app)  # type: ignore[method-assign]
    try:
        yield
    finally:
        App.create_app = staticmethod(create)  # type: ignore[method-assign]
