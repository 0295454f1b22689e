"""The empty scene of a clip: given by photos, or learned from the clip itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from depthmask.errors import ClipError
from depthmask.inference.background import (
    FRAME_SIDE,
    MAX_FRAMES,
    Background,
    frame,
)
from depthmask.inference.capture import CANDIDATE_SIDE, EmptyScene, is_moving
from depthmask.inference.clean_plate import learn_occupied
from depthmask.inference.predictor import Predictor
from depthmask.inference.steadying import Stand, Steadier, find_stand
from depthmask.pictures import Mask, Picture
from depthmask.pictures.resize import fit_size, resize, shrink_by_halves

SAMPLES = MAX_FRAMES  # frames of a clip, spread over it, from which a scene is learned
SAMPLE_SIDE = FRAME_SIDE  # pixels at most, of their longest side
MIN_TOLD = 0.002  # of the picture; less that was never seen is not worth a sentence


@dataclass(frozen=True, eq=False)
class ClipScene:
    """What the frames of a clip, or of a part of it, are compared with."""

    empty: EmptyScene  # of the frames' size
    unknown: Mask | None  # (H, W): what is not known of the scene; None: all is
    steadier: Steadier | None  # follows the camera; None: it is taken to stand still
    sentences: tuple[str, ...]  # for the user

    @property
    def known(self) -> float:
        """Share of the picture of which the empty scene is known."""
        return 1.0 if self.unknown is None else 1 - float(self.unknown.mean())


def learn_scene(
    frames: Sequence[Picture], size: tuple[int, int], predictor: Predictor, *, align: bool = True
) -> ClipScene:
    """Learns the empty scene from frames in which something may stand.

    Args:
        frames: About `SAMPLES` of them, (h, w, 3), uint8, RGB, spread over the clip.
        size: Height and width of the clip's frames.
        predictor: Finds what stands in them.
        align: Follow a camera that shakes.

    Raises:
        ClipError: The camera moves, or there are fewer than two frames.
    """
    if len(frames) < 2:
        raise ClipError(
            "A scene is learned from two frames or more; give a longer clip, or a photo of "
            "the empty scene."
        )
    stand = _stand(frames) if align else Stand(frames[0], tuple(frames), len(frames))
    learned = learn_occupied(stand.steadied, predictor, align=False)
    candidates = learned.candidates if is_moving(learned.candidates) else ()
    unknown = None if learned.is_seen else _mask(learned.unseen, size)
    sentences: tuple[str, ...] = ()
    if unknown is not None and unknown.mean() >= MIN_TOLD:
        sentences = (
            f"{unknown.mean():.1%} of the picture is never free in the clip; nothing is cut out "
            "there. A photo of the empty scene would show it.",
        )
    return _scene(learned.plate, candidates, unknown, size, sentences, align=align)


def lay_scene(
    background: Background,
    frames: Sequence[Picture],
    size: tuple[int, int],
    predictor: Predictor,
    *,
    align: bool = True,
) -> ClipScene:
    """Lays a background on a clip, and says how well it fits.

    Args:
        background: One photo, (h, w, 3), uint8, RGB, or a learned one.
        frames: As for `learn_scene`.
        size: Height and width of the clip's frames.
        predictor: Compares the two.
        align: Move the background to where the camera stands, and follow a camera that shakes.

    Raises:
        ClipError: The camera moves.
    """
    reference = resize(_stand(frames).reference if align else frames[0], *size)
    framed = frame(background, reference, align=align)
    plate, *others = framed.pictures
    found = predictor.predict(background, reference, align=align, refine=False).pair
    is_told = found is not None and found.quality.verdict != "good"
    sentences = tuple(found.quality.sentences) if found and is_told else ()
    unknown = None if framed.unknown is None else _mask(framed.unknown, size)
    return _scene(plate, (plate, *others) if others else (), unknown, size, sentences, align=align)


def captured_scene(empty: EmptyScene) -> ClipScene:
    """The scene of a capture, see `capture.learn`; a camera that shakes is followed."""
    # an agreement of 0 switches the search for bumps off: the camera is followed in each frame
    return ClipScene(replace(empty, agreement=0.0), None, Steadier(empty.picture), ())


def _stand(frames: Sequence[Picture]) -> Stand:
    stand = find_stand(frames)
    if stand.is_moving:
        raise ClipError(
            f"The camera moves, or the clip is cut: only {len(stand.steadied)} of {stand.frames} "
            "frames spread over it show the scene from one place. Use a clip of a camera that "
            "stands still."
        )
    return stand


def _scene(
    plate: Picture,
    candidates: Sequence[Picture],
    unknown: Mask | None,
    size: tuple[int, int],
    sentences: tuple[str, ...],
    *,
    align: bool,
) -> ClipScene:
    picture = resize(plate, *size)
    small = fit_size(size, CANDIDATE_SIDE)
    copies = tuple(shrink_by_halves(each, *small) for each in candidates)
    # an agreement of 0 switches the search for bumps off: the camera is followed in each frame
    empty = EmptyScene(picture, 0.0, 0.0, copies)
    return ClipScene(empty, unknown, Steadier(picture) if align else None, sentences)


def _mask(unknown: Mask, size: tuple[int, int]) -> Mask:
    return np.asarray(resize(unknown.astype(np.uint8), *size) > 0)
