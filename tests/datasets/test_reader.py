"""Reading data sets, and that no picture is on both sides of the split."""

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.datasets.build import Folders, build
from depthmask.datasets.plan import Settings
from depthmask.datasets.reader import Dataset, Sample, is_dataset, open_dataset, pick_evenly
from depthmask.errors import DatasetError
from tests.datasets.sources import build_by_rows, manifest_rows, scene, write_folders

ORIGINAL = Settings(size=48, placements=20, flip=True, layout="original", held_out=0.3)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set in the original's layout, without what `build` adds to it; one cut-out is there
    twice, once mirrored, and one background twice, once darker."""
    folder = tmp_path_factory.mktemp("original")
    foregrounds, backgrounds = write_folders(folder)
    with Image.open(foregrounds / "disc.png") as disc:
        disc.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(foregrounds / "zz.png")
    with Image.open(backgrounds / "yard.png") as yard:
        Image.fromarray((np.asarray(yard) * 0.7).astype(np.uint8)).save(backgrounds / "aa.png")
    build_by_rows(Folders(foregrounds, backgrounds, folder / "set"), ORIGINAL)
    for name in ("plan.json", "manifest.csv", "dataset.json"):
        (folder / "set" / name).unlink()
    return folder / "set"


def check_that_nothing_crosses(dataset: Dataset) -> None:
    train, test = dataset.of_side("train"), dataset.of_side("test")
    assert train and test
    assert not {s.background for s in train} & {s.background for s in test}
    assert not {s.cutout for s in train} & {s.cutout for s in test}


@pytest.mark.usefixtures("rows_teacher")
def test_built_set(tmp_path: Path) -> None:
    folders = Folders(*write_folders(tmp_path), tmp_path / "out")
    build(folders, Settings(size=48, placements=2, held_out=0.3))
    dataset = open_dataset(folders.out)
    assert len(dataset.samples) == 24
    check_that_nothing_crosses(dataset)
    example = dataset.read(dataset.samples[-1])
    assert example.image.shape == (48, 48, 3) == example.background.shape
    assert example.mask.max() == 1 and 0.1 < example.mask.mean() < 0.3
    assert example.depth.max() == 1 and example.depth.min() > 0.2
    with Image.open(folders.out / manifest_rows(folders.out)[-1]["image_file"]) as image:
        assert np.abs(np.asarray(image).astype(int) - example.image).max() <= 3, "not BGR"


@pytest.mark.parametrize("held_out", [0.1, 0.3, 0.5])
def test_original_folders(original: Path, held_out: float) -> None:
    dataset = open_dataset(original, held_out=held_out)
    assert len(dataset.samples) == 4 * 5 * 40
    check_that_nothing_crosses(dataset)
    sides: dict[tuple[str, str], str] = {(s.background, s.cutout): s.side for s in dataset.samples}
    for cutout in {s.cutout for s in dataset.samples}:
        assert sides["aa", cutout] == sides["yard", cutout], "near-duplicates stay together"
    for name in ("aa", "yard", "hall 2"):
        assert sides[name, "cutout 00002"] == sides[name, "cutout 00005"], "disc and its mirror"


def test_original_zips(original: Path, tmp_path: Path) -> None:
    zipped = tmp_path / "zips"
    zipped.mkdir()
    for kind, prefix in (("bg", "data/bg/"), ("fg_bg", ""), ("fg_bg_mask", "fg_bg_mask/")):
        with zipfile.ZipFile(zipped / f"{kind}.zip", "w") as archive:
            for path in (original / kind).rglob("*.jpg"):
                archive.write(path, prefix + path.relative_to(original / kind).as_posix())
    shutil.copytree(original / "dense_depth", zipped / "dense_depth")
    one, other = open_dataset(original), open_dataset(zipped)
    assert one.samples == other.samples
    for name in ("image", "mask", "depth", "background"):
        assert (
            getattr(one.read(one.samples[7]), name) == getattr(other.read(other.samples[7]), name)
        ).all()
    assert is_dataset(original) and is_dataset(zipped)


def test_what_is_no_data_set(original: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no data set at"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no data set"):
        open_dataset(original.parent / "fg")
    (tmp_path / "bad.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="not a zip"):
        open_dataset(tmp_path / "bad.zip")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "plan.json").write_text("{}")
    with pytest.raises(DatasetError, match="is not complete"):
        open_dataset(tmp_path / "begun")
    dataset = open_dataset(original)
    sample = dataset.samples[0]
    broken = original / "fg_bg" / sample.background / f"{sample.number}.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(b"")
    with pytest.raises(DatasetError, match="is damaged"):
        dataset.read(sample)
    broken.unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        dataset.read(sample)
    broken.write_bytes(whole)  # other tests share the set


def test_chosen_samples_show_many_cutouts() -> None:
    known = [Sample(f"b{b}", f"c{c}", c, "train") for b in range(100) for c in range(100)]
    chosen = pick_evenly(known, 400)
    assert len(set(chosen)) == 400 and chosen == sorted(chosen, key=known.index)
    assert len({s.cutout for s in chosen}) > 90 and len({s.background for s in chosen}) > 90
    assert pick_evenly(known, 20_000) == known
    assert len(set(pick_evenly(known[:7], 6))) == 6


def coded(height: int, width: int, kind: str = "JPEG") -> bytes:
    """A grey picture."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 90, 90)).save(file, kind)
    return file.getvalue()


