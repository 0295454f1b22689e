"""Smoothing over time: steadier where the picture stays, exact where it changes."""

import numpy as np
import pytest

from depthmask.inference.clip import Seen
from depthmask.inference.clip_smoothing import REACH, Smoother
from depthmask.inference.light import NOT_MATCHED
from depthmask.pictures import Map, Picture

SIZE = (64, 96)
COUNT = 20


def seen(small: Picture, mask: Map) -> Seen:
    return Seen(mask, np.asarray(1 - mask / 2, np.float32), small, np.eye(3), NOT_MATCHED, None)


def clip(speed: int, noise: float) -> list[tuple[Map, Seen]]:
    """True masks of a square that moves over noise, and what a network sees that flickers."""
    random = np.random.default_rng(0)
    frames = []
    for index in range(COUNT):
        true = np.zeros(SIZE, np.float32)
        true[20:40, 5 + speed * index : 25 + speed * index] = 1
        small = 90 + 120 * true[..., None] + random.normal(0, 2, (*SIZE, 3))
        mask = np.clip(true + random.normal(0, noise, SIZE), 0, 1).astype(np.float32)
        frames.append((true, seen(small.clip(0, 255).astype(np.uint8), mask)))
    return frames


def smoothed(frames: list[tuple[Map, Seen]], reach: int = REACH) -> list[tuple[Map, Seen]]:
    smoother: Smoother[Map] = Smoother(reach)
    found = [out for true, each in frames for out in smoother.add(true, each)]
    return found + list(smoother.flush())


def test_each_frame_comes_back_once_and_in_order() -> None:
    frames = clip(2, 0.1)
    for reach in (0, 1, REACH, 50):
        found = smoothed(frames, reach)
        assert [id(true) for true, _ in found] == [id(true) for true, _ in frames]


def test_a_still_picture_flickers_less() -> None:
    def flicker(frames: list[tuple[Map, Seen]]) -> tuple[float, float]:
        masks = np.array([each.mask for _, each in frames])
        depths = np.array([each.depth for _, each in frames])
        return float(np.abs(np.diff(masks, axis=0)).mean()), float(
            np.abs(np.diff(depths, axis=0)).mean()
        )

    frames = clip(0, 0.1)
    for before, after in zip(flicker(frames), flicker(smoothed(frames)), strict=True):
        assert after < before / 2


@pytest.mark.parametrize("speed", [1, 3])
def test_what_moves_leaves_no_trail_and_is_not_late(speed: int) -> None:
    for true, after in smoothed(clip(speed, 0.0)):
        assert np.abs(after.mask - true).max() < 0.05


@pytest.mark.parametrize("reach", [1, REACH])
def test_as_many_frames_after_count_as_before(reach: int) -> None:
    small = np.full((*SIZE, 3), 90, np.uint8)
    frames = [seen(small, np.full(SIZE, level, np.float32)) for level in 10 * [0.5] + 10 * [0.6]]
    found = smoothed([(each.mask, each) for each in frames], reach)
    levels = np.array([after.mask[0, 0] for _, after in found])
    mixed = np.flatnonzero((levels > 0.501) & (levels < 0.599))
    assert mixed.tolist() == list(range(10 - reach, 10 + reach))


def test_a_change_on_one_side_needs_the_same_on_the_other() -> None:
    small = np.full((*SIZE, 3), 90, np.uint8)
    levels = 6 * [0.1] + [0.0] + 6 * [1.0]
    frames = [seen(small, np.full(SIZE, level, np.float32)) for level in levels]
    found = smoothed([(each.mask, each) for each in frames])
    assert found[6][1].mask.max() < 0.1


def test_nothing_is_smoothed_over_a_cut() -> None:
    smoother: Smoother[int] = Smoother()
    small = np.full((*SIZE, 3), 90, np.uint8)
    full, empty = seen(small, np.ones(SIZE, np.float32)), seen(small, np.zeros(SIZE, np.float32))
    before = [*smoother.add(0, full), *smoother.flush()]
    after = [*smoother.add(1, empty), *smoother.flush()]
    assert before[0][1].mask.min() == 1 and after[0][1].mask.max() == 0


def test_what_looks_like_what_it_leaves_is_not_mixed_with_it() -> None:
    """A grey shirt before a grey wall: the mask changes for good, and the picture does not."""
    small = np.full((*SIZE, 3), 90, np.uint8)
    full, empty = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)
    flash = 8  # a frame in which the network fails
    masks = [full if index < 5 or index == flash else empty for index in range(12)]
    found = smoothed([(mask, seen(small, mask)) for mask in masks])
    for index, (_, after) in enumerate(found):
        if abs(index - flash) > REACH:
            assert np.array_equal(after.mask, masks[index])
    assert found[flash][1].mask.max() < 0.3
