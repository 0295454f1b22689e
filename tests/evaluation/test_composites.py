"""Scoring a built data set, and the page that shows it."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depthmask.cli.main import main
from depthmask.data.split import combined_split
from depthmask.datasets.build import Folders
from depthmask.datasets.plan import Settings
from depthmask.datasets.reader import Dataset, Sample, open_dataset
from depthmask.errors import DatasetError
from depthmask.evaluation.composites import SampleScores, evaluate_composites, score_sample
from depthmask.evaluation.report import best_median_worst, report_page
from depthmask.inference.predictor import Prediction
from depthmask.pictures import Picture
from tests.datasets.sources import build_by_rows, write_folders
from tests.limits import failing_replace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, which no test changes."""
    folder = tmp_path_factory.mktemp("composites")
    folders = Folders(*write_folders(folder), folder / "set")
    build_by_rows(folders, Settings(size=48, placements=6, held_out=0.3))
    return folder / "set"


@pytest.fixture
def dataset(folder: Path) -> Dataset:
    return open_dataset(folder)


class Oracle:
    """Knows the truth of each image."""

    def __init__(self, dataset: Dataset) -> None:
        self._known = {
            example.image.tobytes(): example
            for example in map(dataset.read, dataset.of_side("test"))
        }

    def predict(self, background: Picture, image: Picture) -> Prediction:
        example = self._known[image.tobytes()]
        return Prediction(example.mask, example.depth, 0.0)


def nothing(background: Picture, image: Picture) -> Prediction:
    empty = np.zeros(image.shape[:2], np.float32)
    return Prediction(empty, empty + 0.5, 0.0)


def test_the_truth_scores_best(dataset: Dataset) -> None:
    result, scored = evaluate_composites(Oracle(dataset).predict, dataset)
    assert result["samples"] == len(scored) == 6 and result["split"] == "test"
    means = result["means"]
    for name in ("iou", "boundary_iou", "f_measure", "delta1", "delta3", "depth_edge_recall"):
        assert means[name] == pytest.approx(1), name
    for name in ("ssim", "ssim_aligned", "delta1_aligned"):
        assert means[name] == pytest.approx(1, abs=1e-3), name
    for name in (
        *("mae", "mse", "sad", "gradient", "connectivity", "mae_band", "connectivity_band"),
        *("depth_rmse", "abs_rel", "depth_rmse_aligned", "depth_rmse_over_deviation"),
    ):
        assert means[name] == pytest.approx(0, abs=1e-3), name
    assert result["original"] == {"batch_iou": 1.0, "batch_rmse": pytest.approx(1e-3)}
    json.dumps(result, allow_nan=False)


def test_finding_nothing(dataset: Dataset) -> None:
    result, scored = evaluate_composites(nothing, dataset, limit=3)
    assert result["samples"] == len(scored) == 3
    means = result["means"]
    assert means["iou"] == 0 == means["f_measure"] == means["depth_edge_recall"]
    assert means["mae"] == pytest.approx(means["sad"] * 1000 / 48**2)
    assert means["mae_band"] > means["mae"]
    assert result["original"]["batch_iou"] == 0
    depths = np.stack([dataset.read(one.sample).depth for one in scored])
    rmse = np.sqrt(((depths - 0.5) ** 2).mean(axis=(1, 2))).mean()
    expected = pytest.approx(rmse / depths.std(), rel=1e-4)
    assert means["depth_rmse_over_deviation"] == expected


def test_depth_near_0_counts_as_a_fiftieth(dataset: Dataset) -> None:
    pictures = dataset.read(dataset.samples[0])
    black = np.zeros_like(pictures.depth)
    scores = score_sample(pictures.mask, black + 0.04, replace(pictures, depth=black))
    assert scores["abs_rel"] == pytest.approx(1)
    assert scores["delta1"] == scores["delta3"] == 0 and scores["depth_rmse"] == pytest.approx(0.04)
    assert "depth_edge_recall" not in scores, "no true step, so nothing to find"


