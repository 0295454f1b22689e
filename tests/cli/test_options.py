"""Options that several commands share, or that are handed on: what each of them changes."""

import argparse
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import depthmask.app
from depthmask.app import Serving
from depthmask.cli.demo import AUTH_VARIABLE
from depthmask.cli.main import COMMANDS, main
from depthmask.datasets.build import Folders
from depthmask.datasets.plan import Settings
from depthmask.errors import DepthmaskError
from depthmask.network.checkpoint import SHIPPED
from tests.clips.drawing import UNEVEN, write

TESTS = Path(__file__).resolve().parents[1]
# they look at every option, and try none
LOOK_ONLY = {"test_documents.py", "test_programs.py"}


@cache
def texts_of_tests() -> dict[Path, str]:
    paths = (path for path in TESTS.rglob("*.py") if path.name not in LOOK_ONLY)
    return {path: path.read_text("utf-8") for path in paths}


def every_option() -> list[tuple[str, Sequence[str]]]:
    """The command and the names of each option."""
    found = []
    for name, command in COMMANDS.items():
        parser = argparse.ArgumentParser(add_help=False)
        command.function(command.add_arguments)(parser)
        found += [(name, action.option_strings) for action in parser._actions]
    return [(name, strings) for name, strings in found if strings]


@pytest.mark.parametrize(
    ("command", "option"),
    [pytest.param(*each, id=f"{each[0]} {each[1][-1]}") for each in every_option()],
)
def test_every_option_is_tried_by_a_test_of_its_command(
    command: str, option: Sequence[str]
) -> None:
    """A test names both; what it does with them is up to it."""
    start = re.compile(rf"""["']{command}["']|running_{command}\(""")
    names = re.compile(rf"(?<![\w-])({'|'.join(option)})(?![\w-])")
    assert any(start.search(text) and names.search(text) for text in texts_of_tests().values())


