"""Links and foreign names: pictures are read through links, parts and results are not."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from depthmask.cli.main import main
from depthmask.data.folders import find_pictures
from depthmask.datasets.build import Folders, build
from depthmask.datasets.merge import merge
from depthmask.datasets.plan import Settings
from depthmask.datasets.reader import open_dataset
from depthmask.errors import DepthmaskError
from tests.datasets.sources import contents, write_folders

SMALL = Settings(size=48, placements=1, held_out=0)

pytestmark = pytest.mark.usefixtures("rows_teacher")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(*write_folders(tmp_path), tmp_path / "out")


@pytest.fixture
def part(folders: Folders, tmp_path: Path) -> Path:
    """A part that holds all blocks of a set but is not complete."""
    part = tmp_path / "part"
    for number in (1, 2):
        at = Folders(folders.foregrounds, folders.backgrounds, tmp_path / f"half{number}")
        build(at, SMALL, shard=(number, 2))
    os.rename(tmp_path / "half1", part)
    for path in sorted((tmp_path / "half2").rglob("*")):
        target = part / path.relative_to(tmp_path / "half2")
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
    return part


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """What a link in a part or in an output leads to; nothing of it may change or come along."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").write_text("a secret")
    return tmp_path / "elsewhere"


def change_plan(part: Path, change: Callable[[Any], None]) -> None:
    plan = json.loads((part / "plan.json").read_text("utf-8"))
    change(plan)
    (part / "plan.json").write_text(json.dumps(plan), "utf-8")


def change_record(part: Path, change: Callable[[Any], None]) -> None:
    path = part / "blocks" / "000000.json"
    record = json.loads(path.read_text("utf-8"))
    change(record)
    path.write_text(json.dumps(record), "utf-8")


@pytest.mark.parametrize(
    "name", ["../x", "..", "/abs", "C:x", "C:\\x", "a\\..\\x", "a\0b", "a\nb", "", ".", "yard"]
)
def test_a_plan_names_files_in_its_part(part: Path, tmp_path: Path, name: object) -> None:
    change_plan(part, lambda plan: plan["backgrounds"][0].update(name=name))
    before = contents(tmp_path)
    with pytest.raises(DepthmaskError, match="names of backgrounds"):
        merge([part], tmp_path / "merged")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "name", ["../x.jpg", "/etc/hostname", "image/../../x", "image/hall 2/9.jpg"]
)
@pytest.mark.parametrize("add", [True, False])
def test_a_record_names_the_files_of_the_plan(
    part: Path, tmp_path: Path, name: str, add: bool
) -> None:
    (tmp_path / "x.jpg").write_text("a secret")

    def change(record: Any) -> None:
        first = next(iter(record["sizes"]))
        record["sizes"][name] = record["sizes"][first] if add else record["sizes"].pop(first)

    change_record(part, change)
    with pytest.raises(DepthmaskError, match="does not fit the plan"):
        merge([part], tmp_path / "merged")
    assert not list((tmp_path / "merged").rglob("*.jpg"))


@pytest.mark.parametrize("column", [1, 2, 3, 4, 5, 6])
def test_rows_are_those_of_the_plan(part: Path, tmp_path: Path, column: int) -> None:
    change_record(part, lambda record: record["rows"][0].__setitem__(column, "../../x"))
    with pytest.raises(DepthmaskError, match="does not fit the plan"):
        merge([part], tmp_path / "merged")


@pytest.mark.parametrize(
    "name",
    ["plan.json", "blocks", "blocks/000000.json", "image", "mask/hall 2", "depth/hall 2/1.png"],
)
def test_no_link_of_a_part_is_followed(part: Path, tmp_path: Path, name: str) -> None:
    os.rename(part / name, tmp_path / "moved")
    (part / name).symlink_to(tmp_path / "moved")
    with pytest.raises(DepthmaskError, match="is a link"):
        merge([part], tmp_path / "merged")
    assert not any(path.is_symlink() for path in (tmp_path / "merged").rglob("*"))


