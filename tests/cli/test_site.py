"""`depthmask site`: copies the built page, and says what is missing."""

from pathlib import Path

import pytest

from depthmask.cli import site
from depthmask.cli.main import main


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built page in a package."""
    folder = tmp_path / "package" / "site"
    (folder / "assets").mkdir(parents=True)
    for name in ("index.html", site.MARK, "assets/new.js"):
        (folder / name).write_text(name)
    found = site.find_site(tmp_path / "package")
    monkeypatch.setattr(site, "find_site", lambda: found)
    return folder


def test_the_page_is_written_and_replaces_an_earlier_one(page: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    (output / "assets").mkdir(parents=True)
    (output / site.MARK).touch()
    (output / "assets" / "old.js").touch()
    assert main(["site", "-o", str(output)]) == 0
    assert (output / "assets" / "new.js").read_text() == "assets/new.js"
    assert not (output / "assets" / "old.js").exists()


def test_a_folder_with_other_files_is_left_alone(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    assert main(["site", "-o", str(tmp_path / "mine")]) == 2
    assert "is not empty; name another folder." in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_a_page_that_was_not_built_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run `make site`"):
        site.find_site(tmp_path / "depthmask")
