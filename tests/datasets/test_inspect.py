"""The sheet of a data set, and the figures beside it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthmask.cli.main import main
from depthmask.datasets.build import Folders, build
from depthmask.datasets.inspect import measure_masks
from depthmask.datasets.plan import Settings
from depthmask.datasets.reader import open_dataset
from tests.datasets.sources import write_folders


@pytest.fixture
def dataset(tmp_path: Path, rows_teacher: None) -> Path:
    build(Folders(*write_folders(tmp_path), tmp_path / "set"), Settings(size=48, placements=4))
    return tmp_path / "set"


def test_sheet(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["inspect", str(dataset), "-o", str(tmp_path / "sheet.png")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["samples"] == report["looked_at"] == 48 == sum(report["splits"].values())
    assert report["cutouts"] == 4 and report["backgrounds"] == 3
    assert report["object_size"]["median"] == pytest.approx(0.5, abs=0.05)
    assert 0.05 < report["foreground_share"]["median"] < 0.25
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet)
    assert pixels.ndim == 3 and pixels.shape[1] > 700 and len(np.unique(pixels)) > 100


def test_places_and_sizes(dataset: Path) -> None:
    opened = open_dataset(dataset)
    sample = opened.samples[0]
    mask = np.zeros((48, 48), np.uint8)
    mask[2:6, 40:48] = 255  # at the top right, 4 high and 8 wide
    Image.fromarray(mask).save(dataset / f"mask/{sample.background}/{sample.number}.png")
    found = measure_masks(opened, [sample])
    assert found.share == pytest.approx(32 / 48**2) and found.size == pytest.approx(8 / 48)
    assert np.argwhere(found.places).tolist() == [[2, 22]], "row 4 and column 44 of 48"


def test_without_matplotlib(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["inspect", str(dataset), "-o", str(tmp_path / "sheet.png")]) == 2
    assert "pip install 'depthmask[plots]'" in capsys.readouterr().err


def test_wrong_use(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        ([str(tmp_path / "nowhere"), "-o", str(tmp_path / "x.png")], "no data set at"),
        ([str(dataset), "-o", str(dataset / "plan.json" / "x.png")], "cannot be written"),
        ([str(dataset), "-o", "x.png", "--samples", "0"], "--samples must be"),
        ([str(dataset), "-o", str(tmp_path / "x.jpg")], "The sheet is a PNG"),
    ):
        assert main(["inspect", *arguments]) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("x.*")), "nothing is left of a look"
