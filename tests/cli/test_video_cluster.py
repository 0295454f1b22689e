"""`video --ray`: segments are joined, and kept; the workers are this process."""

import json
from pathlib import Path

import numpy as np
import pytest

from depthmask.cli.main import main
from depthmask.cli.video import INTERRUPTED
from depthmask.files import reserved
from depthmask.inference import clip_segments
from tests.cli import test_video
from tests.cli.cluster import Here
from tests.cli.test_video import Finds, contents
from tests.clips.drawing import UNEVEN, decoded, loudness

clip, wall = test_video.clip, test_video.wall


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> type[Here]:
    network = Finds()
    for module in ("video", "video_cluster"):
        monkeypatch.setattr(f"depthmask.cli.{module}.make_predictor", lambda *_, **__: network)
    monkeypatch.setattr("depthmask.cli.video_cluster.Cluster", Here)
    monkeypatch.setattr(clip_segments, "SEGMENT_FRAMES", 5)
    monkeypatch.setattr(clip_segments, "WARM_UP", 3)
    monkeypatch.setattr(Here, "made", [])
    return Here


def video(*arguments: object) -> int:
    try:
        return main(["video", *map(str, arguments)])
    except SystemExit as end:
        return int(end.code or 0)


def test_segments_make_the_clip_of_one_run(
    clip: Path, wall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [clip, "--background", wall]
    ways: dict[str, list[str]] = {"once": [], "parts": ["--ray", "auto"]}
    for name, more in ways.items():
        outputs = ["-o", tmp_path / f"{name}.mp4", "--depth", tmp_path / name]
        assert video(*common, *outputs, *more) == 0
        report = json.loads(capsys.readouterr().out)
    assert (report["frames"], report["whole"], report["retries"]) == (12, True, 0)
    (found, times), (expected, true_times) = (decoded(tmp_path / f"{n}.mp4") for n in ways)
    assert times == true_times and len(times) == len(UNEVEN)
    for pair in zip(found, expected, strict=True):
        assert np.abs(np.subtract(*pair, dtype=np.float32)).mean() < 3
    assert contents(tmp_path / "once") == contents(tmp_path / "parts")
    assert loudness(tmp_path / "once.mp4") == loudness(tmp_path / "parts.mp4")
    assert not [*tmp_path.glob(".*")]


@pytest.mark.parametrize("name", ["out.webm", "out"])
def test_a_stopped_run_goes_on(
    clip: Path,
    wall: Path,
    tmp_path: Path,
    cluster: type[Here],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    out = tmp_path / name
    command = [clip, "--background", wall, "--resume", "--ray", "auto", "-o", out]
    monkeypatch.setattr(cluster, "last", 1)
    assert video(*command) == INTERRUPTED
    assert "holds the first 5 frames. Give the same command" in capsys.readouterr().err
    if out.is_file():
        assert len(decoded(out)[0]) == 5
    monkeypatch.setattr(cluster, "last", None)
    if out.is_dir():
        (out / ".000007.png.0a1b.tmp").touch()  # of a worker that was lost
    assert video(*command) == 0
    assert "5 frames are there already." in capsys.readouterr().err
    assert [each.numbers.start for each in cluster.made] == [0, 5, 10]
    if out.is_file():
        assert len(decoded(out)[0]) == 12
    else:
        assert len((out / "times.csv").read_text().splitlines()) == 13 == len([*out.iterdir()])
    assert not [*tmp_path.glob(".*")]


def test_a_second_run_is_refused(
    clip: Path, wall: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    with reserved(out):
        for more in ([], ["--resume"], ["--ray", "auto"]):
            assert video(clip, "--background", wall, "-o", out, *more) == 2
            assert f"Another run writes {out} at this moment" in capsys.readouterr().err


def test_machines_see_the_same_files_and_weights(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [clip, "-o", tmp_path / "out.mp4", "--ray", "auto"]
    weights = iter("ab")
    with monkeypatch.context() as patch:
        patch.setattr("depthmask.cli.video_cluster.weights_fingerprint", lambda _: next(weights))
        assert video(*command) == 2
        assert "has other weights; install the same version" in capsys.readouterr().err
    monkeypatch.setattr(
        "depthmask.cli.cluster_options.reservation", lambda *_: tmp_path / "elsewhere"
    )
    assert video(*command) == 2
    assert f"does not reach {tmp_path / 'out.mp4'}; give folders" in capsys.readouterr().err
