"""The baselines work, else beating them would mean nothing."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks import baselines
from depthmask.evaluation.sequences import score_prediction
from depthmask.pictures import Mask, Picture
from tests.conftest import Pair


@pytest.mark.parametrize("method", [baselines.difference, baselines.gain_match])
def test_a_baseline_finds_a_plain_object(
    pair: Pair, method: Callable[[Picture, Picture], Mask]
) -> None:
    prediction = baselines.with_flat_depth(method)(pair.background, pair.image)
    labels = pair.true_mask.astype(np.uint8) * 255
    assert score_prediction(prediction, true_labels=labels)["iou"] > 0.9


def test_gain_match_forgives_exposure(pair: Pair) -> None:
    darker = (pair.background * 0.6).astype(np.uint8)
    assert not baselines.gain_match(darker, pair.background).any()
    warmer = (pair.background * (1.0, 0.7, 0.4)).astype(np.uint8)
    assert not baselines.gain_match(warmer, pair.background).any(), "a gain for each channel"


def test_the_table(
    pair_folder: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sequence = pair_folder / "all" / "room"
    for part in ("image", "mask"):
        (sequence / part).mkdir(parents=True)
        (pair_folder / f"{part}.png").rename(sequence / part / "0.png")
    (pair_folder / "background.png").rename(sequence / "background.png")
    arguments = ["baselines", str(sequence.parent), "--checkpoint", str(tiny_checkpoint)]
    monkeypatch.setattr(sys, "argv", arguments)
    baselines.main()
    printed = capsys.readouterr().out
    for method in ("difference + Otsu", "gain match + threshold", "depthmask"):
        assert method in printed
    assert printed.count("room") == 3 and printed.count("mean") == 3
