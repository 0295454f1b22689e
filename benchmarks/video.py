"""The whole of `depthmask video` beside the network alone, stage by stage; and its memory.

    python -m benchmarks.video [--sizes WxH ...] [--frames N] [--rounds N] [--out NAME]
    python -m benchmarks.video --memory N

Clips are made from `examples/`: an object moves over its background, every frame has noise of its
own, so that no frame can be taken over from the one before. The network alone and the whole command
take turns with as many frames. The rates are by the clock. "CPU" is the processor's time of all
threads, in ms a frame: of the network, and of all else, for which a stand-in takes its place. Their
share bears a machine that is busy otherwise.

With --memory, the command runs over a clip of N small frames, with a network that is told what to
find, and what the process has in memory is printed now and then.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np

from benchmarks.command import resident_megabytes, run
from benchmarks.pipeline import parse_size
from depthmask.backends.base import BatchBackend, LockedBackend
from depthmask.clips import read_clip
from depthmask.files import EXAMPLES
from depthmask.inference import clip_run
from depthmask.inference.capture import EmptyScene
from depthmask.inference.clip_look import Look
from depthmask.inference.clip_output import ClipFile
from depthmask.inference.clip_scene import ClipScene, lay_scene
from depthmask.inference.predictor import Predictor, network_size
from depthmask.inference.steadying import Steadier
from depthmask.inference.transforms import translation, warped
from depthmask.pictures import Map, Picture, read_mask, read_picture
from depthmask.pictures.resize import resize
from depthmask.progress import Progress

SIZES = ("640x480", "1280x720", "1920x1080")
NAME = "teddy"  # of an example
NOISE = 3.0  # levels
TOLD = 1000  # frames between two lines about memory


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--sizes", nargs="+", default=SIZES, metavar="WxH", help="of the frames")
    add("--frames", type=int, default=20, help="of each clip (%(default)s)")
    add("--rounds", type=int, default=3, help="of the network alone and the command, in turns")
    add("--out", default="out.webm", metavar="NAME", help="its ending says what is written")
    add("--backend", default="auto", help="as for depthmask video")
    add("--memory", type=int, metavar="N", help="watch the memory over so many frames instead")
    options = parser.parse_args()
    sizes = [parse_size(text) for text in options.sizes]
    if options.memory:
        watch_memory(options.memory)
        return
    predictor = Predictor(backend=options.backend)
    print("| size | command, frames/s | network alone | share | CPU: network | the rest | share |")
    print("|---|---|---|---|---|---|---|")
    for width, height in sizes:
        measure(predictor, options, height, width)


def measure(predictor: Predictor, options: argparse.Namespace, height: int, width: int) -> None:
    """Prints the row of a size, and how long each stage waited."""
    backend = cast(BatchBackend, predictor.backend)
    size = network_size(height, width, predictor.resolution)
    look = Look("sides" if options.out.endswith("mp4") else "cutout")
    alone, command, rest, frames = Clock(), Clock(), Clock(), 0
    stages: defaultdict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        clip = read_clip(draw(folder / "clip.mp4", height, width, options.frames))
        background, image, _ = example(height, width)
        scene = lay_scene(background, [image], (height, width), predictor)
        small = [resize(picture, *size)[None] for picture in (background, image)]
        job = clip_run.Job(clip, [(Fraction(0), scene)], backend, size, look)
        for _ in range(options.rounds):
            with alone:
                for _ in range(options.frames):
                    backend.run_batch(*small, tasks=("mask",))
            for clock, network in ((command, backend), (rest, Told())):
                output = ClipFile(folder / options.out, clip, look.size(height, width), folder)
                with clock:
                    outcome = clip_run.convert(
                        replace(job, backend=network),
                        output,
                        None,
                        stop=threading.Event(),
                        tell=lambda _: None,
                    )
                if clock is command:
                    frames += outcome.frames
                    for stage, seconds in outcome.seconds.items():
                        stages[stage] += 1000 * seconds
    cpu = [1000 * clock.cpu / frames for clock in (alone, rest)]
    print(
        f"| {width}x{height} | {frames / command.seconds:.2f} | {frames / alone.seconds:.2f} | "
        f"{alone.seconds / command.seconds:.0%} | {cpu[0]:.0f} | {cpu[1]:.0f} | "
        f"{cpu[0] / sum(cpu):.0%} |",
        flush=True,
    )
    told = "".join(f", {stage} {value / frames:.1f}" for stage, value in stages.items())
    print(f"ms a frame by the clock{told}", file=sys.stderr, flush=True)


class Clock:
    """Adds up the time that is spent within: by the clock, and the processor's of all threads."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    def __enter__(self) -> None:
        self._start, self._cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start
        self.cpu += time.process_time() - self._cpu


def example(height: int, width: int) -> tuple[Picture, Picture, Map]:
    """Background, image and mask of an example in a size."""
    folder = EXAMPLES / NAME
    background, image = (
        resize(read_picture(folder / f"{part}.jpg"), height, width)
        for part in ("background", "image")
    )
    return (
        background,
        image,
        resize(read_mask(folder / "mask.png").astype(np.float32), height, width),
    )


def draw(path: Path, height: int, width: int, count: int) -> Path:
    """Encodes a clip whose object moves back and forth, with noise in each frame."""
    background, image, mask = example(height, width)
    random = np.random.default_rng(0)
    noises = [random.normal(0, NOISE, background.shape).astype(np.float32) for _ in range(5)]
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "20", "preset": "veryfast"})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for index in range(count):
            shift = translation(0.2 * width * np.sin(2 * np.pi * index / 50), 0)
            front, alpha = warped(image, shift, height, width), warped(mask, shift, height, width)
            frame = background + (front.astype(np.float32) - background) * alpha[..., None]
            frame = (frame + noises[index % 5]).clip(0, 255)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame.astype(np.uint8))))
        output.mux(stream.encode(None))
    return path


class Told(LockedBackend):
    """Stands in for the network: what differs by 40 levels is foreground."""

    name, precision, device, resolution = "none", "none", "cpu", 64

    def _run_batch(self, backgrounds: Picture, images: Picture) -> dict[str, Map]:
        change = np.abs(images.astype(np.float32) - backgrounds).max(axis=-1)
        return {"mask": (change > 40).astype(np.float32), "depth": np.ones_like(change)}


def watch_memory(count: int) -> None:
    """Runs over a clip of so many small frames, and prints memory and time now and then."""
    height, width = 96, 128
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        clip = read_clip(draw(folder / "clip.mp4", height, width, count))
        background = example(height, width)[0]
        empty = EmptyScene(background, 0.0, 0.0)
        scene = ClipScene(empty, None, Steadier(background), ())
        job = clip_run.Job(clip, [(Fraction(0), scene)], Told(), (64, 96), Look("cutout"))
        picture = ClipFile(folder / "out.webm", clip, (height, width), folder)
        done = Progress(count, "frames", lambda _: None)
        print("frames  memory, MB  frames/s")

        def tell(number: int) -> None:
            done.add(number)
            if done.made % TOLD == 0:
                print(f"{done.made:6}  {resident_megabytes():10.1f}  {done.rate:8.0f}", flush=True)

        clip_run.convert(job, picture, None, stop=threading.Event(), tell=tell)


if __name__ == "__main__":
    sys.exit(run(main))
