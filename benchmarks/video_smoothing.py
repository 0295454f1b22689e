"""How much the smoothing of `depthmask video` steadies, and what it costs where something moves.

    python -m benchmarks.video_smoothing [--sequences FOLDER] [--frames N] [--sheet FILE]

Clips are made from `examples/`: the object stands, moves by 7 pixels a frame, and stands again.
Each frame has noise and JPEG artefacts of its own, the light rises by a fifth of a stop, and in one
clip the camera shakes. FOLDER has real sequences, laid out as `depthmask evaluate --help` tells,
whose frames are far apart in time. "live" is the smoothing of the Live tab, which knows no later
frames.

All is measured at the network's size, where the background has it. dtSSD (Erofeev et al. 2015) is
the root of the mean square by which the change from frame to frame differs from that of the truth,
in thousandths; flicker is the mean change where the truth does not change, likewise. Trail is the
mean of the mask where the object was in one of the last three frames and is no more; late is what
is missing of it where it has just come to.
"""

import argparse
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.command import check_folders, check_outputs, run
from depthmask.backends.base import BatchBackend
from depthmask.evaluation.frames import background_of, frames_with_truth
from depthmask.files import EXAMPLES
from depthmask.inference import live_session as live
from depthmask.inference.capture import EmptyScene
from depthmask.inference.clip import ClipState, Seen, see_frame
from depthmask.inference.clip_scene import ClipScene
from depthmask.inference.clip_smoothing import Smoother
from depthmask.inference.predictor import Predictor, network_size
from depthmask.inference.steadying import Steadier
from depthmask.inference.transforms import translation, warped
from depthmask.pictures import IGNORED_LABELS, Map, Picture, read_labels, read_mask, read_picture
from depthmask.pictures.resize import resize

HEIGHT, WIDTH = 480, 640
STEP = 7  # pixels a frame
NOISE = 3.0  # levels
DRIFT = 0.2  # stops over a clip
JPEG_QUALITY = 85
TRAIL = 3  # frames
CLIPS = {"teddy": 0.0, "desk": 1.5, "astronaut": 0.0}  # pixels, deviation of the camera

Maps = npt.NDArray[np.float32]  # (N, h, w)


class Clip(NamedTuple):
    """A clip and the masks of its frames."""

    name: str
    background: Picture  # (H, W, 3)
    frames: list[Picture]
    truth: list[Map]  # (H, W), where the background has it; NaN: not known


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--sequences", type=Path, metavar="FOLDER", help="real ones, with ground truth")
    add("--frames", type=int, default=36, help="of each clip (%(default)s)")
    add("--sheet", type=Path, metavar="FILE", help="draw frames and masks of each clip")
    options = parser.parse_args()
    check_folders(options.sequences)
    check_outputs(options.sheet)
    predictor = Predictor()
    rows = []
    print(
        "| clip | smoothing | dtSSD | flicker | IoU | trail | late |\n|---|---|---|---|---|---|---|"
    )
    for clip in clips(options.sequences, options.frames):
        seen, truth = look(predictor, clip)
        ways = {
            "none": np.stack([each.mask for each in seen]),
            "live": np.stack(list(live_masks(seen))),
            "clip": np.stack(list(clip_masks(seen))),
        }
        for way, masks in ways.items():
            figures = " | ".join(f"{value:.4g}" for value in score(masks, truth))
            print(f"| {clip.name} | {way} | {figures} |", flush=True)
        rows += [sheet_row(seen, ways["clip"], truth, place) for place in (0.4, 0.6, 0.9)]
    if options.sheet:
        width = min(row.shape[1] for row in rows)
        Image.fromarray(np.vstack([row[:, :width] for row in rows])).save(options.sheet)


def clips(folder: Path | None, count: int) -> Iterator[Clip]:
    for seed, (name, jitter) in enumerate(CLIPS.items()):
        yield composed(name, count, jitter, seed)
    for place in sorted(folder.iterdir()) if folder else ():
        found = frames_with_truth(place, needed={"mask"})[:count]
        frames = [read_picture(each["image"]) for each in found]
        background = resize(read_picture(background_of(place)), *frames[0].shape[:2])
        labels = [read_labels(each["mask"]) for each in found]
        truth = [
            np.where(np.isin(each, IGNORED_LABELS), np.nan, each > 127).astype(np.float32)
            for each in labels
        ]
        yield Clip(place.name, background, frames, truth)


