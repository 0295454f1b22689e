"""What the metrics say in the cases one can work out by hand, empty masks first of all."""

import pytest
import torch

from depthmask.evaluation import metrics


def square(size: int = 20, *, side: int = 10) -> torch.Tensor:
    mask = torch.zeros(size, size)
    mask[:side, :side] = 1
    return mask


def test_mask_iou_of_each_picture() -> None:
    pred = torch.stack([square(), square(), square(side=5)])
    true = torch.stack([square(), 1 - square(), square()])
    assert metrics.mask_iou(pred, true).tolist() == [1, 0, 0.25]


def test_mask_iou_of_empty_masks() -> None:
    empty = torch.zeros(1, 4, 4)
    assert metrics.mask_iou(empty, empty).item() == 1
    assert metrics.mask_iou(empty, 1 - empty).item() == 0
    assert metrics.mask_iou(1 - empty, empty).item() == 0


def test_mask_iou_cuts_probabilities_above_a_half() -> None:
    pred = torch.tensor([[[0.5, 0.51, 0.9, 0.1]]])
    true = torch.tensor([[[False, True, True, False]]])
    assert metrics.mask_iou(pred, true).item() == 1


def test_mask_iou_ignores_invalid_pixels() -> None:
    pred, true = torch.ones(1, 2, 2), torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    assert metrics.mask_iou(pred, true).item() == 0.5
    assert metrics.mask_iou(pred, true, true > 0).item() == 1
    assert metrics.mask_iou(pred, true, true < 0).item() == 1  # nothing counts: both are empty


def test_boundary_iou_punishes_what_iou_forgives() -> None:
    true = torch.zeros(1, 200, 200)
    true[:, 20:180, 20:180] = 1
    pred = torch.zeros(1, 200, 200)
    pred[:, 23:177, 23:177] = 1
    assert metrics.boundary_iou(true, true).item() == 1
    assert metrics.mask_iou(pred, true).item() > 0.9
    assert metrics.boundary_iou(pred, true).item() < 0.4
    assert metrics.boundary_iou(torch.zeros_like(true), torch.zeros_like(true)).item() == 1
    assert metrics.boundary_iou(torch.zeros_like(true), true).item() == 0


def test_the_edge_of_the_picture_is_a_border() -> None:
    full = torch.ones(1, 100, 100)
    holed = full.clone()
    holed[:, 30:70, 30:70] = 0
    edge, hole = 100**2 - 94**2, 46**2 - 40**2  # bands of 3 pixels, 2 % of the diagonal
    assert metrics.boundary_iou(holed, full).item() == pytest.approx(edge / (edge + hole))


def test_the_band_of_boundary_iou_is_a_share_of_the_diagonal() -> None:
    true = torch.zeros(1, 60, 80)  # a diagonal of 100 pixels
    true[:, 10:50, 10:70] = 1
    inner = true.clone()
    inner[:, 12:48, 12:68] = 0
    assert metrics.boundary_iou(inner, true).item() == 1, "what remains is the band of 2 pixels"
    band, wider = 40 * 60 - 36 * 56, 40 * 60 - 30 * 50  # of 2 and of 5 pixels
    found = metrics.boundary_iou(inner, true, width=0.05).item()
    assert found == pytest.approx(band / wider)


def test_boundary_iou_takes_any_size() -> None:
    one = torch.ones(1, 1, 1)
    assert metrics.boundary_iou(one, one).item() == 1


def test_depth_rmse() -> None:
    true = torch.zeros(2, 2, 2)
    pred = torch.stack([torch.full((2, 2), 0.5), torch.tensor([[1.0, 0.0], [0.0, 0.0]])])
    assert metrics.depth_rmse(pred, true).tolist() == [0.5, 0.5]


def test_an_average_over_nothing_is_nan() -> None:
    zeros, never = torch.zeros(1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.bool)
    assert metrics.depth_rmse(zeros, zeros, never).isnan().all()


def test_invalid_pixels_may_hold_anything() -> None:
    pred = torch.tensor([[[1.0, float("inf"), float("nan")]]])
    valid = torch.tensor([[[True, False, False]]])
    assert metrics.depth_rmse(pred, torch.zeros(1, 1, 3), valid).item() == 1


def test_the_original_projects_definitions() -> None:
    pred, true = torch.stack([square(), square(side=5)]), torch.stack([square(), square()])
    assert metrics.batch_iou(pred, true).item() == pytest.approx(125 / 200)
    assert metrics.batch_rmse(true, true).item() == pytest.approx(1e-3)
    assert metrics.batch_rmse(pred, true).item() == pytest.approx((75 / 800 + 1e-6) ** 0.5)
