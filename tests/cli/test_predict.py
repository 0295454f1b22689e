"""`predict` reads from files, pipes and the web, and writes what was asked for."""

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import ExifTags, Image

from depthmask.cli.inputs import find_input
from depthmask.cli.main import main
from depthmask.errors import OptionError, PictureError
from depthmask.inference.background import MAX_FRAMES, LearnedBackground
from depthmask.inference.light import NOT_MATCHED
from depthmask.inference.pair_quality import PairQuality, PairReport
from depthmask.inference.predictor import Prediction
from depthmask.inference.registration import NOT_REGISTERED
from depthmask.pictures import Picture

REPORT = PairReport(NOT_REGISTERED, NOT_MATCHED, PairQuality(1.0, "good", "They fit."))
LEFT, TOP, WIDTH, HEIGHT = 20, 10, 30, 40  # of the foreground


class Finds:
    """Finds the same foreground in every pair of 80 x 60 pixels or more."""

    resolution, device = 64, "cpu"
    backend = SimpleNamespace(name="none", precision="none")

    def predict(self, background: Picture, image: Picture, **_: bool) -> Prediction:
        mask = np.zeros(image.shape[:2], np.float32)
        mask[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH] = 1
        depth = np.where(mask > 0, np.float32(1 / 3), np.float32(1))
        unknown = np.zeros(mask.shape, bool)
        unknown[:, :7] = True
        return Prediction(mask, depth, 0.1, REPORT, background, unknown)


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthmask.cli.predict.make_predictor", lambda *_, **__: Finds())


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["predict", *map(str, arguments)]) == 0
    return dict(json.loads(capsys.readouterr().out))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["predict", *map(str, arguments)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def opened(file: Any) -> Image.Image:
    with Image.open(file) as picture:
        picture.load()
        return picture


def pixels(file: Any) -> npt.NDArray[Any]:
    return np.asarray(opened(file))


@pytest.fixture
def pair_files(pair_folder: Path) -> tuple[Path, Path]:
    return pair_folder / "background.png", pair_folder / "image.png"


def test_without_a_folder_the_results_lie_beside_the_image(
    pair_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pair_files[1].parent
    report = run(capsys, *pair_files)
    for name in ("mask", "depth", "cutout"):
        assert report[name] == str(folder / f"image-{name}.png")
        assert opened(report[name]).size == (80, 60)
    same = folder / "image-mask.png"
    assert "would be overwritten" in refused(capsys, *pair_files, "--true-mask", same)


def test_a_crop_is_of_all_results_and_is_told(
    pair_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(capsys, *pair_files, "-o", tmp_path / "o", "--crop", "--unknown")
    assert report["crop"] == [LEFT, TOP, WIDTH, HEIGHT]
    for name in ("mask", "depth", "cutout", "unknown"):
        assert opened(report[name]).size == (WIDTH, HEIGHT)
    image = pixels(pair_files[1])[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH]
    assert np.array_equal(pixels(report["cutout"])[..., :3], image)


def test_the_unknown_area_is_written_where_asked(
    pair_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run(capsys, *pair_files, "-o", tmp_path, "--unknown", "--mask-only")
    unknown = pixels(report["unknown"])
    assert unknown[:, :7].min() == 255 and unknown[:, 7:].max() == 0
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["mask.png", "unknown.png"]


@pytest.mark.parametrize(
    ("kind", "near", "far", "more"),
    [
        ("png", 65535 / 3, 65535, ()),
        ("near-bright", 65535 * 2 / 3, 0, ()),
        ("metres", 1500, 6000, ("--scale", 1.5, 6)),
    ],
)
def test_depth_as_a_picture(
    pair_files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    near: float,
    far: float,
    more: tuple[object, ...],
) -> None:
    for ending, options in ((".png", ()), (".tif", ("--format", "tiff"))):
        report = run(capsys, *pair_files, "-o", tmp_path, "--depth", kind, *more, *options)
        assert report["depth"].endswith(ending)
        depth = pixels(report["depth"]).astype(int)
        assert abs(depth[TOP, LEFT] - near) <= 1 and abs(depth[0, 0] - far) <= 1


def test_depth_as_numbers(
    pair_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = (*pair_files, "-o", tmp_path, "--depth", "npy")
    depth = np.load(run(capsys, *common)["depth"])
    assert depth.dtype == np.float32 and depth[0, 0] == 1 and depth.shape == (60, 80)
    depth = np.load(run(capsys, *common, "--scale", "2", "100")["depth"])
    assert depth[TOP, LEFT] == pytest.approx(2) and depth[0, 0] == pytest.approx(100)


def test_depth_as_points(
    pair_files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import trimesh

    common = (*pair_files, "-o", tmp_path, "--depth", "ply", "--crop")
    cloud: Any = trimesh.load(run(capsys, *common, "--scale", "2", "8")["depth"])
    assert cloud.vertices.shape == (WIDTH * HEIGHT, 3)
    assert np.allclose(cloud.vertices[:, 2], -2, atol=1e-4)
    image = pixels(pair_files[1])
    assert cloud.colors[0, :3].tolist() == image[TOP, LEFT].tolist()
    (left, top, _), (right, bottom, _) = cloud.vertices[[0, -1]]
    assert left < 0 < right and bottom < 0 < top, "y is up"
    monkeypatch.setattr("depthmask.render.points.MAX_SIDE", 40)
    cloud = trimesh.load(run(capsys, *common)["depth"])
    assert cloud.vertices.shape == (WIDTH * HEIGHT // 4, 3)


@pytest.mark.parametrize("backdrop", ["lime", "#00ff00", "FILE"])
def test_a_backdrop(
    pair_files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    backdrop: str,
) -> None:
    Image.new("RGB", (7, 300), "lime").save(tmp_path / "green.png")
    given = backdrop.replace("FILE", str(tmp_path / "green.png"))
    report = run(capsys, *pair_files, "-o", tmp_path / "o", "--backdrop", given)
    assert "cutout" not in report
    composite = pixels(report["composite"])
    assert composite.shape == (60, 80, 3) and composite[0, 0].tolist() == [0, 255, 0]
    image = pixels(pair_files[1])
    assert np.array_equal(composite[TOP, LEFT], image[TOP, LEFT])


def test_formats_keep_what_they_can(
    pair_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import ImageCms

    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Maker", 6
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExposureTime: 0.5, ExifTags.Base.ExifImageWidth: 9}
    exif[ExifTags.IFD.GPSInfo] = {1: "N"}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    turned = opened(pair_files[1]).transpose(Image.Transpose.ROTATE_90)
    photo = tmp_path / "photo.jpg"
    turned.save(photo, exif=exif, icc_profile=profile, quality=95)
    for kind, more in (("png", ()), ("webp", ()), ("tiff", ()), ("jpeg", ("--backdrop", "white"))):
        common = (pair_files[0], photo, "-o", tmp_path / kind, "--format", kind)
        report = run(capsys, *common, *more)
        with Image.open(report["composite" if more else "cutout"]) as picture:
            assert picture.size == (80, 60), "turned once"
            assert picture.info["icc_profile"]
            kept = picture.getexif()
            assert kept[ExifTags.Base.Make] == "Maker"
            assert kept.get(ExifTags.Base.Orientation, 1) == 1
            exposure = kept.get_ifd(ExifTags.IFD.Exif)
            assert exposure[ExifTags.Base.ExposureTime] == 0.5
            assert ExifTags.Base.ExifImageWidth not in exposure
            assert kept.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> io.BytesIO:
    """Puts bytes on standard input; returns what gets the bytes of standard output."""
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    monkeypatch.setattr(
        "sys.stdout", SimpleNamespace(buffer=written, write=lambda text: None, flush=written.flush)
    )
    return written


def test_exif_that_has_no_room_is_left_out(
    pair_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = 70_000 * "a"
    opened(pair_files[1]).save(tmp_path / "a.png", exif=exif)
    options = ["--format", "jpeg", "--backdrop", "white", "-o", tmp_path]
    report = run(capsys, pair_files[0], tmp_path / "a.png", *options)
    assert not opened(report["composite"]).getexif()


def test_a_backdrop_is_not_written_over(
    pair_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backdrop = tmp_path / "composite.png"
    Image.new("RGB", (9, 9), "red").save(backdrop)
    told = refused(capsys, *pair_files, "-o", tmp_path, "--backdrop", backdrop)
    assert f"{backdrop} is an input and would be overwritten" in told


def test_pipes(
    pair_files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        written = pipe(patch, pair_files[1].read_bytes())
        assert main(["predict", str(pair_files[0]), "-", "-o", "-"]) == 0
    assert Image.open(written).mode == "RGBA"
    told = capsys.readouterr().err
    assert json.loads(told[told.index("{") :])["cutout"] == "-"
    with monkeypatch.context() as patch:
        written = pipe(patch, pair_files[0].read_bytes())
        assert main(["predict", "-", str(pair_files[1]), "-o", "-", "--mask-only"]) == 0
    assert Image.open(written).mode == "L"


def test_what_a_pipe_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Only one of the photos" in refused(capsys, "-", "-", "-o", "o")
    pipe(monkeypatch, b"")
    with pytest.raises(OptionError, match="Standard input is empty"):
        find_input("-", tmp_path / "in")
    pipe(monkeypatch, b"no picture")
    found = find_input("-", tmp_path / "in")
    from depthmask.pictures import read_photo

    with pytest.raises(PictureError, match=r"^standard input is not a picture"):
        found.read(read_photo)


def test_standard_input_is_read_once(
    pair_files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(pair_files[1].read_bytes())))
    told = refused(capsys, pair_files[0], "-", "-o", "o", "--backdrop", "-")
    assert "Only one of the photos" in told
    with monkeypatch.context() as patch:
        patch.setattr("depthmask.cli.inputs.MAX_BYTES", 9)
        patch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(bytes(10))))
        assert "Standard input has more than" in refused(capsys, pair_files[0], "-", "-o", "o")


@pytest.mark.parametrize("name", ["", "ftp://a.org/b.jpg", "file:///b.jpg", "https:/b.jpg"])
def test_what_is_neither_file_nor_address(
    pair_files: tuple[Path, Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    words = "is empty; give a file" if not name else f"{name} is not read; give a file, or an"
    assert words in refused(capsys, name, pair_files[1], "-o", "o")
    assert words in refused(capsys, pair_files[0], name, "-o", "o")


@pytest.mark.parametrize(("kind", "side"), [("webp", 16384), ("jpeg", 65501)])
def test_a_format_that_is_too_small(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, side: int
) -> None:
    Image.new("RGB", (side, 80)).save(tmp_path / "a.png")
    options = ["--format", kind, "--backdrop", "white", "-o", tmp_path / "o"]
    told = refused(capsys, tmp_path / "a.png", tmp_path / "a.png", *options)
    assert f"has {side:,} pixels a side, and {kind} holds {side - 1:,}; use another" in told
    assert not list((tmp_path / "o").iterdir())


@pytest.fixture
def site(pair_folder: Path) -> Iterator[str]:
    """The address of a server with the files of a pair."""

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(pair_folder))

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_addresses(
    site: str,
    pair_files: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    report = run(capsys, f"{site}/background.png", f"{site}/image.png", "--allow-private")
    assert report["mask"] == "image-mask.png" and (tmp_path / "image-mask.png").exists()
    assert "not on the public internet" in refused(capsys, f"{site}/background.png", pair_files[1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "jpeg"], "JPEG has no transparency; add --backdrop"),
        (["--depth", "metres"], "Depth is relative; for metres, --scale NEAR FAR"),
        (["--depth", "npy", "--scale", "3", "1"], "the nearer first"),
        (["--depth", "npy", "--scale", "0", "1"], "from 0.001"),
        (["--depth", "npy", "--scale", "1e-300", "1e-299"], "from 0.001"),
        (["--depth", "npy", "--scale", "1", "inf"], "to 1,000,000"),
        (["--depth", "npy", "--scale", "nan", "nan"], "the nearer first"),
        (["--depth", "metres", "--scale", "1", "90"], "end at 65 m; use --depth npy"),
        (["--scale", "1", "2"], "--scale is for --depth metres, npy or ply"),
        (["--backdrop", "rgb(999, 0, 0)"], "There is no colour and no picture rgb(999"),
        (["--backdrop", ""], "--backdrop must not be empty"),
        (["-o", ""], "must not be empty"),
        (["--backdrop", "bleu"], "There is no colour and no picture bleu"),
    ],
)
def test_options_that_do_not_go_together(
    pair_files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    assert words in refused(capsys, *pair_files, "-o", tmp_path / "o", *arguments)
    assert not (tmp_path / "o").exists()


def test_an_empty_mask_is_not_cropped(
    pair_files: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(f"{__name__}.HEIGHT", 0)
    report = run(capsys, *pair_files, "-o", tmp_path, "--crop")
    assert report["crop"] == [0, 0, 80, 60]


def test_a_background_is_learned_from_a_folder_and_more_photos(
    pair_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def predict(self: Finds, background: object, image: Picture, **_: bool) -> Prediction:
        seen.append(background)
        everything = np.ones(image.shape[:2], np.float32)
        return Prediction(everything, everything, 0, REPORT)

    monkeypatch.setattr(Finds, "predict", predict)
    empty = pair_folder / "empty"
    empty.mkdir()
    for index in range(30):
        Image.new("RGB", (80, 60), (index, 0, 0)).save(empty / f"{index:02}.png")
    more = pair_folder / "later.png"
    Image.new("RGB", (80, 60), (30, 0, 0)).save(more)
    run(capsys, empty, pair_folder / "image.png", "--background", more, "-o", pair_folder / "out")
    (learned,) = seen
    assert isinstance(learned, LearnedBackground) and len(learned.frames) == MAX_FRAMES
    assert learned.frames[0][0, 0].tolist() == [0, 0, 0]
    assert learned.frames[-1][0, 0].tolist() == [30, 0, 0]
    (empty / "notes.txt").write_text("of that day")
    assert main(["predict", str(empty), str(more), "-o", str(pair_folder / "out")]) == 0
    assert f"{empty}: passed over 1 file (notes.txt), no picture" in capsys.readouterr().err


def test_a_folder_without_pictures_is_no_background(
    pair_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pair_folder / "none").mkdir()
    error = refused(capsys, pair_folder / "none", pair_folder / "image.png")
    assert "holds no picture; name one that does" in error


def test_a_mirrored_background_is_told_and_mirrored(
    pair_files: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    seen: list[Picture] = []
    mirrored = PairReport(
        NOT_REGISTERED, NOT_MATCHED, PairQuality(0.1, "mirrored", "It is a mirror image.")
    )

    class Mirrored(Finds):
        def predict(self, background: Picture, image: Picture, **options: bool) -> Prediction:
            seen.append(background)
            return replace(super().predict(background, image, **options), pair=mirrored)

    monkeypatch.setattr("depthmask.cli.predict.make_predictor", lambda *_, **__: Mirrored())
    assert main(["predict", *map(str, pair_files), "-o", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "It is a mirror image." in printed.err and "--mirror-background" in printed.err
    assert json.loads(printed.out)["pair"]["mirrored"] is True
    run(capsys, *pair_files, "-o", tmp_path, "--mirror-background")
    assert np.array_equal(seen[1], seen[0][:, ::-1])


def test_photos_with_the_image_among_them_are_never_empty(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    for index in range(4):
        Image.new("RGB", (80, 60), (index, 0, 0)).save(folder / f"{index}.png")
    Image.new("RGB", (80, 60)).save(tmp_path / "image.png")
    learned: list[int] = []

    def learn(photos: Any, **_: Any) -> Picture:
        learned.append(len(photos))
        return np.zeros((60, 80, 3), np.uint8)

    monkeypatch.setattr("depthmask.inference.clean_plate.learn_occupied", learn)
    options = ("-o", tmp_path / "out", "--mask-only")
    run(capsys, folder, folder / "2.png", *options)
    assert learned == [4]
    run(capsys, folder, tmp_path / "image.png", *options)
    assert learned == [4]
    run(capsys, folder, tmp_path / "image.png", *options, "--never-empty")
    assert learned == [4, 4]


@pytest.mark.parametrize(("option", "name"), [("--true-mask", "mask"), ("--true-depth", "depth")])
def test_the_truth_is_not_written_over(
    pair_files: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    name: str,
) -> None:
    truth = tmp_path / f"{name}.png"
    Image.new("L", opened(pair_files[1]).size).save(truth)
    told = refused(capsys, *pair_files, "-o", tmp_path, option, truth)
    assert f"{truth} is an input and would be overwritten" in told
