"""Writes what the static page in web/ takes from Python, and the colours of saved results.

    python -m tools.web_fixtures

- web/tests/golden.json: what Python computes of small inputs, and web/src must compute too
- web/src/app/shared.json: markup and constants of the tabs
- web/src/colours.css, depthmask/app/photos/page_colours.js: the colours

`tests/web` fails where one of them is out of date.
"""

import argparse
import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from depthmask.app.examples import find_examples
from depthmask.app.live.markup import markup as live_markup
from depthmask.app.live.quality import Quality, Rung
from depthmask.app.photos.downloads import DOWNLOADS
from depthmask.app.photos.markup import markup
from depthmask.app.photos.scene import PREVIEW_SIDE, RELIEF_SIDE
from depthmask.inference.background import assemble, closest, learn_background
from depthmask.inference.capture import CAPTURE_FRAMES, MOVING_FRAMES, learn
from depthmask.inference.colours import Colours
from depthmask.inference.light import NOT_MATCHED, LightMatch, apply_light, match_light
from depthmask.inference.live_session import Session, step
from depthmask.inference.outlines import Part
from depthmask.inference.pair_quality import judge
from depthmask.inference.pair_signs import PairSigns, measure
from depthmask.inference.predictor import network_size
from depthmask.inference.refinement import enlarge_mask, refine_depth, steepen, unmix
from depthmask.inference.registration import NOT_REGISTERED, Registration, register
from depthmask.inference.transforms import translation, warped
from depthmask.network.checkpoint import SHIPPED, read_info
from depthmask.pictures import Map, Picture
from depthmask.pictures.resize import crop_to_aspect, resize, resize_by_halves
from depthmask.render.views import colour_depth
from depthmask.texts import TEXTS
from tools.site_colours import make_script, make_sheet

WEB = Path(__file__).resolve().parents[1] / "web"
GOLDEN, SHARED = WEB / "tests" / "golden.json", WEB / "src" / "app" / "shared.json"
COLOURS = {  # {file: what makes it}
    WEB / "src" / "colours.css": make_sheet,
    WEB.parent / "depthmask" / "app" / "photos" / "page_colours.js": make_script,
}
HEIGHT, WIDTH = 96, 128
STEP = 11  # of the numbers of a result, one in so many is written
_KEPT = ("moved", "covered", "changed", "same", "mirrored", "swapped", "stirring", "mixed", "hue")
SEEN = (48, 64)  # height and width that the stand-in for a network sees
PHOTOS = 8  # of which a background is learned
MOVED = (3.25, -2.5)  # pixels, between the photos of the moved pair
STRIPS = ((76, 116), (66, 126))  # rows of twice the background: too few, and enough, to align


def make_shared() -> dict[str, Any]:
    """What the page of the server and the static page have in common."""
    steps = np.linspace(0, 1, 256, dtype=np.float32)[None]
    examples = find_examples()
    return {
        "markup": markup(examples, served=False, thumbnail=lambda path: "data:,"),
        "live_markup": live_markup(),
        "examples": {each.name: each.title for each in examples},
        "palette": colour_depth(steps).tobytes().hex(),
        "preview_side": PREVIEW_SIDE,
        "relief_side": RELIEF_SIDE,
        "downloads": {name: DOWNLOADS[name].label for name in ("cutout", "mask", "depth")},
        "resolutions": {name: read_info(path).resolution for name, path in SHIPPED.items()},
    }


