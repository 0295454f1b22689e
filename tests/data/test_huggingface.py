"""Depth models of Hugging Face as teachers: a tiny one with random weights."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from depthmask.data.huggingface import HuggingFaceTeacher
from depthmask.data.teachers import Teacher, TeacherSpec, inverse_from_metres
from depthmask.errors import TeacherError
from tests.data import depth_model

HEIGHT, WIDTH = 70, 100


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return depth_model.write(tmp_path_factory.mktemp("model") / "glpn")


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (3, HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.mark.slow
def test_labels_have_the_size_of_their_pictures(model: Path, pictures: np.ndarray) -> None:
    found = HuggingFaceTeacher(str(model)).inverse(pictures)
    assert found.shape == (3, HEIGHT, WIDTH) and found.dtype == np.float32
    assert np.isfinite(found).all() and np.ptp(found, axis=(1, 2)).min() > 0
    one = HuggingFaceTeacher(str(model)).inverse(pictures[1:2])
    assert np.allclose(one[0], found[1], atol=1e-4), "whatever is labelled beside it"


@pytest.mark.slow
def test_the_unit_is_that_of_the_model_unless_it_is_given(
    model: Path, pictures: np.ndarray
) -> None:
    by_model, metres, inverse = (
        HuggingFaceTeacher(str(model), unit).inverse(pictures) for unit in ("", "metres", "inverse")
    )
    assert np.array_equal(by_model, metres), "a GLPN tells metres"
    assert np.allclose(metres, [inverse_from_metres(one) for one in inverse])
    assert metres.max() < 1 < inverse.min(), "its raw answers are metres, about 5"


@pytest.mark.slow
def test_the_model_sees_what_its_image_processor_makes(
    model: Path, pictures: np.ndarray, tmp_path: Path
) -> None:
    changed = depth_model.write(tmp_path / "glpn")
    path = changed / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"size_divisor": 64}))
    plain, other = (
        HuggingFaceTeacher(str(folder)).inverse(pictures) for folder in (model, changed)
    )
    assert np.abs(plain - other).max() > 0.1 * np.ptp(plain), "96 and 64 pixels wide"


@pytest.mark.slow
def test_a_model_that_is_missing_is_reported(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="an optional extra: huggingface")
    with pytest.raises(TeacherError, match=r"missing cannot be loaded as a depth model \(.+\)\. "):
        HuggingFaceTeacher(str(tmp_path / "missing"))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(TeacherError, match=r"pip install 'depthmask\[huggingface\]'"):
        HuggingFaceTeacher("anything")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(TeacherError, match=r"pip install 'depthmask\[teachers\]'"):
        Teacher(TeacherSpec(Path("any.onnx"), "inverse"))
