"""Black bars around a scene are found, and dark scenes are not taken for bars."""

import cv2
import numpy as np
import pytest

from depthmask.inference.bars import find_scene
from depthmask.pictures import Picture
from tests.inference.test_registration import scene

HEIGHT, WIDTH = 240, 320


def barred(
    top: int, bottom: int, left: int, right: int, *, level: int = 0, scale: int = 1
) -> Picture:
    """A scene that bars of some level hide at its sides, each so many pixels wide."""
    picture = np.full((HEIGHT * scale, WIDTH * scale, 3), level, np.uint8)
    inside = np.s_[top * scale : (HEIGHT - bottom) * scale, left * scale : (WIDTH - right) * scale]
    picture[inside] = scene(HEIGHT * scale, WIDTH * scale)[inside]
    return picture


def sides(picture: Picture) -> tuple[int, int, int, int]:
    """The widths of the bars that are found: top, bottom, left, right."""
    rows, columns = find_scene(picture)
    height, width = picture.shape[:2]
    return rows.start, height - rows.stop, columns.start, width - columns.stop


@pytest.mark.parametrize(
    "bars", [(30, 30, 0, 0), (0, 0, 70, 70), (30, 25, 40, 50), (40, 0, 0, 0), (0, 0, 0, 6)]
)
@pytest.mark.parametrize("scale", [1, 5])
@pytest.mark.parametrize("level", [0, 16, 24])
def test_bars_are_found(bars: tuple[int, int, int, int], scale: int, level: int) -> None:
    found = sides(barred(*bars, level=level, scale=scale))
    assert found == tuple(width * scale for width in bars)


def test_noisy_bars_of_a_jpeg_are_found() -> None:
    bars = (30, 30, 0, 0)
    noise = np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 3))
    noisy = np.clip(barred(*bars, level=16) + noise, 0, 255).astype(np.uint8)
    _, data = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 50])
    found = sides(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8))
    assert np.abs(np.subtract(found, bars)).max() <= 2


def test_a_dark_scene_has_no_bars() -> None:
    night = np.asarray(scene() // 8, dtype=np.uint8)
    dusk = scene()
    dusk[:60] = np.linspace(0, 60, 60, dtype=np.uint8)[:, None, None]  # no straight end
    roofs = scene()
    roofs[:80] = 5
    roofs[50:80, 30:200] = scene()[50:80, 30:200]  # a sky whose lower end is no line
    room = np.asarray(45 + scene() // 20, dtype=np.uint8)
    room[160:] = 22  # an even floor
    for picture in (scene(), night, dusk, room, np.zeros_like(night)):
        assert sides(picture) == (0, 0, 0, 0)
    assert sides(roofs)[0] in (0, 50)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 500, 3), (3000, 2, 3), (5, 5, 3)])
def test_any_size_is_taken(shape: tuple[int, int, int]) -> None:
    assert find_scene(np.zeros(shape, np.uint8)) == (slice(0, shape[0]), slice(0, shape[1]))