def make() -> dict[str, Any]:
    """Computes everything; arrays that are given are {"shape", "type", "data"}, in base64."""
    background, image, mask = _pair()
    depth = np.linspace(0.3, 0.9, mask.size, dtype=np.float32).reshape(mask.shape)
    low_mask, low_depth = (resize(x, 24, 32) for x in (mask, depth))
    large = steepen(enlarge_mask(low_mask, HEIGHT, WIDTH))
    light = match_light(background, image)
    moved = warped(background, translation(*MOVED), HEIGHT, WIDTH)
    wide = resize(background, 2 * HEIGHT, 2 * WIDTH)
    return {
        "background": _packed(background),
        "image": _packed(image),
        "moved": _packed(moved),
        "low_mask": _packed(low_mask),
        "low_depth": _packed(low_depth),
        "network_size": [
            {"given": given, "size": network_size(*given)}
            for given in ((720, 960, 224), (3000, 4000, 224), (1, 5000, 224), (540, 720, 256))
        ],
        "resized": [_some(resize(image, *size)) for size in ((32, 64), (50, 50), (150, 100))],
        "halved": _some(resize_by_halves(image, 20, 30)),
        "cropped": _some(crop_to_aspect(image, 100, 100)),
        "light": _light(light),
        "lit": _some(apply_light(background, light)),
        "mask": _some(large),
        "depth": _some(refine_depth(low_depth, low_mask, large)),
        "unmixed": _some(unmix(image, background, large)),
        "registrations": [
            {"pair": ["background", "image"], **_registration(register(background, image))},
            {"pair": ["background", "moved"], **_registration(register(background, moved))},
        ],
        "strips": [
            {
                "rows": rows,
                "accepted": found.accepted,
                "reason": found.reason,
                "overlap": found.overlap,
            }
            for rows in STRIPS
            for found in (register(wide[slice(*rows)], wide),)
        ],
        "learned": _learned(background),
        "captured": _captured([passing(background, number) for number in range(MOVING_FRAMES)]),
        "live": _live(background, image, moved),
        "qualities": _qualities(),
        "signs": _signs(
            measure(background, image, mask, register(background, image), light, moved=0.001)
        ),
        "judged": [
            {"signs": _signs(signs), "verdict": found.verdict, "sentences": found.sentences}
            for signs in _cases()
            for found in (judge(signs),)
        ],
    }


def _pair() -> tuple[Picture, Picture, Map]:
    """A textured wall, the same brighter with a disc before it, and the disc's mask."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(40, 200, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.float32)
    wall = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    background = np.clip(wall, 20, 220).astype(np.uint8)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.clip(24.5 - np.hypot(x - 70, y - 50), 0, 1).astype(np.float32)[..., None]
    brighter = np.clip(background * 1.1, 0, 255)
    image = brighter * (1 - mask) + np.array((225, 90, 40), np.float32) * mask
    return background, np.rint(image).astype(np.uint8), mask[..., 0]


def _learned(wall: Picture) -> dict[str, Any]:
    """A background learned of photos in which leaves move and a block passes, and its use."""
    learned = learn_background([passing(wall, number) for number in range(PHOTOS)])
    image = passing(wall, PHOTOS + 1)
    choice = closest(learned.candidates, image)
    return {
        "plate": _some(learned.plate),
        "frames": [_some(learned.frames[number]) for number in (0, 3)],
        "unseen": int(learned.unseen.sum()),
        "choice": _some(choice),
        "seen": _some(assemble(learned.candidates, choice)),
    }


def _captured(frames: Sequence[Picture]) -> dict[str, Any]:
    found = learn(frames, _compare, size=SEEN)
    return {
        "picture": _some(found.picture),
        "candidates": len(found.candidates),
        "selfCheck": found.self_check,
        "agreement": found.agreement,
    }


def _live(background: Picture, image: Picture, moved: Picture) -> dict[str, Any]:
    """A capture, an empty scene, something that moves through it, and a camera that is bumped."""
    empty = [_noisy(background, number) for number in range(CAPTURE_FRAMES)]
    session = Session(learn(empty, _compare, size=SEEN))
    frames = [*empty[:8], *(_noisy(passing(image, k % 8), k) for k in range(24))]
    frames += [_noisy(moved, number) for number in range(5)]
    sights = []
    for number, frame in enumerate(frames):
        session, sight = step(session, frame, _compare, size=SEEN)
        told = {"health": sight.health, "unchanged": sight.unchanged, "gain": list(sight.gain.gain)}
        assert sight.depth is not None
        maps = {"mask": _some(sight.mask), "depth": _some(sight.depth)} if number % 4 == 0 else {}
        sights.append({**told, **maps})
    return {"captured": _captured(empty), "sights": sights}


def _compare(background: Picture, image: Picture, tasks: Sequence[str]) -> dict[str, Map]:
    """Stands in for a network; it predicts all tasks."""
    change = cv2.absdiff(background, image).max(axis=2).astype(np.float32)
    mask = np.clip((change - 20) / 40, 0, 1)
    return {"mask": mask, "depth": 0.8 - 0.5 * mask}


def _noisy(picture: Picture, number: int) -> Picture:
    """A picture as a camera has it; golden.test.js draws the same."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = (x * 7 + y * 13 + number * 29) % 5 - 2
    return np.clip(picture + noise[..., None], 0, 255).astype(np.uint8)


def _qualities() -> list[dict[str, Any]]:
    """The quality after each of some frames, by the milliseconds that they took."""
    quality = Quality([Rung(resolution, 1) for resolution in (224, 160, 112)])
    found = []
    for network_ms, others_ms, frames in ((90, 5, 5), (200, 20, 8), (9, 4, 300), (1, 4, 300)):
        for _ in range(frames):
            quality.note(network_ms, others_ms)
        found.append(
            {
                "given": [network_ms, others_ms, frames],
                "resolution": quality.rung.resolution,
                "sentence": quality.sentence,
            }
        )
    return found


