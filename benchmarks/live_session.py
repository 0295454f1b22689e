"""The live tab without its browser: what each stage of a frame takes, how much smoothing steadies,
and what it costs in ghosts and lateness.

    python -m benchmarks.live_session [FOLDER] [--frames N] [--quality NAME] [--resolution N]
    python -m benchmarks.live_session --minutes N [--quality NAME] [--resolution N]

The stages' times are by the clock, so other programs of the machine are in them; those of the
processor, of all threads, are not: "others" is all but the network. A frame of 640x480 should take
15 ms there. With `--backend torch`: threads of other runtimes may still be busy after the network.

With --minutes, two visitors send frames and leave again and again, and what the process has in
memory and on the disk is printed; nothing else is measured then.

Clips are made from `examples/`: the object stands still, then moves by 14 pixels a frame, every
frame with noise of its own. FOLDER, laid out as `python -m depthmask evaluate --help` tells, adds
real sequences, whose frames are far apart in time. Flicker is the mean change of mask and depth
from frame to frame where the truth does not change; ghosts are the share of what the object has
just left that is still foreground, late is the share of what it has just covered that is not yet.
"Keep" is the share of the last frame's value that stays: 0 is no smoothing, and what the tab has is
marked.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.command import check_folders, resident_megabytes, run
from depthmask.app.live.frames import jpeg_url
from depthmask.app.live.server import LiveServer
from depthmask.backends import Backend
from depthmask.backends.base import LockedBackend
from depthmask.evaluation.frames import background_of, frames_with_truth
from depthmask.files import EXAMPLES
from depthmask.inference import live_session as live
from depthmask.inference.capture import CAPTURE_FRAMES, EmptyScene
from depthmask.inference.predictor import Predictor, network_size
from depthmask.pictures import Map, Mask, Picture, read_mask, read_picture

HEIGHT, WIDTH = 480, 640
STEP = 14  # pixels a frame
NOISE = 3.0  # levels
KEEPS = (0.0, 0.5, 0.65, 0.8)
TOKENS = ("0" * 32, "1" * 32)
TELL_S = 15.0  # between two lines about memory and disk
STAY = 240  # frames until a visitor leaves and comes again


class Clip(NamedTuple):
    """A sequence with its truth."""

    name: str
    background: Picture  # (H, W, 3)
    frames: list[Picture]
    truth: list[Mask]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="sequences with ground truth")
    parser.add_argument("--frames", type=int, default=16, help="of each clip")
    parser.add_argument("--resolution", type=int, help="square root of the network's pixels")
    parser.add_argument("--quality", default="balanced", help="as demo.py has it")
    parser.add_argument("--backend", default="auto", help="likewise")
    parser.add_argument("--minutes", type=float, help="watch memory and disk for so long")
    options = parser.parse_args()
    check_folders(options.folder)
    predictor = Predictor(
        resolution=options.resolution, quality=options.quality, backend=options.backend
    )
    if options.minutes is not None:
        watch(predictor, options.minutes)
        return
    clips = [rendered(name, options.frames) for name in ("teddy", "desk")]
    if options.folder:
        clips += [real(folder, options.frames) for folder in sorted(options.folder.iterdir())]
    time_stages(predictor, clips[0])
    print("\nclip          keep  adaptive  flicker  of depth    IoU  ghosts   late")
    for clip in clips:
        measure_smoothing(predictor, clip)


def rendered(name: str, count: int) -> Clip:
    """An object of an example that stands for half of the frames and moves in the other half."""
    folder, rng = EXAMPLES / name, np.random.default_rng(0)
    size = (WIDTH, HEIGHT)
    background, image = (
        np.asarray(cv2.resize(read_picture(folder / f"{part}.jpg"), size), dtype=np.uint8)
        for part in ("background", "image")
    )
    mask = cv2.resize(read_mask(folder / "mask.png").astype(np.float32), size)
    frames, truth = [], []
    for place in range(count):
        shift = STEP * max(0, place - count // 2)
        matrix = np.array([[1, 0, shift], [0, 1, 0]], np.float64)
        alpha = cv2.warpAffine(mask, matrix, size)
        front = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT)
        frame = background + (front.astype(np.float32) - background) * alpha[..., None]
        frames.append((frame + rng.normal(0, NOISE, frame.shape)).clip(0, 255).astype(np.uint8))
        truth.append(np.asarray(alpha > 0.5))
    return Clip(name, background, frames, truth)


def real(folder: Path, count: int) -> Clip:
    found = frames_with_truth(folder, needed={"mask"})[:count]
    truth = [read_mask(frame["mask"]) for frame in found]
    frames = [read_picture(frame["image"]) for frame in found]
    return Clip(folder.name, read_picture(background_of(folder)), frames, truth)


class Clocked(LockedBackend):
    """A predictor's backend, and the processor's time that it has taken."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        real = predictor.backend
        assert isinstance(real, LockedBackend)
        self._real, self.resolution = real, predictor.resolution
        self.name, self.precision, self.device = real.name, real.precision, real.device
        self.seconds = 0.0

    @property
    def backend(self) -> Backend:
        return self

    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        return self._run_tasks(backgrounds, images, live.BOTH)

    def _run_tasks(
        self, backgrounds: Picture, images: Picture, tasks: Sequence[str]
    ) -> dict[str, Map]:
        start = time.process_time()
        maps = self._real.run_batch(backgrounds, images, tasks=tasks)
        self.seconds += time.process_time() - start
        return maps


