"""The report of a batch: a table, and a page that stands on its own."""

import csv
import re
from pathlib import Path

import pytest
from PIL import Image

from depthmask.batch.report import count, report_files, summary, write_report
from depthmask.batch.run import Row
from depthmask.errors import OptionError

NAME = "<img src=x onerror=alert(1)> & 'a'"


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    (tmp_path / "preview").mkdir()
    Image.new("RGB", (4, 3)).save(tmp_path / "preview" / f"{NAME}.jpg")
    bad = Row(f"{NAME}", f"in/{NAME}.jpg", "b.jpg", "made", score=0.2, verdict="moved")
    bad = Row(**{**vars(bad), "sentence": "It <moved>.", "result": f"cutout/{NAME}.png"})
    good = Row("a", "in/a.jpg", "b.jpg", "kept", score=0.9, verdict="good", sentence="They fit.")
    failed = Row("\udcff", "in/\udcff.jpg", "b.jpg", "failed", reason="It is <broken>.")
    return [good, bad, failed]


def test_the_table_lists_all(tmp_path: Path, rows: list[Row]) -> None:
    write_report(tmp_path, rows)
    with (tmp_path / "report.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["status"] for row in found] == ["made", "kept", "failed"]
    assert found[0]["name"] == NAME and found[0]["score"] == "0.2"
    assert found[2]["reason"] == "It is <broken>." and found[2]["score"] == ""


def test_the_page_escapes_names_and_loads_nothing(tmp_path: Path, rows: list[Row]) -> None:
    write_report(tmp_path, rows)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "3 pictures: 1 made, 1 kept, 1 failed" in page
    assert "<img src=x" not in page and "&lt;img src=x" in page
    assert "It is &lt;broken&gt;." in page and "It &lt;moved&gt;." in page
    assert "They fit." not in page, "nothing is said of pairs that fit"
    sources = re.findall(r"src='([^']*)'", page)
    assert sources and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    links = re.findall(r"href='([^']*)'", page)
    assert links == [
        "report.csv",
        "cutout/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%20%26%20%27a%27.png",
    ]
    assert page.index("&lt;img") < page.index("The preview of a is missing"), "the worst is first"


def test_the_page_stays_small(
    tmp_path: Path, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthmask.batch.report.MAX_PREVIEWS", 1)
    monkeypatch.setattr("depthmask.batch.report.MAX_FAILURES", 1)
    write_report(tmp_path, [*rows, rows[2]])
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "The 1 that fit worst are shown." in page and "The preview of a" not in page
    assert "And 1 more." in page


def test_each_part_has_its_own(tmp_path: Path, rows: list[Row]) -> None:
    write_report(tmp_path, rows, (2, 8))
    assert (tmp_path / "report-2-of-8.csv").is_file()
    assert [path.name for path in report_files(tmp_path, (1, 1))] == ["report.csv", "report.html"]
    (tmp_path / "report.csv").symlink_to(tmp_path / "else")
    with pytest.raises(OptionError, match="is a link"):
        write_report(tmp_path, rows)


def test_counts_in_words(rows: list[Row]) -> None:
    assert summary(count(rows[:1])) == "1 picture: 1 kept"
    assert summary(count([])) == "0 pictures"