def passing(wall: Picture, number: int) -> Picture:
    """One of several photos of a wall; golden.test.js draws the same."""
    picture = wall.copy()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    light = ((x // 8 * 31 + y // 8 * 17 + number % 3 * 5) % 7 < 3)[..., None]
    leaves = np.where(light, (150, 200, 120), (40, 110, 30)).astype(np.uint8)
    picture[:, 96:] = leaves[:, 96:]
    picture[30:60, 12 * number : 12 * number + 12] = (250, 20, 30)
    return picture


def _cases() -> list[PairSigns]:
    """Signs of each trouble."""
    good = Registration(False, "", 0.1, 1.0, 0.95, 0.95, None)
    text = TEXTS["registration"]

    def failed(reason: str, after: float) -> Registration:
        return Registration(False, text[reason], 0.0, 1.0, after, after, None)

    def light(stops: float, tint: float = 0.0, reason: str = "") -> LightMatch:
        return LightMatch(np.full(3, 2.0**stops), stops, not reason, reason, tint)

    sharp = Colours(sharpness=(2.0, 0.0, 0.0, 0.0))
    part = Part(np.ones((2, 2), bool), (0.0, 0.0, 0.5, 0.5), 0.1, 0.5, 0.4)
    fine = light(0.05)
    return [
        PairSigns(good, fine),
        PairSigns(NOT_REGISTERED, NOT_MATCHED),
        PairSigns(good, fine, same=True),
        PairSigns(good, fine, background=Colours(dark=0.99), image=Colours(dark=0.1)),
        PairSigns(good, fine, image=Colours(bright=0.99)),
        PairSigns(good, fine, mirrored=True),
        PairSigns(failed("no_match", 0.05), fine, changed=0.9),
        PairSigns(good, fine, swapped=True),
        PairSigns(good, fine, hue=-0.6),
        PairSigns(good, fine, image=Colours(coloured=0.0)),
        PairSigns(failed("too_small", 0.5), fine),
        PairSigns(failed("too_far", 0.5), fine, moved=0.256),
        PairSigns(failed("too_plain", 0.5), fine),
        PairSigns(failed("no_match", 0.28), fine),
        PairSigns(good, fine, moved=0.034),
        PairSigns(good, fine, covered=0.62),
        PairSigns(good, fine, changed=0.85),
        PairSigns(good, fine, stirring=True),
        PairSigns(good, fine, gone=(part,)),
        PairSigns(good, fine, mixed=0.4),
        PairSigns(good, light(0.0, reason=TEXTS["light"]["no_gain"])),
        PairSigns(good, light(-1.6, 0.8), moved=0.02, background=sharp),
    ]


def _signs(signs: PairSigns) -> dict[str, Any]:
    """Signs as web/src has them."""
    return {
        "registration": _registration(signs.registration),
        "light": _light(signs.light),
        **{name: getattr(signs, name) for name in _KEPT},
        "gone": [{"share": part.share} for part in signs.gone],
        "background": _colours(signs.background),
        "image": _colours(signs.image),
    }


def _colours(colours: Colours) -> dict[str, Any]:
    found = colours._asdict()
    return {"hueSpread": found.pop("hue_spread"), **found}


def _light(light: LightMatch) -> dict[str, Any]:
    return {**asdict(light), "gain": light.gain.tolist()}


def _registration(found: Registration) -> dict[str, Any]:
    kept = ("accepted", "reason", "shift", "overlap", "before", "after")
    return {name: getattr(found, name) for name in kept}


def _packed(values: npt.NDArray[Any]) -> dict[str, Any]:
    data = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
    return {"shape": values.shape, "type": values.dtype.name, "data": data}


def _some(values: npt.NDArray[Any]) -> dict[str, Any]:
    numbers = values.reshape(-1)[::STEP].tolist()
    return {"shape": values.shape, "step": STEP, "numbers": [round(x, 4) for x in numbers]}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    GOLDEN.write_text(json.dumps(make()) + "\n", "utf-8")
    shared = json.dumps(make_shared(), indent=1, ensure_ascii=False)
    SHARED.write_text(shared + "\n", "utf-8")
    for path, make_file in COLOURS.items():
        path.write_text(make_file(), "utf-8")


if __name__ == "__main__":
    main()
