"""Labels as the mean over views: what they keep of a teacher, and which of its habits they lose."""

import numpy as np
import pytest
from numpy.typing import NDArray

from depthmask.data.views import label_views

Map = NDArray[np.float32]
Picture = NDArray[np.uint8]


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
