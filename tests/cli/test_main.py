"""The command line: files and JSON out, or one sentence and exit code 2."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import depthmask
from depthmask.cli.main import main
from depthmask.depth import CONVENTION
from depthmask.inference.light import NOT_MATCHED
from depthmask.inference.pair_quality import PairQuality, PairReport
from depthmask.inference.predictor import Prediction
from depthmask.inference.registration import NOT_REGISTERED
from depthmask.pictures import Picture
from tests.conftest import Pair
from tests.limits import failing_replace, files_of_at_most

FOLDERS = ["--foregrounds", "FG", "--backgrounds", "BG"]


def predict(folder: Path, checkpoint: Path, *more: str) -> int:
    background, image = str(folder / "background.png"), str(folder / "image.png")
    output = str(folder / "out")
    return main(
        ["predict", background, image, "-o", output, "--checkpoint", str(checkpoint), *more]
    )


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What was complained about; nothing may be on stdout."""
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1 and printed.err.endswith(".\n")
    return printed.err


def test_predict(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(pair_folder, tiny_checkpoint, "--device", "cpu", "--resolution", "96") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["resolution"] == 96 and report["device"] == "cpu"
    assert report["convention"] == CONVENTION
    assert set(report["seconds"]) == {"load", "predict", "write"}
    assert "iou" not in report and "rmse" not in report
    for name, mode in (("mask", "L"), ("depth", "I;16"), ("cutout", "RGBA")):
        assert report[name] == str(pair_folder / "out" / f"{name}.png")
        with Image.open(report[name]) as picture:
            assert picture.mode == mode and picture.size == (80, 60)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"depthmask {depthmask.__version__}\n"


def test_predict_tells_how_the_pair_fits(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(pair_folder, tiny_checkpoint) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)["pair"]
    assert report["sentence"] in printed.err and 0 <= report["score"] <= 1
    assert report["registration"].keys() >= {"accepted", "shift_pixels", "overlap"}
    assert predict(pair_folder, tiny_checkpoint, "--no-align", "--no-light") == 0
    report = json.loads(capsys.readouterr().out)["pair"]
    for step in ("registration", "light"):
        assert not report[step]["accepted"] and report[step]["reason"] == "not asked for"


def test_predict_tells_what_was_done_to_the_pictures(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Image.open(pair_folder / "image.png") as opaque:
        opaque.load()
    opaque.putalpha(200)
    opaque.save(pair_folder / "image.png")
    assert predict(pair_folder, tiny_checkpoint) == 0
    printed = capsys.readouterr()
    note = "The transparent parts were laid on grey."
    assert json.loads(printed.out)["notes"] == {"background": [], "image": [note], "truth": []}
    assert f"image.png: {note}\n" in printed.err


def test_predict_with_truth(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = ["--true-mask", "mask.png", "--true-depth", "depth.png"]
    truth = [str(pair_folder / word) if word.endswith("png") else word for word in truth]
    assert predict(pair_folder, tiny_checkpoint, *truth) == 0
    report = json.loads(capsys.readouterr().out)
    assert 0 <= report["iou"] <= 1 and 0 <= report["rmse"] <= 1


@pytest.mark.parametrize("option", ["--true-mask", "--true-depth"])
def test_truth_of_another_size(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    Image.new("L", (7, 5)).save(pair_folder / "truth.png")
    assert predict(pair_folder, tiny_checkpoint, option, str(pair_folder / "truth.png")) == 2
    assert "truth.png is 7x5 pixels, its image is 80x60" in sentence(capsys)


@pytest.mark.parametrize("name", ["background.png", "image.png"])
@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_bad_pictures(
    pair_folder: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
) -> None:
    (pair_folder / name).unlink()
    if content is not None:
        (pair_folder / name).write_bytes(content)
    assert predict(pair_folder, tiny_checkpoint) == 2
    assert name in sentence(capsys)


def test_an_empty_folder_as_image(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pair_folder / "image.png").unlink()
    (pair_folder / "image.png").mkdir()
    assert predict(pair_folder, tiny_checkpoint) == 2
    assert "image.png holds no picture" in sentence(capsys)


def test_what_is_read_is_not_written_over(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    true_mask = pair_folder / "mask.png"
    before = true_mask.read_bytes()
    more = ["-o", str(pair_folder / "out" / ".."), "--true-mask", str(true_mask)]
    (pair_folder / "out").mkdir()
    assert predict(pair_folder, tiny_checkpoint, *more) == 2
    assert "would be overwritten" in sentence(capsys)
    assert true_mask.read_bytes() == before


@pytest.mark.parametrize("call", [2, 3])
def test_the_results_are_written_together(
    pair_folder: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: int,
) -> None:
    (pair_folder / "out").mkdir()
    (pair_folder / "out" / "depth.png").write_text("old")
    move = failing_replace(call, PermissionError(13, "denied"))
    monkeypatch.setattr("depthmask.files.os.replace", move)
    assert predict(pair_folder, tiny_checkpoint, "--backend", "torch") == 2
    assert ".png cannot be used (denied)" in sentence(capsys)
    (found,) = (pair_folder / "out").iterdir()
    assert found.name == "depth.png" and found.read_text() == "old"


def test_an_output_that_cannot_be_made(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pair_folder / "out").write_text("in the way")
    assert predict(pair_folder, tiny_checkpoint) == 2
    assert "cannot be made" in sentence(capsys)
    (pair_folder / "out").unlink()
    (pair_folder / "out" / "mask.png").mkdir(parents=True)
    assert predict(pair_folder, tiny_checkpoint) == 2
    assert "mask.png cannot be written" in sentence(capsys)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--device", "toaster", "no device 'toaster'"), ("--resolution", "7", "not 7")],
)
def test_bad_options(
    pair_folder: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
    message: str,
) -> None:
    assert predict(pair_folder, tiny_checkpoint, option, value) == 2
    assert message in sentence(capsys)


def test_bad_checkpoints(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = pair_folder / "bad.safetensors"
    for content in (b"", b"junk" * 100, tiny_checkpoint.read_bytes()[:3000]):
        bad.write_bytes(content)
        assert predict(pair_folder, bad) == 2
        assert "bad.safetensors" in sentence(capsys)
    assert predict(pair_folder, pair_folder / "missing.safetensors") == 2
    assert "no checkpoint at" in sentence(capsys)


@pytest.mark.parametrize("arguments", [[], ["juggle"], ["predict"], ["predict", "a"]])
def test_arguments_that_argparse_refuses(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: depthmask" in capsys.readouterr().err


def test_evaluate(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sequence = pair_folder / "all" / "room"
    for part in ("image", "mask", "depth"):
        (sequence / part).mkdir(parents=True)
        (pair_folder / f"{part}.png").rename(sequence / part / "0.png")
    (pair_folder / "background.png").rename(sequence / "background.png")
    Image.fromarray(np.full((60, 80), 1500, np.uint16)).save(sequence / "depth" / "0.png")
    file = pair_folder / "reports" / "scores.json"
    arguments = ["evaluate", str(pair_folder / "all"), "--checkpoint", str(tiny_checkpoint)]
    assert main([*arguments, "--json", str(file)]) == 0
    result = json.loads(file.read_text())
    assert set(result) == {"mask", "depth", "sequences"}
    assert {"iou", "false_foreground"} <= set(result["mask"])
    assert set(result["depth"]) == {"abs_rel", "delta1", "rmse_m"}
    assert list(result["sequences"]) == ["room"]
    printed = capsys.readouterr()
    assert json.loads(printed.out) == result
    assert printed.err.startswith("room: 1 frame\nroom: The depth was read as millimetres.")


STEPS = ("align", "light", "refine")


@pytest.mark.parametrize("left_out", [(), *((step,) for step in STEPS), STEPS])
def test_each_step_can_be_left_out(
    pair_folder: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    left_out: tuple[str, ...],
) -> None:
    asked = []

    def fake(predict: partial[None], folder: Path, **others: object) -> dict[str, object]:
        asked.append(predict.keywords)
        return {}

    monkeypatch.setattr("depthmask.evaluation.sequences.evaluate_folder", fake)
    arguments = ["evaluate", str(pair_folder), "--checkpoint", str(tiny_checkpoint)]
    assert main([*arguments, *(f"--no-{step}" for step in left_out)]) == 0
    assert asked == [{step: step not in left_out for step in STEPS}]


class FakePredictor:
    """Stands in for a predictor: what is brighter than the background is half foreground."""

    resolution, device = 64, "cpu"
    backend = SimpleNamespace(name="fake", precision="fp32")

    def __init__(self, *arguments: object, **options: object) -> None:
        pass

    def predict(self, background: Picture, image: Picture, **steps: bool) -> Prediction:
        brighter = image.astype(int).sum(axis=2) > background.astype(int).sum(axis=2) + 100
        mask = np.where(brighter, np.float32(0.6), np.float32(0))
        quality = PairQuality(1, "good", "A fine pair.")
        pair = PairReport(NOT_REGISTERED, NOT_MATCHED, quality)
        depth = np.where(brighter, np.float32(0.3), np.float32(0.9))
        return Prediction(mask, depth, 0.0, pair, background=background)


def test_predict_sees_what_is_new_in_the_image(
    pair: Pair,
    pair_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("depthmask.inference.predictor.Predictor", FakePredictor)
    truth = [f"--true-{name}={pair_folder / name}.png" for name in ("mask", "depth")]
    assert predict(pair_folder, pair_folder, *truth) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["iou"] > 0.95 and 0.05 < report["rmse"] < 0.35
    cutout = np.asarray(Image.open(report["cutout"]))
    assert (cutout[40, 40, 3], cutout[5, 5, 3]) == (153, 0)
    # with the background's share taken out, the block is brighter than in the photo
    assert cutout[40, 40, 0] > pair.image[40, 40, 0]


@pytest.mark.parametrize(
    "asked",
    [
        ["--html", "page.html"],
        ["--limit", "3"],
        ["--split", "test"],
        ["--held-out", "0.1"],
        ["--split", "train", "--held-out", "0"],
    ],
)
def test_sequences_take_no_option_of_data_sets(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str], asked: list[str]
) -> None:
    arguments = ["evaluate", str(tmp_path), "--checkpoint", str(tiny_checkpoint)]
    assert main([*arguments, *asked]) == 2
    names = " and ".join(word for word in asked if word.startswith("--"))
    assert f"{tmp_path} is no data set; leave out {names}." in sentence(capsys)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["evaluate", "SET", "--limit", "0"], "--limit must be 1 or more, not 0"),
        (["inspect", "SET", "-o", "OUT.png", "--samples", "0"], "--samples must be 1 or more"),
        (["inspect", "SET", "-o", "OUT.jpg"], "ends in .png"),
        (["build", *FOLDERS, "--out", "OUT", "--jobs", "0"], "--jobs must be 1 or more"),
        (["build", *FOLDERS, "--out", "OUT", "--shard", "2"], "Write --shard as I/N"),
        (["export"], "add --dynamic or -o FILE"),
    ],
)
def test_numbers_and_names_out_of_range_are_told(
    tmp_path: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    told: str,
) -> None:
    (tmp_path / "SET").mkdir()
    (tmp_path / "SET" / "dataset.json").write_text("{}")
    words = [str(tmp_path / word) if word.split(".")[0].isupper() else word for word in command]
    more = ["--checkpoint", str(tiny_checkpoint)] if command[0] == "evaluate" else []
    assert main([*words, *more]) == 2
    assert told in sentence(capsys)


def test_options_of_pack_and_build_reach_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr("depthmask.data.pack.pack", lambda *_, **options: asked.append(options))
    monkeypatch.setattr(
        "depthmask.datasets.build.build", lambda *_, **options: asked.append(options)
    )
    pack = ["pack", *FOLDERS, "--teacher", "a.onnx:inverse", "-o", "p", "--side", "64", "--views"]
    assert main([*pack, "--max-mb", "7"]) == 0
    assert asked.pop() == {"side": 64, "max_mb": 7, "views": True, "measured": None}
    assert main(["build", *FOLDERS, "--out", "d", "--shard", "2/8"]) == 0
    assert asked.pop()["shard"] == (2, 8)


def test_evaluate_nothing(
    tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tmp_path), "--checkpoint", str(tiny_checkpoint)]) == 2
    assert "holds no sequence" in sentence(capsys)


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", "set", "--json"],
        ["evaluate", "set", "--html"],
        ["inspect", "set", "-o"],
        ["bench", "--json"],
        ["bench", "--svg"],
    ],
)
def test_an_output_file_is_looked_at_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Neither the data set nor the checkpoint is there, and that is not what is told."""
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "in the way").touch()
    for file in (tmp_path / "folder.png", tmp_path / "in the way" / "a.png"):
        more = [] if command[0] == "inspect" else ["--checkpoint", str(tmp_path / "missing")]
        assert main([*command, str(file), *more]) == 2
        assert f"{file} cannot be written (" in sentence(capsys)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileNotFoundError(2, "No such file or directory", "lost.png"), "lost.png cannot be used"),
        (OSError("the disk is gone"), "the disk is gone"),
        (OSError(), "OSError"),
        (MemoryError(), "not enough memory"),
        (ModuleNotFoundError("No module named 'numpy'"), "pip install -r requirements.txt"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: Exception,
    told: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("depthmask.datasets.merge.merge", fail)
    assert main(["merge", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert told in sentence(capsys)


def test_options_of_the_network_reach_it(
    pair_folder: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    class Asked(FakePredictor):
        def __init__(self, checkpoint: Path, **options: object) -> None:
            asked.append({"checkpoint": checkpoint, **options})

    monkeypatch.setattr("depthmask.inference.predictor.Predictor", Asked)
    assert predict(pair_folder, tiny_checkpoint) == 0
    default = {"device": "auto", "backend": "auto", "quality": "balanced", "resolution": None}
    assert asked.pop() == {"checkpoint": tiny_checkpoint, **default}
    given = {"device": "cpu", "backend": "torch", "quality": "best", "resolution": 96}
    options = [f"--{name}={value}" for name, value in given.items()]
    assert predict(pair_folder, tiny_checkpoint, *options) == 0
    assert asked.pop() == {"checkpoint": tiny_checkpoint, **given}


def test_help_in_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "depthmask", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "predict" in done.stdout and "evaluate" in done.stdout


def test_it_ends_quietly_where_nobody_reads() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = (
        "from sys import exit; from depthmask.cli import main; "
        "main.Command.function = lambda command, name: print; exit(main.main(['merge']))"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_leaves_the_results_of_before(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = pair_folder / "out"
    out.mkdir()
    for name in ("mask", "depth", "cutout"):
        (out / f"{name}.png").write_text("before")
    with files_of_at_most(2000):  # the mask alone has room
        assert predict(pair_folder, tiny_checkpoint) == 2
    told = capsys.readouterr().err
    assert "could not be written (File too large); free some space" in told
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        f"{name}.png": "before" for name in ("mask", "depth", "cutout")
    }


@pytest.mark.parametrize("name", ["mask.png", ".mask.png.tmp"])
def test_predict_writes_through_no_link(
    pair_folder: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    victim = pair_folder / "victim"
    victim.write_text("victim")
    (pair_folder / "out").mkdir()
    (pair_folder / "out" / name).symlink_to(victim)
    code = predict(pair_folder, tiny_checkpoint)
    assert code == (2 if name == "mask.png" else 0)
    assert ("is a link" in capsys.readouterr().err) == bool(code)
    assert victim.read_text() == "victim"


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "a\x1b[2J.jpg", "b\x07.jpg", "-o", "out"]) == 2
    assert r"a\x1b[2J.jpg" in capsys.readouterr().err