class Stop(DepthmaskError):
    """Ends a command once it has asked for what a test looks at."""


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a command asks of the network, which is not loaded."""
    asked: list[dict[str, Any]] = []

    def note(checkpoint: Path | None, **options: object) -> None:
        asked.append({"checkpoint": checkpoint, **options})
        raise Stop("That is all.")

    monkeypatch.setattr("depthmask.inference.predictor.Predictor", note)
    return asked


@pytest.fixture
def wall(tmp_path: Path) -> str:
    Image.new("RGB", (64, 48), (40, 60, 80)).save(tmp_path / "wall.png")
    return str(tmp_path / "wall.png")


@pytest.fixture
def clip(tmp_path: Path) -> str:
    return str(write(tmp_path / "clip.mkv", UNEVEN))


@pytest.mark.parametrize("command", ["predict", "evaluate", "video", "camera"])
def test_each_command_asks_for_the_network_that_is_named(
    command: str, network: list[dict[str, Any]], wall: str, clip: str, tmp_path: Path
) -> None:
    words = {
        "predict": ["predict", wall, wall],
        "evaluate": ["evaluate", str(tmp_path)],
        "video": ["video", clip, "-o", str(tmp_path / "out.webm")],
        "camera": ["camera", "--from", clip],
    }[command]
    options = "--model fast --device cpu --backend torch --quality best --resolution 96"
    assert main([*words, *options.split()]) == 2
    given = {"device": "cpu", "backend": "torch", "quality": "best", "resolution": 96}
    assert network.pop() == {"checkpoint": SHIPPED["fast"], **given}
    own = tmp_path / "own.safetensors"
    assert main([*words, "--checkpoint", str(own)]) == 2
    assert network.pop()["checkpoint"] == own


@pytest.mark.parametrize("command", ["export", "bench"])
def test_a_shipped_network_is_exported_and_measured_by_its_name(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def note(checkpoint: Path, *_: object, **__: object) -> None:
        asked.append(checkpoint)
        raise Stop("That is all.")

    monkeypatch.setattr("depthmask.export.exporter.export", note)
    monkeypatch.setattr("depthmask.cli.bench.bench", note)
    more = ["--dynamic"] if command == "export" else ["--quick"]
    for name in SHIPPED:
        assert main([command, *more, "--model", name]) == 2
        assert asked.pop() == SHIPPED[name]


@pytest.mark.parametrize("command", ["video", "camera"])
def test_addresses_of_this_network_are_fetched_on_request(
    command: str,
    network: list[dict[str, Any]],
    clip: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    private = "http://127.0.0.1:9/wall.png"  # where nothing answers
    words = {
        "video": ["video", clip, "-o", str(tmp_path / "out.webm"), "--backdrop", private],
        "camera": ["camera", "--from", clip, "--backdrop", private],
    }[command]
    told = []
    for more in ([], ["--allow-private"]):
        assert main([*words, *more]) == 2
        told.append(capsys.readouterr().err)
    assert not network
    assert "--allow-private" in told[0] and "--allow-private" not in told[1]


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("photo", [True, False])
def test_the_camera_of_a_clip_can_be_taken_to_stand_still(
    monkeypatch: pytest.MonkeyPatch, clip: str, wall: str, tmp_path: Path, photo: bool, align: bool
) -> None:
    asked = []

    def note(*_: object, align: bool) -> None:
        asked.append(align)
        raise Stop("That is all.")

    monkeypatch.setattr("depthmask.cli.video.make_predictor", lambda *_, **__: SimpleNamespace())
    monkeypatch.setattr("depthmask.inference.clip_scene.learn_scene", note)
    monkeypatch.setattr("depthmask.inference.clip_scene.lay_scene", note)
    words = ["video", clip, "-o", str(tmp_path / "out.webm")]
    words += ["--background", wall] * photo + ["--no-align"] * (not align)
    assert main(words) == 2
    assert asked == [align]


def test_predict_hands_on_which_steps_are_left_out(
    monkeypatch: pytest.MonkeyPatch, wall: str, tmp_path: Path
) -> None:
    asked: list[dict[str, bool]] = []

    class Network:
        def predict(self, *_: object, **steps: bool) -> None:
            asked.append(steps)
            raise Stop("That is all.")

    monkeypatch.setattr("depthmask.cli.predict.make_predictor", lambda *_, **__: Network())
    words = ["predict", wall, wall, "-o", str(tmp_path / "out")]
    assert main([*words, "--no-refine"]) == 2
    assert asked.pop() == {"align": True, "light": True, "refine": False}


def test_options_of_build_and_pack_reach_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    built: list[tuple[object, ...]] = []
    packed: list[dict[str, object]] = []
    monkeypatch.setattr("depthmask.datasets.build.build", lambda *given, **_: built.append(given))
    monkeypatch.setattr("depthmask.data.pack.pack", lambda *_, **options: packed.append(options))
    measured = ["--measured-depth", "M"]
    folders = ["--foregrounds", "F", "--backgrounds", "B", *measured]
    words = "--size 96 --placements 3 --scale 0.25 --seed 7 --held-out 0.2 --flip"
    words += " --depth onnx:D --layout original"
    assert main(["build", *folders, "--out", "O", *words.split()]) == 0
    assert built.pop() == (
        Folders(Path("F"), Path("B"), Path("O"), Path("M")),
        Settings(
            size=96,
            placements=3,
            flip=True,
            scale=0.25,
            depth="onnx:D",
            layout="original",
            seed=7,
            held_out=0.2,
        ),
    )
    assert main(["pack", *folders, "--teacher", "T:inverse", "-o", "O"]) == 0
    assert packed.pop()["measured"] == Path("M")


@pytest.mark.parametrize("asked", [True, False])
def test_evaluate_learns_the_background_from_images_that_are_never_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: bool
) -> None:
    learns = []

    def note(*_: object, learn: object, **__: object) -> None:
        learns.append(learn is not None)
        raise Stop("That is all.")

    monkeypatch.setattr(
        "depthmask.cli.evaluate.make_predictor", lambda *_, **__: SimpleNamespace(predict=print)
    )
    monkeypatch.setattr("depthmask.evaluation.sequences.evaluate_folder", note)
    assert main(["evaluate", str(tmp_path), *["--never-empty"] * asked]) == 2
    assert learns == [asked]


class Page:
    """Notes what `demo` builds and how it would serve it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built: dict[str, Any] = {}
        self.serving = Serving()
        monkeypatch.setattr(depthmask.app, "build_demo", self._build)
        monkeypatch.setattr(depthmask.app, "launch", self._launch)
        monkeypatch.delenv(AUTH_VARIABLE, raising=False)

    def _build(self, *_: object, **options: Any) -> None:
        self.built = options

    def _launch(self, _: None, serving: Serving, **__: Any) -> None:
        self.serving = serving

    def open(self, *words: str) -> None:
        # torch is loaded when it is waited for, and here nobody waits
        assert main(["demo", "--backend", "torch", *words]) == 0


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(monkeypatch)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--host 0.0.0.0", "host", "0.0.0.0"),
        ("--port 8000", "port", 8000),
        ("--share", "share", True),
        ("--auth ann:a:b", "auth", ("ann", "a:b")),
        ("--auth-file secret", "auth", ("bob", "word")),
        ("--root-path /app", "root_path", "/app"),
        ("--site https://example.org/page", "site", "https://example.org/page"),
        ("--mcp", "mcp", True),
    ],
)
def test_options_of_demo_reach_the_server(
    page: Page,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: str,
    name: str,
    value: object,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("depthmask.app.serve.find_spec", lambda _: "the MCP package")
    (tmp_path / "secret").write_text("bob:word\n")
    page.open(*words.split())
    assert getattr(page.serving, name) == value
    assert getattr(page.serving, name) != getattr(Serving(), name)


def test_options_of_demo_reach_the_page(page: Page) -> None:
    page.open()
    assert not page.built["debug"] and page.built["model"] == SHIPPED["main"].name
    page.open("--debug", "--model", "fast")
    assert page.built["debug"] and page.built["model"] == SHIPPED["fast"].name
    assert "fast" in page.built["video"]


def test_https_takes_a_certificate_and_its_key(
    page: Page, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = ["--ssl-certfile", str(certificate), "--ssl-keyfile", str(key)]
    assert main(["demo", "--backend", "torch", *words]) == 2
    assert f"There is no file {certificate}" in capsys.readouterr().err
    assert main(["demo", "--backend", "torch", *words[:2]]) == 2
    assert "needs both --ssl-certfile and --ssl-keyfile" in capsys.readouterr().err
