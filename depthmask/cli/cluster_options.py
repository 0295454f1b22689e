"""`--ray`: the option, the workers that a command gets by it, and what each of them checks."""

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path

from depthmask.cli.inputs import STREAM
from depthmask.cli.options import weights_fingerprint
from depthmask.cluster import Cluster, Needs, network_needs
from depthmask.data.folders import say
from depthmask.errors import OptionError, counted
from depthmask.files import reservation


def add_ray_argument(add: Callable[..., object]) -> None:
    """Adds --ray, by the method of a parser or of a group of its options."""
    add(
        "--ray",
        metavar="ADDRESS",
        help="work on a Ray cluster: auto, or HOST:PORT of its head; all its machines must reach "
        "the files under the same paths",
    )


def on_all_machines(options: argparse.Namespace, *names: str) -> None:
    """Makes the paths of some options absolute, as workers run in other folders.

    Raises:
        OptionError: One is no path.
    """

    def absolute(given: object) -> object:
        if given is None or isinstance(given, Path):
            return given and given.absolute()
        if isinstance(given, list):
            return [absolute(each) for each in given]
        text = str(given)
        if text == STREAM or "://" in text:
            raise OptionError(f"With --ray, name a file that all machines reach, not {text}.")
        return os.path.abspath(text)

    for name in names:
        setattr(options, name, absolute(getattr(options, name)))


def find_workers(cluster: Cluster, options: argparse.Namespace) -> tuple[int, Needs]:
    """Says how many workers of a cluster can run the network, and what each needs."""
    needs = network_needs(cluster.machines, on_gpu=options.device != "cpu")
    workers = cluster.workers(needs)
    say(f"{counted(workers, 'worker')} on {counted(len(cluster.machines), 'machine')}.")
    return workers, needs


def check_weights(options: argparse.Namespace, fingerprint: str | None) -> None:
    """Sees that this machine of a cluster has the same weights; errors: OptionError."""
    if weights_fingerprint(options) != fingerprint:
        raise OptionError(
            f"The machine {platform.node()} has other weights; install the same version of "
            "depthmask there, or name a --checkpoint that all machines see."
        )


def check_sees(output: Path, sign: str, part: str = "") -> None:
    """Sees that this machine reaches an output; errors: OptionError.

    Args:
        output: That a run on another machine has `reserved`.
        sign: What it got.
        part: As it said.
    """
    try:
        seen = reservation(output, part).read_text("utf-8") == sign
    except OSError:
        seen = False
    if not seen:
        raise OptionError(
            f"The machine {platform.node()} does not reach {output}; give folders that all "
            "machines of the cluster share under the same paths, or use --shard."
        )