def small_zip(path: Path, changed: dict[str, bytes]) -> Path:
    """A data set of two composites in the original's layout, with some files changed or added."""
    file = io.BytesIO()
    Image.fromarray(scene(0)).save(file, "JPEG")
    files = {"bg/a.jpg": file.getvalue()}
    files |= {f"{kind}/a/1.jpg": file.getvalue() for kind in ("fg_bg", "fg_bg_mask", "dense_depth")}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (files | changed).items():
            archive.writestr(name, content)
    return path


def read_all(path: Path) -> int:
    dataset = open_dataset(path)
    return len([dataset.read(sample) for sample in dataset.samples])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (bytes(2**27), "no file of at most 64 MB"),
        (coded(4097, 8), "has 8 x 4097 pixels; the sides of composites have at most 4096"),
        (coded(8, 8, "TIFF"), "is damaged, too large, or no JPEG or PNG"),
        (coded(8, 8, "BMP"), "is damaged, too large, or no JPEG or PNG"),
        (coded(48, 64)[:300], "is damaged"),
        (b"", "is damaged"),
    ],
)
def test_pictures_are_bounded_before_they_are_decoded(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = small_zip(tmp_path / "a.zip", {"fg_bg/a/1.jpg": content})
    with pytest.raises(DatasetError, match=sentence):
        read_all(path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "unpacked")
    with pytest.raises(DatasetError, match=sentence):
        read_all(tmp_path / "unpacked")


def test_damaged_zips_are_said(tmp_path: Path) -> None:
    path = small_zip(tmp_path / "a.zip", {})
    assert read_all(path) == 1
    content, refused = path.read_bytes(), 0
    for place in range(40, len(content), len(content) // 60):
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        try:
            read_all(path)
        except DatasetError as error:
            refused += str(error).endswith(".")
    assert refused > 30


@pytest.mark.parametrize(
    "name", ["fg_bg/a/" + "9" * 5000 + ".jpg", "fg_bg/a/٣.jpg", "fg_bg/../2.jpg", "fg_bg//2.jpg"]
)
def test_names_in_a_zip_that_are_none_of_a_data_set_are_passed_over(
    tmp_path: Path, name: str
) -> None:
    files = {name.replace("fg_bg", kind): coded(48, 64) for kind in ("fg_bg", "fg_bg_mask")}
    assert read_all(small_zip(tmp_path / "a.zip", files | {"bg/...jpg": coded(48, 64)})) == 1


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    folders = Folders(*write_folders(folder), folder / "set")
    build_by_rows(folders, Settings(size=48, placements=1, held_out=0.3))
    return folders.out


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("küche", "../küche"),
        ("küche", "a/b"),
        ("küche", ""),
        (",train,", ",both,"),
        ("image/küche/1.jpg", "image/küche/99999999999999999999.jpg"),
        ("image/küche/1.jpg", "image/küche/x.jpg"),
        ("background,", "backdrop,"),
        ("küche", "k" * 200_000),
    ],
)
def test_a_manifest_is_checked(built: Path, tmp_path: Path, old: str, new: str) -> None:
    path = Path(shutil.copytree(built, tmp_path / "set")) / "manifest.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(DatasetError, match=r"manifest\.csv is damaged; build"):
        open_dataset(path.parent)


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "[" * 10**5, "{}", '{"settings": null}', '{"settings": {"layout": ["plain"]}}'),
        *('{"settings": {"layout": "round"}}', '{"settings": {"size": 1e30}}'),
    ],
)
def test_a_summary_is_checked(built: Path, tmp_path: Path, content: str) -> None:
    path = Path(shutil.copytree(built, tmp_path / "set")) / "dataset.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged \(.*\); build"):
        open_dataset(path.parent)
