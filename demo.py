"""The web demo: drop two photos, see the mask and the depth."""

import argparse
import sys
from pathlib import Path


def main() -> int:
    arguments = parse_arguments()
    # Imported here, so that --help and a mistyped option answer at once.
    try:
        from depthmask.checkpoint import WEIGHTS
        from depthmask.inference import Predictor
        from depthmask.ui import LaunchError, build_demo, find_examples, launch
    except ModuleNotFoundError as error:
        return refuse(f"{error}; run `pip install -r requirements.txt` first.")
    except ImportError as error:
        return refuse(error)
    checkpoint = arguments.checkpoint or WEIGHTS
    try:
        predictor = Predictor(checkpoint, device=arguments.device)
    except ValueError as error:
        return refuse(error)
    model = f"Model {checkpoint.name} on {predictor.device}, sees {predictor.resolution}² pixels"
    demo = build_demo(predictor, find_examples(), model=model)
    host, port = arguments.host, arguments.port
    try:
        launch(demo, host=host, port=port, share=arguments.share, auth=arguments.auth)
    except LaunchError as error:
        return refuse(error)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--checkpoint", type=Path, metavar="FILE", help="weights, if not the shipped ones")
    add("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    add("--host", default="127.0.0.1", help="0.0.0.0 lets other computers in")
    add("--port", type=int, help="without it, the first free one from 7860 on")
    add("--share", action="store_true", help="also ask Gradio for a public link")
    add("--auth", type=credentials, metavar="USER:PASSWORD", help="ask visitors for these")
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
