"""A second look: what is small is seen larger; what is large, closed or absent stays as it was."""

import numpy as np
import pytest

from depthmask.inference.predictor import Predictor, network_size
from depthmask.inference.second_look import ASPECTS, MAX_CROPS, find_crops, look_again
from depthmask.network.checkpoint import SHIPPED
from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import enlarge, resize
from tests.conftest import FakeBackend

HEIGHT, WIDTH = 480, 640
SIZES = [network_size(*aspect, 64) for aspect in ASPECTS]
RATIOS = [height / width for height, width in SIZES]


class CountingBackend(FakeBackend):
    """Remembers the sizes of what it was shown."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def run(self, background: Picture, image: Picture) -> dict[str, Map]:
        self.sizes.append(image.shape[:2])
        return super().run(background, image)


def draw(*boxes: tuple[int, int, int, int]) -> tuple[Picture, Picture, Map]:
    """A background, an image with bright boxes (top, left, height, width), and their mask."""
    true = np.zeros((HEIGHT, WIDTH), np.float32)
    for top, left, rows, columns in boxes:
        true[top : top + rows, left : left + columns] = 1
    background = np.random.default_rng(0).integers(60, 90, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    return background, np.where(true[..., None] > 0, np.uint8(220), background), true


def predict(
    background: Picture, image: Picture, quality: str = "balanced", *, refine: bool = True
) -> tuple[Map, list[tuple[int, ...]]]:
    backend = CountingBackend()
    predictor = Predictor(backend=backend, resolution=64, quality=quality)
    found = predictor.predict(background, image, align=False, light=False, refine=refine)
    return found.mask, backend.sizes


def low_mask(true: Map) -> Map:
    return resize(true, 48, 64)


def test_what_is_small_is_found_more_exactly() -> None:
    background, image, true = draw((203, 301, 67, 27), (31, 55, 45, 52))
    once, _ = predict(background, image, refine=False)
    twice, sizes = predict(background, image)
    assert len(sizes) == 3 and set(sizes[1:]) <= set(SIZES)
    before, after = (((mask > 0.5) != (true > 0.5)).sum() for mask in (once, twice))
    assert after < before / 2


@pytest.mark.parametrize(("quality", "runs"), [("fast", 1), ("balanced", 1), ("best", 2)])
def test_the_quality_tells_how_large_a_crop_may_be(quality: str, runs: int) -> None:
    background, image, _ = draw((140, 200, 180, 240))
    assert len(predict(background, image, quality)[1]) == runs


def test_an_image_that_has_no_more_to_show_is_seen_once() -> None:
    background, image, _ = draw((203, 301, 67, 27))
    small = resize(background, 60, 80), resize(image, 60, 80)
    assert len(predict(*small)[1]) == 1


def test_a_look_that_gains_little_counts_half() -> None:
    background, image, true = draw((203, 301, 67, 27))
    low, nothing = low_mask(true), np.zeros((96, 128), np.float32)
    small = resize(background, 96, 128), resize(image, 96, 128)
    few = look_again(FakeBackend(), *small, nothing, low, sizes=SIZES, min_gain=1.1)
    many = look_again(FakeBackend(), background, image, true * 0, low, sizes=SIZES, min_gain=1.1)
    assert many.max() == 1 and 0.5 <= few.max() < 1


def test_what_is_small_is_looked_at_beside_what_is_large() -> None:
    _, _, true = draw((60, 20, 400, 500), (100, 590, 30, 20))
    (crop,) = find_crops(low_mask(true), true.shape, RATIOS, 0.4)
    assert crop.left > 400 and crop.area < 0.1 * true.size


def test_an_empty_scene_is_seen_once() -> None:
    background, image, _ = draw()
    mask, sizes = predict(background, image, "best")
    assert len(sizes) == 1 and mask.max() == 0


def test_crops_hold_their_parts_with_a_margin_and_join_where_they_overlap() -> None:
    boxes = ((40, 40, 60, 30), (60, 90, 40, 40), (400, 560, 60, 60))
    _, _, true = draw(*boxes)
    crops = find_crops(low_mask(true), true.shape, RATIOS, 0.4)
    assert len(crops) == 2
    for top, left, rows, columns in boxes:
        assert any(
            crop.top <= top - 9
            and crop.left <= left - 9
            and crop.bottom >= min(top + rows + 9, HEIGHT)
            and crop.right >= min(left + columns + 9, WIDTH)
            for crop in crops
        )
    for crop in crops:
        assert 0 <= crop.top < crop.bottom <= HEIGHT and 0 <= crop.left < crop.right <= WIDTH


def test_the_number_of_looks_is_bounded() -> None:
    low = np.zeros((96, 128), np.float32)
    low[8::30, 8::30] = low[9::30, 8::30] = low[8::30, 9::30] = low[9::30, 9::30] = 1
    crops = find_crops(low, (960, 1280), RATIOS, 0.07)
    assert len(crops) == MAX_CROPS


def test_the_fast_network_looks_once() -> None:
    background, image, _ = draw((203, 301, 67, 27))
    backend = CountingBackend()
    predictor = Predictor(SHIPPED["fast"], backend=backend, resolution=64)
    predictor.predict(background, image)
    assert set(backend.sizes) == {network_size(HEIGHT, WIDTH, 64)}


def test_the_mask_stays_where_it_is_closed() -> None:
    background, image, true = draw((200, 300, 60, 60))
    first = enlarge(low_mask(np.roll(true, 4, axis=1)), HEIGHT, WIDTH)
    closed = np.zeros(true.shape, bool)
    closed[:, 330:] = True
    found = look_again(
        FakeBackend(),
        background,
        image,
        first,
        low_mask(true),
        sizes=SIZES,
        min_gain=1.6,
        closed=closed,
    )
    assert np.array_equal(found[closed], first[closed])
    assert not np.array_equal(found[~closed], first[~closed])


def test_crops_leave_no_seams() -> None:
    """A backend that calls everything half covered leaves a slope, not a step, around a crop."""

    class Half(FakeBackend):
        def run(self, background: Picture, image: Picture) -> dict[str, Map]:
            return {"mask": np.full(image.shape[:2], 0.5, np.float32)}

    background, image, true = draw((200, 300, 60, 60))
    nothing = np.zeros(true.shape, np.float32)
    found = look_again(
        Half(), background, image, nothing, low_mask(true), sizes=SIZES, min_gain=1.6
    )
    assert found.max() == pytest.approx(0.5)
    steps = [np.abs(np.diff(found, axis=axis)).max() for axis in (0, 1)]
    assert max(steps) < 0.1


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (1, 500), (3000, 2), (33, 2000)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    background = np.full((*size, 3), 60, np.uint8)
    image = background.copy()
    image[: size[0] // 4 + 1, : size[1] // 4 + 1] = 220
    mask, _ = predict(background, image, "best")
    assert mask.shape == size and np.isfinite(mask).all()
