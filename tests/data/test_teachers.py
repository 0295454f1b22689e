"""Teachers: what they are written as, what an ensemble makes of them, and labels by views."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from depthmask.data.teachers import (
    Ensemble,
    Teacher,
    TeacherSpec,
    inverse_from_metres,
    label_views,
)
from depthmask.errors import TeacherError

Map = NDArray[np.float32]
Picture = NDArray[np.uint8]


def test_teachers_are_named_by_file_unit_and_weight() -> None:
    assert TeacherSpec.parse("a.onnx:metres") == TeacherSpec(Path("a.onnx"), "metres")
    assert TeacherSpec.parse("d/a.onnx:inverse:0.5") == TeacherSpec(
        Path("d/a.onnx"), "inverse", 0.5
    )
    assert TeacherSpec.parse("C:\\a.onnx:metres:2") == TeacherSpec(Path("C:\\a.onnx"), "metres", 2)
    for weight in ("much", "nan", "inf", "0", "-1"):
        with pytest.raises(TeacherError, match="above 0"):
            TeacherSpec.parse(f"a.onnx:metres:{weight}")
    for text in ("a.onnx", "a.onnx:feet", ":metres"):
        with pytest.raises(TeacherError, match=r"FILE:inverse or FILE:metres"):
            TeacherSpec.parse(text)


def test_an_ensemble_needs_a_teacher_that_is_there() -> None:
    with pytest.raises(TeacherError, match="at least one teacher"):
        Ensemble([])
    pytest.importorskip("onnxruntime")
    with pytest.raises(TeacherError, match="no teacher at"):
        Ensemble([TeacherSpec(Path("missing.onnx"), "inverse")])


def test_what_a_network_cannot_tell_is_filled_from_around() -> None:
    metres = np.full((60, 80), 2.0, dtype=np.float32)
    metres[20:26, 30:38] = 0  # a window's glare, with the dip that surrounds it
    metres[18:28, 28:40] *= 0.5
    inverse = inverse_from_metres(metres)
    assert np.allclose(inverse, 0.5, atol=0.02)
    for side in (1, 2, 3):
        small = np.full((60, 80), 2.0, dtype=np.float32)
        small[20 : 20 + side, 30 : 30 + side] = 0
        assert np.allclose(inverse_from_metres(small), 0.5, atol=0.05)
    odd = np.full((60, 80), 2.0, dtype=np.float32)
    odd[5, 5], odd[9, 9], odd[40, 40] = np.nan, 0, np.inf
    assert np.isfinite(inverse_from_metres(odd)).all()
    assert inverse_from_metres(odd)[40, 40] < 0.01, "an infinite sky is far"
    near = np.full((60, 80), 0.4, dtype=np.float32)
    assert np.allclose(inverse_from_metres(near), 2.5), "near is no hole"
    assert np.isfinite(inverse_from_metres(np.zeros((4, 4), dtype=np.float32))).all()


def write_teacher(
    path: Path, channels: tuple[float, float, float], shift: float = 0.0, lean: float = 0.0
) -> Path:
    """An ONNX network of 64 x 96 that gives a weighted sum of red, green and blue, each in [0, 1].

    `lean` is added to it at the right edge, and less towards the left.
    """
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    entry = helper.make_tensor_value_info("in", kind, [1, 3, 64, 96])
    leave = helper.make_tensor_value_info("out", kind, [1, 1, 64, 96])
    weight = helper.make_tensor("weight", kind, [1, 3, 1, 1], channels)
    bias = helper.make_tensor("bias", kind, [1], [shift])
    ramp = helper.make_tensor("ramp", kind, [1, 1, 1, 96], np.linspace(0, lean, 96))
    nodes = [
        helper.make_node("Conv", ["in", "weight", "bias"], ["sum"]),
        helper.make_node("Add", ["sum", "ramp"], ["out"]),
    ]
    graph = helper.make_graph(nodes, "g", [entry], [leave], [weight, bias, ramp])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


@pytest.fixture
def red_and_green() -> Picture:
    """Red grows to the right, green downwards, 64 x 96."""
    y, x = np.mgrid[:64, :96]
    return np.stack((x * 2, y * 3, np.zeros_like(x)), axis=2).astype(np.uint8)


def correlation(label: Map, values: NDArray[np.uint8]) -> float:
    return float(np.corrcoef(label.ravel(), values.ravel())[0, 1])


def test_every_teacher_counts_whatever_its_scale(tmp_path: Path, red_and_green: Picture) -> None:
    red = write_teacher(tmp_path / "red.onnx", (1, 0, 0))
    large = write_teacher(tmp_path / "large.onnx", (1000, 0, 0), shift=500)
    green = write_teacher(tmp_path / "green.onnx", (0, 1, 0))
    found = [
        Ensemble([TeacherSpec(one, "inverse"), TeacherSpec(green, "inverse")]).label(red_and_green)
        for one in (red, large)
    ]
    assert np.allclose(found[0], found[1], atol=1e-3)
    by_red, by_green = (correlation(found[1], red_and_green[..., n]) for n in (0, 1))
    assert by_red == pytest.approx(by_green, abs=0.05) and by_red > 0.6


def test_a_teacher_counts_by_its_weight(tmp_path: Path, red_and_green: Picture) -> None:
    red = TeacherSpec(write_teacher(tmp_path / "red.onnx", (1, 0, 0)), "inverse", 3.0)
    green = TeacherSpec(write_teacher(tmp_path / "green.onnx", (0, 1, 0)), "inverse")
    label = Ensemble([red, green]).label(red_and_green)
    ratio = correlation(label, red_and_green[..., 0]) / correlation(label, red_and_green[..., 1])
    assert ratio == pytest.approx(3, rel=0.05)


def test_a_label_spans_the_range_of_the_depth_convention(
    tmp_path: Path, red_and_green: Picture
) -> None:
    red = TeacherSpec(write_teacher(tmp_path / "red.onnx", (7, 0, 0), shift=2), "inverse")
    label = Ensemble([red]).label(red_and_green)
    assert np.allclose(np.percentile(label, (2, 98)), (0, 1), atol=1e-3)
    assert correlation(label, red_and_green[..., 0]) > 0.99


def test_views_set_a_leaning_teacher_straight(tmp_path: Path, red_and_green: Picture) -> None:
    leaning = TeacherSpec(write_teacher(tmp_path / "t.onnx", (0, 1, 0), lean=1), "inverse")
    plain, by_views = (Ensemble([leaning], views=views) for views in (False, True))
    assert plain.key != by_views.key
    green = red_and_green[..., 1]
    assert correlation(plain.label(red_and_green), green) < 0.8
    assert correlation(by_views.label(red_and_green), green) > 0.99


def brightness(picture: Picture) -> Map:
    return picture[..., 0].astype(np.float32)


@pytest.fixture
def picture() -> Picture:
    """Two ramps and a box, 60 x 90."""
    y, x = np.mgrid[:60, :90]
    shade = x + y + 40 * ((abs(y - 20) < 8) & (abs(x - 60) < 12))
    return np.repeat(shade.astype(np.uint8)[..., None], 3, axis=2)


def test_what_every_view_agrees_on_is_kept(picture: Picture) -> None:
    assert np.allclose(label_views(brightness, picture), brightness(picture), atol=1e-3)


def test_a_view_may_have_a_scale_and_a_shift_of_its_own(picture: Picture) -> None:
    def by_size(view: Picture) -> Map:
        return brightness(view) / view.shape[0] + view.shape[1]

    assert np.allclose(label_views(by_size, picture), by_size(picture), atol=1e-3)


def test_a_teacher_that_leans_to_one_side_is_set_straight(picture: Picture) -> None:
    def leaning(view: Picture) -> Map:
        return brightness(view) + np.linspace(0, 150, view.shape[1], dtype=np.float32)

    label = label_views(leaning, picture)
    assert np.corrcoef(label.ravel(), brightness(picture).ravel())[0, 1] > 0.999
    assert np.corrcoef(leaning(picture).ravel(), brightness(picture).ravel())[0, 1] < 0.95


def test_views_that_disagree_leave_no_edges() -> None:
    def vignette(view: Picture) -> Map:
        across, down = (np.linspace(-1, 1, n, dtype=np.float32) for n in view.shape[1::-1])
        return across[None, :] ** 2 + down[:, None] ** 2

    blank = np.zeros((60, 90, 3), dtype=np.uint8)
    steepest = max(abs(np.diff(label_views(vignette, blank), axis=axis)).max() for axis in (0, 1))
    alone = max(abs(np.diff(vignette(blank), axis=axis)).max() for axis in (0, 1))
    assert steepest < 1.5 * alone


def test_a_label_has_the_size_of_its_picture() -> None:
    for shape in ((1, 1, 3), (2, 3, 3), (31, 7, 3)):
        label = label_views(brightness, np.full(shape, 9, dtype=np.uint8))
        assert label.shape == shape[:2] and label.dtype == np.float32
        assert np.allclose(label, 9)


@pytest.mark.parametrize(
    ("entry", "leave", "sentence"),
    [
        ([1, 3], [1, 3], "is no teacher"),
        ([1, 3, 10**6, 10**6], [1, 3, 10**6, 10**6], "is no teacher"),
        ([1, 3, 32, 32], [1, 3, 32, 32], None),
        ([3, 3, 32, 32], [3, 3, 32, 32], "cannot label a picture"),
    ],
)
def test_what_a_network_takes_is_checked(
    tmp_path: Path, entry: list[int], leave: list[int], sentence: str | None
) -> None:
    """Networks that give what they take."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    values = [helper.make_tensor_value_info(*x) for x in (("a", kind, entry), ("b", kind, leave))]
    node = helper.make_node("Identity", ["a"], ["b"])
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    path = tmp_path / "a.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    picture = np.zeros((32, 32, 3), np.uint8)
    if sentence is None:
        assert Teacher(TeacherSpec(path, "inverse")).label(picture).shape == (32, 32)
        return
    with pytest.raises(TeacherError, match=sentence):
        Teacher(TeacherSpec(path, "inverse")).label(picture)
