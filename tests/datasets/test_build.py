"""Data sets on disk: complete, repeatable, and the same however the work is split or stopped."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.datasets.build import Folders, Threads, build
from depthmask.datasets.layout import LAYOUTS
from depthmask.datasets.merge import merge
from depthmask.datasets.plan import DATASET_FORMAT, Settings
from depthmask.errors import DatasetError
from depthmask.files import write_whole
from tests.datasets.sources import (
    BACKGROUNDS,
    CUTOUTS,
    build_by_rows,
    contents,
    manifest_rows,
    write_folders,
)

SMALL = Settings(size=48, placements=3, flip=True, held_out=0.3)


pytestmark = pytest.mark.usefixtures("rows_teacher")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of eight composites, so that a toy set has several."""
    monkeypatch.setattr("depthmask.datasets.plan.COMPOSITES_PER_BATCH", 4)
    monkeypatch.setattr("depthmask.datasets.plan.BATCHES_PER_BLOCK", 2)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(*write_folders(tmp_path), tmp_path / "out")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A whole data set, which no test changes."""
    folder = tmp_path_factory.mktemp("built")
    folders = Folders(*write_folders(folder), folder / "out")
    assert build_by_rows(folders, SMALL)
    return folders


def test_every_cutout_on_every_background(built: Folders) -> None:
    listed = manifest_rows(built.out)
    assert len(listed) == 3 * 4 * 3 * 2
    found = {(row["background"], row["cutout"], row["flip"]) for row in listed}
    assert found == {(b, c, f) for b in BACKGROUNDS for c in CUTOUTS for f in "01"}
    assert len({row["sample"] for row in listed}) == len(listed)
    assert len(contents(built.out)) == 3 * len(listed) + len(BACKGROUNDS) + 3


def test_files_and_rows_agree(built: Folders) -> None:
    for row in manifest_rows(built.out)[::7]:
        image, mask, depth, background = (
            np.asarray(Image.open(built.out / row[f"{kind}_file"]))
            for kind in ("image", "mask", "depth", "background")
        )
        assert image.shape == (48, 48, 3) and mask.shape == (48, 48) == depth.shape
        assert mask.dtype == np.uint8 and depth.dtype == np.uint16
        inside = np.argwhere(mask > 127)
        (top, left), (bottom, right) = inside.min(axis=0), inside.max(axis=0) + 1
        assert abs((left + right) / 2 - float(row["centre_x"])) < 2
        assert abs((bottom - top) - float(row["height"])) < 2.5
        assert max(bottom - top, right - left) == pytest.approx(24, abs=2)
        difference = np.abs(image.astype(int) - background).max(axis=2)
        assert difference[mask == 0].mean() < 12, "JPEG alone"
        # nearer than the wall's rows above the foot, and the wall is as the teacher says
        assert depth[mask > 200].max() < depth[0, 0] == 65535


def test_a_cutout_is_placed_upright_and_then_mirrored(built: Folders) -> None:
    assert [row["flip"] for row in manifest_rows(built.out)] == [*"000111"] * 4 * 3


def test_no_part_of_an_object_is_cut_off(built: Folders) -> None:
    for name in CUTOUTS:
        opaque = [
            np.asarray(Image.open(built.out / row["mask_file"])).sum(dtype=float) / 255
            for row in manifest_rows(built.out)
            if row["cutout"] == name
        ]
        assert max(opaque) - min(opaque) < 0.015 * max(opaque), "the same wherever it stands"


def test_depth_is_rounded() -> None:
    depth = np.array([0.0, 0.5, 0.9999, 1.0], np.float32)
    assert LAYOUTS["original"].quantise_depth(depth).tolist() == [0, 128, 255, 255]
    assert LAYOUTS["plain"].quantise_depth(depth).tolist() == [0, 32768, 65528, 65535]


def test_original_layout(folders: Folders) -> None:
    build(folders, Settings(size=48, placements=1, layout="original"))
    names = contents(folders.out)
    for name in BACKGROUNDS:
        assert f"bg/{name}.jpg" in names
        for kind in ("fg_bg", "fg_bg_mask", "dense_depth"):
            assert {f"{kind}/{name}/{n}.jpg" for n in range(1, 5)} <= names.keys()
    with Image.open(folders.out / f"dense_depth/{BACKGROUNDS[0]}/1.jpg") as depth:
        assert depth.mode == "L"


def test_dataset_json_tells_statistics(built: Folders) -> None:
    summary = json.loads((built.out / "dataset.json").read_text("utf-8"))
    assert summary["samples"] == 72 == sum(summary["splits"].values())
    files = [built.out / row["mask_file"] for row in manifest_rows(built.out)]
    masks = np.stack([np.asarray(Image.open(file)) for file in files]) / 255
    statistics = summary["statistics"]
    assert statistics["mask"]["mean"] == [pytest.approx(masks.mean(), abs=1e-5)]
    assert statistics["mask"]["deviation"] == [pytest.approx(masks.std(), abs=1e-5)]
    assert [len(statistics[k]["mean"]) for k in ("background", "image", "depth")] == [3, 3, 1]


def test_splits_share_no_picture(built: Folders) -> None:
    sides: dict[str, dict[str, set[str]]] = {
        side: {"cutout": set(), "background": set()} for side in ("train", "test")
    }
    for row in manifest_rows(built.out):
        for kind in ("cutout", "background") if row["split"] != "mixed" else ():
            sides[row["split"]][kind].add(row[kind])
    for kind in ("cutout", "background"):
        assert sides["train"][kind] and sides["test"][kind]
        assert not sides["train"][kind] & sides["test"][kind]


@pytest.mark.usefixtures("small_blocks")
def test_same_bytes_however_it_is_split(folders: Folders, tmp_path: Path) -> None:
    assert build(folders, SMALL, runner=Threads(2))
    whole = contents(folders.out)
    parts = [tmp_path / f"part{number}" for number in (1, 2, 3)]
    for number, part in enumerate(parts, start=1):
        at = Folders(folders.foregrounds, folders.backgrounds, part)
        assert not build(at, SMALL, shard=(number, 3), runner=Threads(1))
    merge(parts, tmp_path / "merged")
    assert contents(tmp_path / "merged") == whole
    merge(parts, tmp_path / "merged")
    assert contents(tmp_path / "merged") == whole, "started again, it ends the same"
    together = Folders(folders.foregrounds, folders.backgrounds, tmp_path / "together")
    assert [build(together, SMALL, shard=(n, 3)) for n in (3, 1, 2)] == [False, False, True]
    assert contents(together.out) == whole
    other = Folders(folders.foregrounds, folders.backgrounds, tmp_path / "seed")
    build(other, Settings(size=48, placements=3, flip=True, held_out=0.3, seed=1))
    assert contents(other.out)["image/yard/1.jpg"] != whole["image/yard/1.jpg"]


@pytest.mark.usefixtures("small_blocks")
def test_merge_checks_the_parts(folders: Folders, tmp_path: Path) -> None:
    parts = [tmp_path / "a", tmp_path / "b"]
    for number, part in enumerate(parts, start=1):
        at = Folders(folders.foregrounds, folders.backgrounds, part)
        build(at, SMALL, shard=(number, 2))
    with pytest.raises(DatasetError, match="are in none of the parts"):
        merge(parts[:1], tmp_path / "m")
    damaged = next((parts[1] / "mask").rglob("5.png"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DatasetError, match="damaged"):
        merge(parts, tmp_path / "m")
    damaged.write_bytes(whole)
    cut_short = next((parts[1] / "background").iterdir())
    whole = cut_short.read_bytes()
    cut_short.write_bytes(whole[:-1])
    with pytest.raises(DatasetError, match="cut short"):
        merge(parts, tmp_path / "m")
    cut_short.write_bytes(whole)
    other = Folders(folders.foregrounds, folders.backgrounds, tmp_path / "c")
    build(other, Settings(size=32, placements=3), shard=(1, 2))
    with pytest.raises(DatasetError, match="other pictures or settings"):
        merge([parts[0], other.out], tmp_path / "m")
    with pytest.raises(DatasetError, match="no data set"):
        merge([tmp_path / "nowhere"], tmp_path / "m")
    merge(parts, tmp_path / "m")
    with pytest.raises(DatasetError, match="is complete already; leave it out"):
        merge([parts[0], tmp_path / "m"], tmp_path / "new")


@pytest.mark.usefixtures("small_blocks")
def test_a_full_disk_stops_clearly_and_work_goes_on(
    folders: Folders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = []

    def fills_up(path: Path, content: bytes, **options: bool) -> None:
        written.append(path)
        if len(written) > 60:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, content, **options)

    monkeypatch.setattr("depthmask.datasets.build.write_whole", fills_up)
    with pytest.raises(DatasetError, match=r"full; free some space .* goes on"):
        build(folders, SMALL)
    monkeypatch.setattr("depthmask.datasets.build.write_whole", write_whole)
    assert build(folders, SMALL)
    assert "are there already" in capsys.readouterr().err
    fresh = Folders(folders.foregrounds, folders.backgrounds, tmp_path / "fresh")
    build(fresh, SMALL)
    assert contents(folders.out) == contents(fresh.out)


@pytest.mark.usefixtures("small_blocks")
def test_the_manifest_and_the_summary_are_written_together(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("depthmask.datasets.records._summary", fail)
        with pytest.raises(DatasetError, match="full; free some space"):
            build(folders, SMALL)
    assert not [path.name for path in folders.out.iterdir() if "manifest" in path.name]
    build(folders, SMALL)
    assert {"manifest.csv", "dataset.json"} <= {path.name for path in folders.out.iterdir()}


@pytest.mark.usefixtures("small_blocks")
def test_lost_files_are_made_again(folders: Folders) -> None:
    build(folders, SMALL, shard=(1, 2))
    lost = next((folders.out / "depth").rglob("1.png"))
    before = lost.read_bytes()
    lost.write_bytes(b"")
    build(folders, SMALL, shard=(1, 2))
    assert lost.read_bytes() == before


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from tests.datasets.sources import Rows
from tests.datasets.test_build import LARGE
from depthmask.datasets import depth_labels
from depthmask.datasets import plan
from depthmask.datasets.build import Folders, Threads, build
depth_labels.ShippedTeacher = Rows
plan.BATCHES_PER_BLOCK = 1
build(Folders(*map(Path, sys.argv[1:4])), LARGE, runner=Threads(2))
"""
LARGE = Settings(size=32, placements=20, flip=True, held_out=0.3)


