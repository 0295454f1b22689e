"""Takes out of a mask what the background photo shows and the image does not.

Somebody who left between the photos is as different as somebody who came. A person who stepped
aside is both, and often one connected part of the mask: it is cut by the colours of the image.
"""

import cv2
import numpy as np

from depthmask.inference.grabcut import grab_cut
from depthmask.inference.outlines import (
    LOCAL_EVIDENCE,
    MIN_GONE_EVIDENCE,
    MIN_MASK_SHARE,
    Outlines,
    Part,
    find_outlines,
    local_evidence,
)
from depthmask.pictures import Map, Mask, Picture

MIN_GONE_BORDER = 0.25  # see `Part.gone`; a part with more may be cut
MAX_LEFT_BORDER = 0.6  # of `Part.gone`: a cut leaves less of it
MIN_CUT_EVIDENCE = 0.1  # of what is cut off
SEED_PIXELS = 9  # around a piece of the border that are sure to be like it
GRABCUT_ROUNDS = 2


def find_gone(
    background: Picture, image: Picture, mask: Map, outlines: Outlines
) -> tuple[Part, ...]:
    """Finds what only the background shows.

    Args:
        background: (h, w, 3), uint8, RGB, in the image's frame and light.
        image: (h, w, 3), uint8, RGB.
        mask: (h, w), in [0, 1].
        outlines: Of these.
    """
    gone: list[Part] = []
    for part in outlines.parts:
        if part.evidence > MIN_GONE_EVIDENCE:
            gone.append(part)
        elif part.gone > MIN_GONE_BORDER:
            gone.extend(_cut(background, image, mask, part))
    return tuple(gone)


def leave_out(mask: Map, parts: tuple[Part, ...]) -> Map:
    """Takes parts out of a mask, (h, w), with their soft edges."""
    if not parts:
        return mask
    gone = np.any([part.where for part in parts], axis=0)
    kept = (mask > 0.5) & ~gone
    edges = cv2.dilate(gone.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return np.where(edges & ~kept, np.float32(0), mask)


def _cut(background: Picture, image: Picture, mask: Map, part: Part) -> tuple[Part, ...]:
    """What is gone of a part that is partly gone; nothing where that is not sure."""
    alone = np.where(part.where, mask, np.float32(0))
    kept = _grabcut(image, mask > 0.5, part.where, *local_evidence(background, image, alone))
    rest = part.where & ~kept
    if min(np.count_nonzero(kept), np.count_nonzero(rest)) < MIN_MASK_SHARE * mask.size:
        return ()
    before = find_outlines(background, image, np.where(kept, alone, np.float32(0)))
    behind = find_outlines(background, image, np.where(rest, alone, np.float32(0)))
    left = sum(x.gone * x.share for x in before.parts) / max(
        sum(x.share for x in before.parts), 1e-6
    )
    if before.evidence >= part.evidence or left > MAX_LEFT_BORDER * part.gone:
        return ()
    return tuple(x for x in behind.parts if x.evidence > MIN_CUT_EVIDENCE)


def _grabcut(image: Picture, foreground: Mask, part: Mask, evidence: Map, border: Mask) -> Mask:
    """The pixels of a part that look as what came, rather than as the scene around it: (h, w)."""
    gone, came = (
        cv2.blur((border & where).astype(np.float32), (SEED_PIXELS, SEED_PIXELS))
        for where in (evidence > LOCAL_EVIDENCE, evidence < -LOCAL_EVIDENCE)
    )
    classes = np.full(part.shape, cv2.GC_BGD, np.uint8)
    classes[part] = cv2.GC_PR_FGD
    classes[part & (gone > came)] = cv2.GC_PR_BGD
    classes[part & (came > gone)] = cv2.GC_FGD
    others = foreground & ~part  # nothing is known of them
    if not (classes == cv2.GC_FGD).any() or not (classes[~others] == cv2.GC_BGD).any():
        return part
    kept = (part & grab_cut(image, classes, GRABCUT_ROUNDS)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    clean = cv2.morphologyEx(cv2.morphologyEx(kept, cv2.MORPH_OPEN, disc), cv2.MORPH_CLOSE, disc)
    return np.asarray(clean > 0) & part
