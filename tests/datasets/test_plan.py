"""Plans and records of blocks: what is written is read, and anything else is said in a sentence."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from depthmask.datasets.plan import Plan, Settings, read_plan
from depthmask.datasets.records import BlockRecord, Moments, find_record, write_record
from depthmask.datasets.sources import SourcePicture
from depthmask.errors import DatasetError

SOURCE = SourcePicture("hall", "a/hall.jpg", 7, "train")
PLAN = Plan(Settings(), (SOURCE,), (replace(SOURCE, side="test"),))
ROW: list[object] = [0, "hall", "disc", *"abcd", 1.5, 2.0, 3.0, 4.0, 0.5, 0, 0, "t", "test", "0f"]
RECORD = BlockRecord([ROW], {"a": 3})
RECORD.moments["mask"] = Moments(9, [1.0], [0.5])


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(PLAN.as_text(), "utf-8")
    assert read_plan(tmp_path / "plan.json") == PLAN


@pytest.mark.parametrize(
    ("place", "value", "clause"),
    [
        (("settings", "size"), "224", "settings.size must be a whole number"),
        (("settings", "size"), 10**6, "--size must be from 16 to 4096"),
        (("settings", "placements"), 10**30, "settings.placements must be"),
        (("settings", "layout"), ["plain"], "settings.layout must be a text"),
        (("settings", "colour"), 1, "no field"),
        (("cutouts",), [], "cutouts must be from 1"),
        (("cutouts",), {}, "cutouts must be a list"),
        (("cutouts", 0, "name"), None, r"cutouts\[0\].name must be a text"),
        (("cutouts", 0, "checksum"), 2**70, "at most 64 bits"),
        (("backgrounds", 0, "side"), "both", "must be train or test"),
    ],
)
def test_a_plan_is_checked(
    tmp_path: Path, place: tuple[Any, ...], value: object, clause: str
) -> None:
    content = inner = json.loads(PLAN.as_text())
    *path, last = place
    for key in path:
        inner = inner[key]
    inner[last] = value
    (tmp_path / "plan.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=rf"is damaged \(.*{clause}.*\); build"):
        read_plan(tmp_path / "plan.json")


def test_a_data_set_has_an_end() -> None:
    with pytest.raises(DatasetError, match="at most 100,000,000 composites, not 100,000,002"):
        Plan(Settings(placements=50_000_001), (SOURCE,) * 2, (SOURCE,))
    with pytest.raises(DatasetError, match="--placements must be from 1 to"):
        Settings(placements=10**20)


def test_a_file_in_a_folders_place_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatasetError, match="is no data set that `build` has begun"):
        read_plan(tmp_path / "file" / "plan.json")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rows", None),
        ("rows", [[1, 2]]),
        ("sizes", {"a": "3"}),
        ("sizes", []),
        ("moments", []),
        ("moments", {"colour": {}}),
        ("moments", {"mask": {"count": 9, "total": [1.0, 1.0], "squares": [1.0, 1.0]}}),
        ("moments", {"mask": {"count": 9, "total": [1e300], "squares": [0.5]}}),
        ("moments", {"mask": None}),
    ],
)
def test_a_record_that_is_damaged_is_as_if_it_were_not_there(
    tmp_path: Path, field: str, value: object
) -> None:
    path = tmp_path / "000000.json"
    write_record(path, RECORD)
    assert find_record(path) == RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert find_record(path) is None
    path.write_text("[" * 10**5)
    assert find_record(path) is None