def test_a_pipe_in_a_part_is_not_waited_for(part: Path, tmp_path: Path) -> None:
    for name in ("blocks/000000.json", "plan.json"):
        (part / name).unlink()
        os.mkfifo(part / name)
        with pytest.raises(DepthmaskError):
            merge([part], tmp_path / "merged")


@pytest.mark.parametrize("name", ["image", "mask/hall 2", "blocks", "depth/yard"])
def test_merge_and_build_write_through_no_link(
    folders: Folders, part: Path, elsewhere: Path, name: str
) -> None:
    before = contents(elsewhere)
    (folders.out / name).parent.mkdir(parents=True)
    (folders.out / name).symlink_to(elsewhere)
    with pytest.raises(DepthmaskError, match="is a link"):
        merge([part], folders.out)
    (folders.out / "plan.json").write_bytes((part / "plan.json").read_bytes())
    with pytest.raises(DepthmaskError, match="is a link"):
        build(folders, SMALL)
    assert contents(elsewhere) == before


def test_a_link_in_the_place_of_a_result_is_replaced(folders: Folders, elsewhere: Path) -> None:
    before = contents(elsewhere)
    build(folders, SMALL, shard=(1, 2))
    names = ["image/yard/1.jpg", "image/yard/.1.jpg.tmp", "dataset.json", ".dataset.json.tmp"]
    for name in names:
        (folders.out / name).symlink_to(elsewhere / "1.jpg")
    (folders.out / "manifest.csv").symlink_to(elsewhere / "new")
    (folders.out / "dataset.json").unlink()
    assert build(folders, SMALL)
    assert contents(elsewhere) == before
    links = {path.name for path in folders.out.rglob("*") if path.is_symlink()}
    assert links <= {".dataset.json.tmp"}


def test_pictures_are_read_through_links(folders: Folders, tmp_path: Path) -> None:
    build(folders, SMALL)
    linked = tmp_path / "linked"
    linked.mkdir()
    for number, path in enumerate(sorted(folders.backgrounds.iterdir())):
        os.rename(path, tmp_path / f"{number}.png")
        (linked / path.name).symlink_to(tmp_path / f"{number}.png")
    (tmp_path / "cutouts").symlink_to(folders.foregrounds)
    at = Folders(tmp_path / "cutouts", linked, tmp_path / "again")
    build(at, SMALL)
    assert contents(at.out) == contents(folders.out)
    (tmp_path / "set").symlink_to(at.out)
    assert open_dataset(tmp_path / "set").samples == open_dataset(folders.out).samples


def test_loops_of_links_are_passed_over(folders: Folders, tmp_path: Path) -> None:
    (folders.backgrounds / "self.png").symlink_to("self.png")
    (folders.backgrounds / "up").symlink_to("..")
    (folders.backgrounds / "circle").symlink_to("circle")
    build(folders, SMALL)
    assert len(list((folders.out / "background").iterdir())) == 3


def test_folders_may_lie_deep(tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(1200):
        place = place / "d"
        place.mkdir()
    (place / "a.png").touch()
    assert find_pictures(tmp_path) == [place / "a.png"]
    (place / "a.png").unlink()
    while place != tmp_path:  # pytest, which removes folders, goes no deeper than Python does
        place.rmdir()
        place = place.parent


@pytest.mark.parametrize("command", ["build", "pack", "evaluate", "inspect", "merge", "predict"])
def test_a_loop_is_told(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    arguments: dict[str, list[object]] = {
        "build": ["--foregrounds", loop, "--backgrounds", loop, "--out", loop],
        "pack": ["--foregrounds", loop, "--backgrounds", loop, "--teacher", "x:metres", "-o", loop],
        "evaluate": [loop],
        "inspect": [loop, "-o", tmp_path / "sheet.png"],
        "merge": [loop, "--out", loop],
        "predict": [loop, loop, "-o", loop],
    }
    assert main([command, *map(str, arguments[command])]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("depthmask: ") and told[-1].endswith(".")
