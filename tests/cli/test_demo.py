"""`depthmask demo`: its options, and the sentences that end it."""

import argparse
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from depthmask.backends import backend_names, select
from depthmask.cli import demo
from depthmask.cli.demo import AUTH_VARIABLE, credentials, read_credentials
from depthmask.cli.main import main
from depthmask.errors import CheckpointError, OptionError
from depthmask.inference.predictor import QUALITIES

ROOT = Path(__file__).resolve().parents[2]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence that a start with these arguments ends with."""
    assert main(["demo", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    return printed.err


def test_weights_that_are_missing_are_told_before_the_page_is_up(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = str(tmp_path / "none.safetensors")
    assert f"no checkpoint at {missing}" in refused(capsys, "--checkpoint", missing)


@pytest.mark.parametrize(
    ("option", "known"), [("--backend", backend_names()), ("--quality", [*QUALITIES])]
)
def test_a_name_that_is_unknown_is_told_with_those_that_are_known(
    capsys: pytest.CaptureFixture[str], option: str, known: list[str]
) -> None:
    sentence = refused(capsys, option, "guess")
    assert "'guess'" in sentence and all(name in sentence for name in known)


@pytest.mark.parametrize("command", ["demo", "predict", "evaluate"])
def test_help_names_every_backend_and_quality(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*backend_names(), *QUALITIES))


@pytest.mark.parametrize("text", ["user", "user:", ":word", ""])
def test_half_a_login_is_refused(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--auth", text])
    assert stop.value.code == 2
    assert "USER:PASSWORD" in capsys.readouterr().err


def test_a_login_keeps_colons_in_the_password() -> None:
    assert credentials("ann:a:b") == ("ann", "a:b")


@pytest.mark.slow
def test_damaged_weights_end_the_demo(tmp_path: Path) -> None:
    damaged = tmp_path / "weights.safetensors"
    damaged.write_text("nothing")
    done = start("--checkpoint", str(damaged))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "weights.safetensors" in done.stderr


@pytest.mark.slow
def test_a_taken_port_is_one_sentence(exported_checkpoint: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = start("--checkpoint", str(exported_checkpoint), "--port", port)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"Another program has port {port}" in done.stderr
    assert "leave it out for the first free one" in done.stderr


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "demo.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_credentials_may_come_from_a_file_or_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(**options: object) -> tuple[str, str] | None:
        return read_credentials(argparse.Namespace(**({"auth": None, "auth_file": None} | options)))

    monkeypatch.delenv(AUTH_VARIABLE, raising=False)
    assert read() is None
    monkeypatch.setenv(AUTH_VARIABLE, "eve:variable")
    assert read() == ("eve", "variable")
    (tmp_path / "file").write_text("ann:a:b\nmore\n")
    assert read(auth_file=tmp_path / "file") == ("ann", "a:b")
    assert read(auth=("bob", "option"), auth_file=tmp_path / "file") == ("bob", "option")
    (tmp_path / "empty").touch()
    for name, sentence in (("empty", "holds no USER:PASSWORD"), ("none", "cannot be read")):
        with pytest.raises(OptionError, match=sentence):
            read(auth_file=tmp_path / name)


@pytest.mark.parametrize(
    ("arguments", "gpu", "early"),
    [
        ([], False, True),
        (["--device", "cpu"], True, True),
        ([], True, False),
        (["--backend", "torch"], False, False),
        (["--device", "cuda"], False, False),
    ],
)
def test_the_network_is_loaded_while_the_page_is_built_unless_torch_runs_it(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], gpu: bool, early: bool
) -> None:
    begun = threading.Event()

    def make(options: argparse.Namespace) -> None:
        begun.set()
        raise CheckpointError("The weights are damaged.")

    monkeypatch.setattr(demo, "make_predictor", make)
    monkeypatch.setattr(select, "has_gpu", lambda: gpu)
    parser = argparse.ArgumentParser()
    demo.add_arguments(parser)
    load = demo._start_loading(parser.parse_args(arguments))
    assert begun.wait(60 if early else 0) is early
    with pytest.raises(CheckpointError, match="weights are damaged"):
        load()
