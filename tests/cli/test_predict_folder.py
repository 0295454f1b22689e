"""`predict` with a folder of images: a folder in, a folder out."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from depthmask.batch.watch import watch
from depthmask.cli.main import main
from depthmask.files import reserved
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture
from tests.cli.test_predict import HEIGHT, WIDTH, Finds


class Sees(Finds):
    """Remembers the backgrounds and the images that it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []  # a level of each pair

    def predict(self, background: Any, image: Picture, **options: bool) -> Prediction:
        plate: Picture = getattr(background, "plate", background)
        self.seen.append((int(plate[0, 0, 0]), int(image[0, 0, 0])))
        return super().predict(plate, image, **options)


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> Sees:
    sees = Sees()
    monkeypatch.setattr("depthmask.cli.predict_work.make_predictor", lambda *_, **__: sees)
    return sees


def draw(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (80, 60), (level, 0, 0)).save(path)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with empty.png, and with in/a.png, in/b.png and in/sub/c.png."""
    for level, name in enumerate(("empty.png", "in/a.png", "in/b.png", "in/sub/c.png")):
        draw(tmp_path / name, level)
    return tmp_path


def predict(place: Path, *more: object, background: str = "empty.png") -> int:
    words = [place / background, place / "in", "-o", place / "out", *more]
    try:
        return main(["predict", *map(str, words)])
    except SystemExit as end:
        return int(end.code or 0)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out))


def made(place: Path, kind: str = "cutout") -> list[str]:
    folder = place / "out" / kind
    return sorted(x.relative_to(folder).as_posix() for x in folder.rglob("*") if x.is_file())


def test_a_folder_in_a_folder_out(
    place: Path, network: Sees, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(place) == 0
    report = str(place / "out" / "report.html")
    assert printed(capsys) == {"made": 3, "kept": 0, "failed": 0, "report": report}
    assert made(place) == ["a.png", "b.png", "sub/c.png"] == made(place, "depth")
    assert sorted(network.seen) == [(0, 1), (0, 2), (0, 3)]
    record = json.loads((place / "out" / "json" / "sub" / "c.json").read_text())
    assert record["pair"]["verdict"] == "good" and record["resolution"] == 64
    draw(place / "in" / "d.png", 4)
    assert predict(place) == 0
    assert printed(capsys)["kept"] == 3 and network.seen[3:] == [(0, 4)]
    draw(place / "empty.png", 9)
    assert predict(place) == 0 and network.seen[-1][0] == 9
    assert predict(place, "--no-light") == 0 and len(network.seen) == 12


def test_options_hold_for_all(place: Path) -> None:
    more = ("--crop", "--backdrop", "lime", "--format", "jpeg", "--depth", "npy", "--unknown")
    assert predict(place, *more) == 0
    assert made(place, "composite") == ["a.jpg", "b.jpg", "sub/c.jpg"]
    assert made(place, "depth") == ["a.npy", "b.npy", "sub/c.npy"] and not made(place)
    for kind in ("mask/a.png", "composite/a.jpg", "unknown/sub/c.png"):
        with Image.open(place / "out" / kind) as picture:
            assert picture.size == (WIDTH, HEIGHT)
    assert np.load(place / "out" / "depth" / "a.npy").shape == (HEIGHT, WIDTH)


def test_one_that_fails_does_not_stop_the_rest(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "in" / "broken.png").write_text("no picture")
    assert predict(place) == 1
    told = capsys.readouterr()
    assert f"{place / 'in' / 'broken.png'} is not a picture" in told.err
    assert "4 pictures: 3 made, 1 failed. See " in told.err
    assert len(made(place)) == 3
    assert "broken.png" in (place / "out" / "report.html").read_text()
    (place / "in" / "broken.png").unlink()
    assert predict(place) == 0


def test_the_background_may_lie_among_the_images(place: Path, network: Sees) -> None:
    draw(place / "in" / "empty.png", 7)
    assert predict(place, background="in/empty.png") == 0
    assert sorted(network.seen) == [(7, 1), (7, 2), (7, 3)]


def test_a_folder_before_itself_is_never_empty(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[int] = []

    def learn(photos: Any, **_: Any) -> Picture:
        learned.append(len(photos))
        return np.zeros((60, 80, 3), np.uint8)

    monkeypatch.setattr("depthmask.inference.clean_plate.learn_occupied", learn)
    draw(place / "in" / "d.png", 4)
    assert predict(place, background="in") == 0
    assert learned == [3] and len(made(place)) == 4


def test_pairs(place: Path, network: Sees, capsys: pytest.CaptureFixture[str]) -> None:
    draw(place / "many" / "a.jpg", 200)
    draw(place / "many" / "sub" / "c.png", 100)
    assert predict(place, "--pairs", "names", background="many") == 1
    assert [image for _, image in sorted(network.seen)] == [3, 1]
    assert "holds no background of the name b" in capsys.readouterr().err
    (place / "pairs.csv").write_text("background,image,name\nsub,b.png,x\nsub/c.png,a.png,y\n")
    draw(place / "many" / "sub" / "d.png", 100)
    assert predict(place, "--pairs", place / "pairs.csv", background="many") == 0
    assert sorted(network.seen)[:2] == [(100, 1), (100, 2)] and "x.png" in made(place)


def test_parts_make_all(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        draw(place / "in" / f"{number}.png", number)
    assert predict(place, "--shard", "1/2") == 0
    first = printed(capsys)["made"]
    assert predict(place, "--shard", "2/2") == 0
    assert printed(capsys)["made"] == 8 - first and 0 < first < 8
    assert len(made(place)) == 8
    assert (place / "out" / "report-2-of-2.csv").is_file()


def test_watching_ends_with_a_sentence(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rest(_: float, steps: list[int] = []) -> None:  # noqa: B006
        steps.append(len(steps))
        if len(steps) == 2:
            draw(place / "in" / "late.png", 5)
        if len(steps) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("depthmask.batch.watch.watch", partial(watch, rest=rest))
    assert predict(place, "--watch") == 0
    told = capsys.readouterr()
    assert "Ctrl-C ends it" in told.err and "4 pictures: 4 made. See" in told.err
    assert "late.png" in made(place)


def test_an_interrupted_run_goes_on(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        predicts = Sees.predict

        def interrupted(self: Sees, background: Any, image: Picture, **options: bool) -> Prediction:
            if image[0, 0, 0] == 2:
                raise KeyboardInterrupt
            return predicts(self, background, image, **options)

        patch.setattr(Sees, "predict", interrupted)
        assert predict(place, "--jobs", "1") == 130
    assert "Stopped: 1 picture: 1 made. The same command goes on." in capsys.readouterr().err
    assert predict(place) == 0 and printed(capsys)["kept"] == 1


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["-o", "-"], "needs -o FOLDER"),
        (["-o", ""], "needs -o FOLDER"),
        (["-o", "PLACE"], "would lie among the results"),
        (["-o", "PLACE/in"], "would lie among the results"),
        (["--true-mask", "mask.png"], "--true-mask is for one image"),
        (["--shard", "3/2"], "I from 1 to N, not 3/2"),
        (["--shard", "1"], "Write --shard as I/N"),
        (["--jobs", "0"], "--jobs must be 1 or more"),
        (["--pairs", "names"], "--pairs needs a folder of backgrounds"),
        (["--format", "jpeg"], "JPEG has no transparency"),
        (["--backdrop", "PLACE/out/mask/a.png"], "is an input and would be overwritten"),
    ],
)
def test_what_does_not_go_together(
    place: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    draw(place / "out" / "mask" / "a.png", 0)
    assert predict(place, *(word.replace("PLACE", str(place)) for word in more)) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", [["--watch"], ["--shard", "1/2"], ["--pairs", "names"], ["--ray", "auto"]]
)
def test_what_is_for_folders_alone(
    place: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    words = [str(place / "empty.png"), str(place / "in" / "a.png"), *option]
    assert main(["predict", *words]) == 2
    assert f"{option[0]} is for a folder of images" in capsys.readouterr().err


def test_a_background_that_cannot_be_read_ends_the_command(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "empty.png").write_text("no picture")
    assert predict(place) == 2
    assert f"{place / 'empty.png'} is not a picture" in capsys.readouterr().err
    assert not made(place)


def test_a_cluster_needs_files(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for background in ("-", "https://example.org/empty.jpg"):
        words = [background, str(place / "in"), "-o", str(place / "out"), "--ray", "auto"]
        assert main(["predict", *words]) == 2
        assert f"all machines reach, not {background}." in capsys.readouterr().err


def test_a_second_run_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with reserved(place / "out", "1-of-2"):
        assert predict(place, "--shard", "2/2") == 0
        for more in ([], ["--shard", "1/2"]):
            assert predict(place, *more) == 2
            assert f"Another run writes {place / 'out'} at this" in capsys.readouterr().err


def test_an_image_may_come_before_all_backgrounds(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rest(_: float, steps: list[int] = []) -> None:  # noqa: B006
        steps.append(len(steps))
        if len(steps) == 3:
            draw(place / "plates" / "a.png", 5)
        if len(steps) == 6:
            raise KeyboardInterrupt

    (place / "plates").mkdir()
    monkeypatch.setattr("depthmask.batch.watch.watch", partial(watch, rest=rest))
    assert predict(place, "--watch", "--pairs", "names", background="plates") == 0
    told = capsys.readouterr().err
    assert (
        told.count(f"{place / 'in' / 'a.png'} waits: {place / 'plates'} holds no background") == 1
    )
    assert made(place) == ["a.png"]


def test_a_folder_without_pictures(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "none").mkdir()
    words = [str(place / "empty.png"), str(place / "none"), "-o", str(place / "out")]
    assert main(["predict", *words]) == 2
    assert "holds no picture" in capsys.readouterr().err and not (place / "out").exists()


def test_the_same_bytes_as_one_by_one(
    pair_folder: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    images = pair_folder / "in"
    images.mkdir()
    with Image.open(pair_folder / "image.png") as image:
        for number in range(3):
            turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number == 1 else image
            turned.save(images / f"{number}.png")
    more = ["--checkpoint", str(tiny_checkpoint), "--backend", "torch", "--device", "cpu"]
    background, out = str(pair_folder / "background.png"), pair_folder / "out"
    command = ["predict", background, str(images), "-o", str(out), "--jobs", "3", *more]
    assert main(command) == 0
    for number in (1, 2):
        alone = pair_folder / str(number)
        image_file = str(images / f"{number}.png")
        assert main(["predict", background, image_file, "-o", str(alone), *more]) == 0
        for kind in ("mask", "depth", "cutout"):
            same = (out / kind / f"{number}.png").read_bytes()
            assert (alone / f"{kind}.png").read_bytes() == same