@pytest.mark.slow
def test_killed_and_started_again(folders: Folders, tmp_path: Path) -> None:
    def start(out: Path) -> subprocess.Popen[bytes]:
        arguments = [str(folders.foregrounds), str(folders.backgrounds), str(out)]
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], env={**os.environ, "OMP_NUM_THREADS": "1"}
        )

    for least in (1, 12):  # blocks that are done when it is killed
        process = start(folders.out)
        end = time.monotonic() + 240
        while len(list((folders.out / "blocks").glob("*.json"))) < least:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (folders.out / "dataset.json").exists()
    assert start(folders.out).wait(timeout=240) == 0
    assert start(tmp_path / "fresh").wait(timeout=240) == 0
    assert contents(folders.out) == contents(tmp_path / "fresh")


def test_a_folder_of_something_else_is_refused(folders: Folders) -> None:
    build(folders, SMALL)
    with pytest.raises(DatasetError, match="begun with other pictures or settings"):
        build(folders, Settings(size=32))
    other = Folders(folders.foregrounds, folders.backgrounds, folders.backgrounds)
    with pytest.raises(DatasetError, match="holds other files"):
        build(other, SMALL)


def test_a_folder_of_another_version_is_refused(folders: Folders) -> None:
    build(folders, SMALL, shard=(1, 2))
    plan = folders.out / "plan.json"
    now = f'"format_version": {DATASET_FORMAT}'
    plan.write_text(plan.read_text("utf-8").replace(now, '"format_version": 0'), "utf-8")
    with pytest.raises(DatasetError, match="another version of depthmask"):
        build(folders, SMALL)


