"""The command line: `depthmask COMMAND --help`, or `python -m depthmask COMMAND --help`.

A command is a row in `COMMANDS`. Its module is imported when the command is named, and what it
needs when it runs, so that help and the other commands are quick.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from depthmask import __version__
from depthmask.errors import DepthmaskError, error_sentence, printable

INSTALL = (
    "Run `pip install -r requirements.txt`. On a slim Linux image, OpenCV also needs "
    "`apt-get install libgl1 libglib2.0-0`."
)
BAD_INPUT = 2  # exit code, the same as argparse's
PIPE_CLOSED = 141  # as shells call the end of a program whose output nobody reads any more


class Command(NamedTuple):
    """One sub-command: a module of this package and two functions in it, imported when it runs."""

    summary: str
    module: str
    add_arguments: str = "add_arguments"  # takes a parser
    run: str = "run"  # takes the options that the parser found

    def function(self, name: str) -> Callable[..., None]:
        found: Callable[..., None] = getattr(import_module(f"depthmask.cli.{self.module}"), name)
        return found


COMMANDS = {
    "demo": Command("Serve the web page.", "demo"),
    "site": Command("Write a static page that predicts in the browser, without a server.", "site"),
    "predict": Command("Find the mask and the depth of a pair of photos.", "predict"),
    "video": Command(
        "Cut the foreground of a clip out: a clip in, a clip with alpha out.", "video"
    ),
    "camera": Command("Put another backdrop behind a webcam, as a virtual camera.", "camera"),
    "evaluate": Command("Measure masks and depth against ground truth.", "evaluate"),
    "build": Command(
        "Build a data set of composites on disk, with masks and depth.",
        "data",
        "add_build_arguments",
        "run_build",
    ),
    "merge": Command(
        "Join and check the parts of a data set that `build --shard` made.",
        "data",
        "add_merge_arguments",
        "run_merge",
    ),
    "inspect": Command(
        "Draw a sheet of a data set's samples and distributions.",
        "data",
        "add_inspect_arguments",
        "run_inspect",
    ),
    "pack": Command(
        "Pack folders of cut-outs and backgrounds into one file to train on.",
        "data",
        "add_pack_arguments",
        "run_pack",
    ),
    "export": Command(
        "Write the network as a graph for other runtimes, and compare it with torch.", "export"
    ),
    "bench": Command("Measure how fast each backend predicts here.", "bench"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code: 2 after one sentence on stderr for bad input."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        try:
            options = _make_parser(words).parse_args(words)
            command = COMMANDS[options.command]
            command.function(command.run)(options)
        finally:
            sys.stdout.flush()  # here, where it is told if nobody reads
    except DepthmaskError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        return _end_quietly()
    except OSError as error:
        return _refuse(error_sentence(error))
    except RecursionError:
        return _refuse("A file is nested too deeply to be read; make it again.")
    except MemoryError:
        return _refuse("There is not enough memory; use smaller pictures, or close other programs.")
    except ImportError as error:
        return _refuse(f"{error}. {INSTALL}")
    return 0


def _end_quietly() -> int:
    """Lets what is still to be written go nowhere, or Python would complain of it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return PIPE_CLOSED


def _refuse(sentence: str) -> int:
    print(f"depthmask: {printable(sentence)}", file=sys.stderr)
    return BAD_INPUT


def _make_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Makes a parser that knows the options of those commands that are named in `words`."""
    parser = argparse.ArgumentParser(
        prog="depthmask",
        description="Foreground mask and dense depth from two photos: the empty scene, and the "
        "scene with something in it.",
    )
    parser.add_argument("--version", action="version", version=f"depthmask {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        part = commands.add_parser(name, help=command.summary, description=command.summary)
        if name in words:
            command.function(command.add_arguments)(part)
    return parser


if __name__ == "__main__":
    sys.exit(main())
