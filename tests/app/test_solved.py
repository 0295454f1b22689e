"""The results that come with the examples."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from depthmask.app import find_examples
from depthmask.app.examples import Example
from depthmask.app.photos.dropped import DroppedFiles
from depthmask.app.photos.solved import ANSWER, find_solved, solve
from depthmask.network.checkpoint import WEIGHTS
from tests.app.pages import Fake, files
from tests.app.test_photos import ask, asking, build
from tools.solve_examples import QUALITY

__all__ = ["files"]

MOST_BYTES = 3_000_000


@pytest.fixture
def example(files: DroppedFiles, tmp_path: Path) -> Example:
    background, image, mask, depth = (Path(str(path)) for path in files.zones.values())
    return Example("box", "Box", background, image, mask, depth)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "weights").write_bytes(b"numbers")
    return tmp_path / "weights"


def test_what_comes_with_the_examples_is_up_to_date() -> None:
    """If this fails, run python -m tools.solve_examples."""
    shipped = find_examples()
    assert set(find_solved(shipped, WEIGHTS, QUALITY)) == {example.name for example in shipped}
    size = sum(path.stat().st_size for each in shipped for path in Path(each.solved).iterdir())
    assert size < MOST_BYTES


def test_shipped_scenes_have_the_parts_of_new_ones(example: Example, weights: Path) -> None:
    solve(example, Fake(), weights, "fast")
    new = find_solved([example], weights, "fast")[example.name]
    optional = {"background", "shadow"}  # the fake network has none
    for each in find_examples():
        answer = json.loads(Path(each.solved, ANSWER).read_text("utf-8"))
        assert answer.keys() - {"made_of"} == new.keys()
        assert answer["scene"].keys() | {"folder"} == new["scene"].keys()
        for part, other in (
            (answer["scene"], new["scene"]),
            (answer["scene"]["rest"], new["scene"]["rest"]),
        ):
            assert part["files"].keys() - optional == other["files"].keys()
            assert all(Path(each.solved, name).is_file() for name in part["files"].values())


def test_other_weights_quality_or_photos_are_noticed(example: Example, weights: Path) -> None:
    assert find_solved([example], weights, "fast") == {}
    solve(example, Fake(), weights, "fast")
    found = find_solved([example], weights, "fast")
    assert found["box"]["scene"]["figures"]["iou"]["value"] == 0.5
    assert found["box"]["message"]["text"]
    assert find_solved([example], weights, "best") == {}
    assert find_solved([replace(example, true_mask=None)], weights, "fast") == {}
    other = weights.with_name("other")
    other.write_bytes(b"other numbers")
    assert find_solved([example], other, "fast") == {}
    Image.new("RGB", (32, 24)).save(example.image)
    assert find_solved([example], weights, "fast") == {}


def test_an_example_that_is_solved_is_not_predicted(example: Example, weights: Path) -> None:
    solve(example, Fake(), weights, "fast")
    network = Fake()
    tab = build(network, [example], solved=find_solved([example], weights, "fast"))
    *_, answer = ask(tab, asking(example="box"))
    assert answer["scene"]["folder"] == example.solved and answer["example"] == "box"
    assert answer["scene"]["rest"]["folder"] == example.solved
    assert network.pairs == []
    shutil.rmtree(example.solved)
    *_, answer = ask(build(network, [example]), asking(example="box"))
    assert "first" in answer["scene"]
    assert len(network.pairs) == 1
