"""The verdict agrees with its reasons, the worst first, and the score falls with each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depthmask.inference.colours import Colours
from depthmask.inference.light import NO_GAIN, NOT_MATCHED, TOO_FEW, LightMatch
from depthmask.inference.outlines import Part
from depthmask.inference.pair_quality import PairReport, Verdict, judge
from depthmask.inference.pair_signs import PairSigns
from depthmask.inference.predictor import Predictor
from depthmask.inference.registration import (
    NO_BETTER,
    NO_MATCH,
    NOT_REGISTERED,
    TOO_FAR,
    TOO_PLAIN,
    TOO_SMALL,
    Registration,
)
from depthmask.network.checkpoint import WEIGHTS
from depthmask.pictures import read_picture

ROOT = Path(__file__).resolve().parents[2]
STILL = Registration(False, "", 0.1, 1.0, 0.98, 0.98, None)
SAME_LIGHT = LightMatch(np.ones(3), 0.0, False, "")
SOUND = PairSigns(STILL, SAME_LIGHT, changed=0.2)
PART = Part(np.ones((4, 4), bool), (0.1, 0.2, 0.3, 0.6), 0.05, 1.2, 0.9)


def refused(reason: str, agreement: float) -> PairSigns:
    return replace(SOUND, registration=replace(STILL, reason=reason, after=agreement))


def lit(stops: float, *, tint: float = 0.0, reason: str = "") -> PairSigns:
    return replace(SOUND, light=LightMatch(np.ones(3), stops, not reason, reason, tint))


def coloured(background: Colours, image: Colours, hue: float = 1.0) -> PairSigns:
    return replace(SOUND, background=background, image=image, hue=hue)


@pytest.mark.parametrize(
    ("signs", "verdict", "words"),
    [
        (SOUND, "good", "fit together"),
        (PairSigns(NOT_REGISTERED, NOT_MATCHED), "good", "fit together"),
        (replace(SOUND, moved=0.03), "moved", "3.0%"),
        (replace(refused(TOO_FAR, 0.2), moved=0.25), "moved", "25%, too far"),
        (refused(TOO_FAR, 0.2), "unaligned", "same zoom"),
        (refused(NO_MATCH, 0.2), "unaligned", "cannot be aligned"),
        (refused(NO_BETTER, 0.9), "good", "fit together"),  # it fits as it is
        (refused(TOO_PLAIN, 0.0), "plain", "too little texture"),
        (refused(TOO_SMALL, 0.1), "small", "too small"),
        (replace(refused(NO_MATCH, 0.05), changed=0.9), "changed", "changed too much"),
        (replace(refused(NO_MATCH, 0.05), light=lit(0, reason=NO_GAIN).light), "changed", "place"),
        (replace(SOUND, changed=0.9), "most", "90% of the picture"),
        (replace(SOUND, covered=0.745), "covered", "only 74% of the image"),
        (lit(-0.8), "good", "fit together"),
        (lit(-2.5), "exposure", "2.5 stops"),
        (lit(0.1, tint=0.9), "balance", "white balance differs by 0.9 stops"),
        (lit(-5.0, reason=TOO_FEW), "light", "too few pixels"),
        (coloured(Colours(dark=0.99), Colours()), "black", "background is almost black"),
        (coloured(Colours(), Colours(bright=0.99)), "white", "image is almost white"),
        (coloured(Colours(coloured=0.0), Colours(coloured=0.6)), "grey", "background is grey"),
        (coloured(Colours(coloured=0.6), Colours(coloured=0.0)), "grey", "image is grey"),
        (coloured(Colours(coloured=0.0), Colours(coloured=0.0)), "good", "fit together"),
        (coloured(Colours(), Colours(), -0.8), "exchanged", "Red and blue are exchanged"),
        (coloured(Colours(hue_spread=0.02), Colours(), -0.8), "good", "fit together"),
        (coloured(Colours(), Colours(sharpness=(0, 0, -2, 0))), "blurred", "image is blurred"),
        (coloured(Colours(sharpness=(-2,) * 4), Colours()), "blurred", "background is blurred"),
        (replace(SOUND, same=True), "same", "the same"),
        (replace(SOUND, mirrored=True), "mirrored", "mirror image"),
        (replace(SOUND, swapped=True), "swapped", "exchange background and image"),
        (replace(SOUND, stirring=True), "stirring", "leaves or a screen"),
        (replace(SOUND, gone=(PART,)), "gone", "left out of the mask"),
        (replace(SOUND, mixed=0.5), "gone", "the mask may hold it"),
    ],
)
def test_the_verdict(signs: PairSigns, verdict: Verdict, words: str) -> None:
    found = judge(signs)
    assert found.verdict == verdict and words in found.sentence
    assert 0 <= found.score <= 1 and found.sentence.endswith(".")
    assert (found.score > 0.7) or verdict != "good"
    assert [trouble.kind for trouble in found.troubles][:1] == [verdict] * (verdict != "good")


def test_all_troubles_are_told_the_worst_first() -> None:
    signs = replace(lit(-1.5), moved=0.02, swapped=True)
    assert [trouble.kind for trouble in judge(signs).troubles] == ["swapped", "exposure", "moved"]
    assert judge(signs).score == 0.1
    assert judge(signs).also == (
        "Also: the exposure differs by 1.5 stops; the camera moved by 2.0% between the photos."
    )
    assert judge(signs).sentences == (judge(signs).sentence, judge(signs).also)
    assert len(judge(SOUND).sentences) == len(judge(lit(-1.5)).sentences) == 1


@pytest.mark.parametrize(
    ("signs", "verdict"),
    [
        (replace(SOUND, same=True, swapped=True, moved=0.1), "same"),
        (replace(refused(NO_MATCH, 0.05), mirrored=True, changed=0.9), "mirrored"),
        (replace(refused(NO_MATCH, 0.05), changed=0.9, covered=0.5), "changed"),
    ],
)
def test_one_trouble_explains_all_others(signs: PairSigns, verdict: Verdict) -> None:
    assert [trouble.kind for trouble in judge(signs).troubles] == [verdict]


def test_exchanged_channels_explain_the_light() -> None:
    signs = replace(lit(0, reason=NO_GAIN), hue=-0.9)
    assert [trouble.kind for trouble in judge(signs).troubles] == ["exchanged"]


def test_the_score_falls_with_movement_and_exposure() -> None:
    scores = [
        judge(replace(lit(stops), moved=moved)).score
        for moved, stops in ((0, 0), (0.01, 0), (0.03, 0), (0.03, 0.5), (0.03, -1))
    ]
    assert (np.diff(scores) < -0.01).all() and scores[0] == 1
    exposures = [judge(lit(-stops)).score for stops in (0, 1, 2, 3, 4)]
    assert (np.diff(exposures) < 0).all()
    assert judge(lit(-5, reason=TOO_FEW)).score < exposures[-1]


def test_the_report_as_json() -> None:
    signs = replace(SOUND, gone=(PART,))
    summary = PairReport(STILL, SAME_LIGHT, judge(signs)).summary()
    assert summary["verdict"] == "gone" and summary["mirrored"] is False
    troubles = summary["troubles"]
    assert isinstance(troubles, list)
    (told,) = troubles
    assert told["kind"] == "gone" and told["sentence"] == summary["sentence"]
    assert told["parts"] == [{"box": [0.1, 0.2, 0.3, 0.6], "share": 0.05}]


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
