"""What workers of a cluster get that build a data set; see also `tests/test_cluster.py`."""

from pathlib import Path

import pytest

from depthmask.cli.main import main
from depthmask.datasets.build import BlockBuilder, Folders
from depthmask.datasets.plan import Settings
from depthmask.datasets.ray import Job, block_needs
from depthmask.errors import DatasetError
from tests.datasets.sources import write_folders


@pytest.fixture
def builder(tmp_path: Path, rows_teacher: None) -> BlockBuilder:
    folders = Folders(*write_folders(tmp_path), tmp_path / "out")
    return BlockBuilder.prepare(folders, Settings(size=48, placements=1))


def test_a_machine_that_does_not_see_the_folders(builder: BlockBuilder) -> None:
    with pytest.raises(DatasetError, match=r"does not see .*; give folders that all machines"):
        Job.of(builder).open()


def test_a_job_can_be_done_anywhere(
    builder: BlockBuilder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    near = Folders(Path("fg"), Path("bg"), Path("out"))
    job = Job.of(BlockBuilder(near, builder.plan, builder.cutouts, builder.source))
    assert job.folders == builder.folders and job.depth == "contact"


def test_shares_of_gpus() -> None:
    assert block_needs([{"CPU": 8, "GPU": 2}], on_gpu=False) == {"num_cpus": 1}
    assert block_needs([{"CPU": 8}], on_gpu=True) == {"num_cpus": 1}
    for machine, share in (((8, 4), 0.5), ((64, 1), 0.25), ((1, 8), 1.0)):
        machines = [dict(zip(("CPU", "GPU"), machine, strict=True))]
        assert block_needs(machines, on_gpu=True) == {"num_cpus": 1, "num_gpus": share}


def test_threads_are_not_for_clusters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foregrounds, backgrounds = write_folders(tmp_path)
    folders = ["--foregrounds", str(foregrounds), "--backgrounds", str(backgrounds)]
    for options in (["--jobs", "2", "--ray", "auto"], ["--jobs", "0"]):
        assert main(["build", *folders, "--out", str(tmp_path / "out"), *options]) == 2
        assert "--jobs must be" in capsys.readouterr().err
