"""A camera that shakes is followed; one that moves is told."""

import cv2
import numpy as np
import pytest

from depthmask.inference.steadying import Steadier, find_stand, moved_back
from depthmask.inference.transforms import Transform, translation, warped
from depthmask.pictures import Picture

HEIGHT, WIDTH = 120, 160


@pytest.fixture(scope="module")
def scene() -> Picture:
    rough = np.random.default_rng(0).integers(0, 255, (24, 64, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(rough, (480, 160), interpolation=cv2.INTER_CUBIC), np.uint8)


def view(scene: Picture, x: float, y: float, degrees: float = 0.0) -> Picture:
    return warped(scene, movement(x, y, degrees), HEIGHT, WIDTH)


def movement(x: float, y: float, degrees: float) -> Transform:
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1)
    return translation(-x, -y) @ np.vstack([turn, (0, 0, 1)])


@pytest.mark.parametrize("object_share", [0, 0.5])
def test_a_movement_is_found_in_the_light_of_the_frame(scene: Picture, object_share: float) -> None:
    steadier = Steadier(view(scene, 10, 10))
    frame = np.asarray(view(scene, 12.5, 8.7, 1.0) * 0.7, np.uint8)
    frame[:, : int(object_share * WIDTH)] = 200
    found = steadier.find(frame)
    assert found is not None
    true = movement(12.5, 8.7, 1.0) @ np.linalg.inv(movement(10, 10, 0))
    assert steadier.shift(np.linalg.inv(true) @ found) < 0.3
    assert not steadier.is_far(found)
    back = moved_back(frame, found)[10:-10, WIDTH // 2 + 8 : -10].astype(int)
    assert np.abs(back - 0.7 * view(scene, 10, 10)[10:-10, WIDTH // 2 + 8 : -10]).mean() < 4


def test_a_camera_at_rest_moves_nothing(scene: Picture) -> None:
    noise = np.random.default_rng(1).normal(0, 4, (HEIGHT, WIDTH, 3))
    frame = (view(scene, 10, 10) + noise).clip(0, 255).astype(np.uint8)
    found = Steadier(view(scene, 10, 10)).find(frame)
    assert found is not None and np.array_equal(found, np.eye(3))


def test_what_cannot_be_told(scene: Picture) -> None:
    plain = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    assert Steadier(plain).is_plain and Steadier(plain).find(view(scene, 0, 0)) is None
    assert Steadier(view(scene, 10, 10)).find(plain) is None
    assert Steadier(view(scene, 10, 10)).find(view(scene, 300, 10)) is None


def test_where_the_camera_stood(scene: Picture) -> None:
    shifts = np.random.default_rng(2).uniform(-2, 2, (9, 2)) + 10
    shaken = [view(scene, *shift) for shift in shifts]
    shaken[3][:] = 0  # hidden for a moment
    stand = find_stand(shaken)
    assert len(stand.steadied) == 8 and not stand.is_moving
    inner = np.array(stand.steadied)[:, 8:-8, 8:-8].astype(int)
    assert (
        np.abs(inner - inner[0]).mean()
        < 0.3 * np.abs(np.array(shaken) - shaken[0].astype(int)).mean()
    )
    assert find_stand([view(scene, 10 + 20 * step, 10) for step in range(9)]).is_moving
    assert find_stand([view(scene, 200 * (step > 4), 10) for step in range(9)]).is_moving  # a cut
    plain = [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 4
    assert not find_stand(plain).is_moving
