"""A short run of `tools.fuzz`: nothing that a stranger may send ends in more than a sentence."""

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tools import fuzz

CASES = {  # few of those that take long
    **{"pictures": 40, "arrays": 40, "clips": 20, "packs": 20, "graphs": 20, "checkpoints": 6},
    **{"datasets": 5, "commands": 3, "live": 8, "batches": 3, "requests": 20, "addresses": 20},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_hostile_cases(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about pickles
        with ThreadPoolExecutor(1) as thread:  # tests of the browser leave a loop in this one
            thread.submit(attack, name, folder).result()
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def attack(name: str, folder: Path) -> None:
    run = fuzz.TARGETS[name](folder)
    for number in range(CASES[name]):
        run(fuzz.rng_of(name, number, seed=1))


def test_what_is_at_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[dict[str, object]]] = [
        [{"begins": 5}, {"s": 1.0, "mb": 9.0, "fault": "ValueError"}, {"begins": 6}],  # and it died
        [{"begins": 7}, {"s": 6.0, "mb": 8.0, "fault": ""}],
    ]
    begun: list[range] = []

    def tell(name: str, numbers: range, seed: int) -> list[dict[str, object]]:
        begun.append(numbers)
        return told.pop(0)

    monkeypatch.setattr(fuzz, "_told", tell)
    found = fuzz.watch("pictures", range(5, 8), 0)
    assert begun == [range(5, 8), range(7, 8)]
    assert (found.cases, found.longest_s, found.peak_mb) == (3, 6.0, 9.0)
    assert found.faults == {5: "ValueError", 6: "It ended the process.", 7: "It took 6.0 s."}


def test_the_command_counts_and_says_so() -> None:
    words = ["-m", "tools.fuzz", "--target", "arrays", "--cases", "3"]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=Path(fuzz.__file__).parents[1]
    )
    assert done.returncode == 0 and done.stdout.startswith("arrays: 3 cases, 0 at fault")
