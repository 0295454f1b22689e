"""The background of a scene that is never empty: people walk through it, stop, and go on.

The photos vote as for any learned background. Where somebody stands for long, they are outvoted.
So the network compares each photo with the result, and the photos vote again without what it finds.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from depthmask.inference.background import LearnedBackground, kept_frames, vote, voting_size
from depthmask.inference.predictor import Predictor
from depthmask.pictures import Picture
from depthmask.pictures.resize import resize

ROUNDS = 2  # in which the network looks at the photos
MIN_COVERAGE = 0.3  # of a pixel by foreground, from which on it does not vote
EDGE = 7  # pixels of the copies that vote, side of the square by which foreground is widened


def learn_occupied(
    photos: Iterable[Picture], predictor: Predictor, *, align: bool = True
) -> LearnedBackground:
    """Learns the empty scene from photos in each of which something may stand.

    Who stands in the same place in all photos, or in nearly all, belongs to the scene.

    Args:
        photos: At least two, (h, w, 3), uint8, RGB, in the order in which they were taken.
        predictor: Finds what stands in them.
        align: As for `learn_background`.

    Returns:
        What is hidden in all photos is `unseen`.

    Raises:
        PictureError: There are fewer than two photos.
    """
    frames = kept_frames(photos, align=align)
    learned = vote(frames)
    size = voting_size(frames[0])
    for _ in range(ROUNDS):
        found = (
            predictor.predict(learned.plate, each, align=False, refine=False).mask
            for each in frames
        )
        masks = [(resize(mask, *size) > MIN_COVERAGE).astype(np.uint8) for mask in found]
        wide = [cv2.dilate(mask, np.ones((EDGE, EDGE), np.uint8)) for mask in masks]
        learned = vote(frames, np.stack(wide) > 0)
    return learned
