"""Judges whether a pair of photos is fit for the task: what is wrong with it, and what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from depthmask.inference.colours import Colours
from depthmask.inference.light import NOT_MATCHED, LightMatch
from depthmask.inference.pair_signs import PairSigns
from depthmask.inference.registration import (
    NOT_REGISTERED,
    TOO_FAR,
    TOO_PLAIN,
    TOO_SMALL,
    Registration,
)
from depthmask.texts import TEXTS

_TEXT = TEXTS["pair"]
Kind = Literal[
    "same", "black", "white", "mirrored", "changed", "swapped", "exchanged", "grey", "small",
    "unaligned", "moved", "covered", "most", "stirring", "gone", "light", "exposure", "balance",
    "blurred", "plain",
]  # fmt: skip
Verdict = Literal["good"] | Kind

MIN_SHIFT_SHARE = 0.01  # of the image's diagonal; the user is told of more
MIN_EXPOSURE_STOPS = 1.0  # the user is told of more; less is matched without loss
MIN_TINT_STOPS = 0.5  # the same for the white balance
MIN_ALIGNED = 0.3  # agreement of fine structure of photos that no movement brought together
MIN_COVERED = 0.97  # of the image that the background shows; the user is told of less
MIN_RELATED_AGREEMENT = 0.25  # of fine structure: two scenes had at most 0.18, one at least 0.4
MAX_FOREGROUND_SHARE = 0.8  # of the image; pairs of two scenes in the examples have 0.86 to 0.99
# of a photo that is black or white: a blank one, by how much more than the other, and a plain case
BLANK_SHARE, MORE_SHARE, NOTHING_SHARE = 0.8, 0.25, 0.97
MAX_OPPOSED_HUE = -0.45  # correlation of hues; pairs that are sound had at least -0.1
MIN_HUE_SPREAD = 0.1  # stops; with less colour, exchanged channels cannot be seen, and do no harm
MAX_GREY_COLOURED = 0.01  # share of a grey photo that has colour
MIN_COLOURED = 0.3  # share of a coloured photo that has
MAX_BLUR_OCTAVES = 1.5  # of sharpness; of sound pairs, 1 in 200 had more
MIN_MIXED = 0.28  # of a border: an outline in the background, though the part came


@dataclass(frozen=True)
class Trouble:
    """Something that makes a pair less fit."""

    kind: Kind
    score: float  # in [0, 1]: how fit the pair still is
    sentence: str  # what is wrong, and what to do
    numbers: dict[str, object] = field(default_factory=dict)  # for JSON

    def summary(self) -> dict[str, object]:
        """The same for JSON."""
        return {"kind": self.kind, "sentence": self.sentence, **self.numbers}


@dataclass(frozen=True)
class PairQuality:
    """How fit a pair is."""

    score: float  # in [0, 1], 1 is best
    verdict: Verdict  # the kind of the worst trouble
    sentence: str  # of the worst trouble
    troubles: tuple[Trouble, ...] = ()  # worst first

    @property
    def also(self) -> str:
        """The other troubles in one short sentence; "" if there are none."""
        briefs = [trouble.sentence.split(":")[0].rstrip(".") for trouble in self.troubles[1:]]
        told = "; ".join(brief[0].lower() + brief[1:] for brief in briefs)
        return _TEXT["also"].format(troubles=told) if told else ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a user is told."""
        return (self.sentence, self.also) if self.also else (self.sentence,)


@dataclass(frozen=True, eq=False)
class PairReport:
    """How a pair of photos fits together, and how the background was moved and lit."""

    registration: Registration
    light: LightMatch
    quality: PairQuality
    covered: float = 1.0  # in [0, 1]: share of the image, less its black bars, that is shown

    @property
    def mirrored(self) -> bool:
        """Whether the background's mirror image fits the image, and the background does not."""
        return self.quality.verdict == "mirrored"

    def summary(self) -> dict[str, object]:
        """The same for JSON: numbers, phrases and truth values alone."""
        registration, light = self.registration, self.light
        return {
            "score": round(self.quality.score, 3),
            "verdict": self.quality.verdict,
            "sentence": self.quality.sentence,
            "troubles": [trouble.summary() for trouble in self.quality.troubles],
            "mirrored": self.mirrored,
            "covered": round(self.covered, 4),
            "registration": {
                "accepted": registration.accepted,
                "reason": registration.reason,
                "shift_pixels": round(registration.shift, 2),
                "overlap": round(registration.overlap, 4),
                "score_before": round(registration.before, 4),
                "score_after": round(registration.after, 4),
                "parallax": registration.flow is not None,
            },
            "light": {
                "accepted": light.accepted,
                "reason": light.reason,
                "stops": round(light.stops, 3),
                "tint_stops": round(light.tint, 3),
                "gain": [round(float(gain), 4) for gain in light.gain],
            },
        }