def time_stages(predictor: Predictor, clip: Clip) -> None:
    """Prints milliseconds a frame of each stage, from the message of a page to the answer."""
    looks = Clocked(predictor)
    server = LiveServer(lambda: looks, debug=True)
    capture(server, TOKENS[0], clip.background)
    print(f"{WIDTH}x{HEIGHT}, network at {predictor.resolution} px, medians in milliseconds")
    stages, network, others, sizes = [], [], [], []
    for frame in clip.frames:
        message = {"token": TOKENS[0], "do": "frame", "frame": jpeg_url(frame)}
        looks.seconds, start = 0.0, time.process_time()
        answer = server.answer(message)
        if answer["mask"] is None:  # nothing moved, and nothing was predicted
            continue
        network.append(1000 * looks.seconds)
        others.append(1000 * (time.process_time() - start - looks.seconds))
        stages.append(answer["stages"])
        sizes.append(sum(len(answer[name] or "") for name in ("mask", "depth")))
    times = {stage: float(np.median([each[stage] for each in stages])) for stage in stages[0]}
    row = "  ".join(f"{stage} {value:.1f}" for stage, value in times.items())
    print(
        f"{row}  | processor: network {np.mean(network):.1f} in the mean, "
        f"others {np.median(others):.1f}, at most {max(others):.1f}  {np.mean(sizes) / 1024:.0f} KB"
    )


def capture(server: LiveServer, token: str, background: Picture) -> None:
    """Learns a background as a page does it."""
    frame, answer = jpeg_url(background), {}
    for place in range(CAPTURE_FRAMES):
        message = {"token": token, "do": "capture", "first": place == 0, "frame": frame}
        answer = server.answer(message)
    assert answer.get("captured"), answer


def watch(predictor: Predictor, minutes: float) -> None:
    """Prints memory and disk while visitors come, look and leave."""
    clips = [rendered(name, 16) for name in ("teddy", "desk")]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = folder
        server = LiveServer(lambda: predictor)
        print("minutes  frames  visitors  memory, MB  files  their MB")
        start, told, count = time.monotonic(), 0.0, 0
        while (passed := time.monotonic() - start) < 60 * minutes:
            for token, clip in zip(TOKENS, clips, strict=True):
                visit(server, token, clip, count)
            count += 1
            if passed - told >= TELL_S:
                told = passed
                print(
                    f"{passed / 60:7.2f}  {2 * count:6}  {len(server):8}  {usage(folder)}",
                    flush=True,
                )
        tempfile.tempdir = None


def visit(server: LiveServer, token: str, clip: Clip, count: int) -> None:
    """One frame of a visitor, and what is to be done before and after it."""
    place = count % STAY
    if place == 0:
        server.answer({"token": token, "do": "leave"})
        capture(server, token, clip.background)
    frame = jpeg_url(clip.frames[count % len(clip.frames)])
    answer = server.answer({"token": token, "do": "frame", "frame": frame, "at": 100 * count})
    assert "mask" in answer, answer


def usage(folder: str) -> str:
    """Megabytes in memory, and number and size of the files."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    return f"{resident_megabytes():10.1f}  {len(files):5}  {size:8.1f}"


def measure_smoothing(predictor: Predictor, clip: Clip) -> None:
    """Prints a row for each strength of smoothing, with and without regard to motion."""
    height, width = clip.frames[0].shape[:2]
    size = network_size(height, width, predictor.resolution)
    small = [shrunk(frame, size) for frame in clip.frames]
    empty = shrunk(clip.background, size)
    seen = [predictor.backend.run(empty, frame) for frame in small]
    truth = np.array([cv2.resize(true.astype(np.float32), size[::-1]) > 0.5 for true in clip.truth])
    for keep in KEEPS:
        for adaptive in (True, False) if keep else (True,):
            masks, depths = (
                np.array(maps) for maps in zip(*smoothed(small, seen, keep, adaptive), strict=True)
            )
            figures = score(masks, depths, truth)
            mark = "*" if adaptive and keep == live.SMOOTHING else " "
            row = f"{clip.name:10} {mark} {keep:5.2f}  {adaptive!s:8}"
            print(row + "".join(figures), flush=True)


def smoothed(
    frames: list[Picture], seen: list[dict[str, Map]], keep: float, adaptive: bool
) -> Iterator[tuple[Map, Map]]:
    """Mask and depth after each frame; without regard to motion, every frame looks alike."""
    session = live.Session(EmptyScene(frames[0], 0.0, 1.0))
    for frame, maps in zip(frames, seen, strict=True):
        shown = frame if adaptive else np.zeros_like(frame)
        session = live.smooth(session, shown, maps["mask"], maps["depth"], keep=keep)
        assert session.mask is not None and session.depth is not None
        yield session.mask, session.depth
        session = replace(session, count=session.count + 1)


def score(masks: Map, depths: Map, truth: Mask) -> list[str]:
    same = truth[1:] == truth[:-1]
    still = same.all(axis=(1, 2))
    if still.any():  # flicker is looked for where nothing moves at all
        same[~still] = False
    left, came = truth[:-1] & ~truth[1:], ~truth[:-1] & truth[1:]
    found = masks[1:] > 0.5
    overlap = [(a & b).sum() / max(1, (a | b).sum()) for a, b in zip(found, truth[1:], strict=True)]
    return [
        f"{np.abs(np.diff(masks, axis=0))[same].mean():9.5f}",
        f"{np.abs(np.diff(depths, axis=0))[same].mean():10.5f}",
        f"{np.mean(overlap):7.3f}",
        f"{(found & left).sum() / max(1, left.sum()):8.3f}",
        f"{(~found & came).sum() / max(1, came.sum()):7.3f}",
    ]


def shrunk(picture: Picture, size: tuple[int, int]) -> Picture:
    small = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


if __name__ == "__main__":
    sys.exit(run(main))
