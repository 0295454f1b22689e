"""The web demo: drop two photos, see the mask and the depth."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from depthmask.inference.predictor import Predictor

WEIGHTS = Path(__file__).resolve().parent / "weights" / "depthmask.safetensors"
# As `depthmask.backends` and `depthmask.inference.predictor` have them, which load later.
BACKENDS = ("auto", "openvino", "onnxruntime", "torch")
QUALITIES = ("fast", "balanced", "best")


def main() -> int:
    options = parse_arguments()
    # Imported here, so that --help and a mistyped option answer at once.
    try:
        from depthmask.app import Serving, Standby, build_demo, find_card, find_examples
        from depthmask.app.serve import launch
        from depthmask.errors import LaunchError
    except ModuleNotFoundError as error:
        return refuse(f"{error}; run `pip install -r requirements.txt` first.")
    except ImportError as error:
        return refuse(error)
    checkpoint = options.checkpoint
    if not checkpoint.is_file():  # told now; what is inside is seen once the page is up
        return refuse(f"There is no checkpoint at {checkpoint}; check the path.")
    predictor = Standby(
        lambda: make_predictor(checkpoint, options.device, options.backend, options.quality)
    )
    try:
        serving = Serving(
            host=options.host,
            port=options.port,
            share=options.share,
            auth=options.auth,
            certificate=options.ssl_certfile,
            key=options.ssl_keyfile,
            mcp=options.mcp,
        )
        card = find_card(checkpoint)
        demo = build_demo(
            predictor,
            find_examples(),
            model=checkpoint.name,
            card=card,
            live=predictor.ready,
            debug=options.debug,
        )
        launch(demo, serving, load=predictor.load)
    except (LaunchError, ValueError, ImportError) as error:
        return refuse(error)
    return 0


def make_predictor(checkpoint: Path, device: str, backend: str, quality: str) -> "Predictor":
    """Loads the network; the page is up meanwhile."""
    from depthmask.inference.predictor import Predictor

    return Predictor(checkpoint, device=device, backend=backend, quality=quality)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--checkpoint", type=Path, metavar="FILE", default=WEIGHTS, help="weights of your own")
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    add("--backend", choices=BACKENDS, default="auto", help="what computes (%(default)s)")
    add(
        "--quality", choices=QUALITIES, default="balanced", help="pixels for the network (balanced)"
    )
    add("--host", default="127.0.0.1", help="0.0.0.0 lets other computers in")
    add("--port", type=int, help="without it, the first free one from 7860 on")
    add("--share", action="store_true", help="also ask Gradio for a public link")
    add("--auth", type=credentials, metavar="USER:PASSWORD", help="ask visitors for these")
    add("--ssl-certfile", type=Path, metavar="FILE", help="serve by https: the certificate, PEM")
    add("--ssl-keyfile", type=Path, metavar="FILE", help="its private key, PEM")
    add("--mcp", action="store_true", help="offer predictions to language models as a tool")
    add("--debug", action="store_true", help="show what each stage of a live frame takes")
    return parser.parse_args()


def credentials(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("give both, with a colon between: USER:PASSWORD")
    return user, password


def refuse(why: object) -> int:
    print(f"demo.py: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
