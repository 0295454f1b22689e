"""The ladder of qualities: down at once where frames take too long, and up again with patience."""

import pytest

from depthmask.app.live.quality import (
    DOWN_FRAMES,
    FAR_FRAMES,
    FAST,
    LADDER,
    MAX_UP_FRAMES,
    TARGET_MS,
    UP_FRAMES,
    Quality,
    Rung,
    ladder_from,
)

BEST = Rung(200, 1)
STEPS = (BEST, Rung(100, 2), Rung(50, 3))  # each costs a quarter of the one before


def run(quality: Quality, frames: int, ms_at_best: float, others_ms: float = 10.0) -> None:
    """Frames on a machine that takes so long at the best quality."""
    for _ in range(frames):
        share = (quality.rung.resolution / BEST.resolution) ** 2
        quality.note(ms_at_best * share, others_ms)


def test_what_is_fast_enough_stays() -> None:
    quality = Quality(STEPS)
    run(quality, 500, TARGET_MS - 11)
    assert quality.rung == BEST
    assert quality.sentence == "Quality is the best: 200 pixels a side."


def test_a_slow_machine_steps_down_and_says_so() -> None:
    quality = Quality(STEPS)
    run(quality, DOWN_FRAMES, 1.5 * TARGET_MS)
    assert quality.rung == BEST
    run(quality, 1, 1.5 * TARGET_MS)
    assert quality.rung == STEPS[1]
    assert "100 pixels a side, not 200" in quality.sentence
    run(quality, 500, 1.5 * TARGET_MS)
    assert quality.rung == STEPS[1]


def test_a_very_slow_machine_goes_to_the_last_rung_at_once() -> None:
    quality = Quality(STEPS)
    run(quality, FAR_FRAMES + 1, 100 * TARGET_MS)
    assert quality.rung == STEPS[-1]
    run(quality, 500, 100 * TARGET_MS)
    assert quality.rung == STEPS[-1]


def test_one_slow_frame_changes_nothing() -> None:
    quality = Quality(STEPS)
    run(quality, 10, 20.0)
    run(quality, 1, 2 * TARGET_MS)
    run(quality, 10, 20.0)
    assert quality.rung == BEST


def test_the_first_frame_of_a_size_does_not_count() -> None:
    quality = Quality(STEPS)
    quality.note(100 * TARGET_MS, 0)
    run(quality, 20, 20.0)
    assert quality.rung == BEST


def test_quality_comes_back_a_rung_at_a_time() -> None:
    quality = Quality(STEPS)
    run(quality, FAR_FRAMES + 1, 100 * TARGET_MS)
    run(quality, UP_FRAMES, 20.0)
    assert quality.rung == STEPS[2], "patience has doubled"
    run(quality, UP_FRAMES + 2, 20.0)
    assert quality.rung == STEPS[1]
    run(quality, 3 * UP_FRAMES, 20.0)
    assert quality.rung == BEST


def test_patience_has_an_end() -> None:
    quality = Quality(STEPS[:2])
    for _ in range(8):
        run(quality, FAR_FRAMES + 1, 100 * TARGET_MS)
        assert quality.rung == STEPS[1]
        run(quality, MAX_UP_FRAMES + 2, 20.0)
        assert quality.rung == BEST


def test_a_rung_that_would_be_too_much_is_not_tried() -> None:
    quality = Quality(STEPS)
    run(quality, DOWN_FRAMES + 1, 2 * TARGET_MS)
    run(quality, 2000, 1.1 * (TARGET_MS - 10))
    assert quality.rung == STEPS[1]


def test_who_waits_longer_for_all_else_gets_less_of_the_network() -> None:
    quality = Quality(STEPS)
    run(quality, DOWN_FRAMES + 1, TARGET_MS / 2, others_ms=0.6 * TARGET_MS)
    assert quality.rung == STEPS[1]


def test_a_slow_connection_does_not_lower_the_quality_for_nothing() -> None:
    quality = Quality(STEPS)
    run(quality, 100, TARGET_MS / 4, others_ms=10 * TARGET_MS)
    assert quality.rung == BEST


@pytest.mark.parametrize("resolution", [64, 128, 224, 256])
def test_a_ladder_begins_with_what_was_asked_for(resolution: int) -> None:
    ladder = ladder_from(resolution)
    assert ladder[0] == Rung(resolution, LADDER[0].depth_every)
    sides = [rung.resolution for rung in ladder]
    assert sides == sorted(set(sides), reverse=True)
    assert set(ladder[1:]) <= set(LADDER)


def test_a_fixed_rung_stays_until_the_time_may_decide_again() -> None:
    quality = Quality(STEPS)
    assert quality.choices == [f"{rung.resolution} pixels a side" for rung in STEPS]
    quality.choose("0")
    run(quality, 100, 100 * TARGET_MS)
    assert quality.rung == BEST
    assert quality.sentence == "Quality is fixed: 200 pixels a side."
    quality.choose(2)
    assert quality.rung == STEPS[2]
    run(quality, 500, 1.0)
    assert quality.rung == STEPS[2]
    quality.choose("auto")
    run(quality, 500, 1.0)
    assert quality.rung == BEST


@pytest.mark.parametrize("wanted", [None, "7", -1, [0], {}, "0.0"])
def test_a_quality_that_is_none_is_automatic(wanted: object) -> None:
    quality = Quality(STEPS)
    quality.choose(wanted)
    run(quality, FAR_FRAMES + 1, 100 * TARGET_MS)
    assert quality.rung == STEPS[-1]


def test_where_the_fast_network_can_be_had_it_takes_the_place_of_few_pixels() -> None:
    ladder = ladder_from(224, fast=True)
    models = [rung.model for rung in ladder]
    assert models == sorted(models, reverse=True), "the main one first"
    assert FAST in models
    assert min(r.resolution for r in ladder if r.model != FAST) > 160
    assert FAST not in [rung.model for rung in ladder_from(224)]
    quality = Quality(ladder)
    for _ in range(FAR_FRAMES + 1):
        quality.note(200.0, 10.0)
    assert quality.rung == Rung(224, 2, FAST)
    assert quality.sentence.endswith(": 224 pixels a side of a smaller network.")