def judge(signs: PairSigns) -> PairQuality:
    """Finds what limits a pair, worst first.

    Some troubles explain all others: of two scenes, nothing else need be said.
    """
    found = next(filter(None, (next(check(signs), None) for check in _EXPLAIN_ALL)), None)
    troubles = [found] if found else [trouble for check in _OTHERS for trouble in check(signs)]
    troubles.sort(key=lambda trouble: trouble.score)
    fine = float(np.clip(1 - 4 * signs.moved - 0.15 * abs(signs.light.stops), 0, 1))
    if not troubles:
        return PairQuality(fine, "good", _TEXT["good"])
    worst = troubles[0]
    return PairQuality(min(worst.score, fine), worst.kind, worst.sentence, tuple(troubles))


def _same(signs: PairSigns) -> Iterator[Trouble]:
    if signs.same:
        yield Trouble("same", 0.0, _TEXT["same"])


def _blank(signs: PairSigns) -> Iterator[Trouble]:
    """A photo shows next to nothing; less than that where the other shows more."""
    for name, photo, other in _named(signs):
        if photo.dark > min(NOTHING_SHARE, max(BLANK_SHARE, other.dark + MORE_SHARE)):
            sentence = _TEXT["black"].format(photo=name)
            yield Trouble("black", 0.1, sentence, {"photo": name})
        if photo.bright > min(NOTHING_SHARE, max(BLANK_SHARE, other.bright + MORE_SHARE)):
            sentence = _TEXT["white"].format(photo=name)
            yield Trouble("white", 0.1, sentence, {"photo": name})


def _mirrored(signs: PairSigns) -> Iterator[Trouble]:
    if signs.mirrored:
        yield Trouble("mirrored", 0.1, _TEXT["mirrored"])


def _changed(signs: PairSigns) -> Iterator[Trouble]:
    """No movement brings the photos together, nor does a gain.

    A gain is found between many scenes. Then nearly everything is foreground, as it is not where
    fine structure disagrees for want of any: on a plain wall.
    """
    registration = signs.registration
    if registration is NOT_REGISTERED or registration.after >= MIN_RELATED_AGREEMENT:
        return
    unlike = signs.light.reason or signs.changed > MAX_FOREGROUND_SHARE
    if registration.reason not in ("", TOO_SMALL) and unlike:
        yield Trouble("changed", 0.0, _TEXT["changed"])


def _swapped(signs: PairSigns) -> Iterator[Trouble]:
    if signs.swapped:
        yield Trouble("swapped", 0.1, _TEXT["swapped"])


def _exchanged(signs: PairSigns) -> Iterator[Trouble]:
    spread = min(signs.background.hue_spread, signs.image.hue_spread)
    if signs.hue < MAX_OPPOSED_HUE and spread > MIN_HUE_SPREAD:
        yield Trouble("exchanged", 0.2, _TEXT["exchanged"])


def _grey(signs: PairSigns) -> Iterator[Trouble]:
    for name, photo, other in _named(signs):
        if photo.coloured < MAX_GREY_COLOURED and other.coloured > MIN_COLOURED:
            rest = "image" if name == "background" else "background"
            sentence = _TEXT["grey"].format(photo=name, other=rest)
            yield Trouble("grey", 0.3, sentence, {"photo": name})


def _unaligned(signs: PairSigns) -> Iterator[Trouble]:
    registration = signs.registration
    if registration is NOT_REGISTERED:
        return
    if registration.reason == TOO_SMALL:
        yield Trouble("small", 0.4, _TEXT["small"])
    elif registration.reason == TOO_FAR and signs.moved >= MIN_SHIFT_SHARE:
        sentence = _TEXT["moved_too_far"].format(share=signs.moved)
        yield Trouble("moved", 0.2, sentence, {"share": round(signs.moved, 4)})
    elif registration.reason == TOO_PLAIN:
        yield Trouble("plain", 0.7, _TEXT["plain"])
    elif registration.reason and registration.after < MIN_ALIGNED:
        yield Trouble("unaligned", 0.3, _TEXT["unaligned"])
    elif signs.moved >= MIN_SHIFT_SHARE:
        sentence = _TEXT["moved"].format(share=signs.moved)
        yield Trouble("moved", 1 - 4 * signs.moved, sentence, {"share": round(signs.moved, 4)})


