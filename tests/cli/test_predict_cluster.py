"""`predict --ray` with a folder of images; the workers are this process."""

from pathlib import Path

import pytest

from tests.cli import test_predict_folder
from tests.cli.cluster import Here
from tests.cli.test_predict_folder import Sees, draw, made, predict, printed

place, network = test_predict_folder.place, test_predict_folder.network


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthmask.cluster.Cluster", Here)
    monkeypatch.setattr(Here, "made", [])


def test_workers_make_what_is_missing(
    place: Path, network: Sees, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert predict(place) == 0 and made(place) == ["a.png", "b.png", "sub/c.png"]
    capsys.readouterr()
    for number in range(3):
        draw(place / "in" / f"{number}.png", 10 + number)
    monkeypatch.setattr("depthmask.cli.predict_cluster.PORTION", 2)
    monkeypatch.setattr("depthmask.cli.predict_cluster.PORTIONS_A_WORKER", 1)
    assert predict(place, "--ray", "auto") == 0
    report = str(place / "out" / "report.html")
    assert printed(capsys) == {"made": 3, "kept": 3, "failed": 0, "retries": 0, "report": report}
    assert [[job.name for job in portion] for portion in Here.made] == [["0", "1"], ["2"]]
    assert sorted(network.seen)[3:] == [(0, 10), (0, 11), (0, 12)] and len(made(place)) == 6


def test_machines_see_the_same_files_and_weights(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("depthmask.cli.cluster_options.weights_fingerprint", lambda _: "others")
    assert predict(place, "--ray", "auto") == 2
    assert "has other weights; install the same version" in capsys.readouterr().err
    elsewhere = place / "elsewhere"
    monkeypatch.setattr("depthmask.cli.cluster_options.reservation", lambda *_: elsewhere)
    assert predict(place, "--ray", "auto") == 2
    assert f"does not reach {place / 'out'}; give folders" in capsys.readouterr().err
