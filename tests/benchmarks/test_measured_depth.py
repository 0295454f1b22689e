"""Depth against measurement: a row for each scene, beside what a flat map gets."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import measured_depth

SIZE = (48, 64)


def write_scene(folder: Path, nearest: int) -> None:
    folder.mkdir()
    for number in range(2):
        name = folder / f"{number}.jpg"
        Image.new("RGB", SIZE[::-1], "grey").save(name)
        metres = np.repeat(np.linspace(5000, nearest, SIZE[0])[:, None], SIZE[1], axis=1)
        Image.fromarray(metres.astype(np.uint16)).save(name.with_suffix(".png"))


def test_each_scene_has_rows(
    tmp_path: Path,
    tiny_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_scene(tmp_path / "deep", 500)
    write_scene(tmp_path / "wall", 4900)
    arguments = ["measured_depth.py", str(tmp_path), "--checkpoint", str(tiny_checkpoint)]
    monkeypatch.setattr(sys, "argv", arguments)
    measured_depth.main()
    cells = [line.rsplit(maxsplit=4) for line in capsys.readouterr().out.splitlines()[1:]]
    rows = {name.strip(): [float(value) for value in values] for name, *values in cells}
    assert len(rows) == 6, "two scenes and all of them, flat and by the network"
    flat = {scene: rows[f"{scene}, flat"] for scene in ("deep", "wall", "all")}
    assert [flat[scene][0] for scene in flat] == [2, 2, 4]
    assert flat["wall"][1] < 0.02 and flat["wall"][2] == 1
    assert flat["deep"][1] > 0.3 and flat["deep"][2] < 0.5
    assert flat["all"][1] == pytest.approx((flat["deep"][1] + flat["wall"][1]) / 2, abs=0.001)
