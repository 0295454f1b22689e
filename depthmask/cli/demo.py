"""`depthmask demo`: serves the web page."""

import argparse
from pathlib import Path

from depthmask.cli.predict import add_network_arguments, make_predictor
from depthmask.errors import CheckpointError, OptionError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network_arguments(parser)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="0.0.0.0 lets other computers in (%(default)s)")
    add("--port", type=int, help="default: the first free one from 7860 on")
    add("--share", action="store_true", help="also ask Gradio for a public link")
    add("--auth", type=credentials, metavar="USER:PASSWORD", help="ask visitors for these")
    add("--ssl-certfile", type=Path, metavar="FILE", help="serve by https: the certificate, PEM")
    add("--ssl-keyfile", type=Path, metavar="FILE", help="the private key of the certificate, PEM")
    add("--mcp", action="store_true", help="offer predictions to language models as a tool")
    add("--debug", action="store_true", help="show how long each stage of a live frame takes")


def credentials(text: str) -> tuple[str, str]:
    """Splits USER:PASSWORD at the first colon."""
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("give both, with a colon between: USER:PASSWORD")
    return user, password


def run(options: argparse.Namespace) -> None:
    """Serves the page until it is interrupted; the network is loaded once the page is up."""
    from depthmask.network.checkpoint import WEIGHTS

    checkpoint = options.checkpoint or WEIGHTS
    _check_network(checkpoint, options)
    from depthmask.app import (
        LoadingPredictor,
        Serving,
        build_demo,
        find_card,
        find_examples,
        launch,
    )

    serving = Serving(
        host=options.host,
        port=options.port,
        share=options.share,
        auth=options.auth,
        certificate=options.ssl_certfile,
        key=options.ssl_keyfile,
        mcp=options.mcp,
    )
    predictor = LoadingPredictor(lambda: make_predictor(options))
    page = build_demo(
        predictor,
        find_examples(),
        model=checkpoint.name,
        card=find_card(checkpoint),
        live=predictor.ready,
        debug=options.debug,
    )
    launch(page, serving, load=predictor.load)


def _check_network(checkpoint: Path, options: argparse.Namespace) -> None:
    """Checks what can be checked before the network is loaded.

    Raises:
        CheckpointError: There is no such file. Its content is checked when it is loaded.
        OptionError: There is no such backend or quality.
    """
    from depthmask.backends import backend_names
    from depthmask.inference.predictor import QUALITIES

    if not checkpoint.is_file():
        raise CheckpointError(f"There is no checkpoint at {checkpoint}; check the path.")
    for option, value, known in (
        ("backend", options.backend, ["auto", *backend_names()]),
        ("quality", options.quality, [*QUALITIES]),
    ):
        if value not in known:
            raise OptionError(f"There is no {option} {value!r}; use one of: {', '.join(known)}.")