def _covered(signs: PairSigns) -> Iterator[Trouble]:
    if signs.covered < MIN_COVERED:
        sentence = _TEXT["covered"].format(share=signs.covered)
        yield Trouble("covered", min(0.9, signs.covered), sentence)


def _most(signs: PairSigns) -> Iterator[Trouble]:
    if signs.changed > MAX_FOREGROUND_SHARE:
        sentence = _TEXT["most"].format(share=signs.changed)
        yield Trouble("most", 0.3, sentence, {"share": round(signs.changed, 4)})


def _stirring(signs: PairSigns) -> Iterator[Trouble]:
    """Photos that could not be matched differ everywhere, without outlines."""
    if any(_without_colour(signs)) or any(_unmatched(signs)) or signs.swapped:
        return
    if signs.stirring and (
        not signs.registration.reason or signs.registration.after >= MIN_ALIGNED
    ):
        yield Trouble("stirring", 0.4, _TEXT["stirring"])


def _gone(signs: PairSigns) -> Iterator[Trouble]:
    if not signs.gone and (signs.mixed < MIN_MIXED or signs.swapped or signs.stirring):
        return
    outcome = _TEXT["gone_left_out" if signs.gone else "gone_kept"]
    sentence = _TEXT["gone"].format(outcome=outcome)
    parts = [
        {"box": [round(side, 3) for side in part.box], "share": round(part.share, 4)}
        for part in signs.gone
    ]
    yield Trouble("gone", 0.5, sentence, {"parts": parts})


def _unmatched(signs: PairSigns) -> Iterator[Trouble]:
    reason = signs.light.reason
    if reason in ("", NOT_MATCHED.reason) or any(_without_colour(signs)):
        return
    sentence = _TEXT["light"].format(reason=reason)
    yield Trouble("light", 0.3, sentence, _light_numbers(signs))


def _exposure(signs: PairSigns) -> Iterator[Trouble]:
    light = signs.light
    if light.reason or any(_without_colour(signs)):
        return
    if abs(light.stops) >= MIN_EXPOSURE_STOPS:
        sentence = _TEXT["exposure"].format(stops=abs(light.stops))
        yield Trouble("exposure", 1 - 0.15 * abs(light.stops), sentence, _light_numbers(signs))
    if light.tint >= MIN_TINT_STOPS:
        sentence = _TEXT["balance"].format(stops=light.tint)
        yield Trouble("balance", 1 - 0.15 * light.tint, sentence, _light_numbers(signs))


def _blurred(signs: PairSigns) -> Iterator[Trouble]:
    octaves = np.subtract(signs.background.sharpness, signs.image.sharpness)
    worst = float(max(octaves, key=abs))
    if abs(worst) > MAX_BLUR_OCTAVES:
        name, other = ("image", "background") if worst > 0 else ("background", "image")
        sentence = _TEXT["blurred"].format(photo=name, other=other)
        yield Trouble("blurred", 0.6, sentence, {"photo": name})


def _without_colour(signs: PairSigns) -> Iterator[Trouble]:
    """Troubles of colour that explain why the light was not matched."""
    yield from _exchanged(signs)
    yield from _grey(signs)


def _light_numbers(signs: PairSigns) -> dict[str, object]:
    return {"stops": round(signs.light.stops, 2), "tint_stops": round(signs.light.tint, 2)}


def _named(signs: PairSigns) -> tuple[tuple[str, Colours, Colours], ...]:
    """Both photos, each with its name and the other."""
    background, image = signs.background, signs.image
    return ("background", background, image), ("image", image, background)


Check = Callable[[PairSigns], Iterator[Trouble]]
_EXPLAIN_ALL: tuple[Check, ...] = (_same, _blank, _mirrored, _changed)
_OTHERS: tuple[Check, ...] = (
    _swapped, _exchanged, _grey, _unaligned, _covered, _most, _stirring, _gone, _unmatched,
    _exposure, _blurred,
)  # fmt: skip