def test_groups_of_the_page(dataset: Dataset) -> None:
    sample = dataset.samples[0]
    scored = [SampleScores(sample, {"iou": value / 20}) for value in (3, 9, 1, 7, 5, 8, 2, 6, 4)]
    shown = {
        name: [round(one.scores["iou"] * 20) for one in group]
        for name, group in best_median_worst(scored)
    }
    assert shown == {"Best": [9, 8, 7], "Median": [6, 5, 4], "Worst": [3, 2, 1]}


def test_a_side_without_samples(dataset: Dataset) -> None:
    alone = Dataset(dataset.files, dataset.layout, dataset.of_side("train"))
    with pytest.raises(DatasetError, match="no sample for test"):
        evaluate_composites(nothing, alone)


@pytest.mark.parametrize(
    ("cutouts", "backgrounds", "side", "help_"),
    [
        (1, 1, "test", "takes two cut-outs and two backgrounds; add some, or use --split train."),
        (1, 3, "test", "two cut-outs and two backgrounds; add some, or use --split train or mixed"),
        (1, 1, "mixed", "two cut-outs or two backgrounds; add some, or use --split train."),
        (2, 2, "test", "raise --held-out, or add pictures that are not near-duplicates, or use"),
    ],
)
def test_why_a_side_is_empty(
    dataset: Dataset, cutouts: int, backgrounds: int, side: str, help_: str
) -> None:
    held_out = "test" if cutouts < backgrounds else "train"
    samples = [
        Sample(f"b{b}", f"c{c}", 1, combined_split("train", held_out if b == 0 else "train"))
        for b in range(backgrounds)
        for c in range(cutouts)
    ]
    few = Dataset(dataset.files, dataset.layout, samples)
    with pytest.raises(DatasetError, match=f"no sample for {side}: .*{help_}"):
        evaluate_composites(nothing, few, side=side)


def test_page(dataset: Dataset) -> None:
    oracle = Oracle(dataset).predict
    result, scored = evaluate_composites(oracle, dataset)
    page = report_page(result, scored, dataset, oracle).decode("utf-8")
    for word in ("Best", "Median", "Worst", "data:image/svg+xml", "connectivity", "batch iou"):
        assert word in page
    assert page.count("data:image/jpeg;base64,") == 6 * 6
    assert not re.findall(r"(?:src|href)=.(?!data:)", page), "nothing is fetched"
    groups = best_median_worst(scored)
    shown = [one.sample for _, group in groups for one in group]
    assert len(shown) == len(set(shown)) == 6


def test_command(
    folder: Path, tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    arguments = ["evaluate", str(folder), "--checkpoint", str(tiny_checkpoint)]
    assert main([*arguments, "--limit", "2", "--html", str(tmp_path / "r" / "r.html")]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["samples"] == 2 and result["split"] == "test"
    assert "2 of 2 samples" in printed.err
    assert (tmp_path / "r" / "r.html").is_file()
    assert main([*arguments, "--limit", "0"]) == 2
    assert "--limit must be" in capsys.readouterr().err


def test_the_page_and_the_numbers_are_written_together(
    folder: Path,
    tmp_path: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["evaluate", str(folder), "--checkpoint", str(tiny_checkpoint), "--limit", "1"]
    out = tmp_path / "out"
    files = [f"--html={out / 'a.html'}", f"--json={out / 'a.json'}"]
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", failing_replace(2, PermissionError(13, "denied")))
        assert main([*arguments, *files]) == 2
    printed = capsys.readouterr()
    assert "a.json cannot be used (denied)" in printed.err
    assert json.loads(printed.out)["samples"] == 1  # is not lost
    assert not list(out.iterdir())
    assert main([*arguments, *files]) == 0
    assert {path.name for path in out.iterdir()} == {"a.html", "a.json"}
    assert main([*arguments, files[0], f"--json={out / 'a.html'}"]) == 2
    assert "is given for two files" in capsys.readouterr().err
