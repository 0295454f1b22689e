"""`depthmask demo`: serves the web page."""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from depthmask.cli.options import add_network_arguments, chosen_checkpoint, make_predictor
from depthmask.cli.site import find_site
from depthmask.errors import CheckpointError, LaunchError, OptionError

if TYPE_CHECKING:
    from depthmask.inference.predictor import Predictor

AUTH_VARIABLE = "DEPTHMASK_AUTH"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_network_arguments(parser)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="0.0.0.0 lets other computers in (%(default)s)")
    add("--port", type=int, help="default: the first free one from 7860 on")
    add("--share", action="store_true", help="also ask Gradio for a public link")
    add("--auth", type=credentials, metavar="USER:PASSWORD", help="ask visitors for these")
    add("--auth-file", type=Path, metavar="FILE", help="the same, from a file's first line")
    add("--root-path", metavar="PATH", help="where a proxy serves the page: /app, or its address")
    add("--ssl-certfile", type=Path, metavar="FILE", help="serve by https: the certificate, PEM")
    add("--ssl-keyfile", type=Path, metavar="FILE", help="the private key of the certificate, PEM")
    add("--site", metavar="ADDRESS", help="of a static page that you host, for the page to name")
    add("--mcp", action="store_true", help="offer predictions to language models as a tool")
    add("--debug", action="store_true", help="show how long each stage of a live frame takes")


def credentials(text: str) -> tuple[str, str]:
    """Splits USER:PASSWORD at the first colon."""
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("give both, with a colon between: USER:PASSWORD")
    return user, password


def read_credentials(options: argparse.Namespace) -> tuple[str, str] | None:
    """Returns user and password from --auth, --auth-file or the variable DEPTHMASK_AUTH.

    On the command line other users of the computer can see them.

    Raises:
        OptionError: The file cannot be read, or there is no USER:PASSWORD in it.
    """
    if options.auth:
        user, password = options.auth
        return user, password
    text, place = os.environ.get(AUTH_VARIABLE, ""), AUTH_VARIABLE
    if options.auth_file:
        place = str(options.auth_file)
        try:
            text = options.auth_file.read_text("utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"{place} cannot be read; check --auth-file.") from error
    if not text and not options.auth_file:
        return None
    try:
        return credentials(text)
    except argparse.ArgumentTypeError as error:
        raise OptionError(f"{place} holds no USER:PASSWORD; write both, with a colon.") from error


def run(options: argparse.Namespace) -> None:
    """Serves the page until it is interrupted; the network is loaded meanwhile."""
    checkpoint = _check_network(options)
    load = _start_loading(options)
    from depthmask.app import (
        FairQueue,
        LoadingPredictor,
        PlainApi,
        Serving,
        build_demo,
        find_card,
        find_examples,
        find_solved,
        launch,
    )
    from depthmask.app.temporary import VARIABLE, TemporaryFolder

    folder = TemporaryFolder()
    folder.watch()
    os.environ[VARIABLE] = str(folder.path)
    serving = Serving(
        host=options.host,
        port=options.port,
        share=options.share,
        auth=read_credentials(options),
        root_path=options.root_path,
        certificate=options.ssl_certfile,
        key=options.ssl_keyfile,
        mcp=options.mcp,
        site=options.site,
    )
    predictor, queue = LoadingPredictor(load), FairQueue()
    examples = find_examples()
    page = build_demo(
        predictor,
        examples,
        solved=find_solved(examples, checkpoint, options.quality),
        model=checkpoint.name,
        card=find_card(checkpoint),
        live=predictor.ready,
        live_fast=_fast_network(options, checkpoint),
        queue=queue,
        video=video_command(options),
        debug=options.debug,
    )
    api = PlainApi(predictor, queue, model=checkpoint.name, auth=serving.auth)
    try:
        launch(
            page,
            serving,
            load=predictor.load,
            has_room=folder.has_room,
            api=api,
            site=_built_site(),
        )
    finally:
        folder.close()


def _built_site() -> Path | None:
    """The folder of the static page; None where it was not built."""
    try:
        return find_site()
    except LaunchError:
        return None


def video_command(options: argparse.Namespace) -> list[str]:
    """The start of a command line that makes a clip with the page's network."""
    command = [sys.executable, "-m", "depthmask", "video"]
    for name in ("checkpoint", "model", "quality", "device", "backend"):
        value = getattr(options, name)
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def _fast_network(
    options: argparse.Namespace, checkpoint: Path
) -> Callable[[], "Predictor"] | None:
    """Returns what loads the fast network, once; None where its main one is not in use."""
    from depthmask.network.checkpoint import SHIPPED

    if checkpoint != SHIPPED["main"]:
        return None

    @cache
    def load() -> "Predictor":
        from depthmask.inference.predictor import Predictor

        return Predictor(SHIPPED["fast"], device=options.device, backend=options.backend)

    return load


def _start_loading(options: argparse.Namespace) -> Callable[[], "Predictor"]:
    """Loads the network in a thread; what is returned waits for it, or raises its error.

    torch holds up all else while it is imported. Where it may be the one, the network is loaded
    when it is waited for, which is once the page is up.
    """
    from depthmask.backends.select import has_gpu

    on_cpu = options.device == "cpu" or (options.device == "auto" and not has_gpu())
    if options.backend == "torch" or not on_cpu:
        return partial(make_predictor, options)
    pool = ThreadPoolExecutor(1)
    loading = pool.submit(make_predictor, options)
    pool.shutdown(wait=False)
    return loading.result


def _check_network(options: argparse.Namespace) -> Path:
    """Checks what can be checked before the network is loaded; returns where its weights are.

    Raises:
        CheckpointError: There is no such file. Its content is checked when it is loaded.
        OptionError: There is no such backend or quality.
    """
    from depthmask.backends import backend_names
    from depthmask.inference.predictor import QUALITIES, weights_for

    checkpoint = chosen_checkpoint(options) or weights_for(options.quality)
    if not checkpoint.is_file():
        raise CheckpointError(f"There is no checkpoint at {checkpoint}; check the path.")
    for option, value, known in (
        ("backend", options.backend, ["auto", *backend_names()]),
        ("quality", options.quality, [*QUALITIES]),
    ):
        if value not in known:
            raise OptionError(f"There is no {option} {value!r}; use one of: {', '.join(known)}.")
    return checkpoint
