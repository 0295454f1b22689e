"""The demo without a browser: what it says, what it shows, how it starts and refuses to."""

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import demo
from depthmask.inference import Prediction
from depthmask.ui import LaunchError, analysis, examples, find_examples, words
from depthmask.ui.analysis import Analysis, Files, analyse
from depthmask.ui.image_tab import PREVIEW, empty, preview, show, stale_truth
from depthmask.ui.launch import check_port, free_port, share_line

HEIGHT, WIDTH = 24, 32
Picture = npt.NDArray[np.uint8]


class Fake:
    """Sees something new in the left half of every image."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Picture, Picture]] = []

    def predict(self, background: Picture, image: Picture) -> Prediction:
        self.pairs.append((background, image))
        mask = np.zeros(image.shape[:2], np.float32)
        mask[:, : image.shape[1] // 2] = 1
        return Prediction(mask, np.full_like(mask, 0.5), 0.25)


class Broken:
    def predict(self, background: Picture, image: Picture) -> Prediction:
        raise RuntimeError("out of memory\nand a long story")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    def save(name: str, array: npt.NDArray[np.generic]) -> str:
        path = tmp_path / f"{name}.png"
        Image.fromarray(array).save(path)
        return str(path)

    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, : WIDTH // 4] = 255
    return Files(
        save("background", np.full((HEIGHT, WIDTH, 3), 90, np.uint8)),
        save("image", np.full((HEIGHT, WIDTH, 3), 120, np.uint8)),
        save("mask", mask),
        save("depth", np.full((HEIGHT, WIDTH), round(0.6 * 65535), np.uint16)),
    )


def test_a_pair_alone_has_a_prediction_and_no_figures(files: Files) -> None:
    result = analyse(Fake(), Files(files.background, files.image))
    assert result.prediction is not None
    assert (result.iou, result.rmse) == (None, None)
    assert not result.failed
    assert words.NEEDS_TRUTH in words.mask_figures(result)
    assert words.NEEDS_TRUTH in words.depth_figures(result)
    assert f"0.25 s for {WIDTH} × {HEIGHT} pixels" in words.about_run(result)


def test_truth_gives_figures(files: Files) -> None:
    result = analyse(Fake(), files)
    assert result.iou == pytest.approx(0.5)
    assert result.rmse == pytest.approx(0.1, abs=1e-4)
    assert "<dd>0.500</dd>" in words.mask_figures(result)
    assert "<dd>0.100</dd>" in words.depth_figures(result)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ((), analysis.START),
        (("background",), analysis.NEEDS_IMAGE),
        (("image",), analysis.NEEDS_BACKGROUND),
        (("true_mask", "true_depth"), analysis.START),
    ],
)
def test_what_is_missing_is_asked_for(files: Files, kept: tuple[str, ...], message: str) -> None:
    fake = Fake()
    result = analyse(fake, Files(**{zone: getattr(files, zone) for zone in kept}))
    assert result == Analysis(message=message)
    assert not fake.pairs


@pytest.mark.parametrize("zone", analysis.ZONES)
def test_a_bad_file_is_named_and_its_zone_emptied(files: Files, tmp_path: Path, zone: str) -> None:
    bad = tmp_path / "deep" / "notes.png"
    bad.parent.mkdir()
    bad.write_text("no picture")
    result = analyse(Fake(), replace(files, **{zone: str(bad)}))
    assert result.failed
    assert result.unreadable == {zone}
    assert "notes.png" in result.message
    assert str(bad) not in result.message, "the user does not know where the upload was put"
    assert (result.prediction is None) == (zone in ("background", "image"))
    assert [update is None for update in empty(result.unreadable)] == [
        zone == z for z in analysis.ZONES
    ]


def test_truth_of_another_size_is_refused_in_words(files: Files) -> None:
    Image.new("L", (10, 20)).save(str(files.true_mask))
    result = analyse(Fake(), files)
    assert result.prediction is not None
    assert result.iou is None
    assert result.rmse is not None
    assert "true mask is 10 × 20 and the image 32 × 24" in result.message


def test_a_network_that_fails_is_told_in_one_line(files: Files) -> None:
    result = analyse(Broken(), files)
    assert result.failed
    assert result.message == "The network failed on this pair: out of memory"


def test_the_verdict_says_what_was_found() -> None:
    mask = np.zeros((100, 100), np.float32)
    empty = Prediction(mask, mask, 0.0)
    assert analysis.verdict(empty, (100, 100)) == analysis.NOTHING_NEW
    mask = mask.copy()
    mask[:50] = 1
    half = Prediction(mask, mask, 0.0)
    assert "covers 50%" in analysis.verdict(half, (100, 100))
    assert "differ in size" in analysis.verdict(half, (50, 100))
    mask = np.zeros((100, 100), np.float32)
    mask[0, :50] = 1
    assert "less than 1%" in analysis.verdict(Prediction(mask, mask, 0.0), (100, 100))


def test_what_a_user_names_is_escaped() -> None:
    assert "<script>" not in words.message(Analysis(message="<script>.png is no picture"))
    assert "<b>" not in words.footer("<b>")


def test_the_convention_is_on_the_page_in_full() -> None:
    from depthmask.depth import CONVENTION

    assert CONVENTION in words.convention()


def test_what_is_shown(files: Files) -> None:
    mask, _, depth, *_ = show(analyse(Fake(), files))
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask.dtype == np.uint8
    assert depth.shape == (HEIGHT, WIDTH, 3)
    assert show(Analysis(message=""))[0] is None


def test_large_maps_are_shrunk_for_the_screen() -> None:
    assert preview(np.zeros((10, 4 * PREVIEW), np.float32)).shape == (2, PREVIEW)
    assert preview(np.zeros((10, 20), np.float32)).shape == (10, 20)


def test_examples_are_found(tmp_path: Path, files: Files) -> None:
    for name, parts in {"red-cup": ("background", "image", "mask"), "half": ("image",)}.items():
        (tmp_path / name).mkdir()
        for part in parts:
            Image.new("RGB", (8, 6)).save(tmp_path / name / f"{part}.png")
    (found,) = find_examples(tmp_path)
    assert found.title == "Red cup"
    assert found.true_mask == tmp_path / "red-cup" / "mask.png"
    assert found.true_depth is None
    assert 'data-number="0"' in words.example_buttons([found])
    assert examples.thumbnail(found.image).startswith("data:image/jpeg;base64,")


def test_examples_have_order_and_titles(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        for part in ("background", "image"):
            Image.new("RGB", (8, 6)).save(tmp_path / name / f"{part}.jpg")
    (tmp_path / "examples.json").write_text(
        '[{"name": "c", "title": "Cups"}, {"name": "b", "title": "B"}]'
    )
    assert [example.title for example in find_examples(tmp_path)] == ["Cups", "B", "A"]


def test_every_shipped_example_has_its_truth() -> None:
    found = find_examples()
    assert 4 <= len(found) <= 6
    for example in found:
        assert None not in example.files, example.name


def test_the_truth_of_an_example_goes_with_its_pictures() -> None:
    example = examples.Example("cup", "Cup", Path("b"), Path("i"), Path("m"), Path("d"))
    files = Files("b", "i", "m", "d")
    assert stale_truth(files, [example]) == set()
    assert stale_truth(replace(files, image="mine"), [example]) == {"true_mask", "true_depth"}
    assert stale_truth(Files("b", "mine", "my mask", None), [example]) == set()


def test_a_taken_port_is_told_and_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LaunchError, match=f"127.0.0.1:{port} .*--port"):
            check_port("127.0.0.1", port)
    assert free_port("127.0.0.1") >= 7860
    with pytest.raises(LaunchError, match="from 1 to 65535"):
        check_port("127.0.0.1", 99999)


def test_the_share_link_or_its_absence_is_one_line() -> None:
    assert "https://x.gradio.live" in share_line("https://x.gradio.live")
    assert "No public link" in share_line(None)


def run_demo(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["demo.py", *arguments])
    return demo.main()


def test_missing_weights_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_demo(monkeypatch, "--checkpoint", str(tmp_path / "none.safetensors")) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_taken_port_is_one_sentence(tiny_checkpoint: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, demo.__file__, "--checkpoint", str(tiny_checkpoint)]
        process = subprocess.run(
            [*command, "--port", port], capture_output=True, text=True, timeout=120
        )
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert "--port" in process.stderr


@pytest.mark.parametrize("text", ["user", "user:", ":word", ""])
def test_half_a_login_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(SystemExit) as stop:
        run_demo(monkeypatch, "--auth", text)
    assert stop.value.code == 2


def test_a_login_keeps_colons_in_the_password() -> None:
    assert demo.credentials("ann:a:b") == ("ann", "a:b")