def test_complete_is_complete(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    build(folders, SMALL)
    before = contents(folders.out)
    assert build(folders, SMALL)
    assert "is complete.\n" in capsys.readouterr().err
    assert contents(folders.out) == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 8}, "--size"),
        ({"placements": 0}, "--placements"),
        ({"scale": 2.0}, "--scale"),
        ({"layout": "heap"}, "layout"),
        ({"seed": -1}, "--seed"),
        ({"held_out": 1.0}, "--held-out"),
    ],
)
def test_wrong_settings(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Settings(**wrong)  # type: ignore[arg-type]


def test_wrong_shards(folders: Folders) -> None:
    for shard in ((0, 2), (3, 2)):
        with pytest.raises(DatasetError, match="I from 1 to N"):
            build(folders, SMALL, shard=shard)


def test_measured_depth_is_that_of_its_background(tmp_path: Path) -> None:
    measured = tmp_path / "measured"
    measured.mkdir()
    columns = np.linspace(4000, 1000, 64, dtype=np.uint16)
    Image.fromarray(np.broadcast_to(columns, (48, 64)).copy()).save(measured / "yard.png")
    folders = Folders(*write_folders(tmp_path), tmp_path / "out", measured)
    assert build_by_rows(folders, replace(SMALL, placements=1, flip=False))
    for row in manifest_rows(folders.out):
        depth = np.asarray(Image.open(folders.out / row["depth_file"])) / 65535
        across, along = (np.abs(np.diff(depth, axis=axis)).mean() for axis in (1, 0))
        assert (across > 2 * along) == (row["background"] == "yard")
        assert row["teacher"].endswith("+measured")
