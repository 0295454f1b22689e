"""The sentence about a pair says the worst of it, and the order of two photos shows in them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depthmask.inference.light import NO_GAIN, NOT_MATCHED, LightMatch, match_light
from depthmask.inference.pair_quality import (
    MIN_SWAP_EVIDENCE,
    Verdict,
    is_same,
    judge,
    swap_evidence,
)
from depthmask.inference.predictor import Predictor
from depthmask.inference.registration import (
    NO_MATCH,
    NOT_REGISTERED,
    TOO_FAR,
    TOO_PLAIN,
    Registration,
    register,
)
from depthmask.network.checkpoint import WEIGHTS
from depthmask.pictures import Picture, read_picture
from tests.inference.test_registration import moved, scene, with_block

ROOT = Path(__file__).resolve().parents[2]
STILL = Registration(False, "", 0.1, 1.0, 0.98, 0.98, None)
SAME_LIGHT = LightMatch(np.ones(3), 0.0, False, "")


@pytest.mark.parametrize(
    ("registration", "lighting", "verdict", "words"),
    [
        (STILL, SAME_LIGHT, "good", "fit together"),
        (replace(STILL, shift=30.0), SAME_LIGHT, "moved", "3.0%"),
        (replace(STILL, shift=250.0, reason=TOO_FAR), SAME_LIGHT, "moved", "25%, too far"),
        (STILL, replace(SAME_LIGHT, stops=-0.8), "exposure", "0.8 stops"),
        (
            replace(STILL, reason=NO_MATCH, after=0.05),
            replace(SAME_LIGHT, reason=NO_GAIN),
            "changed",
            "changed too much",
        ),
        # a plain wall has no structure to agree on, but its light tells that it is the same
        (replace(STILL, reason=TOO_PLAIN, after=0.0), SAME_LIGHT, "good", "fit together"),
        (NOT_REGISTERED, NOT_MATCHED, "good", "fit together"),
    ],
)
def test_the_verdict(
    registration: Registration, lighting: LightMatch, verdict: Verdict, words: str
) -> None:
    found = judge(registration, lighting, diagonal=1000)
    assert found.verdict == verdict and words in found.sentence
    assert 0 <= found.score <= 1 and found.sentence.endswith(".")


@pytest.mark.parametrize(("covered", "verdict"), [(0.9, "changed"), (0.3, "good")])
def test_of_two_scenes_nearly_everything_is_new(covered: float, verdict: Verdict) -> None:
    """Even where some gain would explain the difference."""
    unlike = replace(STILL, reason=NO_MATCH, after=0.05)
    assert judge(unlike, SAME_LIGHT, diagonal=1000, covered=covered).verdict == verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("background", "image", "verdict"),
    [
        ("teddy", "doorstep", "changed"),
        ("bicycle", "teddy", "changed"),
        ("teddy", "desk", "changed"),
        ("teddy", "teddy", "good"),
    ],
)
def test_photos_of_two_scenes_are_told(background: str, image: str, verdict: Verdict) -> None:
    empty = read_picture(ROOT / "examples" / background / "background.jpg")
    found = Predictor(WEIGHTS).predict(empty, read_picture(ROOT / "examples" / image / "image.jpg"))
    assert found.pair is not None and found.pair.quality.verdict == verdict


def test_the_order_of_verdicts() -> None:
    far = replace(STILL, shift=30.0)
    assert judge(far, SAME_LIGHT, diagonal=1000, swapped=True).verdict == "swapped"
    assert judge(far, SAME_LIGHT, diagonal=1000, same=True, swapped=True).verdict == "same"


def test_the_score_falls_with_movement_and_exposure() -> None:
    scores = [
        judge(replace(STILL, shift=shift), replace(SAME_LIGHT, stops=stops), diagonal=1000).score
        for shift, stops in ((0, 0), (10, 0), (30, 0), (30, 0.5), (30, -1))
    ]
    assert (np.diff(scores) < -0.01).all() and scores[0] == 1
    too_far = replace(STILL, shift=100, reason=TOO_FAR)
    assert judge(too_far, SAME_LIGHT, diagonal=1000).score == 0.2


def test_two_scenes_are_told_from_one() -> None:
    for first, second, expected in (
        (scene(seed=1), scene(seed=2), "changed"),
        (scene(seed=1), with_block(scene(seed=1))[0], "good"),
        (moved(scene(seed=1), 8), scene(seed=1), "moved"),
    ):
        found = judge(register(first, second), match_light(first, second), diagonal=400)
        assert found.verdict == expected


def test_the_same_photo_twice() -> None:
    background = scene()
    image, _ = with_block(background)
    noise = np.random.default_rng(0).normal(0, 2, background.shape)
    again = np.clip(background + noise, 0, 255).astype(np.uint8)
    assert is_same(background, background)
    assert is_same(background, np.clip(background.astype(int) + 2, 0, 255).astype(np.uint8))
    assert not is_same(background, image)
    assert not is_same(background, again)  # an empty scene photographed twice
    assert not is_same(background, background[:-1])


def test_a_small_object_makes_two_photos_of_one() -> None:
    background = scene()
    image = background.copy()
    image[100:110, 150:160] = 255 - background[100:110, 150:160]  # 0.13 % of the pixels
    assert not is_same(background, image)
    dusty = background.copy()
    dusty[::100, ::100] = 255 - background[::100, ::100]  # 12 of 76,800 pixels: 0.016 %
    assert not is_same(background, dusty)
    dusty = background.copy()
    dusty[::200, ::200] = 255 - background[::200, ::200]  # 4 pixels
    assert is_same(background, dusty)


def smooth_scene() -> Picture:
    rows, columns = np.mgrid[0:240, 0:320]
    levels = 60 + columns // 4 + 20 * np.sin(rows / 30)
    return np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)


def test_a_border_is_an_outline_in_one_photo_only() -> None:
    for background in (smooth_scene(), scene()):
        image, mask = with_block(background)
        small = mask[::2, ::2].copy()
        assert swap_evidence(background, image, small) < MIN_SWAP_EVIDENCE - 0.1
        assert swap_evidence(image, background, small) > MIN_SWAP_EVIDENCE + 0.1


def test_a_mask_without_a_border_tells_nothing() -> None:
    background = scene()
    image, _ = with_block(background)
    for value in (0, 1):
        assert swap_evidence(background, image, np.full((240, 320), value, np.float32)) == 0
    speck = np.zeros((240, 320), np.float32)
    speck[3:6, 3:6] = 1
    assert swap_evidence(background, image, speck) == 0
    assert swap_evidence(background[:1, :1], image[:1, :1], np.ones((1, 1), np.float32)) == 0