def composed(name: str, count: int, jitter: float, seed: int) -> Clip:
    """A clip of an example's object, which moves in the middle third."""
    folder, random = EXAMPLES / name, np.random.default_rng(seed)
    background, image = (
        resize(read_picture(folder / f"{part}.jpg"), HEIGHT, WIDTH)
        for part in ("background", "image")
    )
    mask = resize(read_mask(folder / "mask.png").astype(np.float32), HEIGHT, WIDTH)
    frames, truth = [], []
    for index in range(count):
        shift = translation(STEP * float(np.clip(index - count // 3, 0, count // 3)), 0)
        front, alpha = warped(image, shift, HEIGHT, WIDTH), warped(mask, shift, HEIGHT, WIDTH)
        frame = background + (front.astype(np.float32) - background) * alpha[..., None]
        shaken = translation(*random.normal(0, jitter, 2)) if jitter else np.eye(3)
        lit: Map = np.asarray(frame * 2 ** (DRIFT * index / count), np.float32)
        seen = warped(lit, shaken, HEIGHT, WIDTH)
        noisy = (seen + random.normal(0, NOISE, seen.shape)).clip(0, 255).astype(np.uint8)
        file = BytesIO()
        Image.fromarray(noisy).save(file, "JPEG", quality=JPEG_QUALITY)
        frames.append(np.asarray(Image.open(file)))
        truth.append(alpha)
    return Clip(f"{name}, camera shakes" if jitter else name, background, frames, truth)


def look(predictor: Predictor, clip: Clip) -> tuple[list[Seen], Maps]:
    """What is seen of each frame before it is smoothed, and the truth in that size."""
    height, width = clip.background.shape[:2]
    size = network_size(height, width, predictor.resolution)
    empty = EmptyScene(clip.background, 0.0, 0.0)
    scene = ClipScene(empty, None, Steadier(clip.background), ())
    state, found = ClipState.of(scene), []
    for frame in clip.frames:
        backend = cast(BatchBackend, predictor.backend)
        state, seen = see_frame(state, scene, frame, backend, size=size)
        found.append(seen)
    return found, np.stack([resize(each, *size) for each in clip.truth])


def live_masks(seen: list[Seen]) -> Iterator[Map]:
    session = live.Session(EmptyScene(seen[0].small, 0.0, 0.0))
    for each in seen:
        session = live.smooth(session, each.small, each.mask, None)
        assert session.mask is not None
        yield session.mask


def clip_masks(seen: list[Seen]) -> Iterator[Map]:
    smoother: Smoother[None] = Smoother()
    for each in seen:
        yield from (out.mask for _, out in smoother.add(None, each))
    yield from (out.mask for _, out in smoother.flush())


def score(masks: Maps, truth: Maps) -> list[float]:
    """dtSSD, flicker, IoU, trail and late."""
    known = np.isfinite(truth)
    masks, truth = np.where(known, masks, 0), np.where(known, truth, 0)
    change, true_change = np.diff(masks, axis=0), np.diff(truth, axis=0)
    inside, found = truth > 0.5, masks > 0.5
    left, came = np.zeros_like(inside), np.zeros_like(inside)
    for back in range(1, TRAIL + 1):
        left[back:] |= inside[:-back] & ~inside[back:]
    came[1:] = inside[1:] & ~inside[:-1]
    there = inside.any(axis=(1, 2))  # a frame without anything has no IoU
    shared = (found & inside).sum(axis=(1, 2)) / np.maximum((found | inside).sum(axis=(1, 2)), 1)
    return [
        1000 * float(np.sqrt(((change - true_change) ** 2).mean(axis=(1, 2))).mean()),
        1000 * float(np.abs(change)[np.abs(true_change) < 0.02].mean()),
        float(shared[there].mean()),
        float(masks[left].mean()) if left.any() else 0.0,
        float((1 - masks[came]).mean()) if came.any() else 0.0,
    ]


def sheet_row(seen: list[Seen], masks: Maps, truth: Maps, place: float) -> Picture:
    """A frame, its mask and the true one, side by side."""
    at = int(place * len(seen))
    greys = [(np.nan_to_num(each[at]) * 255).astype(np.uint8) for each in (masks, truth)]
    coloured = [np.asarray(cv2.cvtColor(each, cv2.COLOR_GRAY2RGB), np.uint8) for each in greys]
    return np.hstack([seen[at].small, *coloured])


if __name__ == "__main__":
    sys.exit(run(main))
