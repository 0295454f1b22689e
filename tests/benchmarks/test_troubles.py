"""Spoilt pairs are pairs, spoilt; what the network gave is remembered; the table counts as told."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.photo_pairs import Sample, read_examples
from benchmarks.trouble_pairs import TROUBLES, Base, make_sound
from benchmarks.troubles import CachedBackend, Seen, choose, print_row
from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import resize


def small(sample: Sample) -> Sample:
    background, image = (resize(picture, 120, 160) for picture in sample[:2])
    true = resize(sample.true.astype(np.float32), 120, 160) > 0.5
    return Sample(background, image, true, np.ones_like(true))


@pytest.fixture(scope="module")
def base() -> Base:
    samples = [small(sample) for sample in read_examples() if sample.true.any()]
    return Base("rendered", 0, *samples[:3])


@pytest.mark.parametrize(
    ("kind", "strength"), [(kind, name) for kind, rows in TROUBLES.items() for name in rows]
)
def test_a_pair_is_spoilt(base: Base, kind: str, strength: str) -> None:
    spoilt, again = (TROUBLES[kind][strength](base) for _ in range(2))
    assert spoilt.background.dtype == spoilt.image.dtype == np.uint8
    assert spoilt.image.shape[:2] == spoilt.true.shape == spoilt.valid.shape
    assert not (
        np.array_equal(spoilt.background, base.sample.background)
        and np.array_equal(spoilt.image, base.sample.image)
    )
    assert np.array_equal(spoilt.background, again.background), "every run makes the same pairs"


def test_without_data_the_examples_are_mixed(tmp_path: Path) -> None:
    def numbers(half: str) -> list[Base]:
        return list(make_sound(half, tmp_path, real=None, data=None, composites=4))

    tuned, fresh = numbers("tuned"), numbers("fresh")
    assert [base.group for base in fresh] == ["rendered"] * 6 + ["composites"] * 4
    assert all(base.other.true.any() for base in fresh)
    assert not np.array_equal(tuned[-1].sample.image, fresh[-1].sample.image)
    assert {base.group for base in choose(fresh, 4)} == {"rendered", "composites"}


def test_what_the_network_gave_is_remembered(tmp_path: Path) -> None:
    runs = []

    def network(background: Picture, image: Picture) -> dict[str, Map]:
        runs.append(image)
        mask = np.linspace(0, 1, image.shape[0] * image.shape[1], dtype=np.float32)
        return {"mask": mask.reshape(image.shape[:2])}

    backend = CachedBackend(SimpleNamespace(run=network, precision="fp32"), tmp_path)
    pictures = [np.full((32, 64, 3), level, np.uint8) for level in (10, 20)]
    first, second = (backend.run(*pictures)["mask"] for _ in range(2))
    assert len(runs) == 1 and np.array_equal(first, second)
    assert np.abs(first.ravel() - np.linspace(0, 1, first.size)).max() <= 0.5 / 255 + 1e-6
    backend.run(*pictures[::-1])
    assert len(runs) == 2 and backend.last.shape == (32, 64)


def test_a_row_counts_what_has_lost(capsys: pytest.CaptureFixture[str]) -> None:
    def seen(verdict: str) -> Seen:
        return Seen(0.5, 0.4, verdict, frozenset({verdict}))

    print_row("grey", "grey", [(seen("grey"), 0.5), (seen("good"), 0.3), (seen("good"), 0.05)])
    assert capsys.readouterr().out == "| grey | 3 | 33% | 2 | 50% | 50% | 0.50 | 0.40 |\n"
